package resources

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// flaw breaks a resource. It returns the field that is wrong then, and why, or false
// if this flaw does not apply to the resource.
type flaw func(m *Maker, object map[string]any) (field, why string, applies bool)

// is are flaws that set a field to a value that it must not have. In the field's path,
// [*] stands for any element.
func is(path string, values ...any) []flaw {
	var flaws []flaw
	for _, value := range values {
		flaws = append(flaws, func(m *Maker, object map[string]any) (string, string, bool) {
			field, applies := set(m, object, path, value)
			return field, fmt.Sprintf("is %.80q", fmt.Sprint(value)), applies
		})
	}
	return flaws
}

// breaks is a flaw that sets the field at to a value by which another, at path, becomes wrong.
func breaks(path, at string, value any) []flaw {
	return []flaw{func(m *Maker, object map[string]any) (string, string, bool) {
		field, applies := set(m, object, at, value)
		// Both are in the same elements.
		wrong := path
		for _, index := range indexes.FindAllString(field, -1) {
			wrong = strings.Replace(wrong, "[*]", index, 1)
		}
		return wrong, fmt.Sprintf("%s is %.80q", field, fmt.Sprint(value)), applies
	}}
}

var indexes = regexp.MustCompile(`\[\d+\]`)

// again is a flaw that puts the one element of a list into it once more. at is the field
// that is wrong then: the path itself, or its last element, for which [$] stands.
func again(path, at string, change func(element map[string]any)) []flaw {
	return []flaw{func(m *Maker, object map[string]any) (string, string, bool) {
		list, ok := get(object, path).([]any)
		if !ok || len(list) != 1 {
			return "", "", false
		}
		copied := copyOf(list[0])
		if element, ok := copied.(map[string]any); ok && change != nil {
			change(element)
		}
		_, applies := set(m, object, path, append(list, copied))
		return strings.Replace(at, "[$]", "[1]", 1), "has its element twice", applies
	}}
}

// all are flaws one after the other.
func all(flaws ...[]flaw) []flaw {
	var joined []flaw
	for _, f := range flaws {
		joined = append(joined, f...)
	}
	return joined
}

// many are n different values.
func many(n int, value func(i int) any) []any {
	values := make([]any, n)
	for i := range values {
		values[i] = value(i)
	}
	return values
}

var step = regexp.MustCompile(`^\.?([A-Za-z0-9]+)|^\[(\*|\d+)\]`)

// steps are the names and indexes that a path is made of.
func steps(path string) []string {
	var found []string
	for path != "" {
		match := step.FindStringSubmatch(path)
		if match == nil {
			panic("not a path: " + path)
		}
		found, path = append(found, match[1]+match[2]), path[len(match[0]):]
	}
	return found
}

// set sets the field at a path, and returns the path with the elements that were
// chosen. ok is false if there is no such element.
func set(m *Maker, object map[string]any, path string, value any) (field string, ok bool) {
	var at any = object
	all := steps(path)
	for i, name := range all {
		isLast := i == len(all)-1
		switch node := at.(type) {
		case map[string]any:
			field = strings.TrimPrefix(field+"."+name, ".")
			if isLast {
				node[name] = copyOf(value)
				return field, true
			}
			at = node[name]
		case []any:
			if len(node) == 0 {
				return "", false
			}
			index, err := strconv.Atoi(name)
			if err != nil {
				index = m.IntN(len(node))
			}
			if index >= len(node) {
				return "", false
			}
			field += fmt.Sprintf("[%d]", index)
			if isLast {
				node[index] = copyOf(value)
				return field, true
			}
			at = node[index]
		default:
			return "", false
		}
	}
	return "", false
}

// get is the field at a path; nil when there is none.
func get(object map[string]any, path string) any {
	var at any = object
	for _, name := range steps(path) {
		switch node := at.(type) {
		case map[string]any:
			at = node[name]
		case []any:
			index, err := strconv.Atoi(name)
			if err != nil || index >= len(node) {
				return nil
			}
			at = node[index]
		default:
			return nil
		}
	}
	return at
}

// copyOf is a value that shares nothing with the given one.
func copyOf(value any) any {
	switch value := value.(type) {
	case map[string]any:
		copied := map[string]any{}
		for key, field := range value {
			copied[key] = copyOf(field)
		}
		return copied
	case []any:
		copied := make([]any, len(value))
		for i, element := range value {
			copied[i] = copyOf(element)
		}
		return copied
	case int:
		return int64(value)
	}
	return value
}
