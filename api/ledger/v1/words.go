package ledgerv1

import limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"

// Reason is why a call was refused.
type Reason string

// The reasons. Limits are asked in this order, and the first that refuses is
// reported: the money limits of the tenant, of the user, its groups and its key, and of each ancestor,
// nearest first, in the order of the TenantBudget; then the rate limits of each
// in the same order, by the policies' names and in their order.
const (
	// BreakerForced: the breaker of the tenant or of an ancestor is forced open.
	BreakerForced Reason = "BreakerForced"
	// BreakerOpen: spent has reached the Trip rung of a money limit.
	BreakerOpen Reason = "BreakerOpen"
	// BudgetExhausted: spent, held and the call's bound together exceed a money limit.
	BudgetExhausted Reason = "BudgetExhausted"
	// RateLimited: a bucket has too little left just now.
	RateLimited Reason = "RateLimited"
	// TooLarge: a bucket can never hold what the call needs.
	TooLarge Reason = "TooLarge"
)

// Reasons are all reasons.
func Reasons() []Reason {
	return []Reason{BreakerForced, BreakerOpen, BudgetExhausted, RateLimited, TooLarge}
}

// ByMoney reports whether the reason is about money.
func (r Reason) ByMoney() bool {
	switch r {
	case BreakerForced, BreakerOpen, BudgetExhausted:
		return true
	}
	return false
}

// Outcome is how a call's hold ended.
type Outcome string

// The outcomes.
const (
	// Settled: with the cost of the usage that the provider reported.
	Settled Outcome = "Settled"
	// Voided: without cost, because the provider was not asked, or refused.
	Voided Outcome = "Voided"
	// ChargedSeen: with the most that the call can have cost by what was seen of its answer, which the
	// provider cut off, or whose client had gone.
	ChargedSeen Outcome = "ChargedSeen"
	// ChargedHold: with the hold itself, because the usage is unknown, or with more if a usage that is
	// not believed counts more than was held.
	ChargedHold Outcome = "ChargedHold"
)

// Outcomes are all outcomes.
func Outcomes() []Outcome { return []Outcome{Settled, Voided, ChargedSeen, ChargedHold} }

// Decision is how a call was admitted.
type Decision string

// The decisions.
const (
	// Admitted: as it was asked for.
	Admitted Decision = "Admitted"
	// Replaced: with another model than was asked for, by the ladder. For calls from before Chosen
	// existed, it also means that.
	Replaced Decision = "Replaced"
	// Chosen: with the first of a virtual model's models that fitted.
	Chosen Decision = "Chosen"
	// Fallback: with the cheapest model, after money had refused the call.
	Fallback Decision = "Fallback"
	// Shadowed: it would have been refused if the tenant were not in Shadow.
	Shadowed Decision = "Shadowed"
	// Bounded: from money that was held beforehand, for when the limiter's store is lost.
	Bounded Decision = "Bounded"
)

// Decisions are all decisions.
func Decisions() []Decision {
	return []Decision{Admitted, Replaced, Chosen, Fallback, Shadowed, Bounded}
}

// Pricing says at whose prices a call is held and settled.
type Pricing string

// The pricings.
const (
	// Listed: those of its own model.
	Listed Pricing = "Listed"
	// MostExpensive: no provider lists its model, so each kind of token is priced as the dearest that
	// the provider lists for it. The bill may differ.
	MostExpensive Pricing = "MostExpensive"
)

// Pricings are all pricings.
func Pricings() []Pricing { return []Pricing{Listed, MostExpensive} }

// Lowering is why a call asked for less output than its request, or its model, would have.
type Lowering string

// The lowerings. Empty is none.
const (
	// LoweredByCaps: outputCaps of the tenant, or of an ancestor.
	LoweredByCaps Lowering = "OutputCaps"
	// LoweredByFit: the limits had no room for more.
	LoweredByFit Lowering = "Fit"
)

// Lowerings are all lowerings, and none.
func Lowerings() []Lowering { return []Lowering{"", LoweredByCaps, LoweredByFit} }

// Exhaust is the action of an alert that a limit is spent in full. The other actions of alerts are
// those of rungs, and those below.
const Exhaust limiterv1.Action = "Exhaust"

// ForceOpen is the action of an alert that a breaker is forced open. It is about no limit.
const ForceOpen limiterv1.Action = "ForceOpen"

// Test is the action of an alert that people have sent to themselves, to see that alerts arrive. It is
// about no limit.
const Test limiterv1.Action = "Test"

// The actions of alerts about unusual events. They are about no limit.
const (
	// Unusual: much more was spent within an hour than is usual at that hour of the week.
	Unusual limiterv1.Action = "Unusual"
	// ManyRefusals: many of the calls within an hour were refused.
	ManyRefusals limiterv1.Action = "Refusals"
	// UnusedKey: nobody has called with an APIKey for long.
	UnusedKey limiterv1.Action = "UnusedKey"
)

// The actions of alerts about requests for more.
const (
	// Requested: a user asks for more of a limit.
	Requested limiterv1.Action = "Request"
	// RequestDecided: an admin has approved or declined that.
	RequestDecided limiterv1.Action = "Decision"
)

// AlertActions are all actions that alerts are of.
func AlertActions() []limiterv1.Action {
	return []limiterv1.Action{limiterv1.Warn, limiterv1.Downgrade, limiterv1.Trip, Exhaust, ForceOpen, Test, Unusual, ManyRefusals, UnusedKey, Requested, RequestDecided}
}

// IsCritical reports whether an alert of the action means that calls are refused. Such alerts are of
// severity Critical, all others of severity Warning.
func IsCritical(action limiterv1.Action) bool {
	return action == limiterv1.Trip || action == Exhaust || action == ForceOpen
}

// Resolution is why an alert is no longer open.
type Resolution string

// The resolutions.
const (
	// PeriodTurned: the period of the limit is over.
	PeriodTurned Resolution = "PeriodTurned"
	// LimitChanged: the limit or its ladder was changed, and the rung is not reached.
	LimitChanged Resolution = "LimitChanged"
	// BudgetRemoved: the TenantBudget was deleted.
	BudgetRemoved Resolution = "BudgetRemoved"
	// Tested: it was a test, which is about nothing.
	Tested Resolution = "Tested"
	// Decided: an admin has approved or declined what was asked for.
	Decided Resolution = "Decided"
)

// Resolutions are all resolutions.
func Resolutions() []Resolution {
	return []Resolution{PeriodTurned, LimitChanged, BudgetRemoved, Tested, Decided}
}

// Change is what was done to a TenantBudget.
type Change string

// The changes.
const (
	// BudgetSet: it was created, or its spec was changed.
	BudgetSet Change = "Set"
	// BudgetDeleted: it was deleted.
	BudgetDeleted Change = "Deleted"
)

// Changes are all changes.
func Changes() []Change { return []Change{BudgetSet, BudgetDeleted} }

// Channel is a way to tell somebody of an alert.
type Channel string

// The channels.
const (
	Email     Channel = "Email"
	Webhook   Channel = "Webhook"
	Slack     Channel = "Slack"
	Teams     Channel = "Teams"
	PagerDuty Channel = "PagerDuty"
)

// Channels are all channels.
func Channels() []Channel { return []Channel{Email, Webhook, Slack, Teams, PagerDuty} }

// Mark is what somebody says about an alert.
type Mark string

// The marks.
const (
	// Acknowledge: somebody has seen the alert.
	Acknowledge Mark = "Acknowledge"
	// Mute: nobody is to be told of the alert, and of others like it, for some time.
	Mute Mark = "Mute"
	// Unmute: people are to be told again.
	Unmute Mark = "Unmute"
)

// Marks are all marks.
func Marks() []Mark { return []Mark{Acknowledge, Mute, Unmute} }
