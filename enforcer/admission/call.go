package admission

import (
	"context"
	"errors"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
)

// Subject is who is calling. It comes from the credential alone, never from a
// header or a body that a caller can write, unless the credential proves that its
// caller may act for others.
type Subject struct {
	Tenant string
	User   string
	Tier   string
	// Actor is the user of the credential if it acts for another user, who is User;
	// otherwise empty.
	Actor string
	// Credential is the name of the API key, "namespace/name", never the key; empty for a
	// caller with a token.
	Credential string
	// IdentityProvider is the name of the IdentityProvider of the token that the subject
	// calls with, and Subject the token's claim sub; empty for a caller with an API key.
	IdentityProvider, Subject string
	// Models are patterns (limiterv1.Matches) of the models that the credential may ask for;
	// empty means all.
	Models []string
	// Groups are the groups that the subject is in, sorted, once each, at most
	// identity.MaxCallerGroups; Labels are its labels.
	Groups []string
	Labels map[string]string
	// Admin is whether the subject administers the tenant.
	Admin bool
}

// Caller is the part of the subject by which limits select and count calls.
func (s Subject) Caller() limiterv1.Caller {
	return limiterv1.Caller{User: s.User, Key: s.Credential, Tier: s.Tier, Groups: s.Groups, Labels: s.Labels}
}

// Request is a call that wants to be admitted.
type Request struct {
	// ID is unique for all time; asking again with the same ID asks about the same call.
	ID      string
	Subject Subject
	// Model is the model that the call goes to, as the price list names it.
	Model string
	// Downgraded says that Model was chosen as if a Downgrade rung were reached; see
	// Tenant.ModelFor.
	Downgraded bool
	// Fallback says that the call is made in the place of one that money refused:
	// no rung is asked about it, only what is left of the limits. It is not Downgraded.
	Fallback bool
	// Bound is the most that the call can cost. 0 <= Bound <= money.Max.
	Bound money.Nanos
	// Tokens is the most tokens, of all kinds together, that the call can use.
	Tokens int64
	// DecideBy is when the Store must have decided, however often it is asked; zero for no deadline.
	DecideBy time.Time
	// share says that this is no call but a share, which takes from no bucket.
	share bool
	// probe says that nobody makes this call. It takes nothing from buckets.
	probe bool
	// Entry is the call's entry in the ledger, as far as it is known. It describes the
	// call to the enforcer that must end its hold, should this process die.
	Entry ledgerv1.Entry
}

// decidedBy is ctx until a call's DecideBy.
func decidedBy(ctx context.Context, by time.Time) (context.Context, context.CancelFunc) {
	if by.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, by)
}

// Result is the answer to a call that wants to be admitted: a hold or a refusal.
type Result struct {
	// Hold is the money that is reserved for the admitted call; nil when refused.
	Hold *Hold
	// Refusal says why the call was not admitted; nil when it was. Beside a Hold it
	// says why the call would have been refused, were the tenant not in Shadow.
	Refusal *Refusal
	// Rates are the rate limits that apply to the caller, as they stand after the
	// decision, in the order in which they refuse.
	Rates []RateReading
	// Nearest is the money limit of the tenant, or of the user, that has the least left after
	// an admission; nil where there is none, or where it is not known.
	Nearest *MoneyReading
	// asked are the accounts that the Store was asked about.
	asked []Account
}

// MoneyReading is how a money limit stood right after a call was admitted.
type MoneyReading struct {
	Limit limiterv1.MoneyLimit
	// Left is what was left for further calls: neither spent nor held, not even by this one.
	// It is less than zero where the limit is waived.
	Left money.Nanos
}

// RateReading is how a rate limit stood right after a decision.
type RateReading struct {
	Limit limiterv1.RateLimit
	// Remaining is how many whole units are left in the bucket.
	Remaining int64
	// FullIn is how long the bucket takes to fill up again.
	FullIn time.Duration
}

// Refusal is why a call was not admitted.
type Refusal struct {
	// Reason is the first of those that apply, in the order of ledgerv1.Reasons.
	Reason ledgerv1.Reason
	// Tenant is the tenant whose limit refused: the caller's or an ancestor.
	Tenant string
	// Limit is the name of the limit that refused; empty for BreakerForced.
	Limit string
	Per   limiterv1.Scope
	// Owner is whose counters of the limit refused; the zero Owner is the whole tenant.
	Owner limiterv1.Owner

	// Of money limits: the period, its amount, and how it stood.
	Period      period.Kind
	Amount      money.Nanos
	Spent, Held money.Nanos
	// ResetsAt is when the period turns.
	ResetsAt time.Time

	// Of rate limits: the unit, how many the limit has at once, how many were left, and
	// how long until the call would fit. RetryAfter is zero for TooLarge, because waiting
	// does not help.
	Unit             limiterv1.Unit
	Burst, Remaining int64
	RetryAfter       time.Duration

	// Bound is what the call wanted to hold.
	Bound money.Nanos
	// Tokens is how many tokens the call wanted.
	Tokens int64
}

// Left is what a money limit had left for further calls; less than zero if more is spent and
// held than its amount.
func (r *Refusal) Left() money.Nanos { return r.Amount - r.Spent - r.Held }

// NeverFits reports whether the call does not even fit into the unused limit, so that waiting
// does not help. It is false where the money is spent: any call would have been refused then.
func (r *Refusal) NeverFits() bool {
	return r.Reason == ledgerv1.TooLarge || r.Reason == ledgerv1.BudgetExhausted && r.Bound > r.Amount && r.Spent < r.Amount
}

// ByMoney reports whether a money limit or a breaker refused the call.
func (r *Refusal) ByMoney() bool { return r.Reason.ByMoney() }

// ErrRungChanged is returned by Admit when spent is not on the side of a Downgrade rung
// that Tenant.ModelFor guessed: ask ModelFor again, and admit the call for the model that
// it then returns.
var ErrRungChanged = errors.New("a Downgrade rung was crossed")

// ErrTooManyLimits is returned by Admit when more limits count the call than the Store can check
// for one call, because its caller is in many groups that are each counted. The Store was not
// asked, nothing was decided, and the call must not be made.
var ErrTooManyLimits = errors.New("more limits count the call than can be looked at")

// ErrStoreUnavailable is returned by Admit when the Store did not answer: nothing
// was decided, and the call must not be made.
var ErrStoreUnavailable = errors.New("limiter store unavailable")
