package tenantbudget

import (
	"context"
	"fmt"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// alert records which rungs are reached, so that an alert for each is sent once. It comes
// after the status, and is retried until it succeeds; recording a rung twice does nothing.
func (c *Controller) alert(ctx context.Context, s *scope) error {
	if s.usage == nil {
		s.memory.recorded, s.memory.owners = recordedAlerts{}, ownerLook{}
	}
	if s.usage == nil || s.Rollout.Err != nil {
		return nil
	}
	alerts := s.alerts()
	if !s.memory.recorded.are(alerts) {
		if err := c.recordAlerts(ctx, s, alerts); err != nil {
			return err
		}
		s.memory.recorded.note(alerts)
	}
	return c.alertOfOwners(ctx, s, alerts)
}

// recordAlerts records alerts, with the recipients of spec.alerts.
func (c *Controller) recordAlerts(ctx context.Context, s *scope, alerts budgetstore.TenantAlerts) error {
	ctx, cancel := context.WithTimeout(ctx, rollout.StoreTimeout)
	defer cancel()
	if spec := s.Object.Spec.Alerts; spec != nil {
		alerts.Recipients, alerts.Filters = budgetstore.Recipients(spec), spec.Filters
	}
	raised, err := c.alerts.Record(ctx, alerts)
	if err != nil {
		return err
	}
	if raised > 0 {
		c.deliverer.Wake()
	}
	return nil
}

// lookAtAlerts finds out whether alerts can be delivered, even before there are any.
func (c *Controller) lookAtAlerts(ctx context.Context, s *scope) error {
	if s.Object.Spec.Alerts != nil {
		verdict := c.deliverer.Verdict(ctx, s.Object)
		s.alertsFailing = &verdict
	}
	return nil
}

// alerts are the alerts of the budget's tenant. Those of its ancestors are for their
// own budgets to raise.
func (s *scope) alerts() budgetstore.TenantAlerts {
	own := s.usage.own()
	alerts := budgetstore.TenantAlerts{Tenant: own.tenant, UID: string(s.Object.UID), Now: own.now, OwnerRungs: own.ownerRungs()}
	for _, limit := range own.limits {
		for _, rung := range own.rungsOf(limit.MoneyLimit) {
			if !limiterv1.Reached(limit.spent, rung.at) {
				continue
			}
			alerts.Reached = append(alerts.Reached, budgetstore.Alert{
				Rung:    rung.Rung,
				Period:  period.Span{Start: limit.startedAt, End: limit.resetsAt},
				Spent:   limit.spent,
				Message: s.usage.alertMessage(limit, rung.Rung),
			})
		}
	}
	if forced := s.forcedOpen(); forced != nil {
		alerts.Reached = append(alerts.Reached, *forced)
	}
	return alerts
}

// always is the end of an alert whose period has no end.
var always = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// forcedOpen is the alert that the budget's breaker is forced open; nil if it is not. Each time is
// an alert of its own, identified by when the breaker was opened, so it waits until the status says
// when that was.
func (s *scope) forcedOpen() *budgetstore.Alert {
	was := s.Object.Status.Breaker
	own := s.usage.own()
	if own.forced != limiterv1.BreakerOpen || was == nil || !was.Forced || was.State != v1alpha1.BreakerOpen || was.Tenant != "" || was.Since == nil {
		return nil
	}
	return &budgetstore.Alert{
		Rung:    budgetstore.Rung{Action: ledgerv1.ForceOpen},
		Period:  period.Span{Start: was.Since.Time, End: always},
		Message: s.usage.breakerOpen().Message,
	}
}

// alertMessage is the message of an alert: that of the Event of the same rung, if there is one.
func (u *usage) alertMessage(limit limitUsage, rung budgetstore.Rung) string {
	of := limiterv1.Rung{AtPercent: rung.AtPercent}
	switch rung.Action {
	case limiterv1.Warn:
		return budgetWarning(limit, of).Note
	case limiterv1.Downgrade:
		return budgetDowngraded(limit, of).Note
	case limiterv1.Trip:
		if limit.selects() {
			return u.limitTripped(limit, of).Note
		}
		return u.breakerOpened(limit).Note
	}
	return fmt.Sprintf("limit %s is fully spent: %s; paid calls that count against it %s %s",
		limit.Name, spentOf(limit), refused(limit.shadow), limit.until())
}

// recordedAlerts remembers which alerts of a budget this manager has recorded, so that
// reconciling an unchanged budget costs Postgres nothing.
type recordedAlerts struct{ gist digest }

func (r *recordedAlerts) are(alerts budgetstore.TenantAlerts) bool {
	return r.gist == digestOf(gist(alerts))
}

func (r *recordedAlerts) note(alerts budgetstore.TenantAlerts) { r.gist = digestOf(gist(alerts)) }

// gist changes when there are other alerts to record: when a rung is reached, or the period of
// users' limits turns, but not when only more was spent.
func gist(alerts budgetstore.TenantAlerts) string {
	gist := fmt.Sprint(alerts.Tenant, alerts.OwnerRungs)
	for _, alert := range alerts.Reached {
		gist += gistOf(alert)
	}
	return gist
}

func gistOf(alert budgetstore.Alert) string { return fmt.Sprint(alert.Rung, alert.Owner, alert.Period) }
