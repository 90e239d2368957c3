package reach_test

import (
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/reach"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

var namespaces = map[string]map[string]string{
	"platform": {v1alpha1.DelegatedLabel: "true"},
	"plain":    {v1alpha1.DelegatedLabel: "yes"},
	"acme":     {"team": "a"},
	"other":    {"team": "b"},
}

func TestApplies(t *testing.T) {
	selector := func(s v1alpha1.TargetSelector) v1alpha1.RateLimitPolicySpec {
		return v1alpha1.RateLimitPolicySpec{TargetSelector: &s}
	}
	free := map[string]string{"plan": "free"}
	all := v1alpha1.Namespaces{From: v1alpha1.NamespacesAll}
	ofTeam := func(team string) v1alpha1.Namespaces {
		return v1alpha1.Namespaces{From: v1alpha1.NamespacesSelector, Selector: &v1alpha1.LabelSelector{MatchLabels: map[string]string{"team": team}}}
	}
	named := v1alpha1.RateLimitPolicySpec{TargetRef: &v1alpha1.TargetRef{Name: "budget"}}
	for name, tc := range map[string]struct {
		namespace string
		spec      v1alpha1.RateLimitPolicySpec
		want      bool
	}{
		"it names it":                      {"acme", named, true},
		"it names one elsewhere":           {"platform", named, false},
		"it names another":                 {"acme", v1alpha1.RateLimitPolicySpec{TargetRef: &v1alpha1.TargetRef{Name: "another"}}, false},
		"it says nothing":                  {"acme", v1alpha1.RateLimitPolicySpec{}, false},
		"by its labels":                    {"acme", selector(v1alpha1.TargetSelector{MatchLabels: free}), true},
		"by other labels":                  {"acme", selector(v1alpha1.TargetSelector{MatchLabels: map[string]string{"plan": "paid"}}), false},
		"all of the namespace":             {"acme", selector(v1alpha1.TargetSelector{}), true},
		"all of another namespace":         {"platform", selector(v1alpha1.TargetSelector{}), false},
		"from Same, of another namespace":  {"platform", selector(v1alpha1.TargetSelector{Namespaces: v1alpha1.Namespaces{From: v1alpha1.NamespacesSame}}), false},
		"all of all namespaces":            {"platform", selector(v1alpha1.TargetSelector{Namespaces: all}), true},
		"of all, not being delegated":      {"plain", selector(v1alpha1.TargetSelector{Namespaces: all}), false},
		"of all, its own, not delegated":   {"acme", selector(v1alpha1.TargetSelector{Namespaces: all}), false},
		"of namespaces with labels":        {"platform", selector(v1alpha1.TargetSelector{MatchLabels: free, Namespaces: ofTeam("a")}), true},
		"of namespaces with other labels":  {"platform", selector(v1alpha1.TargetSelector{MatchLabels: free, Namespaces: ofTeam("b")}), false},
		"of a namespace that is not there": {"gone", selector(v1alpha1.TargetSelector{Namespaces: all}), false},
		"by an expression": {"acme", selector(v1alpha1.TargetSelector{MatchExpressions: v1alpha1.MatchExpressions{
			{Key: "plan", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"paid"}}}}), true},
		"by an expression that is none": {"acme", selector(v1alpha1.TargetSelector{MatchExpressions: v1alpha1.MatchExpressions{
			{Key: "plan", Operator: "Near"}}}), false},
	} {
		t.Run(name, func(t *testing.T) {
			budget := &v1alpha1.TenantBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "budget", Labels: free}}
			policy := &v1alpha1.RateLimitPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: tc.namespace, Name: "policy"}, Spec: tc.spec}
			got, err := reach.Applies(policy, budget, func(n string) (map[string]string, error) { return namespaces[n], nil })
			if got != tc.want || err != nil {
				t.Errorf("got %t, %v, want %t", got, err, tc.want)
			}
		})
	}
}

func TestAppliesWithoutLabels(t *testing.T) {
	away := errors.New("forbidden")
	policy := &v1alpha1.RateLimitPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "platform"}, Spec: v1alpha1.RateLimitPolicySpec{
		TargetSelector: &v1alpha1.TargetSelector{Namespaces: v1alpha1.Namespaces{From: v1alpha1.NamespacesAll}}}}
	applies, err := reach.Applies(policy, &v1alpha1.TenantBudget{}, func(string) (map[string]string, error) { return nil, away })
	if applies || !errors.Is(err, away) {
		t.Errorf("got %t, %v, want the error", applies, err)
	}
}
