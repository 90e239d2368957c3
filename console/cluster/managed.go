package cluster

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
	"sigs.k8s.io/yaml"
)

// ManagedError means that others, such as Argo CD, Flux or kubectl, manage what was to be changed:
// they would undo the change, or be surprised by it.
type ManagedError struct {
	// Fields are those that others manage, with their managers.
	Fields []ManagedField
	// Patch is what to commit at their source, as YAML; empty if the object was to be deleted.
	Patch string
}

// ManagedField is a field, and its manager.
type ManagedField struct{ Field, Manager string }

func (e *ManagedError) Error() string {
	return fmt.Sprintf("%s manages %s, and perhaps others do", e.Fields[0].Manager, e.Fields[0].Field)
}

// unmanaged returns a *ManagedError if others manage a part of the spec that differs afterwards, or
// is gone. after is nil for an object that is deleted.
func (c *Cluster) unmanaged(before, after client.Object) error {
	was, err := specOf(before)
	if err != nil {
		return err
	}
	var is map[string]any
	if after != nil {
		if is, err = specOf(after); err != nil {
			return err
		}
	}
	var others []ManagedField
	for _, entry := range before.GetManagedFields() {
		if entry.Manager == FieldManager || entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		fields, err := changedOf(entry, was, is)
		if err != nil {
			return err
		}
		others = append(others, fields...)
	}
	if len(others) == 0 {
		return nil
	}
	managed := &ManagedError{Fields: others}
	if after != nil {
		managed.Patch, err = c.patchOf(after, was, is)
	}
	if err != nil {
		return err
	}
	return managed
}

// ManagersOf are the managers other than the console of a member of an object's spec, such as
// limits, by the names that they give themselves.
func ManagersOf(object client.Object, member string) []string {
	managers := []string{}
	for _, entry := range object.GetManagedFields() {
		if entry.Manager == FieldManager || entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		set, has := &fieldpath.Set{}, false
		if err := set.FromJSON(bytes.NewReader(entry.FieldsV1.GetRawBytes())); err != nil {
			continue // a change reports that it cannot be read
		}
		set.Leaves().Iterate(func(path fieldpath.Path) {
			has = has || len(path) > 1 && isField(path[0], "spec") && isField(path[1], member)
		})
		if has && !slices.Contains(managers, entry.Manager) {
			managers = append(managers, entry.Manager)
		}
	}
	slices.Sort(managers)
	return managers
}

func isField(element fieldpath.PathElement, name string) bool {
	return element.FieldName != nil && *element.FieldName == name
}

// specOf is the object with only its spec.
func specOf(object client.Object) (map[string]any, error) {
	all, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	return map[string]any{"spec": all["spec"]}, err
}

// changedOf are the fields of an entry whose values differ.
func changedOf(entry metav1.ManagedFieldsEntry, was, is map[string]any) (fields []ManagedField, err error) {
	set := &fieldpath.Set{}
	if err := set.FromJSON(bytes.NewReader(entry.FieldsV1.GetRawBytes())); err != nil {
		return nil, fmt.Errorf("managed fields of %s: %w", entry.Manager, err)
	}
	set.Leaves().Iterate(func(path fieldpath.Path) {
		if len(path) == 0 || !isField(path[0], "spec") {
			return
		}
		before, after := at(was, path), at(is, path)
		if before != nil && !reflect.DeepEqual(before, after) {
			fields = append(fields, ManagedField{strings.TrimPrefix(path.String(), "."), entry.Manager})
		}
	})
	slices.SortFunc(fields, func(a, b ManagedField) int { return strings.Compare(a.Field, b.Field) })
	return fields, nil
}

// at is the value at a path; nil if there is none.
func at(from any, path fieldpath.Path) any {
	for _, element := range path {
		switch {
		case element.FieldName != nil:
			object, _ := from.(map[string]any)
			from = object[*element.FieldName]
		case element.Index != nil:
			list, _ := from.([]any)
			if *element.Index >= len(list) {
				return nil
			}
			from = list[*element.Index]
		default:
			from = among(from, element)
		}
	}
	return from
}

// among is the item of a list that an element of a path selects, by its keys or its value.
func among(from any, element fieldpath.PathElement) any {
	list, _ := from.([]any)
	found := slices.IndexFunc(list, func(item any) bool {
		if element.Value != nil {
			return reflect.DeepEqual(item, (*element.Value).Unstructured())
		}
		object, _ := item.(map[string]any)
		return element.Key != nil && !slices.ContainsFunc(*element.Key, func(key value.Field) bool {
			return !reflect.DeepEqual(object[key.Name], key.Value.Unstructured())
		})
	})
	if found < 0 {
		return nil
	}
	return list[found]
}

// patchOf is the change of an object, in YAML: the changed members of its spec, each as a whole.
func (c *Cluster) patchOf(object client.Object, was, is map[string]any) (string, error) {
	kind, err := apiutil.GVKForObject(object, c.manager.GetScheme())
	if err != nil {
		return "", err
	}
	before, _ := was["spec"].(map[string]any)
	after, _ := is["spec"].(map[string]any)
	spec := map[string]any{}
	for name, value := range after {
		if !reflect.DeepEqual(before[name], value) {
			spec[name] = value
		}
	}
	for name := range before {
		if _, stays := after[name]; !stays {
			spec[name] = nil
		}
	}
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": kind.GroupVersion().String(), "kind": kind.Kind,
		"metadata": map[string]any{"name": object.GetName(), "namespace": object.GetNamespace()},
		"spec":     spec,
	})
	return string(text), err
}
