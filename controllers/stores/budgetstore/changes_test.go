package budgetstore_test

import (
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

const changed = `
SELECT generation, ' ', change, ' ', array_to_string(changed_by, ','), ' ', field_manager, ' ', resource_version, ' ', enforcement
FROM budget_changes ORDER BY recorded_at, generation`

// TestWhoChanged: a change that came into force is on record once, with those who asked for it, and nobody
// else.
func TestWhoChanged(t *testing.T) {
	ask := func(user string, generation int64, gist string) budgetstore.ChangeRequest {
		return budgetstore.ChangeRequest{UID: "u", Generation: generation, Gist: gist, User: user}
	}
	type step struct {
		asks       []budgetstore.ChangeRequest
		generation int64
		gist       string
	}
	for name, tc := range map[string]struct {
		steps []step
		want  []string
	}{
		"one": {
			[]step{{[]budgetstore.ChangeRequest{ask("ana", 1, "a")}, 1, "a"}, {[]budgetstore.ChangeRequest{ask("bo", 2, "b")}, 2, "b"}},
			[]string{"1 Set ana kubectl v1 Enforce", "2 Set bo kubectl v2 Enforce"},
		},
		"one who asked for something else": {
			[]step{{[]budgetstore.ChangeRequest{ask("eve", 1, "x"), ask("ana", 1, "a")}, 1, "a"}},
			[]string{"1 Set ana kubectl v1 Enforce"},
		},
		"one who asked for another object": {
			[]step{{[]budgetstore.ChangeRequest{{UID: "other", Generation: 1, Gist: "a", User: "eve"}}, 1, "a"}},
			[]string{"1 Set  kubectl v1 Enforce"},
		},
		"two who asked for the same": {
			[]step{{[]budgetstore.ChangeRequest{ask("bo", 1, "a"), ask("ana", 1, "a"), ask("ana", 1, "a")}, 1, "a"}},
			[]string{"1 Set ana,bo kubectl v1 Enforce"},
		},
		"several before any was in force": {
			[]step{{[]budgetstore.ChangeRequest{ask("ana", 1, "a")}, 1, "a"}, {[]budgetstore.ChangeRequest{ask("bo", 2, "b"), ask("cy", 3, "c")}, 3, "c"}},
			[]string{"1 Set ana kubectl v1 Enforce", "3 Set bo,cy kubectl v3 Enforce"},
		},
		"no webhook": {
			[]step{{nil, 1, "a"}}, []string{"1 Set  kubectl v1 Enforce"},
		},
		"one who asks after the fact": {
			[]step{{[]budgetstore.ChangeRequest{ask("ana", 1, "a")}, 1, "a"}, {[]budgetstore.ChangeRequest{ask("eve", 1, "a")}, 1, "a"}},
			[]string{"1 Set ana kubectl v1 Enforce"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			store, pool := newStore(t)
			changes := budgetstore.NewChanges(pool)
			for _, step := range tc.steps {
				for _, request := range step.asks {
					if err := changes.Asked(t.Context(), request); err != nil {
						t.Fatal(err)
					}
				}
				if err := store.limits.Record(t.Context(), changedBudget(step.generation, step.gist)); err != nil {
					t.Fatal(err)
				}
			}
			checkRows(t, pool, "changes", changed, tc.want)
			refused(t, pool, insufficientPrivilege, "UPDATE budget_changes SET changed_by = '{eve}'")
			refused(t, pool, insufficientPrivilege, "DELETE FROM budget_changes")
		})
	}
}

func changedBudget(generation int64, gist string) budgetstore.Budget {
	b := budget("u", generation, limit("daily", period.Day, money.USD*money.Nanos(generation)))
	b.Change = &budgetstore.Change{ResourceVersion: "v" + string(rune('0'+generation)), Gist: gist, FieldManager: "kubectl", ManagedAt: time.Now(), Enforcement: "Enforce"}
	return b
}

// TestCurrencyIsOnRecord: a limit is on record as it is written, and a change of the rate is a
// change of the limit; a record without a currency, as from an older state of the budget, changes nothing.
func TestCurrencyIsOnRecord(t *testing.T) {
	store, pool := newStore(t)
	step := func(generation int64, amount money.Nanos, currency *budgetstore.Currency) {
		t.Helper()
		b := budget("u", generation, limit("daily", period.Day, amount))
		if currency != nil {
			b.Change = &budgetstore.Change{Currency: *currency}
		}
		if err := store.limits.Record(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	euros := func(rate string) *budgetstore.Currency {
		return &budgetstore.Currency{Code: "EUR", USDPerUnit: rate, AsOf: "2026-10-01", Written: map[string]string{"daily": "5.00"}}
	}
	step(1, 5_425_000_000, &budgetstore.Currency{})
	step(2, 5_425_000_000, euros("1.085"))
	step(2, 5_425_000_000, nil)
	step(3, 5_400_000_000, euros("1.08"))
	step(4, 5_400_000_000, &budgetstore.Currency{})
	checkRows(t, pool, "limits", "SELECT generation, ' ', amount_nanos, ' ', currency, ' ', amount_written, ' ', valid_to IS NULL FROM budget_limits ORDER BY generation", []string{
		"1 5425000000 USD  false", "2 5425000000 EUR 5.00 false", "3 5400000000 EUR 5.00 false", "4 5400000000 USD  true",
	})
	checkRows(t, pool, "rates", "SELECT generation, ' ', currency, ' ', usd_per_unit::text, ' ', rate_as_of::text FROM budget_changes ORDER BY generation", []string{
		"1 USD 1 <nil>", "2 EUR 1.085 2026-10-01", "3 EUR 1.08 2026-10-01", "4 USD 1 <nil>",
	})
}

// TestWhoDeleted: a deletion is on record with those who asked for it, and requests are forgotten after a
// day.
func TestWhoDeleted(t *testing.T) {
	dsn := migrated(t)
	pool := poolAs(t, dsn, "bursar_manager")
	store, changes := storesOn(pool), budgetstore.NewChanges(pool)
	if err := store.limits.Record(t.Context(), changedBudget(1, "a")); err != nil {
		t.Fatal(err)
	}
	if err := changes.Asked(t.Context(), budgetstore.ChangeRequest{UID: "u", Generation: 1, Gist: budgetstore.GistOfDeletion, User: "ana"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := store.limits.Close(t.Context(), "acme", "u"); err != nil {
			t.Fatal(err)
		}
	}
	checkRows(t, pool, "changes", changed, []string{"1 Set  kubectl v1 Enforce", "1 Deleted ana   "})
	exec(t, connectTo(t, dsn), "UPDATE change_requests SET asked_at = now() - interval '25 hours'")
	if err := changes.Asked(t.Context(), budgetstore.ChangeRequest{UID: "new", Generation: 1, Gist: "a", User: "bo"}); err != nil {
		t.Fatal(err)
	}
	checkRows(t, pool, "requests", "SELECT user_name FROM change_requests", []string{"bo"})
}

// TestWhoGranted: a grant is on record with those who asked for it.
func TestWhoGranted(t *testing.T) {
	store, pool := newStore(t)
	if err := budgetstore.NewChanges(pool).Asked(t.Context(), budgetstore.ChangeRequest{UID: "g", Generation: 1, Gist: "a", User: "ana"}); err != nil {
		t.Fatal(err)
	}
	grant := grantOf("g", "acme", "")
	grant.Gist = "a"
	if err := store.grants.Record(t.Context(), grant); err != nil {
		t.Fatal(err)
	}
	checkRows(t, pool, "grants", "SELECT created_by FROM budget_grants", []string{"[ana]"})
}
