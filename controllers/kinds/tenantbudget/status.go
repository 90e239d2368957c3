package tenantbudget

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// poll is how often a budget's counters are read without news of them. With many budgets,
// they are read less often, so that the average time between two budgets is eachLook.
const (
	poll     = 10 * time.Second
	eachLook = 10 * time.Millisecond
)

// afterTurn is how long after the end of a period or a grant its budget is reconciled, at most.
const afterTurn = 250 * time.Millisecond

// Statuses are the status that the budget has, and the one that it should have now.
func (s *scope) Statuses() (before, after v1alpha1.TenantBudgetStatus) {
	return s.Object.Status, s.status()
}

func (s *scope) status() v1alpha1.TenantBudgetStatus {
	programmed := s.Rollout.Programmed(s.Accepted)
	breakerOpen := conditions.Typed{Type: v1alpha1.ConditionBreakerOpen, Verdict: s.breakerOpen()}
	exhausted := conditions.Typed{Type: v1alpha1.ConditionExhausted, Verdict: s.exhausted()}
	overcommitted := conditions.Typed{Type: v1alpha1.ConditionOvercommitted, Verdict: s.overcommitted}
	ledgerUnreachable := conditions.Typed{Type: v1alpha1.ConditionLedgerUnreachable, Verdict: s.ledgerUnreachable()}
	further := []conditions.Typed{s.WarningCondition(), breakerOpen, exhausted, overcommitted, ledgerUnreachable}
	if s.alertsFailing != nil {
		further = append(further, conditions.Typed{Type: v1alpha1.ConditionAlertsFailing, Verdict: *s.alertsFailing})
	}
	status := v1alpha1.TenantBudgetStatus{
		ProgrammedStatus: s.Rollout.Common(s.Object, s.Now, s.Accepted, programmed, s.ready(programmed), further...),
	}
	status.Path = s.path()
	switch {
	case s.usage != nil:
		status.Limits = s.limits()
		status.Nearest = s.nearest()
		status.Breaker = s.breaker()
	case s.Rollout.Err != nil:
		// What was last known stays, with conditions that say that it may be old: the next
		// status is compared with it to find Events.
		status.Limits = s.Object.Status.Limits
		status.Nearest = s.Object.Status.Nearest
		status.Breaker = s.Object.Status.Breaker
	}
	return status
}

// path is the path from the top of the budget tree to the tenant, as the budget was last accepted. A budget
// without a configuration in force has none, because it may be moved elsewhere.
func (s *scope) path() string {
	switch {
	case s.forfeited:
		return ""
	case s.document == nil:
		return s.Object.Status.Path
	}
	var tenants []string
	for _, level := range slices.Backward(s.document.Levels()) {
		tenants = append(tenants, level.Tenant)
	}
	return strings.Join(tenants, "/")
}

// ready is Ready as for any kind, except that its reason can be a hand-over to a successor, or Shadow.
func (s *scope) ready(programmed verdict.Verdict) verdict.Verdict {
	ready := conditions.Ready(s.Accepted, programmed)
	switch {
	case s.Accepted.Reason == v1alpha1.ReasonHandedOver:
		return verdict.True(v1alpha1.ReasonHandedOver, s.Accepted.Message)
	case !ready.Holds():
	case s.Object.Spec.Enforcement == v1alpha1.EnforcementShadow:
		ready.Reason = v1alpha1.ReasonShadow
		ready.Message = "spec.enforcement is Shadow: calls are decided on, counted and recorded, but this budget refuses none"
	default:
		ready.Message += "; " + ladder(s.Object.Spec.Ladder)
	}
	return ready
}

// ladder says what happens as a limit is used up. A spec that sets no ladder has the default one.
func ladder(rungs []v1alpha1.Rung) string {
	if len(rungs) == 0 {
		return "ladder: none, so nothing happens before a limit is spent in full"
	}
	var words []string
	for _, rung := range slices.SortedFunc(slices.Values(rungs), func(a, b v1alpha1.Rung) int { return cmp.Compare(a.AtPercent, b.AtPercent) }) {
		words = append(words, fmt.Sprintf("%s at %d %%", rung.Action, rung.AtPercent))
	}
	return "ladder: " + strings.Join(words, ", ") + " of each limit"
}

func (s *scope) limits() []v1alpha1.MoneyLimitStatus {
	var limits []v1alpha1.MoneyLimitStatus
	for _, limit := range s.usage.own().limits {
		status := v1alpha1.MoneyLimitStatus{
			Name:     limit.Name,
			Amount:   limit.Amount.String(),
			Spent:    limit.spent.String(),
			Held:     limit.held.String(),
			Percent:  limit.percent(),
			Rung:     v1alpha1.Action(limit.rung),
			ResetsAt: localTime(limit.resetsAt),
		}
		status.InCurrency = s.inCurrency(limit)
		if limit.granted > 0 {
			status.Granted = limit.granted.String()
		}
		if !limit.exhaustsAt.IsZero() {
			status.ExhaustsAt = ptr.To(localTime(limit.exhaustsAt))
		}
		limits = append(limits, status)
	}
	return limits
}

// inCurrency are the figures of a limit in the currency of the spec; nil if that is US dollars, or
// if another generation is in force than the one with that currency.
func (s *scope) inCurrency(limit limitUsage) *v1alpha1.FiguresInCurrency {
	currency := s.Object.Spec.Currency
	if currency == nil || s.inForce == nil || len(s.inForce.Sources) == 0 || s.inForce.Sources[0].Generation != s.Object.Generation {
		return nil
	}
	rate, err := money.ParseRate(currency.USDPerUnit)
	if err != nil {
		return nil
	}
	figures := &v1alpha1.FiguresInCurrency{
		Code: currency.Code, Amount: rate.FromUSD(limit.Amount), Spent: rate.FromUSD(limit.spent), Held: rate.FromUSD(limit.held),
	}
	for _, written := range s.Object.Spec.Limits {
		if amount, err := money.Parse(string(written.Amount)); err == nil && written.Name == limit.Name && limit.granted == 0 {
			figures.Amount = amount.String()
		}
	}
	return figures
}

func (s *scope) nearest() *v1alpha1.NearestLimit {
	limit := s.usage.nearest()
	if limit == nil {
		return nil
	}
	return &v1alpha1.NearestLimit{
		Name:   limit.Name,
		Spent:  limit.spent.String(),
		Amount: limit.Amount.String(),
		Used:   fmt.Sprintf("%d%%", limit.percent()),
	}
}

func (s *scope) breaker() *v1alpha1.BreakerStatus {
	b, own := s.usage.breaker(), s.usage.own().tenant
	status := &v1alpha1.BreakerStatus{
		State: b.state, Summary: b.summary(own), Forced: b.forced, Since: ptr.To(localTime(s.Now)),
	}
	if b.tenant != own {
		status.Tenant = b.tenant
	}
	if b.limit != nil {
		status.Limit = b.limit.Name
		if !b.limit.isNothing() {
			status.ClosesAt = ptr.To(localTime(b.limit.resetsAt))
		}
	}
	if before := s.Object.Status.Breaker; before != nil && before.State == status.State && !s.usage.hasClosed(*before) {
		status.Since = before.Since
	}
	return status
}

func (s *scope) breakerOpen() verdict.Verdict {
	if s.usage == nil {
		return s.unknown("enforcers still apply the breaker")
	}
	return s.usage.breakerOpen()
}

func (s *scope) exhausted() verdict.Verdict {
	if s.usage == nil {
		return s.unknown("enforcers still apply the limits")
	}
	return s.usage.exhausted()
}

// unknown is the verdict of a condition that depends on counters that cannot be read.
func (s *scope) unknown(meanwhile string) verdict.Verdict {
	message := "no configuration of this budget is in force"
	switch {
	case errors.Is(s.Rollout.Err, limiterstore.ErrUnavailable):
		message = "Redis does not answer: " + meanwhile
	case s.Rollout.Err != nil:
		message = "what is spent is not known (see the condition Programmed): " + meanwhile
	}
	return verdict.Unknown(v1alpha1.ReasonUnknown, message)
}

// localTime is a time as it comes back from the API server: in whole seconds, and in
// this machine's zone.
func localTime(t time.Time) metav1.Time { return metav1.NewTime(t).Rfc3339Copy() }

// RequeueAfter is the pause until the status may change: at the next poll, when a period turns, when
// a grant starts or expires, when delayed figures have their turn, or while enforcers are about to
// follow.
func (s *scope) RequeueAfter() time.Duration {
	pause := rollout.Jitter(max(poll, time.Duration(s.budgets)*eachLook))
	if s.StatusDelay > 0 {
		pause = min(pause, s.StatusDelay)
	}
	if s.usage != nil {
		if turn, ok := s.usage.nextTurn(); ok {
			pause = min(pause, turn.Sub(s.usage.own().now)+rand.N(afterTurn))
		}
	}
	if s.document != nil && (s.Rollout.Running < max(s.Rollout.All, 1) || s.Rollout.Unproven != nil) {
		pause = min(pause, rollout.PendingInterval(s.Object.Status.Conditions, s.Now))
	}
	return pause
}

// differInFigures reports whether two statuses differ only in figures: what is spent,
// held and forecast, how many enforcers there are, and the present period of a limit
// that is below its first rung, or whose amount is zero.
func differInFigures(before, after v1alpha1.TenantBudgetStatus) bool {
	return conditions.DifferInFigures(before.ProgrammedStatus, after.ProgrammedStatus) && before.Path == after.Path &&
		equality.Semantic.DeepEqual(before.Breaker, after.Breaker) &&
		slices.EqualFunc(before.Limits, after.Limits, func(a, b v1alpha1.MoneyLimitStatus) bool {
			return a.Name == b.Name && a.Amount == b.Amount && a.Rung == b.Rung &&
				(a.Rung == "" || a.Amount == money.Nanos(0).String() || a.ResetsAt.Equal(&b.ResetsAt))
		})
}
