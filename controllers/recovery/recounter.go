package recovery

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// CurrentEpoch is the generation of the counters.
type CurrentEpoch interface {
	Current(ctx context.Context) (limiterv1.Epoch, error)
}

// Counters are the counters in Redis.
type Counters interface {
	Valid(ctx context.Context, tenant limiterstore.TenantCounters, wanted ...string) (admits bool, valid []bool, err error)
	Forget(ctx context.Context, tenant limiterstore.TenantCounters, formers ...string) error
	Formers(ctx context.Context, tenant limiterstore.TenantCounters) (roots []string, err error)
	SuspendTenant(ctx context.Context, tenant limiterstore.TenantCounters, own bool, wanted ...string) (*limiterstore.SuspendedTenant, error)
}

// Documents say in which budget trees tenants are.
type Documents interface {
	Roots(ctx context.Context, tenants ...string) (map[string]string, error)
	LeftRoots(ctx context.Context, tenants ...string) (map[string]string, error)
}

// OpenCalls are the calls that may not be in the ledger yet.
type OpenCalls interface {
	InShard(ctx context.Context, shard uint32) ([]limiterstore.StoredCall, time.Time, error)
	InOtherShards(ctx context.Context, except uint32, roots []string) ([]limiterstore.StoredCall, error)
}

// ReachableLedger is where what was spent is on record.
type ReachableLedger interface {
	Read(ctx context.Context, read func(budgetstore.LedgerSnapshot) error) error
	Ping(ctx context.Context) error
}

// suspended is the error while no epoch is valid: nothing is admitted, for any tenant.
func suspended(epoch limiterv1.Epoch) error {
	if epoch.State == limiterv1.EpochRefused {
		return &limiterstore.SuspendedError{Reason: epoch.Reason}
	}
	return &limiterstore.SuspendedError{Reason: "the limiter is being rebuilt: calls are refused until that is done"}
}

// Recounter makes the counters of tenants valid.
type Recounter struct {
	documents Documents
	epoch     CurrentEpoch
	counters  Counters
	calls     OpenCalls
	ledger    ReachableLedger
	// locks has a mutex for each tenant: its counters are set by one goroutine at a time.
	locks sync.Map
}

// NewRecounter makes a Recounter.
func NewRecounter(documents Documents, epoch CurrentEpoch, counters Counters, calls OpenCalls, ledger ReachableLedger) *Recounter {
	return &Recounter{documents: documents, epoch: epoch, counters: counters, calls: calls, ledger: ledger}
}

// Prepare fails if applying the document would make calls be refused because the ledger does
// not answer: a new limit must count what was spent before. Of tenants that come from another
// budget tree, or had no document, it forgets what counted in the tree of the document: they
// may have spent elsewhere since.
func (o *Recounter) Prepare(ctx context.Context, document limiterv1.Tenant) error {
	epoch, err := o.epoch.Current(ctx)
	if err != nil || epoch.State != limiterv1.EpochValid {
		return err
	}
	if err := o.move(ctx, document, epoch); err != nil {
		return err
	}
	for _, l := range levels(document, epoch) {
		admits, valid, err := o.counters.Valid(ctx, l.TenantCounters, l.wanted()...)
		if err != nil {
			return err
		}
		for _, valid := range valid {
			if admits && !valid {
				return o.ledger.Ping(ctx)
			}
		}
	}
	return nil
}

// move forgets the counters of the tenants of the document that are not in its tree yet,
// in that tree and in the one that they come from, or in which they were when they last had a
// document.
func (o *Recounter) move(ctx context.Context, document limiterv1.Tenant, epoch limiterv1.Epoch) error {
	all := levels(document, epoch)
	tenants := make([]string, len(all))
	for i, l := range all {
		tenants[i] = l.TenantCounters.Tenant
	}
	roots, err := o.documents.Roots(ctx, tenants...)
	if err != nil {
		return err
	}
	left, err := o.documents.LeftRoots(ctx, tenants...)
	if err != nil {
		return err
	}
	for _, l := range all {
		former, isIn := roots[l.TenantCounters.Tenant]
		if former == l.Root {
			continue
		}
		if !isIn && left[l.TenantCounters.Tenant] != l.Root {
			former = left[l.TenantCounters.Tenant]
		}
		if err := o.leave(ctx, l, former); err != nil {
			return err
		}
	}
	return nil
}

// leave forgets the counters of a tenant that comes from the tree with the root former, or from
// none if that is empty. What is open in the trees from which it had come there counts on, too.
func (o *Recounter) leave(ctx context.Context, l levelCounters, former string) error {
	if former == "" {
		return o.counters.Forget(ctx, l.TenantCounters)
	}
	left := l.TenantCounters
	left.Root = former
	before, err := o.counters.Formers(ctx, left)
	if err != nil {
		return err
	}
	if l.own {
		if err := o.ledger.Ping(ctx); err != nil {
			return err
		}
	}
	if err := o.counters.Forget(ctx, l.TenantCounters, formers(l.Root, former, before)...); err != nil || !l.own {
		return err
	}
	// Who still runs the document of the other tree is to admit nothing there.
	return o.counters.Forget(ctx, left)
}

// mostFormers bounds the trees that are remembered: a tenant does not move more often than that
// in the life of a call.
const mostFormers = 16

// formers are the roots of the trees from which a tenant comes that is now in the tree with the
// root: the one that it leaves, and those from which it had come there.
func formers(root, left string, before []string) (all []string) {
	for _, former := range append([]string{left}, before...) {
		if former != root && !slices.Contains(all, former) && len(all) < mostFormers {
			all = append(all, former)
		}
	}
	return all
}

// Recount makes the counters of the tenant and of its ancestors valid under the epoch,
// where they are not. Its error is a *limiterstore.SuspendedError when no epoch is
// valid, and budgetstore.ErrUnavailable when the ledger is unavailable.
func (o *Recounter) Recount(ctx context.Context, document limiterv1.Tenant) error {
	epoch, err := o.epoch.Current(ctx)
	if err != nil {
		return err
	}
	if epoch.State != limiterv1.EpochValid {
		return suspended(epoch)
	}
	for _, l := range levels(document, epoch) {
		if err := o.makeValid(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// levelCounters are a tenant of a budget tree and its counters under an epoch.
type levelCounters struct {
	limiterstore.TenantCounters
	limiterv1.Level
	// own is whether it is the tenant whose document this is, and not an ancestor.
	own bool
}

// levels are the tenant of a document and its ancestors, from the root down.
func levels(document limiterv1.Tenant, epoch limiterv1.Epoch) []levelCounters {
	var all []levelCounters
	add := func(l limiterv1.Level, own bool) {
		counters := limiterstore.TenantCounters{Root: document.Root(), Tenant: l.Tenant, Epoch: epoch}
		all = append(all, levelCounters{counters, l, own})
	}
	for i := len(document.Ancestors) - 1; i >= 0; i-- {
		add(document.Ancestors[i], false)
	}
	add(document.Level, true)
	return all
}

// inFlight stands for all buckets that count calls in flight.
const inFlight = "in-flight"

// wantedOf stands for the counters of a limit.
func wantedOf(limit limiterv1.MoneyLimit) string {
	return limiterv1.FieldOfAll(limit.Per, limiterv1.MoneyField(limit))
}

// wanted is what has to be valid for calls of the level to be admitted.
func (l levelCounters) wanted() []string {
	wanted := []string{inFlight}
	for _, limit := range l.Money {
		wanted = append(wanted, wantedOf(limit))
	}
	return wanted
}

func (o *Recounter) makeValid(ctx context.Context, l levelCounters) error {
	lock, _ := o.locks.LoadOrStore(l.Root+"/"+l.TenantCounters.Tenant, &sync.Mutex{})
	lock.(*sync.Mutex).Lock()
	defer lock.(*sync.Mutex).Unlock()
	suspended, err := o.counters.SuspendTenant(ctx, l.TenantCounters, l.own, l.wanted()...)
	if err != nil || suspended == nil {
		return err
	}
	if err := o.set(ctx, l, suspended); err != nil {
		// What was valid before is valid still: calls that need no more may go on.
		_ = suspended.Resume(context.WithoutCancel(ctx), nil) // after an error, the next attempt resumes it
		return fmt.Errorf("set the counters of tenant %s: %w", l.Level.Tenant, err)
	}
	return nil
}

// set sets what is missing, and resumes the tenant.
func (o *Recounter) set(ctx context.Context, l levelCounters, suspended *limiterstore.SuspendedTenant) error {
	// Calls are read before the ledger: one on its way from here to there is in both.
	formers, err := o.counters.Formers(ctx, l.TenantCounters)
	if err != nil {
		return err
	}
	calls, now, err := o.callsOf(ctx, l.Root, formers)
	if err != nil {
		return err
	}
	unknown, err := suspended.UnknownOwners(ctx)
	if err != nil {
		return err
	}
	var counted *recount
	err = o.ledger.Read(ctx, func(ledger budgetstore.LedgerSnapshot) error {
		if now, err = latest(ctx, ledger, l, calls, now); err != nil {
			return err
		}
		counted, err = newRecount(ctx, ledger, l, formers, calls, now)
		if err != nil {
			return err
		}
		counted.unknown = unknown
		return counted.count(ctx, suspended.Missing)
	})
	if err != nil {
		return err
	}
	if err := suspended.Advance(ctx, counted.now); err != nil {
		return err
	}
	for owner, counters := range counted.counters {
		if owner.IsTenant() {
			continue
		}
		if err := suspended.SetOwner(ctx, owner, counters, counted.forget); err != nil {
			return err
		}
	}
	if counted.estimated {
		if err := suspended.NoteEstimate(ctx); err != nil {
			return err
		}
	}
	return suspended.Resume(ctx, counted.counters[limiterv1.Owner{}], suspended.Missing...)
}

// callsOf are the calls in the shard of a root, and in those of the roots from which the
// tenant has come.
func (o *Recounter) callsOf(ctx context.Context, root string, formers []string) ([]limiterstore.StoredCall, time.Time, error) {
	before, err := o.calls.InOtherShards(ctx, limiterv1.Shard(root), formers)
	if err != nil {
		return nil, time.Time{}, err
	}
	calls, now, err := o.calls.InShard(ctx, limiterv1.Shard(root))
	return append(calls, before...), now, err
}

// latest is the time at which a tenant is to be counted: now, or when the last of its
// calls was admitted that are on record, should the clock have been set back since. What
// those spent must not be forgotten as their period turns again. A record that is further
// ahead than limiterv1.MostAhead is not believed.
func latest(
	ctx context.Context, ledger budgetstore.LedgerSnapshot, l levelCounters, calls []limiterstore.StoredCall, now time.Time,
) (time.Time, error) {
	until := now.Add(limiterv1.MostAhead)
	at, err := ledger.LastAdmitted(ctx, l.Level.Tenant, now, until)
	if err != nil {
		return time.Time{}, err
	}
	for _, call := range calls {
		if call.AdmittedAt.After(at) && !call.AdmittedAt.After(until) {
			at = call.AdmittedAt
		}
	}
	return at, nil
}
