package anomaly

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

const (
	// every is how often the Watcher checks whether another hour is over.
	every = time.Minute
	// margin is how far the sums must have come beyond an hour before the Watcher looks at it.
	margin = 15 * time.Minute
	// looksBack is how many hours a manager looks back when it begins to lead.
	looksBack = 6
	// timeout bounds a look at all budgets, and budgetTimeout that at one.
	timeout       = 10 * time.Minute
	budgetTimeout = time.Minute
	// keysEvery is how often unused keys are looked for, and keysAgain how soon again if not all calls were
	// added up.
	keysEvery = 24 * time.Hour
	keysAgain = 15 * time.Minute
	// longestPause is the longest pause after an attempt that failed.
	longestPause = looksBack * time.Hour
)

// Sums are the sums of what users used.
type Sums interface {
	Summed(ctx context.Context) (until time.Time, err error)
	Hours(ctx context.Context, tenant string, hours []time.Time) ([]budgetstore.UserHour, error)
	UsedKeys(ctx context.Context, tenant string, since time.Time) (keys map[string]bool, isComplete bool, err error)
}

// Alerts are where alerts are raised.
type Alerts interface {
	Raise(ctx context.Context, alerts budgetstore.TenantAlerts) (int, error)
	EndAnomalies(ctx context.Context) error
}

// Waker is told that there is something to deliver.
type Waker interface{ Wake() }

// Watcher looks for what is unusual.
type Watcher struct {
	sums    Sums
	alerts  Alerts
	objects client.Reader
	waker   Waker
	// seen are the budgets that were looked at.
	seen map[types.UID]*seen
}

// seen is how far a budget was looked at.
type seen struct {
	// next is the first hour that was not looked at, and keys when keys are looked at again.
	next, keys time.Time
	// failed is how many attempts in a row have failed, and retry when the next one is made.
	failed int
	retry  time.Time
}

// New makes a Watcher, which finds budgets and keys in a cache.
func New(sums Sums, alerts Alerts, objects client.Reader, waker Waker) *Watcher {
	return &Watcher{sums: sums, alerts: alerts, objects: objects, waker: waker, seen: map[types.UID]*seen{}}
}

// NeedLeaderElection keeps all but the leader out.
func (w *Watcher) NeedLeaderElection() bool { return true }

// Start looks until ctx ends. Failures are tried again; of several in a row of one tenant, only the first
// is logged.
func (w *Watcher) Start(ctx context.Context) error {
	for {
		if err := w.Look(ctx, time.Now()); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "Failed to look for unusual spending, refusals and unused keys; will retry")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// Look looks at the hours that are over and were not looked at and, once a day, at keys. It raises
// no alert twice. It returns the errors of tenants whose last attempt did not fail.
func (w *Watcher) Look(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := w.alerts.EndAnomalies(ctx); err != nil {
		return err
	}
	until, err := w.sums.Summed(ctx)
	if err != nil {
		return err
	}
	return w.lookAt(ctx, look{now: now, end: until.Add(-margin).UTC().Truncate(time.Hour)})
}

// look is what is looked at: the hours before end that were not yet.
type look struct{ now, end time.Time }

func (w *Watcher) lookAt(ctx context.Context, l look) (err error) {
	var budgets v1alpha1.TenantBudgetList
	if err := w.objects.List(ctx, &budgets); err != nil {
		return err
	}
	before := w.seen
	w.seen = map[types.UID]*seen{}
	for i := range budgets.Items {
		budget := &budgets.Items[i]
		if budget.Spec.Alerts == nil || budget.Spec.Alerts.Anomalies == nil || !meta.IsStatusConditionTrue(budget.Status.Conditions, v1alpha1.ConditionAccepted) {
			continue
		}
		s := before[budget.UID]
		if s == nil {
			s = &seen{}
		}
		w.seen[budget.UID] = s
		if ctx.Err() == nil && s.isDue(l) {
			err = errors.Join(err, w.attempt(ctx, l, budget, s)) // others are looked at all the same
		}
	}
	return errors.Join(err, ctx.Err())
}

// isDue is whether there is something to look at, and not too soon after it failed.
func (s *seen) isDue(l look) bool {
	if oldest := l.end.Add(-looksBack * time.Hour); s.next.Before(oldest) {
		s.next = oldest
	}
	return !l.now.Before(s.retry) && (s.next.Before(l.end) || !l.now.Before(s.keys))
}

// attempt looks at a budget. After failures, it is tried again after growing pauses: mostly a query
// has failed that takes a minute, and the database must not get many of these. It only returns the
// first of several errors in a row.
func (w *Watcher) attempt(ctx context.Context, l look, budget *v1alpha1.TenantBudget, s *seen) error {
	err := w.lookAtBudget(ctx, l, budget, s)
	if err == nil {
		s.failed, s.retry = 0, time.Time{}
		return nil
	}
	if ctx.Err() != nil {
		return nil // the time for all of them is over, which says nothing about this one
	}
	s.failed++
	s.retry = l.now.Add(min(every<<min(s.failed, 16), longestPause))
	if s.failed > 1 {
		return nil
	}
	return fmt.Errorf("TenantBudget %s/%s: %w", budget.Namespace, budget.Name, err)
}

func (w *Watcher) lookAtBudget(ctx context.Context, l look, budget *v1alpha1.TenantBudget, s *seen) error {
	ctx, cancel := context.WithTimeout(ctx, budgetTimeout)
	defer cancel()
	zone, err := period.Zone(budget.Spec.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	for s.next.Before(l.end) {
		found, err := w.inHour(ctx, budget, zone, s.next)
		if err != nil {
			return err
		}
		if err := w.raise(ctx, budget, found); err != nil {
			return err
		}
		s.next = s.next.Add(time.Hour)
	}
	if l.now.Before(s.keys) {
		return nil
	}
	unused, isComplete, err := w.unusedKeys(ctx, l, budget, zone)
	if err != nil {
		return err
	}
	if err := w.raise(ctx, budget, unused); err != nil {
		return err
	}
	s.keys = l.now.Add(keysEvery)
	if !isComplete {
		s.keys = l.now.Add(keysAgain)
	}
	return nil
}

// raise raises what was found, the first of each kind and owner in a period.
func (w *Watcher) raise(ctx context.Context, budget *v1alpha1.TenantBudget, found []budgetstore.Alert) error {
	type once struct {
		rung   budgetstore.Rung
		owner  string
		period time.Time
	}
	seen := map[once]bool{}
	alerts := budgetstore.TenantAlerts{
		Tenant: budget.Spec.Tenant, UID: string(budget.UID),
		Recipients: budgetstore.Recipients(budget.Spec.Alerts), Filters: budget.Spec.Alerts.Filters,
	}
	for _, alert := range found {
		if key := (once{alert.Rung, alert.Owner.String(), alert.Period.Start}); !seen[key] {
			seen[key] = true
			alerts.Reached = append(alerts.Reached, alert)
		}
	}
	if len(alerts.Reached) == 0 {
		return nil
	}
	raised, err := w.alerts.Raise(ctx, alerts)
	if raised > 0 {
		w.waker.Wake()
	}
	return err
}
