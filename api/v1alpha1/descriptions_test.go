package v1alpha1_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// Descriptions are what kubectl explain prints, and all that many people read: it prints neither defaults nor bounds of its own.
func TestDescriptions(t *testing.T) {
	for _, field := range fields(t) {
		t.Run(field.path, func(t *testing.T) {
			for _, fault := range field.faults() {
				t.Errorf("%s\n\t%s", fault, field.schema.Description)
			}
		})
	}
}

// A field is one that the kinds declare, and not Kubernetes.
type field struct {
	path, name string
	schema     apiextensions.JSONSchemaProps
	optional   bool
}

// faults says what the description of a field lacks.
func (f field) faults() []string {
	var faults []string
	d := f.schema.Description
	if !strings.HasPrefix(d, f.name+" ") {
		faults = append(faults, "does not begin with the field's name")
	}
	if strings.Contains(strings.ReplaceAll(d, "\n\n", ""), "\n") {
		faults = append(faults, "is wrapped by hand: a paragraph is one line, because kubectl explain wraps it again")
	}
	if f.optional && !saysAbsence(d) {
		faults = append(faults, "does not say what it means to leave the field out")
	}
	for _, word := range f.mustName() {
		if !strings.Contains(d, word) {
			faults = append(faults, fmt.Sprintf("does not have %q", word))
		}
	}
	return faults
}

// saysAbsence reports whether a description says what becomes of an object without the field, or who may not leave it out.
func saysAbsence(description string) bool {
	return slices.ContainsFunc([]string{"Default: ", "Default, and only value: ", "Unset: ", "Unset for ", "Empty: ", "Empty, or ", "Empty with ", "Required ", "Exactly one of "}, func(said string) bool {
		return strings.Contains(description, said)
	})
}

// mustName returns what a description has to name: the default, each value that may be chosen, and the unit of money.
func (f field) mustName() []string {
	var words []string
	if f.schema.Default != nil && f.name != "status" {
		words = append(words, inWords(f.schema.Default.Raw))
	}
	for _, value := range f.schema.Enum {
		words = append(words, strings.Trim(string(value.Raw), `"`))
	}
	if f.isPrice() {
		words = append(words, "US dollars per million")
	}
	if slices.Contains([]string{"amount", "granted", "spent", "held"}, f.name) {
		words = append(words, "US dollars")
	}
	return words
}

// isPrice reports whether the field's type is Price.
func (f field) isPrice() bool {
	return slices.ContainsFunc(f.schema.XValidations, func(rule apiextensions.ValidationRule) bool {
		return strings.Contains(rule.Message, "per million tokens")
	})
}

// inWords returns how a description says a default: with its value, where that is a single one.
func inWords(raw []byte) string {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return err.Error()
	}
	switch value := value.(type) {
	case string, float64, bool:
		return fmt.Sprint(value)
	}
	return "Default: "
}

// fields returns the fields of the spec and the status of all kinds.
func fields(t *testing.T) []field {
	t.Helper()
	var all []field
	paths, err := filepath.Glob("../../config/crd/bases/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no CRDs: %v", err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var crd apiextensions.CustomResourceDefinition
		if err := yaml.Unmarshal(data, &crd); err != nil {
			t.Fatal(err)
		}
		root := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
		for _, part := range []string{"spec", "status"} {
			all = below(all, crd.Spec.Names.Kind+"."+part, root.Properties[part])
		}
	}
	return all
}

// below adds the fields of a schema, and of the schemas in them.
func below(all []field, path string, schema apiextensions.JSONSchemaProps) []field {
	if schema.Items != nil && schema.Items.Schema != nil {
		return below(all, path+"[]", *schema.Items.Schema)
	}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		child := schema.Properties[name]
		inSpec := strings.Contains(path, ".spec")
		all = append(all, field{path: path + "." + name, name: name, schema: child, optional: inSpec && !slices.Contains(schema.Required, name)})
		if name != "conditions" { // whose fields are those of Kubernetes
			all = below(all, path+"."+name, child)
		}
	}
	return all
}
