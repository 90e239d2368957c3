package audit_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/leader/audit"
	"github.com/bursar-dev/bursar/controllers/recovery"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/parts/documents"
	"github.com/bursar-dev/bursar/hack/parts/eventlog"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestAmended: a call that was charged in full gets its true cost in the ledger, and who
// saw to that could not have its tenant counted anew. The auditor does, and has nothing to
// tell; but of a counter that is wrong after that it tells.
func TestAmended(t *testing.T) {
	ctx := t.Context()
	limit := limiterv1.MoneyLimit{Name: "yearly", Per: limiterv1.PerTenant, Period: period.Year, Amount: 1000 * money.USD}
	late := limiterv1.Tenant{
		Sources: []limiterv1.Source{{Kind: "TenantBudget", Namespace: "late", Name: "budget", UID: "uid"}},
		Level:   limiterv1.Level{Tenant: "late", TimeZone: "UTC", Money: []limiterv1.MoneyLimit{limit}},
	}
	_, err := documents.Put(ctx, client, late)
	testkit.Must(t, err)
	database, err := databases.NewDatabase(ctx)
	testkit.Must(t, err)
	manager, err := pgxpool.New(ctx, database.Manager)
	testkit.Must(t, err)
	t.Cleanup(manager.Close)
	enforcer, err := pgxpool.New(ctx, database.Enforcer)
	testkit.Must(t, err)
	t.Cleanup(enforcer.Close)
	recorded := &eventlog.Events{}
	counters, ledger := limiterstore.NewCounters(client), budgetstore.NewLedgerReader(manager)
	auditor := audit.New(limiterstore.NewDocuments(client), counters, limiterstore.NewFindings(client), ledger, events.NewRecorder(recorded, nil), 0)
	recounter := recovery.NewRecounter(limiterstore.NewDocuments(client), limiterstore.NewEpochs(client), counters, limiterstore.NewCalls(client), ledger)
	recount := func() {
		t.Helper()
		testkit.EventuallySucceeds(t, "the tenant is counted", func() error { return recounter.Recount(ctx, late) })
	}
	const settleLate = `SELECT became FROM settle_late(jsonb_build_array(jsonb_build_object(
  'call_id', 'call', 'tenant_id', 'late', 'user_id', 'u', 'tier', '', 'credential', 'c', 'provider', 'p', 'model', 'm', 'model_asked', 'm',
  'model_used', 'm', 'endpoint', '/', 'streamed', false, 'admitted_at', $1::timestamptz, 'outcome', $2::text, 'held_nanos', 500, 'cost_nanos', $3::bigint, 'session', 's')))`
	now := time.Now().Truncate(time.Millisecond)
	for _, end := range []struct {
		outcome, want string
		cost          int64
	}{{"ChargedHold", "inserted", 500}, {"Settled", "amended", 200}} {
		var became string
		testkit.Must(t, enforcer.QueryRow(ctx, settleLate, now, end.outcome, end.cost).Scan(&became))
		if became != end.want {
			t.Fatalf("%s: %s, want %s", end.outcome, became, end.want)
		}
		if end.outcome == "ChargedHold" { // as the counters know it
			testkit.Must(t, counters.Distrust(ctx, "late", "late"))
			recount()
			testkit.Must(t, auditor.Audit(ctx, "late"))
		}
	}
	if err := auditor.Audit(ctx, "late"); !errors.Is(err, limiterstore.ErrNotValid) {
		t.Errorf("the audit after the ledger was amended: %v, want that the tenant is counted anew", err)
	}
	recount()
	testkit.Must(t, auditor.Audit(ctx, "late"))
	reading, err := counters.Read(ctx, "late", "late", limit)
	testkit.Must(t, err)
	key := limiterv1.MoneyField(limit)
	counter := reading.Money[key]
	if counter.Spent != 200 {
		t.Errorf("the counter has %s, want the true cost", counter.Spent)
	}
	if found := recorded.Take(); len(found) > 0 {
		t.Errorf("told %q of what was put right", found)
	}
	counter.Spent--
	testkit.Must(t, client.HSet(ctx, limiterv1.TenantCountersKey("late", "late"), key, counter.Encode()).Err())
	testkit.Must(t, auditor.Audit(ctx, "late"))
	if found := recorded.Take(); len(found) != 1 {
		t.Errorf("told %q of a counter that is wrong, want one Event", found)
	}
	counter.Spent++
	testkit.Must(t, client.HSet(ctx, limiterv1.TenantCountersKey("late", "late"), key, counter.Encode()).Err())
	testkit.Must(t, auditor.Audit(ctx, "late"))
}
