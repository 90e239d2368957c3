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

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

const (
	// every is how often it is looked whether another hour is over.
	every = time.Minute
	// margin is how much further than an hour the sums must have come before it is looked at.
	margin = 15 * time.Minute
	// looksBack is how many hours a manager looks at that has just started.
	looksBack = 6
	// timeout bounds a look at all budgets, and budgetTimeout that at one.
	timeout       = 10 * time.Minute
	budgetTimeout = time.Minute
)

// Sums are the sums of what users used.
type Sums interface {
	Summed(ctx context.Context) (from, until time.Time, err error)
	Hours(ctx context.Context, tenant string, hours []time.Time) ([]budgetstore.UserHour, error)
	UsedKeys(ctx context.Context, tenant string, since time.Time) (map[string]bool, error)
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
	// next is the first hour that was not looked at, and keys when keys are looked at again.
	next, keys time.Time
	// done are the budgets that were looked at in an attempt that failed for others, and what was
	// looked at then.
	done map[types.UID]look
}

// New makes a Watcher, which finds budgets and keys in a cache.
func New(sums Sums, alerts Alerts, objects client.Reader, waker Waker) *Watcher {
	return &Watcher{sums: sums, alerts: alerts, objects: objects, waker: waker, done: map[types.UID]look{}}
}

// NeedLeaderElection keeps all but the leader out.
func (w *Watcher) NeedLeaderElection() bool { return true }

// Start looks until ctx ends. A failure is logged and tried again.
func (w *Watcher) Start(ctx context.Context) error {
	for {
		if err := w.Look(ctx, time.Now()); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "Failed to look for what is unusual; will retry")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// Look looks at the hours that are over and were not looked at, and, once a day, at keys. What was
// raised already is not raised again.
func (w *Watcher) Look(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := w.alerts.EndAnomalies(ctx); err != nil {
		return err
	}
	from, until, err := w.sums.Summed(ctx)
	if err != nil {
		return err
	}
	end := until.Add(-margin).UTC().Truncate(time.Hour)
	if oldest := end.Add(-looksBack * time.Hour); w.next.Before(oldest) {
		w.next = oldest
	}
	looksAtKeys := !now.Before(w.keys)
	if !w.next.Before(end) && !looksAtKeys {
		return nil
	}
	if err := w.lookAt(ctx, look{now: now, from: from, first: w.next, end: end, keys: looksAtKeys}); err != nil {
		return err
	}
	w.next, w.done = end, map[types.UID]look{}
	if looksAtKeys {
		w.keys = now.Add(24 * time.Hour)
	}
	return nil
}

// look is what is looked at: the hours from first on and before end, and keys if they are due.
type look struct {
	now time.Time
	// from is since when there are sums.
	from       time.Time
	first, end time.Time
	keys       bool
}

func (w *Watcher) lookAt(ctx context.Context, l look) (err error) {
	var budgets v1alpha1.TenantBudgetList
	if err := w.objects.List(ctx, &budgets); err != nil {
		return err
	}
	for i := range budgets.Items {
		budget := &budgets.Items[i]
		if budget.Spec.Alerts == nil || budget.Spec.Alerts.Anomalies == nil || !meta.IsStatusConditionTrue(budget.Status.Conditions, v1alpha1.ConditionAccepted) {
			continue
		}
		if done, ok := w.done[budget.UID]; ok && done.end.Equal(l.end) && (done.keys || !l.keys) {
			continue
		}
		if one := w.lookAtBudget(ctx, l, budget); one != nil { // those of others are looked at all the same
			err = errors.Join(err, fmt.Errorf("TenantBudget %s/%s: %w", budget.Namespace, budget.Name, one))
			continue
		}
		w.done[budget.UID] = l
	}
	return err
}

func (w *Watcher) lookAtBudget(ctx context.Context, l look, budget *v1alpha1.TenantBudget) error {
	ctx, cancel := context.WithTimeout(ctx, budgetTimeout)
	defer cancel()
	zone, err := time.LoadLocation(budget.Spec.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	var found []budgetstore.Alert
	for hour := l.first; hour.Before(l.end); hour = hour.Add(time.Hour) {
		some, err := w.inHour(ctx, budget, zone, hour)
		if err != nil {
			return err
		}
		found = append(found, some...)
	}
	if l.keys {
		unused, err := w.unusedKeys(ctx, l, budget, zone)
		if err != nil {
			return err
		}
		found = append(found, unused...)
	}
	return w.raise(ctx, budget, found)
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
