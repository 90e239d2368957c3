package callers_test

import (
	"testing"
	"time"
	_ "time/tzdata" // as in the manager

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/callers"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

func TestCredential(t *testing.T) {
	expiry := time.Date(2027, 1, 2, 3, 4, 5, 0, time.FixedZone("", -3*60*60))
	key := &v1alpha1.APIKey{
		ObjectMeta: meta("gerente-1", 5),
		Spec: v1alpha1.APIKeySpec{
			SHA256: "abc", BudgetRef: v1alpha1.BudgetRef{Name: "acme"}, User: "gerente-1", Tier: "gerente",
			ExpiresAt: ptr.To(metav1.NewTime(expiry)),
			PreviousKeys: []v1alpha1.PreviousKey{
				{SHA256: "old", ExpiresAt: metav1.NewTime(expiry.Add(-time.Hour))}, {SHA256: "older", ExpiresAt: metav1.NewTime(expiry.Add(time.Hour))},
			},
			Models: []string{"gpt-4o*"},
			ActFor: &v1alpha1.ActFor{Users: []string{"shop-*"}, Tiers: []v1alpha1.Tier{"empleado"}, Groups: []string{"team-*"}},
		},
	}
	want := limiterv1.Credential{
		Sources: []limiterv1.Source{source("APIKey", "gerente-1", 5)},
		SHA256:  "abc", Name: "acme/gerente-1", Tenant: "acme-inc", User: "gerente-1", Tier: "gerente",
		Models: []string{"gpt-4o*"}, ActFor: &limiterv1.ActFor{Users: []string{"shop-*"}, Tiers: []string{"empleado"}, Groups: []string{"team-*"}},
		ExpiresAt: ptr.To(time.Date(2027, 1, 2, 6, 4, 5, 0, time.UTC)),
	}
	old, older := want, want
	old.SHA256, old.ExpiresAt = "old", ptr.To(time.Date(2027, 1, 2, 5, 4, 5, 0, time.UTC))
	older.SHA256 = "older" // its own time would be later than that of all
	if diff := cmp.Diff([]limiterv1.Credential{want, old, older}, callers.Credentials(key, "acme-inc")); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
}
