package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

const selectedYAML = `
apiVersion: bursar.dev/v1alpha1
kind: TenantBudget
metadata: {name: budget, namespace: %s, labels: {plan: %s}}
spec:
  tenant: %[1]s
  limits: [{name: daily, period: Day, amount: "1"}]
---
`

const selectingYAML = `
apiVersion: bursar.dev/v1alpha1
kind: RateLimitPolicy
metadata: {name: policy, namespace: %s}
spec:
  targetSelector: %s
  limits: [{name: each, per: User, requests: 5, window: 1m}]
---
`

func TestReplayOfSelectingPolicies(t *testing.T) {
	cluster := fmt.Sprintf(selectedYAML, "acme", "free") + fmt.Sprintf(selectedYAML, "emea", "free") + fmt.Sprintf(selectedYAML, "apac", "paid")
	for name, tc := range map[string]struct {
		namespace, selector string
		away                bool
		want                []string
		wantLimit           string
		wantErr             string
	}{
		"of all namespaces": {namespace: "platform", selector: `{matchLabels: {plan: free}, namespaces: {from: All}}`,
			want: []string{"acme/budget", "emea/budget"}, wantLimit: "platform/policy/each"},
		"of its own":                  {namespace: "acme", selector: `{}`, want: []string{"acme/budget"}, wantLimit: "policy/each"},
		"of its own, without a right": {namespace: "acme", selector: `{}`, away: true, want: []string{"acme/budget"}, wantLimit: "policy/each"},
		"of none": {namespace: "platform", selector: `{matchLabels: {plan: gold}, namespaces: {from: All}}`,
			wantErr: "RateLimitPolicy platform/policy: spec.targetSelector: it selects no TenantBudget"},
		"where it may not": {namespace: "acme", selector: `{namespaces: {from: All}}`,
			wantErr: "its namespace acme must be labelled bursar.dev/delegated=true"},
		"by labels that cannot be read": {namespace: "platform", selector: `{namespaces: {from: All}}`, away: true,
			wantErr: "RateLimitPolicy platform/policy selects by the labels of namespaces: forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			read := func(yaml string) resources {
				t.Helper()
				r, err := readResources(strings.NewReader(yaml), "default", func(kind, name string) { t.Errorf("%s %s was left out", kind, name) })
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			changed, others := read(fmt.Sprintf(selectingYAML, tc.namespace, tc.selector)), read(cluster)
			others.labelsOf = func(namespace string) (map[string]string, error) {
				if tc.away {
					return nil, errors.New("forbidden")
				}
				return map[string]map[string]string{"platform": {v1alpha1.DelegatedLabel: "true"}}[namespace], nil
			}
			all := changed.over(others)
			keys, err := all.changedBy(changed)
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Errorf("error %v, want %q", err, tc.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, key := range keys {
				got = append(got, key.String())
				budget, err := all.budget(key)
				if err != nil {
					t.Fatal(err)
				}
				document, err := all.compile(budget)
				if err != nil || len(document.Rates) != 1 || document.Rates[0].Name != tc.wantLimit {
					t.Errorf("%s has %v, %v, want %s", key, document.Rates, err, tc.wantLimit)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("replayed are %v, want %v", got, tc.want)
			}
		})
	}
}

func TestPoliciesWithoutTarget(t *testing.T) {
	for name, target := range map[string]string{"neither": "", "both": "  targetRef: {name: acme}\n  targetSelector: {}\n"} {
		yaml := "apiVersion: bursar.dev/v1alpha1\nkind: RateLimitPolicy\nmetadata: {name: policy}\nspec:\n" + target +
			"  limits: [{name: each, per: User, requests: 5, window: 1m}]\n"
		r, err := readResources(strings.NewReader(yaml), "acme", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.check(); err == nil || !strings.Contains(err.Error(), "must set exactly one of targetRef and targetSelector") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestDefaultLadder: a budget of a file is read with the ladder that the API server gives it.
func TestDefaultLadder(t *testing.T) {
	content, err := os.ReadFile("../../../config/crd/bases/bursar.dev_tenantbudgets.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(content, &crd); err != nil {
		t.Fatal(err)
	}
	var byServer []v1alpha1.Rung
	spec := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	if err := yaml.Unmarshal(spec.Properties["ladder"].Default.Raw, &byServer); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		written string
		want    []v1alpha1.Rung
	}{
		"none":  {want: byServer},
		"null":  {written: "  ladder: null\n", want: byServer},
		"empty": {written: "  ladder: []\n", want: []v1alpha1.Rung{}},
		"one": {written: "  ladder: [{atPercent: 70, action: Trip}]\n",
			want: []v1alpha1.Rung{{AtPercent: 70, Action: v1alpha1.ActionTrip}}},
	} {
		t.Run(name, func(t *testing.T) {
			written := strings.Replace(fmt.Sprintf(selectedYAML, "acme", "free"), "---\n", tc.written, 1)
			replayed, err := readResources(strings.NewReader(written), "default", nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := replayed.budgets[0].Spec.Ladder; !reflect.DeepEqual(got, tc.want) {
				t.Errorf("replay has ladder %v, want %v", got, tc.want)
			}
			checked, err := readObjects(strings.NewReader(written), "default")
			if err != nil {
				t.Fatal(err)
			}
			if got := checked[0].(*v1alpha1.TenantBudget).Spec.Ladder; !reflect.DeepEqual(got, tc.want) {
				t.Errorf("check has ladder %v, want %v", got, tc.want)
			}
		})
	}
}
