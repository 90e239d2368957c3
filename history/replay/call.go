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
	// Ancestors are the tenants above the caller's whose limits the call counted against.
	Ancestors []string
	// AdmittedAt decides which periods the call belongs to. For a call that was refused,
	// it is when it was refused.
	AdmittedAt time.Time
	// SettledAt is when its hold ended.
	SettledAt time.Time
	// Bound is the most that the call could cost, Cost what it did.
	Bound, Cost money.Nanos
	// Tokens are those that it used, of all kinds.
	Tokens int64
	// Fallback has two meanings. For a call that was made: it replaced a call with the same
	// ID that was refused for money, and rungs do not apply to it. For a refused call: a
	// call replaced it.
	Fallback bool
	// Refused is set for a call that was not made, because money refused it. If it is
	// admitted now, its cost is estimated. Calls that a rate limit refused are not
	// replayed, because their callers have tried again.
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
	// Calls are all calls that count against any limit of the document, were admitted
	// before To, and were not settled a Lag before From, in the order of AdmittedAt. No
	// decision is made on those that were admitted before From, nor on those of tenants
	// other than the document's and those below it.
	Calls iter.Seq2[PastCall, error]
}

// Opening is what had been spent of a limit in its period before From, by calls that were
// settled at least a Lag before.
type Opening struct {
	// Tenant and Limit name the limit.
	Tenant, Limit string
	// Owner is the owner that spent it, for a limit that counts owners.
	Owner limiterv1.Owner
	Spent money.Nanos
}

// levelsOf are the tenant and its ancestors, nearest first.
func levelsOf(document limiterv1.Tenant) []limiterv1.Level {
	return append([]limiterv1.Level{document.Level}, document.Ancestors...)
}
