package ledger

import (
	"time"

	"github.com/bursar-dev/bursar/api/money"
)

// Refusal is a call that a limit refused, as it is kept on record. It says why, so
// that who asks later why a call was refused can be answered.
type Refusal struct {
	// CallID is the one that the refused answer names.
	CallID string
	// Tenant, User, Tier and Credential are those of the subject.
	Tenant, User, Tier, Credential string
	// ModelAsked is what the caller asked for, Model the one, as the price list names
	// it, that the call was bound for when it was refused.
	ModelAsked, Model string
	Endpoint          string
	// RefusedAt is by the clock of the limiter's store.
	RefusedAt time.Time
	// Reason is the one of the admission.
	Reason string
	// LimitTenant is the tenant whose limit refused: the subject's or an ancestor.
	LimitTenant string
	// Limit is empty where no limit refused, but a breaker that is forced open.
	Limit, Per string

	// Of money limits, and nil of others: how the limit stood, and when it resets.
	Period              string
	Amount, Spent, Held *money.Nanos
	ResetsAt            *time.Time

	// Of rate limits: the unit, and how long until the call would have fitted, which
	// is nil where nobody can say.
	Unit       string
	RetryAfter *time.Duration

	// Bound and Tokens are what the call wanted to hold.
	Bound  money.Nanos
	Tokens int64
	// Fallback is the one that answered in the place of the call, if one did.
	Fallback string
	Session  string
}

// refusals is the table of them.
var refusals = newTable("ai_refusals",
	textColumn("call_id", func(r *Refusal) string { return r.CallID }),
	textColumn("tenant_id", func(r *Refusal) string { return r.Tenant }),
	textColumn("user_id", func(r *Refusal) string { return r.User }),
	textColumn("tier", func(r *Refusal) string { return r.Tier }),
	textColumn("credential", func(r *Refusal) string { return r.Credential }),
	textColumn("model_asked", func(r *Refusal) string { return r.ModelAsked }),
	textColumn("model", func(r *Refusal) string { return r.Model }),
	textColumn("endpoint", func(r *Refusal) string { return r.Endpoint }),
	each("refused_at", "timestamptz", func(r *Refusal) time.Time { return r.RefusedAt }),
	textColumn("reason", func(r *Refusal) string { return r.Reason }),
	textColumn("limit_tenant", func(r *Refusal) string { return r.LimitTenant }),
	textColumn("limit_name", func(r *Refusal) string { return r.Limit }),
	textColumn("per", func(r *Refusal) string { return r.Per }),
	textColumn("period", func(r *Refusal) string { return r.Period }),
	each("amount_nanos", "bigint", func(r *Refusal) *int64 { return (*int64)(r.Amount) }),
	each("spent_nanos", "bigint", func(r *Refusal) *int64 { return (*int64)(r.Spent) }),
	each("held_nanos", "bigint", func(r *Refusal) *int64 { return (*int64)(r.Held) }),
	each("resets_at", "timestamptz", func(r *Refusal) *time.Time { return r.ResetsAt }),
	textColumn("unit", func(r *Refusal) string { return r.Unit }),
	each("retry_after_ms", "bigint", func(r *Refusal) *int64 { return milliseconds(r.RetryAfter) }),
	each("bound_nanos", "bigint", func(r *Refusal) int64 { return int64(r.Bound) }),
	each("tokens", "bigint", func(r *Refusal) int64 { return r.Tokens }),
	textColumn("fallback", func(r *Refusal) string { return r.Fallback }),
	textColumn("session", func(r *Refusal) string { return r.Session }),
)
