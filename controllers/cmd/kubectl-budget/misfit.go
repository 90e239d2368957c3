package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// unmarshal reads an object in YAML as strictly as the API server does: every field must exist, and
// fields that are text must be text. An amount without quotes is a number to the API server.
func unmarshal(document []byte, object any) error {
	var raw any
	if err := yaml.Unmarshal(document, &raw); err != nil {
		return err
	}
	if err := misfit(nil, raw, reflect.TypeOf(object)); err != nil {
		return err
	}
	return yaml.UnmarshalStrict(document, object)
}

// misfit is the first field of a value, at the path, that does not fit the type; nil if all do.
func misfit(path *field.Path, value any, is reflect.Type) error {
	for is.Kind() == reflect.Pointer {
		is = is.Elem()
	}
	if reflect.PointerTo(is).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return nil
	}
	switch value := value.(type) {
	case float64:
		return unquoted(path, strconv.FormatFloat(value, 'f', -1, 64), "a number", is)
	case bool:
		return unquoted(path, strconv.FormatBool(value), "true or false", is)
	case []any:
		for i, item := range value {
			if is.Kind() == reflect.Slice {
				if err := misfit(path.Index(i), item, is.Elem()); err != nil {
					return err
				}
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			if err := member(path.Child(name), name, value[name], is); err != nil {
				return err
			}
		}
	}
	return nil
}

// member is the first misfit in a member of a map or an object.
func member(path *field.Path, name string, value any, of reflect.Type) error {
	switch of.Kind() {
	case reflect.Map:
		return misfit(path, value, of.Elem())
	case reflect.Struct:
		fields := fieldsOf(of)
		is, known := fields[name]
		if !known {
			return fmt.Errorf("%s: no such field%s", path, verdict.DidYouMeanOr("; there are ", name, slices.Sorted(maps.Keys(fields))))
		}
		return misfit(path, value, is)
	}
	return nil
}

// unquoted is the error for a value that must be text, but is not text in YAML.
func unquoted(path *field.Path, text, what string, is reflect.Type) error {
	if is.Kind() != reflect.String {
		return nil
	}
	return fmt.Errorf("%s: %s is %s to YAML, and must be text: write it in quotes, as %q", path, text, what, text)
}

// fieldsOf are the types of an object's fields, by their names in JSON.
func fieldsOf(object reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range object.NumField() {
		f := object.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "" && (f.Anonymous || strings.Contains(options, "inline")):
			maps.Copy(fields, fieldsOf(f.Type))
		case name != "" && name != "-":
			fields[name] = f.Type
		}
	}
	return fields
}
