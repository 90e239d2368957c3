package request

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bursar-dev/bursar/api/compile"
	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/index"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

const (
	// every is how often the Watcher looks for requests and decisions.
	every = 5 * time.Second
	// timeout bounds a look.
	timeout = time.Minute
)

// Requests are what users ask for.
type Requests interface {
	Untold(ctx context.Context) ([]budgetstore.Request, error)
	EndAlerts(ctx context.Context) error
}

// Alerts are where alerts are raised.
type Alerts interface {
	Raise(ctx context.Context, alerts budgetstore.TenantAlerts) (int, error)
}

// Waker is told that there is something to deliver.
type Waker interface{ Wake() }

// Watcher looks for what was asked for and decided.
type Watcher struct {
	requests Requests
	alerts   Alerts
	budgets  client.Reader
	waker    Waker
}

// New makes a Watcher, which finds budgets in a cache.
func New(requests Requests, alerts Alerts, budgets client.Reader, waker Waker) *Watcher {
	return &Watcher{requests: requests, alerts: alerts, budgets: budgets, waker: waker}
}

// NeedLeaderElection keeps all but the leader out.
func (w *Watcher) NeedLeaderElection() bool { return true }

// Start looks until ctx ends. A failure is logged and tried again.
func (w *Watcher) Start(ctx context.Context) error {
	for {
		if err := w.Look(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "Failed to raise the alerts of requests for more; will retry")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// Look raises the alerts of what was asked for and decided since the last look, and resolves those of
// what is decided or has expired. What was raised already is not raised again.
func (w *Watcher) Look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	untold, err := w.requests.Untold(ctx)
	if err != nil {
		return err
	}
	byTenant := map[string][]budgetstore.Request{}
	for _, one := range untold {
		byTenant[one.Tenant] = append(byTenant[one.Tenant], one)
	}
	for tenant, requests := range byTenant {
		err = errors.Join(err, w.raise(ctx, tenant, requests)) // the alerts of other tenants are raised nevertheless
	}
	return errors.Join(err, w.requests.EndAlerts(ctx))
}

// raise raises the alerts of a tenant. While the tenant has no TenantBudget, they wait.
func (w *Watcher) raise(ctx context.Context, tenant string, requests []budgetstore.Request) error {
	budget, err := w.budgetOf(ctx, tenant)
	if budget == nil || err != nil {
		return err
	}
	alerts := budgetstore.TenantAlerts{
		Tenant: tenant, UID: string(budget.UID), Recipients: budgetstore.Recipients(budget.Spec.Alerts),
	}
	if budget.Spec.Alerts != nil {
		alerts.Filters = budget.Spec.Alerts.Filters
	}
	for _, one := range requests {
		alerts.Reached = append(alerts.Reached, alertOf(one, budget.Spec.Currency))
	}
	raised, err := w.alerts.Raise(ctx, alerts)
	if raised > 0 {
		w.waker.Wake()
	}
	return err
}

func (w *Watcher) budgetOf(ctx context.Context, tenant string) (*v1alpha1.TenantBudget, error) {
	var budgets v1alpha1.TenantBudgetList
	if err := w.budgets.List(ctx, &budgets, client.MatchingFields{index.BudgetTenant: tenant}); err != nil {
		return nil, fmt.Errorf("look for the TenantBudget of tenant %s: %w", tenant, err)
	}
	for i := range budgets.Items {
		if meta.IsStatusConditionTrue(budgets.Items[i].Status.Conditions, v1alpha1.ConditionAccepted) {
			return &budgets.Items[i], nil
		}
	}
	return nil, nil
}

// alertOf is the alert of a request, or of what was decided of it.
func alertOf(r budgetstore.Request, currency *v1alpha1.Currency) budgetstore.Alert {
	amount, until := r.Amount, r.ExpiresAt
	if r.Decision != nil {
		amount, until = r.Decision.Amount, r.Decision.ExpiresAt
	}
	dollars, _ := compile.Dollars(v1alpha1.Amount(amount), currency) // 0 where it cannot be converted any more
	alert := budgetstore.Alert{
		Rung:      budgetstore.Rung{Limit: r.Limit, Amount: dollars, Action: ledgerv1.Requested},
		Period:    period.Span{Start: r.RequestedAt, End: until},
		RequestID: r.ID,
	}
	asked := fmt.Sprintf("%s %s more of limit %s until %s", r.Amount, codeOf(currency), r.Limit, moment(r.ExpiresAt))
	if r.Decision == nil {
		alert.Owner = limiterv1.Owner{User: r.User}
		alert.Message = fmt.Sprintf("%s asks for %s: %s", alert.Owner, asked, r.Reason)
		return alert
	}
	alert.Action, alert.Period.Start = ledgerv1.RequestDecided, r.Decision.At
	alert.Message = decided(r, asked, fmt.Sprintf("%s %s until %s", amount, codeOf(currency), moment(until)))
	return alert
}

// decided says what became of what was asked for, and what was granted where that is something else.
func decided(r budgetstore.Request, asked, granted string) string {
	d, what := r.Decision, "declined"
	if d.Approved {
		what = "approved"
	}
	text := fmt.Sprintf("%s has %s what user %s asked for: %s", d.By, what, r.User, asked)
	if d.Approved && (d.Amount != r.Amount || !d.ExpiresAt.Equal(r.ExpiresAt)) {
		text += "; granted: " + granted
	}
	if d.Reason != "" {
		text += ": " + d.Reason
	}
	return text
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func codeOf(currency *v1alpha1.Currency) string {
	if currency == nil {
		return "USD"
	}
	return currency.Code
}
