package recovery

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
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
	SuspendTenants(ctx context.Context, tenants ...limiterstore.Suspension) ([]*limiterstore.SuspendedTenant, []error)
	Remembered(ctx context.Context, tenants ...*limiterstore.SuspendedTenant) ([]limiterstore.Remembered, []error)
	Set(ctx context.Context, tenants ...limiterstore.Counted) []error
	Resume(ctx context.Context, tenants ...*limiterstore.SuspendedTenant) []error
}

// Documents say in which budget trees tenants are.
type Documents interface {
	Roots(ctx context.Context, tenants ...string) (map[string]string, error)
	LeftRoots(ctx context.Context, tenants ...string) (map[string]string, error)
}

// OpenCalls are the calls that may not be in the ledger yet.
type OpenCalls interface {
	InShard(ctx context.Context, shard uint32) ([]limiterstore.StoredCall, time.Time, error)
	InShards(ctx context.Context, shards ...uint32) (map[uint32]limiterstore.ShardCalls, error)
}

// ReachableLedger is the ledger, and whether it can be reached.
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
	// locks has a lock for each tenant: its counters are set by one goroutine at a time.
	locks   sync.Map
	goingOn goingOn
}

const (
	// mostGoingOn is how many recounts may go on after their callers have stopped waiting. Each takes a connection
	// to Postgres, and others need some, too.
	mostGoingOn = 2
	// pingTimeout is how long Postgres may take to answer a ping, which tells a slow recount from a Postgres that
	// is away.
	pingTimeout = time.Second
)

// NewRecounter makes a Recounter.
func NewRecounter(documents Documents, epoch CurrentEpoch, counters Counters, calls OpenCalls, ledger ReachableLedger) *Recounter {
	return &Recounter{documents: documents, epoch: epoch, counters: counters, calls: calls, ledger: ledger}
}

// Prepare fails if applying the document needs the ledger and the ledger does not answer: a
// new limit must count what was spent before, and until then all calls would be refused. For
// tenants that come from another budget tree, or had no document, it forgets their counters
// in the document's tree, because they may have spent elsewhere since.
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

// move forgets the counters of those tenants of the document that are not in its tree yet: in that
// tree, and in the tree that they come from, or were in when they last had a document. It leaves out
// an ancestor whose document is gone and was in this tree: what is spent below it is still counted
// here.
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
		isGone := !isIn && !l.own && left[l.TenantCounters.Tenant] == l.Root
		if former == l.Root || isGone {
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

// leave forgets the counters of a tenant that comes from the tree with the root former, or from none if former is
// empty. Open calls in that tree, and in those from which the tenant had come there, still count: their roots are
// kept.
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
	// Enforcers that still run the document of the other tree must admit nothing there.
	return o.counters.Forget(ctx, left)
}

// mostFormers bounds how many former trees are remembered: a tenant does not move more often than that in the life
// of a call.
const mostFormers = 16

// formers are the roots of the trees from which a tenant has come to the tree with the root: the one that it
// leaves now, and those before it.
func formers(root, left string, before []string) (all []string) {
	for _, former := range append([]string{left}, before...) {
		if former != root && !slices.Contains(all, former) && len(all) < mostFormers {
			all = append(all, former)
		}
	}
	return all
}

// Recount makes the counters of the tenant and of its ancestors valid under the epoch, where they are
// not. It returns a *limiterstore.SuspendedError when no epoch is valid, and
// budgetstore.ErrUnavailable when the ledger is unavailable.
//
// If the time of ctx runs out before all is counted, it returns limiterstore.ErrNotValid, and the
// recount goes on for up to longestRecount. At most mostGoingOn recounts may do that; others end with
// ctx.
func (o *Recounter) Recount(ctx context.Context, document limiterv1.Tenant) error {
	if !o.goingOn.begin(document.Tenant) {
		return o.recountAll(ctx, ctx, document)[0]
	}
	counting, cancel := context.WithTimeout(context.WithoutCancel(ctx), longestRecount)
	done := make(chan error, 1)
	go func() {
		defer o.goingOn.end(document.Tenant)
		defer cancel()
		done <- o.recountRecovering(ctx, counting, document)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	if err := o.mayGoOn(ctx); err != nil {
		cancel()
		return err
	}
	return fmt.Errorf("tenant %s: %w: there is much to count in the ledger", document.Tenant, limiterstore.ErrNotValid)
}

// goingOn are the tenants whose recounts may go on after their callers have stopped waiting, mostGoingOn at most.
// Each tenant is there once: later callers wait for the recount that is under way, and take no place from other
// tenants.
type goingOn struct {
	mu      sync.Mutex
	tenants []string
}

// begin reports whether a tenant's recount may outlast its caller. If so, end must be called once it is over.
func (g *goingOn) begin(tenant string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.tenants) == mostGoingOn || slices.Contains(g.tenants, tenant) {
		return false
	}
	g.tenants = append(g.tenants, tenant)
	return true
}

func (g *goingOn) end(tenant string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tenants = slices.DeleteFunc(g.tenants, func(t string) bool { return t == tenant })
}

// mayGoOn returns nil if ctx has only run out of time and the ledger answers, so that the recount is just slow.
func (o *Recounter) mayGoOn(ctx context.Context) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ctx.Err()
	}
	pinging, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTimeout)
	defer cancel()
	return o.ledger.Ping(pinging)
}

// recountRecovering is recountAll for one tenant. It returns a panic as an error, as controller-runtime does for
// reconcilers.
func (o *Recounter) recountRecovering(waiting, counting context.Context, document limiterv1.Tenant) (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v\n%s", panicked, debug.Stack())
		}
	}()
	return o.recountAll(waiting, counting, document)[0]
}

// RecountAll does what Recount does for many tenants, in few round trips for all of them. The errors
// are in the order of the documents. If a query that several tenants share fails, all of these fail,
// though each may succeed alone.
func (o *Recounter) RecountAll(ctx context.Context, documents ...limiterv1.Tenant) []error {
	return o.recountAll(ctx, ctx, documents...)
}

// recountAll recounts tenants until counting ends. Until waiting ends, it waits for others that are counting one
// of them.
func (o *Recounter) recountAll(waiting, counting context.Context, documents ...limiterv1.Tenant) []error {
	epoch, err := o.epoch.Current(waiting)
	if err == nil && epoch.State != limiterv1.EpochValid {
		err = suspended(epoch)
	}
	errs, left := make([]error, len(documents)), make([][]levelCounters, len(documents))
	for i, document := range documents {
		if errs[i] = err; err == nil {
			left[i] = levels(document, epoch)
		}
	}
	for {
		turn, err := o.takeTurn(waiting, left)
		if err != nil {
			for i := range left {
				if len(left[i]) > 0 {
					errs[i] = err
				}
			}
			return errs
		}
		if len(turn.levels) == 0 {
			return errs
		}
		failed := o.makeTurnValid(counting, turn)
		for i, of := range turn.documents {
			for _, document := range of {
				left[document] = left[document][1:]
				if failed[i] != nil {
					errs[document], left[document] = failed[i], nil
				}
			}
		}
	}
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
