package v1alpha1_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// schema is what of a structural schema bounds the size of a value.
type schema struct {
	Type                 string            `json:"type"`
	Enum                 []any             `json:"enum"`
	MaxLength            *int64            `json:"maxLength"`
	MaxItems             *int64            `json:"maxItems"`
	MaxProperties        *int64            `json:"maxProperties"`
	Properties           map[string]schema `json:"properties"`
	Items                *schema           `json:"items"`
	AdditionalProperties *schema           `json:"additionalProperties"`
	PreserveUnknown      bool              `json:"x-kubernetes-preserve-unknown-fields"`
	Validations          []struct {
		Rule string `json:"rule"`
	} `json:"x-kubernetes-validations"`
}

// unbounded are the paths of what has no bound.
func (s schema) unbounded(path string) (all []string) {
	switch {
	case s.PreserveUnknown,
		s.Type == "string" && s.MaxLength == nil && len(s.Enum) == 0,
		s.Type == "array" && s.MaxItems == nil,
		s.AdditionalProperties != nil && (s.MaxProperties == nil || !s.boundsMembers()):
		all = append(all, path)
	}
	for name, member := range s.Properties {
		all = append(all, member.unbounded(path+"."+name)...)
	}
	if s.Items != nil {
		all = append(all, s.Items.unbounded(path+"[]")...)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Type != "string" {
		all = append(all, s.AdditionalProperties.unbounded(path+"{}")...)
	}
	return all
}

// boundsMembers is whether a rule bounds the keys and the values of a map, which no schema
// can do for keys.
func (s schema) boundsMembers() bool {
	return slices.ContainsFunc(s.Validations, func(v struct {
		Rule string `json:"rule"`
	}) bool {
		return strings.Contains(v.Rule, "key.size() <=") &&
			(strings.Contains(v.Rule, "self[key].size() <=") || s.AdditionalProperties.Type != "string" || s.AdditionalProperties.MaxLength != nil)
	})
}

// TestSpecsAreBounded: every list, map and text in the spec of every kind has a largest size:
// the manager keeps all objects in memory, whoever writes them.
func TestSpecsAreBounded(t *testing.T) {
	files, err := filepath.Glob("../../config/crd/bases/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d CRDs: %v", len(files), err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var crd struct {
			Spec struct {
				Versions []struct {
					Schema struct {
						OpenAPIV3Schema schema `json:"openAPIV3Schema"`
					} `json:"schema"`
				} `json:"versions"`
			} `json:"spec"`
		}
		if err := yaml.Unmarshal(content, &crd); err != nil {
			t.Fatal(err)
		}
		for _, version := range crd.Spec.Versions {
			for _, path := range version.Schema.OpenAPIV3Schema.Properties["spec"].unbounded("spec") {
				t.Errorf("%s: %s has no largest size", filepath.Base(file), path)
			}
		}
	}
}
