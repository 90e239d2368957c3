package v1alpha1_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// TestProtocolsOfProviders: spec.protocol of a ModelProvider takes the protocols that
// enforcers speak, and no others. It needs no API server.
func TestProtocolsOfProviders(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "crd", "bases", "bursar.dev_modelproviders.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var crd map[string]any
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	versions, _, err := unstructured.NestedSlice(crd, "spec", "versions")
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range versions {
		got, _, err := unstructured.NestedStringSlice(version.(map[string]any),
			"schema", "openAPIV3Schema", "properties", "spec", "properties", "protocol", "enum")
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, p := range limiterv1.Protocols() {
			want = append(want, string(p))
		}
		if !slices.Equal(got, want) {
			t.Errorf("the enum of spec.protocol is %v, limiterv1.Protocols are %v: run make generate", got, want)
		}
	}
	if len(versions) == 0 {
		t.Error("no versions in the CRD")
	}
}
