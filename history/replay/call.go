package replay

import (
	"iter"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
)

// PastCall is a call of the past.
type PastCall struct {
	ID string
	// Tenant, User and Tier are the caller's.
	Tenant, User, Tier string
	// Credential is the name of the caller's APIKey, "namespace/name"; empty for a token.
	Credential string
	// Groups and Labels are the caller's.
	Groups []string
	Labels map[string]string
	// Model is the model that was called, as limits select it.
	Model string
	// Ancestors are the tenants whose limits the call counted against beside its own.
	Ancestors []string
	// AdmittedAt decides which periods the call belongs to. Of a call that was refused,
	// it is when that was.
	AdmittedAt time.Time
	// SettledAt is when its hold ended.
	SettledAt time.Time
	// Bound is the most that the call could cost, Cost what it did.
	Bound, Cost money.Nanos
	// Tokens are those that it used, of all kinds.
	Tokens int64
	// Fallback, of a call that was made, says that it replaced a call that was refused for
	// money and that has the same ID: rungs do not apply to it. Of a refused call, it says
	// that a call replaced it.
	Fallback bool
	// Refused is a call that was not made, because money refused it. What it would have
	// cost is estimated, should it be admitted now. Calls that a rate limit refused are
	// not replayed: their callers have tried again.
	Refused bool
}

// caller is who made the call.
func (c PastCall) caller() limiterv1.Caller {
	return limiterv1.Caller{User: c.User, Key: c.Credential, Tier: c.Tier, Groups: c.Groups, Labels: c.Labels}
}

// History is what happened in a stretch of time.
type History struct {
	// From and To are its bounds: From is in it, To is not.
	From, To time.Time
	// Opening is what had been spent in the periods that From lies in.
	Opening []Opening
	// Calls are all calls that count against any limit of the document and were
	// admitted before To and not settled a Lag before From, in the order of AdmittedAt.
	// Those that were admitted before From are not decided on, nor are those of tenants
	// that are neither the document's nor below it.
	Calls iter.Seq2[PastCall, error]
}

// Opening is what had been spent in a limit's period before From, by calls that were
// settled a Lag before.
type Opening struct {
	// Tenant and Limit name the limit.
	Tenant, Limit string
	// Owner is whose it is, for a limit that counts owners.
	Owner limiterv1.Owner
	Spent money.Nanos
}

// levelsOf are the tenant and its ancestors, nearest first.
func levelsOf(document limiterv1.Tenant) []limiterv1.Level {
	return append([]limiterv1.Level{document.Level}, document.Ancestors...)
}
