package store_test

import (
	"testing"

	"github.com/google/uuid"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestNearest: an admission tells which limit of the tenant, or of the user, has the least left,
// and how much, beside what the call itself holds; it says nothing of a parent's.
func TestNearest(t *testing.T) {
	doc := limiterv1.Tenant{
		Level: limiterv1.Level{Tenant: "acme-" + uuid.NewString(), TimeZone: "UTC", Money: []limiterv1.MoneyLimit{
			{Name: "yearly", Per: limiterv1.PerTenant, Period: period.Year, Amount: money.USD},
			{Name: "each-user", Per: limiterv1.PerUser, Period: period.Year, Amount: 50 * money.Cent},
		}},
		Ancestors: []limiterv1.Level{{Tenant: "parent-" + uuid.NewString(), TimeZone: "UTC", Money: []limiterv1.MoneyLimit{
			{Name: "narrow", Per: limiterv1.PerTenant, Period: period.Year, Amount: 45 * money.Cent},
		}}},
	}
	tenant, err := admission.NewTenant(doc)
	testkit.Must(t, err)
	client := newClient(t)
	testkit.Must(t, openTenant(client, doc))
	admitter := admission.NewAdmitter(newStore(client, "session"))
	for _, step := range []struct {
		user  string
		bound money.Nanos
		want  string
		left  money.Nanos
	}{
		{"ana", 10 * money.Cent, "each-user", 40 * money.Cent},
		{"ben", 1 * money.Cent, "each-user", 49 * money.Cent},
		{"ana", 5 * money.Cent, "each-user", 35 * money.Cent},
	} {
		call := newCall(tenant, step.bound)
		call.Subject.User = step.user
		decision, err := admitter.Admit(t.Context(), tenant, call)
		testkit.Must(t, err)
		if decision.Nearest == nil || decision.Nearest.Limit.Name != step.want || decision.Nearest.Left != step.left {
			t.Errorf("%s, %s: got %+v, want %s with %s left", step.user, step.bound, decision.Nearest, step.want, step.left)
		}
	}
}
