package chart_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bursar-dev/bursar/hack/testkit"
)

// everything are the values with which the chart renders all that the kustomizations have.
const everything = `
console: {enabled: true}
monitoring: {monitors: {enabled: true}, rules: {enabled: true}, dashboard: {enabled: true}}
`

// permitted are the intended differences: each function removes one from what the chart renders.
var permitted = map[string]func(*unstructured.Unstructured){
	"Helm's labels": func(o *unstructured.Unstructured) {
		labels := o.GetLabels()
		for _, label := range []string{"app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart"} {
			delete(labels, label)
		}
		if labels["app.kubernetes.io/component"] == "" { // what has no component has no name in the kustomizations
			delete(labels, "app.kubernetes.io/name")
		}
		if len(labels) == 0 {
			labels = nil
		}
		o.SetLabels(labels)
	},
	"CRDs are kept when the chart is uninstalled": func(o *unstructured.Unstructured) {
		annotations := o.GetAnnotations()
		delete(annotations, "helm.sh/resource-policy")
		if len(annotations) == 0 {
			annotations = nil
		}
		o.SetAnnotations(annotations)
	},
	"the pull policy is a value": func(o *unstructured.Unstructured) {
		if containers, found, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers"); found {
			delete(containers[0].(map[string]any), "imagePullPolicy")
			_ = unstructured.SetNestedSlice(o.Object, containers, "spec", "template", "spec", "containers")
		}
	},
}

// alone are the objects that only the chart has.
var alone = map[string]string{
	"Pod bursar-test-call": "what `helm test` runs",
}

// TestChartIsTheKustomizations: the chart renders the same objects as the kustomizations, except
// for permitted differences.
func TestChartIsTheKustomizations(t *testing.T) {
	for name, test := range map[string]struct {
		values         string
		kustomizations []string
	}{
		"everything": {everything, []string{"crd", "default", "console", "prometheus", "grafana"}},
		"as it is":   {"", []string{"crd", "default"}},
	} {
		t.Run(name, func(t *testing.T) {
			var directories []string
			for _, kustomization := range test.kustomizations {
				directories = append(directories, root+"config/"+kustomization)
			}
			compare(t, chart(t, test.values), kustomize(t, directories...))
		})
	}
	t.Run("certificates by cert-manager", func(t *testing.T) {
		directory := t.TempDir()
		config, err := filepath.Abs(root + "config")
		testkit.Must(t, err)
		config, err = filepath.Rel(directory, config)
		testkit.Must(t, err)
		overlay := fmt.Sprintf("resources: [%[1]s/crd, %[1]s/default]\ncomponents: [%[1]s/webhook/cert-manager]\n", config)
		testkit.Must(t, os.WriteFile(filepath.Join(directory, "kustomization.yaml"), []byte(overlay), 0o600))
		compare(t, chart(t, "webhooks: {certManager: {enabled: true}}"), kustomize(t, directory))
	})
}

func compare(t *testing.T, rendered, want objects) {
	t.Helper()
	for key, object := range rendered {
		if alone[key] != "" {
			continue
		}
		if want[key] == nil {
			t.Errorf("only the chart has %s", key)
			continue
		}
		for _, permit := range permitted {
			permit(object)
			permit(want[key]) // so that an empty map and none are the same
		}
		if diff := cmp.Diff(want[key].Object, object.Object); diff != "" {
			t.Errorf("%s (- kustomization, + chart):\n%s", key, diff)
		}
	}
	for key := range want {
		if rendered[key] == nil {
			t.Errorf("only the kustomizations have %s", key)
		}
	}
}
