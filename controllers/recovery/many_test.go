package recovery_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/recovery"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// many are so many tenants that some are counted together, and fail together, each with a call of a cent
// more than the one before.
const many = 200

func nameOf(i int) string { return fmt.Sprintf("tenant-%d", i) }

// manyTenants are documents of many tenants, and fills the ledger with their calls.
func (w *world) manyTenants(t *testing.T) (tenants []limiterv1.Tenant) {
	t.Helper()
	for i := range many {
		tenant := acme
		tenant.Tenant = nameOf(i)
		tenants = append(tenants, tenant)
		call := acmeCall("call-"+nameOf(i), w.now(t), money.Nanos(i+1)*money.Cent, true)
		call.Tenant, call.Root = nameOf(i), nameOf(i)
		w.toLedger(t, call)
	}
	return tenants
}

// counted is nil if the tenant's calls are admitted by a counter that has what the ledger has.
func (w *world) counted(t *testing.T, epoch limiterv1.Epoch, i int) error {
	t.Helper()
	counters := limiterstore.TenantCounters{Root: nameOf(i), Tenant: nameOf(i), Epoch: epoch}
	field := limiterv1.MoneyField(daily(limiterv1.PerTenant))
	admits, valid, err := w.counters.Valid(t.Context(), counters, field)
	if err != nil || !admits || !valid[0] {
		return fmt.Errorf("tenant %d: admits calls %t, valid %v, %w", i, admits, valid, err)
	}
	if got, want := w.counter(t, limiterv1.TenantCountersKey(nameOf(i), nameOf(i)), field).Spent, money.Nanos(i+1)*money.Cent; got != want {
		return fmt.Errorf("tenant %d: %s spent, want %s", i, got, want)
	}
	return nil
}

// TestOneOfManyFails: when Redis has lost everything, a tenant that cannot be counted keeps none of the
// many others from being counted, and is not taken for one that was.
func TestOneOfManyFails(t *testing.T) {
	const broken = many / 2
	for name, spoil := range map[string]func(*limiterv1.Tenant){
		"its time zone is unknown": func(tenant *limiterv1.Tenant) { tenant.TimeZone = "Nowhere/Land" },
		"the ledger rejects what it is asked of": func(tenant *limiterv1.Tenant) {
			selective := daily(limiterv1.PerTenant)
			selective.Period, selective.Tiers = period.Month, []string{"not a text: \x00"}
			tenant.Money = []limiterv1.MoneyLimit{selective, daily(limiterv1.PerTenant)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.startWithoutLeader(t, 1)
			epoch := w.completed(t, 0)
			tenants := w.manyTenants(t)
			spoil(&tenants[broken])
			w.configureAll(t, tenants)
			w.looksTwice(t, 1)
			w.forget(t)
			epoch = w.completed(t, epoch.Number)
			for i := range many {
				if i != broken {
					testkit.EventuallySucceeds(t, "all others are counted", func() error { return w.counted(t, epoch, i) })
				}
			}
			if w.counted(t, epoch, broken) == nil {
				t.Error("the tenant that cannot be counted admits calls by its counters")
			}
		})
	}
}

// configureAll puts documents, and says that the configuration is complete.
func (w *world) configureAll(t *testing.T, tenants []limiterv1.Tenant) {
	t.Helper()
	documents, configurations := limiterstore.NewDocuments(w.redis), limiterstore.NewConfigurations(w.redis)
	for _, tenant := range tenants {
		_, err := documents.Put(t.Context(), limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: tenant.Tenant}, tenant)
		testkit.Must(t, err)
	}
	incarnation, err := configurations.Incomplete(t.Context())
	testkit.Must(t, err)
	testkit.Must(t, configurations.Complete(t.Context(), incarnation))
}

// dyingLedger is a ledger that answers, and whose reader dies before it can say anything of that.
type dyingLedger struct {
	*budgetstore.LedgerReader
	die context.CancelFunc
}

func (l dyingLedger) Read(ctx context.Context, read func(budgetstore.LedgerSnapshot) error) error {
	err := l.LedgerReader.Read(ctx, read)
	l.die()
	return errors.Join(err, ctx.Err())
}

// TestDiesInTheMidstOfMany: a manager dies that has suspended many tenants, and has not resumed them. None
// admits calls until the next manager has counted it.
func TestDiesInTheMidstOfMany(t *testing.T) {
	w := newWorld(t)
	w.start(t, 1)
	epoch := w.completed(t, 0)
	tenants := w.manyTenants(t)
	ctx, die := context.WithCancel(t.Context())
	defer die()
	dead := recovery.NewRecounter(limiterstore.NewDocuments(w.redis), w.epochs, diedCounters{w.counters, ctx}, w.calls, dyingLedger{w.ledger, die})
	for i, err := range dead.RecountAll(ctx, tenants...) {
		if err == nil || w.counted(t, epoch, i) == nil {
			t.Fatalf("tenant %d was counted by a manager that had died: %v", i, err)
		}
		admits, _, err := w.counters.Valid(t.Context(), limiterstore.TenantCounters{Root: nameOf(i), Tenant: nameOf(i), Epoch: epoch})
		if err != nil || admits {
			t.Fatalf("tenant %d admits calls: %v", i, err)
		}
	}
	for i, err := range w.recounter().RecountAll(t.Context(), tenants...) {
		testkit.Must(t, errors.Join(err, w.counted(t, epoch, i)))
	}
}

// diedCounters resume nothing once ctx has ended, as a manager does not that has died.
type diedCounters struct {
	*limiterstore.Counters
	ctx context.Context
}

func (c diedCounters) Resume(_ context.Context, tenants ...*limiterstore.SuspendedTenant) []error {
	return c.Counters.Resume(c.ctx, tenants...)
}
