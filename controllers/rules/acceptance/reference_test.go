package acceptance_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
)

func TestParentVerdict(t *testing.T) {
	for name, tc := range map[string]struct {
		accepted []metav1.Condition
		want     string
	}{
		"accepted":               {[]metav1.Condition{{Type: "Accepted", Status: "True", Reason: "Accepted"}}, "True Accepted"},
		"not looked at yet":      {nil, "Unknown ParentNotAccepted"},
		"not known for now":      {[]metav1.Condition{{Type: "Accepted", Status: "Unknown", Reason: "InternalError"}}, "Unknown ParentNotAccepted"},
		"invalid":                {[]metav1.Condition{{Type: "Accepted", Status: "False", Reason: "Invalid"}}, "False ParentNotAccepted"},
		"somebody else's tenant": {[]metav1.Condition{{Type: "Accepted", Status: "False", Reason: "Conflicted"}}, "False ParentNotAccepted"},
		"not accepted for want of its own parent, who may be there by now": {
			[]metav1.Condition{{Type: "Accepted", Status: "False", Reason: "ParentNotFound"}}, "True Accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			parent := &v1alpha1.TenantBudget{}
			parent.Status.Conditions = tc.accepted
			verdict := acceptance.ParentVerdict(parent, nil)
			if got := string(verdict.Status) + " " + verdict.Reason; got != tc.want {
				t.Errorf("verdict %q, want %q", got, tc.want)
			}
		})
	}
}
