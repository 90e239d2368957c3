package index_test

import (
	"context"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

// indexer is how the values of the fields of RateLimitPolicies are found.
type indexer map[string]client.IndexerFunc

func (i indexer) IndexField(_ context.Context, object client.Object, field string, values client.IndexerFunc) error {
	if _, isPolicy := object.(*v1alpha1.RateLimitPolicy); isPolicy {
		i[field] = values
	}
	return nil
}

func TestTargetsOfPolicies(t *testing.T) {
	found := indexer{}
	if err := index.Register(t.Context(), found); err != nil {
		t.Fatal(err)
	}
	from := func(from v1alpha1.NamespacesFrom) v1alpha1.RateLimitPolicySpec {
		return v1alpha1.RateLimitPolicySpec{TargetSelector: &v1alpha1.TargetSelector{Namespaces: v1alpha1.Namespaces{From: from}}}
	}
	for name, tc := range map[string]struct {
		spec             v1alpha1.RateLimitPolicySpec
		named, selecting []string
	}{
		"it names one":     {spec: v1alpha1.RateLimitPolicySpec{TargetRef: &v1alpha1.TargetRef{Name: "acme"}}, named: []string{"acme"}},
		"it selects":       {spec: from(""), selecting: []string{"platform"}},
		"in its namespace": {spec: from(v1alpha1.NamespacesSame), selecting: []string{"platform"}},
		"in all":           {spec: from(v1alpha1.NamespacesAll), selecting: []string{index.Beyond}},
		"in some":          {spec: from(v1alpha1.NamespacesSelector), selecting: []string{index.Beyond}},
		"it says nothing":  {},
	} {
		t.Run(name, func(t *testing.T) {
			policy := &v1alpha1.RateLimitPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "platform", Name: "policy"}, Spec: tc.spec}
			if got := found[index.PolicyTarget](policy); !slices.Equal(got, tc.named) {
				t.Errorf("found by the target %v, want %v", got, tc.named)
			}
			if got := found[index.PolicySelects](policy); !slices.Equal(got, tc.selecting) {
				t.Errorf("found by where it selects %v, want %v", got, tc.selecting)
			}
		})
	}
}
