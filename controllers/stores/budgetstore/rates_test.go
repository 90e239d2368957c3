package budgetstore_test

import (
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestWhoChangedRates: each rate limit that was in force is on record, with those who asked for it
// and those who asked for its end.
func TestWhoChangedRates(t *testing.T) {
	store, pool := newStore(t)
	changes := budgetstore.NewChanges(pool)
	ask := func(user string, generation int64, gist string) {
		t.Helper()
		testkit.Must(t, changes.Asked(t.Context(), budgetstore.ChangeRequest{UID: "p", Generation: generation, Gist: gist, User: user}))
	}
	record := func(generation int64, gist string, rates ...limiterv1.RateLimit) {
		t.Helper()
		b := budgetstore.Budget{Namespace: "acme", Name: "main", UID: "u", Generation: 1, Level: limiterv1.Level{Tenant: "acme", TimeZone: "UTC", Rates: rates}}
		if generation > 0 {
			b.Policies = []budgetstore.Policy{{Namespace: "acme", Name: "chat", UID: "p", Generation: generation, Gist: gist}, {Namespace: "acme", Name: "other", UID: "q", Generation: 1}}
		}
		for range 2 { // the second changes nothing
			testkit.Must(t, store.limits.Record(t.Context(), b))
		}
	}
	rate := func(name string, count int64) limiterv1.RateLimit {
		return limiterv1.RateLimit{Name: name, Per: limiterv1.PerUser, Unit: "requests", Count: count, Burst: count, Window: 60_000, Selector: limiterv1.Selector{Tiers: []string{"gerente"}}}
	}
	flight := limiterv1.RateLimit{Name: "chat/flight", Per: limiterv1.PerTenant, Unit: limiterv1.InFlight, Burst: 4}
	unknown := rate("elsewhere/chat/x", 1)

	ask("eve", 1, "never so")
	ask("ana", 1, "a")
	record(1, "a", rate("chat/each", 20), flight, unknown)
	ask("bo", 2, "b")
	record(2, "b", rate("chat/each", 20), flight) // what else bo has changed is no limit of this tenant
	ask("cy", 3, "c")
	ask("dee", 4, "d")
	record(4, "d", rate("chat/each", 50), flight)
	ask("eve", 4, budgetstore.GistOfDeletion)
	record(0, "")
	want := []string{
		"chat/each: 20 requests per 1m for each user, tiers gerente, of acme/chat 1, by ana, until cy,dee",
		"chat/each: 50 requests per 1m for each user, tiers gerente, of acme/chat 4, by cy,dee, until eve",
		"chat/flight: 4 calls at once, of acme/chat 1, by ana, until eve",
	}
	const rows = `
SELECT limit_name, ': ', terms, ', of ', namespace, '/', policy, ' ', generation, ', by ', array_to_string(opened_by, ','), ', until ', array_to_string(closed_by, ','), CASE WHEN valid_to IS NULL THEN ' open' ELSE '' END
FROM rate_limits ORDER BY limit_name, valid_from`
	checkRows(t, pool, "rate limits", rows, want)
}
