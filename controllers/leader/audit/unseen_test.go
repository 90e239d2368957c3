package audit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	goredis "github.com/redis/go-redis/v9"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
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

// unseen is a tenant with a limit for the year, the ledger, and what counts and audits it.
type unseen struct {
	document  limiterv1.Tenant
	enforcer  *pgxpool.Pool
	recorded  *eventlog.Events
	counters  *limiterstore.Counters
	auditor   *audit.Auditor
	recounter *recovery.Recounter
	ledger    *budgetstore.LedgerReader
	// distrust is the error with which the auditor has no tenant counted anew; nil for none.
	distrust error
}

// failing are counters whose tenants cannot be counted anew at times.
type failing struct {
	*limiterstore.Counters
	distrust *error
}

func (f failing) Distrust(ctx context.Context, root, tenant string) error {
	if *f.distrust != nil {
		return *f.distrust
	}
	return f.Counters.Distrust(ctx, root, tenant)
}

func newUnseen(t *testing.T, tenant string, ancestors ...limiterv1.Level) *unseen {
	t.Helper()
	ctx := t.Context()
	limit := limiterv1.MoneyLimit{Name: "yearly", Per: limiterv1.PerTenant, Period: period.Year, Amount: 1000 * money.USD}
	u := &unseen{recorded: &eventlog.Events{}, document: limiterv1.Tenant{
		Sources:   []limiterv1.Source{{Kind: "TenantBudget", Namespace: tenant, Name: "budget", UID: "uid"}},
		Level:     limiterv1.Level{Tenant: tenant, TimeZone: "UTC", Money: []limiterv1.MoneyLimit{limit}},
		Ancestors: ancestors,
	}}
	_, err := documents.Put(ctx, client, u.document)
	testkit.Must(t, err)
	database, err := databases.NewDatabase(ctx)
	testkit.Must(t, err)
	manager, err := pgxpool.New(ctx, database.Manager)
	testkit.Must(t, err)
	t.Cleanup(manager.Close)
	u.enforcer, err = pgxpool.New(ctx, database.Enforcer)
	testkit.Must(t, err)
	t.Cleanup(u.enforcer.Close)
	ledger := budgetstore.NewLedgerReader(manager)
	u.ledger = ledger
	u.counters = limiterstore.NewCounters(client)
	u.auditor = audit.New(limiterstore.NewDocuments(client), failing{u.counters, &u.distrust}, limiterstore.NewFindings(client), ledger, events.NewRecorder(u.recorded, nil), 0)
	u.recounter = recovery.NewRecounter(limiterstore.NewDocuments(client), limiterstore.NewEpochs(client), u.counters, limiterstore.NewCalls(client), ledger)
	return u
}

func (u *unseen) audit(ctx context.Context) error { return u.auditor.Audit(ctx, u.document.Tenant) }

func (u *unseen) recount(t *testing.T) {
	t.Helper()
	testkit.EventuallySucceeds(t, "the tenant is counted", func() error { return u.recounter.Recount(t.Context(), u.document) })
}

// takes has the ledger take a call of the tenant, in the budget tree of ancestors.
func (u *unseen) takes(t *testing.T, call string, at time.Time, held, cost money.Nanos, ancestors ...string) {
	t.Helper()
	_, err := u.enforcer.Exec(t.Context(), `
INSERT INTO ai_usage_logs (call_id, tenant_id, ancestors, user_id, tier, credential, provider, model, model_asked, model_used,
  endpoint, streamed, admitted_at, outcome, held_nanos, cost_nanos, session)
VALUES ($1, $2, coalesce($3::text[], '{}'), 'u', '', 'c', 'p', 'm', 'm', 'm', '/', false, $4, 'Settled', $5, $6, 's')`,
		call, u.document.Tenant, ancestors, at.Truncate(time.Millisecond), int64(held), int64(cost))
	testkit.Must(t, err)
}

// isPutRight checks that the next audit has the tenant counted anew, after which it has
// spent what the ledger says; that nothing is told of that; and that a counter that is
// wrong afterwards is told of.
func (u *unseen) isPutRight(t *testing.T, spent money.Nanos) {
	t.Helper()
	ctx := t.Context()
	if err := u.audit(ctx); !errors.Is(err, limiterstore.ErrNotValid) {
		t.Errorf("the audit: %v, want that the tenant is counted anew", err)
	}
	u.recount(t)
	testkit.Must(t, u.audit(ctx))
	limit := u.document.Money[0]
	reading, err := u.counters.Read(ctx, u.document.Root(), u.document.Tenant, limit)
	testkit.Must(t, err)
	key, field := limiterv1.TenantCountersKey(u.document.Root(), u.document.Tenant), limiterv1.MoneyField(limit)
	counter := reading.Money[field]
	if counter.Spent != spent {
		t.Errorf("the counter has %s, want the true cost, %s", counter.Spent, spent)
	}
	if found := u.recorded.Take(); len(found) > 0 {
		t.Errorf("told %q of what was put right", found)
	}
	counter.Spent++
	testkit.Must(t, client.HSet(ctx, key, field, counter.Encode()).Err())
	testkit.Must(t, u.audit(ctx))
	if found := u.recorded.Take(); len(found) != 1 {
		t.Errorf("told %q of a counter that is wrong, want one Event", found)
	}
	counter.Spent--
	testkit.Must(t, client.HSet(ctx, key, field, counter.Encode()).Err())
	testkit.Must(t, u.audit(ctx))
}

// TestAmended: a call that was charged in full gets its true cost in the ledger from an
// enforcer that cannot have the tenant recounted. The auditor does, and reports nothing;
// but it reports a counter that is wrong after that.
func TestAmended(t *testing.T) {
	u := newUnseen(t, "late")
	const settleLate = `SELECT became FROM settle_late(jsonb_build_array(jsonb_build_object(
  'call_id', 'call', 'tenant_id', 'late', 'user_id', 'u', 'tier', '', 'credential', 'c', 'provider', 'p', 'model', 'm', 'model_asked', 'm',
  'model_used', 'm', 'endpoint', '/', 'streamed', false, 'admitted_at', $1::timestamptz, 'outcome', $2::text, 'held_nanos', 500, 'cost_nanos', $3::bigint, 'session', 's')))`
	now := time.Now().Truncate(time.Millisecond)
	for _, end := range []struct {
		outcome, want string
		cost          int64
	}{{"ChargedHold", "inserted", 500}, {"Settled", "amended", 200}} {
		var became string
		testkit.Must(t, u.enforcer.QueryRow(t.Context(), settleLate, now, end.outcome, end.cost).Scan(&became))
		if became != end.want {
			t.Fatalf("%s: %s, want %s", end.outcome, became, end.want)
		}
		if end.outcome == "ChargedHold" { // as the counters know it
			testkit.Must(t, u.counters.Distrust(t.Context(), "late", "late"))
			u.recount(t)
			testkit.Must(t, u.audit(t.Context()))
		}
	}
	u.isPutRight(t, 200)
}

// TestEndedElsewhere: a tenant has moved to another budget tree, and a call that was open
// then ends in the one that it has left. The auditor has the tenant counted anew, if Redis is away at
// first, with the next audit.
func TestEndedElsewhere(t *testing.T) {
	u := newUnseen(t, "moved", limiterv1.Level{Tenant: "new-parent", TimeZone: "UTC"})
	u.recount(t)
	testkit.Must(t, u.audit(t.Context()))
	u.takes(t, "call", time.Now(), 500, 200, "old-parent")
	u.distrust = errors.New("Redis is away")
	if err := u.audit(t.Context()); !errors.Is(err, u.distrust) {
		t.Errorf("the audit: %v, want %v", err, u.distrust)
	}
	u.distrust = nil
	u.isPutRight(t, 200)
}

// TestOpenElsewhere: a tenant has come from another budget tree, where a call of its is open and
// counts here with its bound. Audits have nothing to tell while it is open, has ended, and is in
// the ledger, when the tenant is counted anew.
func TestOpenElsewhere(t *testing.T) {
	ctx, tenant, session := t.Context(), uuid.NewString(), uuid.NewString()
	u := newUnseen(t, tenant, limiterv1.Level{Tenant: "new-" + tenant, TimeZone: "UTC"})
	old, now := "old-"+tenant, time.Now().Truncate(time.Millisecond)
	calls := limiterv1.CallsKey(limiterv1.Shard(old), session)
	testkit.Must(t, client.ZAdd(ctx, limiterv1.SessionsKey, goredis.Z{Score: float64(now.UnixMilli()), Member: session}).Err())
	t.Cleanup(func() { client.ZRem(context.Background(), limiterv1.SessionsKey, session) })
	entry := ledgerv1.Entry{Held: 5 * money.Cent, OpenCall: limiterv1.OpenCall{CallID: "open-" + tenant, Tenant: tenant, Root: old, Ancestors: []string{old}, User: "u"}}
	put := func(settled bool, amount money.Nanos) {
		record := limiterv1.CallRecord{Settled: settled, Amount: amount, AdmittedAt: now, Body: entry.Encode()}
		testkit.Must(t, client.HSet(ctx, calls, entry.CallID, record.Encode()).Err())
	}
	put(false, entry.Held)
	counters := limiterstore.TenantCounters{Root: u.document.Root(), Tenant: tenant, Epoch: limiterv1.Epoch{Number: 1}}
	testkit.Must(t, u.counters.Forget(ctx, counters, "between-"+tenant, old))
	u.recount(t)
	for _, is := range []struct {
		settled bool
		amount  money.Nanos
	}{{false, entry.Held}, {true, 2 * money.Cent}} {
		put(is.settled, is.amount)
		testkit.Must(t, u.audit(ctx))
		if told := u.recorded.Take(); len(told) > 0 {
			t.Errorf("told %q of a call elsewhere, settled %t", told, is.settled)
		}
	}
	u.takes(t, entry.CallID, now, entry.Held, 2*money.Cent, old)
	testkit.Must(t, u.audit(ctx))
	testkit.Must(t, client.HDel(ctx, calls, entry.CallID).Err())
	u.isPutRight(t, 2*money.Cent)
}

// TestCountedTooLittle: a counter that has less than the ledger is told of once, and the tenant is
// counted anew: a limit must not let more through than it has. One that has more is told of and
// left alone: the ledger may have been restored from a backup.
func TestCountedTooLittle(t *testing.T) {
	for name, tc := range map[string]struct {
		off  money.Nanos
		then string
		left money.Nanos
	}{
		"less": {-1, ": the tenant is recounted", 0},
		"more": {1, ": the limit keeps what it counts until its period turns", 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHolding(t, 5*money.Cent)
			counter := h.counter()
			spent := counter.Spent
			h.takes(t, "call", time.Now(), 500, 200)
			counter.Spent += 200 + tc.off
			testkit.Must(t, client.HSet(t.Context(), h.key, h.field, counter.Encode()).Err())
			if told := h.audited(); len(told) != 1 || !strings.HasSuffix(told[0], tc.then) {
				t.Errorf("told %q, want one Event that ends with %q", told, tc.then)
			}
			h.recount(t)
			if is := h.counter().Spent - spent; is != 200+tc.left {
				t.Errorf("$%s is counted, want $%s", is, 200+tc.left)
			}
		})
	}
}

// TestEstimatesDoNotExplainTooLittle: a counter that has less than the ledger is told of, also where
// calls are counted with their bound.
func TestEstimatesDoNotExplainTooLittle(t *testing.T) {
	h := newHolding(t, 5*money.Cent)
	testkit.Must(t, client.HSet(t.Context(), h.key, limiterv1.EstimatedField, 1).Err())
	h.takes(t, "call", time.Now(), 500, 200)
	if told := h.audited(); len(told) != 1 || !strings.HasSuffix(told[0], ": the tenant is recounted") {
		t.Errorf("told %q, want one Event", told)
	}
}

// TestLimitAddedWhileCallsAreOpen: a limit that is added while a call is open counts it with its
// bound, as its end will not be told to the counter. Audits have nothing to tell while it is open
// and when it has ended, when the tenant is counted anew.
func TestLimitAddedWhileCallsAreOpen(t *testing.T) {
	ctx, held, cost := t.Context(), 5*money.Cent, 2*money.Cent
	h := newHolding(t, held)
	added := limiterv1.MoneyLimit{Name: "added", Per: limiterv1.PerTenant, Period: period.Month, Amount: money.USD}
	h.document.Money = append([]limiterv1.MoneyLimit{added}, h.document.Money...)
	id := limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: h.document.Tenant}
	_, err := limiterstore.NewDocuments(client).Put(ctx, id, h.document)
	testkit.Must(t, err)
	h.recount(t)
	reading, err := h.counters.Read(ctx, h.document.Root(), h.document.Tenant, added)
	testkit.Must(t, err)
	if is := reading.Money[limiterv1.MoneyField(added)]; is.Spent != held {
		t.Errorf("the added limit counts $%s, want the bound of the open call, $%s", is.Spent, held)
	}
	if told := h.audited(); len(told) > 0 {
		t.Errorf("told %q of a call that was open when a limit was added", told)
	}
	counter := h.counter()
	counter.Held, counter.Spent = 0, counter.Spent+cost
	testkit.Must(t, client.HSet(ctx, h.key, h.field, counter.Encode()).Err())
	testkit.Must(t, client.HDel(ctx, h.calls, "open").Err())
	h.takes(t, "open", time.Now(), held, cost)
	h.isPutRight(t, cost)
}
