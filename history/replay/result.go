package replay

import (
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
)

// Tally is a number of calls and their money.
type Tally struct {
	Calls int64
	// Cost is what the calls cost or, for calls that were not made, would have cost by an
	// estimate.
	Cost money.Nanos
}

func (t *Tally) add(cost money.Nanos) { t.Calls, t.Cost = t.Calls+1, t.Cost+cost }

// Result is what would have happened.
type Result struct {
	From, To time.Time
	// Shadow is whether the document's own limits only count: calls that they refuse here
	// are admitted.
	Shadow bool
	// Admitted are the calls of the tenant, and of those below it, that were made then.
	Admitted Tally
	// Refused are those of Admitted that would be refused now.
	Refused Tally
	// WereRefused are the calls that money refused then, and Fitting those of them that
	// would be admitted now.
	WereRefused, Fitting Tally
	// Limits are the document's limits: the money limits of the tenant and of its
	// ancestors, nearest first, then the rate limits in the same order.
	Limits []LimitResult
	// Users are the users with calls that would be refused now, most refused first.
	Users []User
}

// LimitResult is what a limit would have done.
type LimitResult struct {
	// Tenant is the tenant whose limit it is.
	Tenant string
	// Money or Rate is the limit; the other one is nil. Both are nil for a breaker that is
	// forced open.
	Money *limiterv1.MoneyLimit
	Rate  *limiterv1.RateLimit
	// Refused are the calls that were made then and that it would refuse now, by reason.
	Refused map[ledgerv1.Reason]Tally
	// Periods are the periods in which a money limit would have refused calls or reached
	// its Trip rung, in the order of time; for a limit that counts owners, by owner as
	// well.
	Periods []Period
}

// Total are the calls that the limit would refuse.
func (l LimitResult) Total() (total Tally) {
	for _, t := range l.Refused {
		total.Calls, total.Cost = total.Calls+t.Calls, total.Cost+t.Cost
	}
	return total
}

// Period is a period of a money limit.
type Period struct {
	Start, End time.Time
	// Owner is the owner that is counted, for a limit that counts owners.
	Owner limiterv1.Owner
	// Spent is what would have been spent at its end, or at the end of the replay.
	Spent money.Nanos
	// TrippedAt is when spent would have reached the Trip rung; zero if it would not.
	TrippedAt time.Time
	// ExhaustedAt is when a call would first have found too little left; zero if none.
	ExhaustedAt time.Time
	// Refused are the calls that were made then and that it would have refused.
	Refused Tally
}

// User is how a user would have fared.
type User struct {
	Tenant, Name string
	// Admitted are the user's calls that were made then, Refused those of them that
	// would be refused now.
	Admitted, Refused Tally
}
