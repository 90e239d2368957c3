package ledgerv1

import (
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
)

// Refusal is the record of a call that a limit refused. It says why, so that the caller can
// still find out later.
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
	// ModelAsked is the model that the caller asked for. Model is the one, as the price
	// list names it, that would have been called.
	ModelAsked, Model string
	Endpoint          string
	// RefusedAt is by the clock of the limiter's store.
	RefusedAt time.Time
	Reason    Reason
	// LimitTenant is the tenant whose limit refused: the subject's or an ancestor.
	LimitTenant string
	// Limit, and Per too, is empty if it was not a limit that refused, but a breaker that
	// is forced open.
	Limit string
	Per   limiterv1.Scope
	// LimitGroup is the caller's group whose limit refused, for a limit per group.
	LimitGroup string

	// For money limits, otherwise empty or nil: how the limit stood, and when it resets.
	Period              period.Kind
	Amount, Spent, Held *money.Nanos
	ResetsAt            *time.Time

	// For rate limits, otherwise empty or nil: the unit, and how long until the call would
	// have fitted, which is nil if that is not known.
	Unit       limiterv1.Unit
	RetryAfter *time.Duration

	// Bound and Tokens are what the call wanted to hold.
	Bound  money.Nanos
	Tokens int64
	// Fallback is the fallback that answered in the call's place, if one did.
	Fallback limiterv1.FallbackKind
	Session  string
}
