// Package conform writes the schemas by which kubeconform checks manifests: those of Kubernetes,
// and of CRDs, both from Go modules.
package conform

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// Location is how kubeconform finds the schemas in a directory.
const Location = "{{.Group}}_{{.ResourceAPIVersion}}_{{.ResourceKind}}.json"

// write writes the schema of a kind.
func write(directory, group, version, kind string, schema map[string]any) error {
	if group == "" {
		group = version // as kubeconform calls the group without a name
	}
	content, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%s_%s_%s.json", group, version, strings.ToLower(kind))
	return os.WriteFile(filepath.Join(directory, name), content, 0o644)
}

// Kubernetes writes the schemas of the kinds of an API server, from its OpenAPI document.
func Kubernetes(directory string, document []byte) error {
	var api struct{ Definitions map[string]map[string]any }
	if err := json.Unmarshal(document, &api); err != nil {
		return err
	}
	api.Definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = map[string]any{"type": []string{"string", "integer"}}
	api.Definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = map[string]any{"type": []string{"string", "number"}}
	for _, definition := range api.Definitions {
		strict(definition)
	}
	for name, definition := range api.Definitions {
		kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
		if len(kinds) != 1 { // such as DeleteOptions, which are of all groups
			continue
		}
		kind := kinds[0].(map[string]any)
		schema := map[string]any{"definitions": api.Definitions, "$ref": "#/definitions/" + name}
		if err := write(directory, kind["group"].(string), kind["version"].(string), kind["kind"].(string), schema); err != nil {
			return err
		}
	}
	return nil
}

// Definition writes the schemas of a CRD.
func Definition(directory string, document []byte) error {
	var crd struct {
		Spec struct {
			Group    string
			Names    struct{ Kind string }
			Versions []struct {
				Name   string
				Schema struct{ OpenAPIV3Schema map[string]any }
			}
		}
	}
	if err := yaml.Unmarshal(document, &crd); err != nil {
		return err
	}
	for _, version := range crd.Spec.Versions {
		schema := version.Schema.OpenAPIV3Schema
		if properties, found := schema["properties"].(map[string]any); found {
			properties["metadata"] = map[string]any{"type": "object", "additionalProperties": true}
		}
		strict(schema)
		if err := write(directory, crd.Spec.Group, version.Name, crd.Spec.Names.Kind, schema); err != nil {
			return err
		}
	}
	return nil
}

// strict makes a schema refuse unknown fields, and translates what only Kubernetes' schemas
// have.
func strict(schema map[string]any) {
	_, hasFields := schema["properties"]
	_, isOpen := schema["additionalProperties"]
	if keeps, _ := schema["x-kubernetes-preserve-unknown-fields"].(bool); hasFields && !isOpen && !keeps {
		schema["additionalProperties"] = false
	}
	if is, _ := schema["x-kubernetes-int-or-string"].(bool); is {
		schema["type"] = []string{"string", "integer"}
	}
	delete(schema, "format") // such as int32, which JSON Schema does not know
	for _, part := range []string{"items", "additionalProperties", "not"} {
		if below, found := schema[part].(map[string]any); found {
			strict(below)
		}
	}
	if properties, found := schema["properties"].(map[string]any); found {
		for _, below := range properties {
			strict(below.(map[string]any))
		}
	}
}
