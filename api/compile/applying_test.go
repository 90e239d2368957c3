package compile_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// policyOf is a policy of a namespace with so many limits, which is so many minutes old.
func policyOf(namespace, name string, limits, age int) v1alpha1.RateLimitPolicy {
	p := policy(name)
	p.Namespace, p.CreationTimestamp = namespace, metav1.NewTime(noon.Add(-time.Duration(age)*time.Minute))
	for i := range limits {
		p.Spec.Limits = append(p.Spec.Limits, requests(fmt.Sprintf("limit-%d", i), 5))
	}
	return p
}

func TestApplying(t *testing.T) {
	going, broken := policyOf("acme", "going", 1, 0), policyOf("acme", "broken", 1, 0)
	going.DeletionTimestamp = &noon
	broken.Spec.TargetSelector = &v1alpha1.TargetSelector{MatchLabels: map[string]string{"a label": "?"}}
	for name, tc := range map[string]struct {
		policies []v1alpha1.RateLimitPolicy
		want     []string
	}{
		"none": {},
		"its own first, by name, then others by namespace": {
			[]v1alpha1.RateLimitPolicy{policyOf("zoo", "a", 1, 9), policyOf("acme", "b", 1, 1), policyOf("about", "c", 1, 0), policyOf("acme", "a", 1, 0)},
			[]string{"acme/a", "acme/b", "about/c", "zoo/a"},
		},
		"neither what goes nor what is wrong": {[]v1alpha1.RateLimitPolicy{going, broken, policyOf("acme", "p", 1, 0)}, []string{"acme/p"}},
		"as many of others as there may be, the oldest": {
			[]v1alpha1.RateLimitPolicy{policyOf("x", "young", 1, 1), policyOf("x", "old", 32, 9), policyOf("y", "older", 96, 10)},
			[]string{"x/old", "y/older"},
		},
		"one that is too large leaves room for those younger": {
			[]v1alpha1.RateLimitPolicy{policyOf("x", "a", 100, 9), policyOf("x", "b", 32, 8), policyOf("x", "c", 28, 7)},
			[]string{"x/a", "x/c"},
		},
		"as many of its own as there may be, whatever others there are": {
			[]v1alpha1.RateLimitPolicy{policyOf("x", "a", 128, 9), policyOf("acme", "old", 128, 8), policyOf("acme", "new", 1, 0)},
			[]string{"acme/old", "x/a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range compile.Applying("acme", tc.policies) {
				got = append(got, p.Namespace+"/"+p.Name)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("applying (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSelected has two policies of one name, each with its own bucket; that of the
// budget's namespace is called as it was before there was another.
func TestSelected(t *testing.T) {
	own, other := policyOf("acme", "p", 1, 0), policyOf("platform", "p", 1, 9)
	other.UID = "uid-other"
	document, errs := compile.Tenant(budget(), []v1alpha1.RateLimitPolicy{other, own}, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var fields []string
	for _, rate := range document.Rates {
		fields = append(fields, limiterv1.RateField(rate))
	}
	if diff := cmp.Diff([]string{"rate:p/limit-0@60000", "rate:platform/p/limit-0@60000"}, fields); diff != "" {
		t.Errorf("buckets (-want +got):\n%s", diff)
	}
	if len(document.Sources) != 3 || document.Sources[2].UID != "uid-other" || document.Sources[2].Namespace != "platform" {
		t.Errorf("sources %v", document.Sources)
	}
}

// TestSelectedParent has a policy that selects a parent and its child: it is a part of
// both.
func TestSelectedParent(t *testing.T) {
	p := policyOf("platform", "p", 0, 0)
	together := requests("together", 100)
	together.Per = v1alpha1.ScopeTenant
	p.Spec.Limits = append(p.Spec.Limits, requests("each", 5), together)
	parent := budget()
	parent.Namespace, parent.Spec.Tenant = "company", "company"
	ancestor, errs := compile.NewAncestor(parent, []v1alpha1.RateLimitPolicy{p}, nil)
	document, moreErrs := compile.Tenant(budget(), []v1alpha1.RateLimitPolicy{p}, nil, ancestor)
	if len(errs)+len(moreErrs) > 0 {
		t.Fatal(errs, moreErrs)
	}
	names := func(l limiterv1.Level) (names []string) {
		for _, rate := range l.Rates {
			names = append(names, rate.Name)
		}
		return names
	}
	want := [][]string{{"platform/p/each", "platform/p/together"}, {"platform/p/together"}}
	if diff := cmp.Diff(want, [][]string{names(document.Level), names(document.Ancestors[0])}); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
}

func TestTargetSelectorErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		selector v1alpha1.TargetSelector
		want     string
	}{
		"a value that is no label's": {v1alpha1.TargetSelector{MatchLabels: map[string]string{"plan": "a b"}}, "spec.targetSelector.matchLabels"},
		"an operator that is none": {v1alpha1.TargetSelector{MatchExpressions: v1alpha1.MatchExpressions{{Key: "plan", Operator: "Near"}}},
			"spec.targetSelector.matchExpressions[0].operator"},
		"no values": {v1alpha1.TargetSelector{MatchExpressions: v1alpha1.MatchExpressions{{Key: "plan", Operator: "In"}}},
			"spec.targetSelector.matchExpressions[0].values"},
		"namespaces by a label that is none": {v1alpha1.TargetSelector{Namespaces: v1alpha1.Namespaces{
			From: v1alpha1.NamespacesSelector, Selector: &v1alpha1.LabelSelector{MatchLabels: map[string]string{"-": "a"}}}},
			"spec.targetSelector.namespaces.selector.matchLabels"},
	} {
		t.Run(name, func(t *testing.T) {
			p := policyOf("platform", "p", 1, 0)
			p.Spec.TargetRef, p.Spec.TargetSelector = nil, &tc.selector
			got, errs := compile.Policy(&p, "acme")
			ok := cmp.Equal(fieldsOf(errs), []string{tc.want})
			if !ok || got != nil {
				t.Errorf("errors %v, limits %v, want an error of %s alone", errs, got, tc.want)
			}
		})
	}
}

func fieldsOf(errs field.ErrorList) (fields []string) {
	for _, err := range errs {
		fields = append(fields, err.Field)
	}
	return fields
}
