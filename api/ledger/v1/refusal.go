package ledgerv1

import (
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
)

// Refusal is a call that a limit refused, as it is kept on record. It says why, so
// that who asks later why a call was refused can be answered.
type Refusal struct {
	// CallID is the one that the refused answer names.
	CallID string
	// Tenant, User, Tier and Credential are those of the subject.
	Tenant, User, Tier, Credential string
	// IdentityProvider, Subject and Actor are as in Entry.
	IdentityProvider, Subject, Actor string
	// Groups and Labels are the caller's, as in limiterv1.OpenCall.
	Groups []string
	Labels map[string]string
	// Ancestors are the tenants above the tenant, nearest first.
	Ancestors []string
	// ModelAsked is what the caller asked for, Model the one, as the price list names
	// it, that the call was bound for when it was refused.
	ModelAsked, Model string
	Endpoint          string
	// RefusedAt is by the clock of the limiter's store.
	RefusedAt time.Time
	Reason    Reason
	// LimitTenant is the tenant whose limit refused: the subject's or an ancestor.
	LimitTenant string
	// Limit is empty where no limit refused, but a breaker that is forced open, and Per
	// is as well.
	Limit string
	Per   limiterv1.Scope
	// LimitGroup is, of a limit per group, the caller's group of which it was.
	LimitGroup string

	// Of money limits, and empty or nil of others: how the limit stood, and when it resets.
	Period              period.Kind
	Amount, Spent, Held *money.Nanos
	ResetsAt            *time.Time

	// Of rate limits, and empty or nil of others: the unit, and how long until the call
	// would have fitted, which is nil where nobody can say.
	Unit       limiterv1.Unit
	RetryAfter *time.Duration

	// Bound and Tokens are what the call wanted to hold.
	Bound  money.Nanos
	Tokens int64
	// Fallback is the one that answered in the place of the call, if one did.
	Fallback limiterv1.FallbackKind
	Session  string
}
