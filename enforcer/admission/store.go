package admission

import (
	"context"
	"errors"
	"math"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
)

// Store keeps the counters and applies checks to them, each operation as one
// atomic step. It has the only clock that counts.
type Store interface {
	// Admit applies all checks of a call, or none of them. Asking again with the
	// same CallID takes nothing again.
	Admit(ctx context.Context, request AdmitRequest) (AdmitReply, error)
	// Settle ends a call's hold. Ending it again changes nothing. The cost of a call that
	// the Store does not know any more is posted, until the counters are counted anew. It
	// returns ErrFenced if the session was declared dead and another may have ended the call:
	// then the true cost must be sent to the ledger.
	Settle(ctx context.Context, request SettleRequest) error
	// Take opens a call that holds a part of what another open call held until then. Taking
	// it again changes nothing.
	Take(ctx context.Context, request TakeRequest) error
	// Forget drops settled calls of a budget tree that nobody will ask about again.
	Forget(ctx context.Context, root string, callIDs []string) error
	// ForgetOwners drops the counters of owners within a tenant whose calls count no more.
	ForgetOwners(ctx context.Context, root, tenant string, owners ...limiterv1.Owner) error
}

// AdmitRequest is everything that one admission needs to be decided.
type AdmitRequest struct {
	// Root is the tenant at the top of the budget tree.
	Root   string
	CallID string
	Bound  money.Nanos
	// Record is the call's entry for the ledger, encoded, with the counters that it is
	// counted in.
	Record []byte
	// NotBefore is a time that an earlier reply about this call gave. The Store's
	// clock may be set back by a failover; time does not go back.
	NotBefore time.Time
	// Downgraded says that the model was chosen as if a Downgrade rung were reached.
	Downgraded bool
	// Accounts are the counters and the checks in each: of the tenant, of its owners that
	// have checks, then of the ancestors, nearest first.
	Accounts []Account
	// OwnersUntil is when the last of the current periods ends, of all limits that count
	// owners, including limits that do not count this call; zero if there are none. The
	// owners' counters are needed until then.
	OwnersUntil time.Time
}

// Account names counters, those of a tenant or of one owner in it, and the checks
// that a call must pass in them.
type Account struct {
	Tenant  string
	Owner   limiterv1.Owner
	Money   []MoneyCheck
	Buckets []BucketCheck
}

// Never is an amount that no counter reaches.
const Never money.Nanos = math.MaxInt64

// MoneyCheck asks whether a call fits into a money limit.
type MoneyCheck struct {
	// Limit is the limit with what is granted in its amount, and Field its
	// limiterv1.MoneyField.
	Limit limiterv1.MoneyLimit
	Field string
	// Trip is the spent amount from which on calls are refused.
	Trip money.Nanos
	// Downgrade is the spent amount from which on calls go to other models.
	Downgrade money.Nanos
	// Rungs are the spent amounts at which something happens.
	Rungs []money.Nanos
	// Span is the period in which the check is meant to happen.
	Span period.Span
	// Stretch is the time in which these amounts hold: until a grant starts or expires.
	Stretch period.Span
	// MostHeld is the most that may be held, by all open calls together, once this one
	// is admitted. It is Never, except for a share in the limits of an ancestor.
	MostHeld money.Nanos
	// Waived says that the check decides and counts, and refuses nothing.
	Waived bool
}

// BucketCheck asks whether a bucket has what a call needs.
type BucketCheck struct {
	// Limit is the limit, and Field its limiterv1.RateField.
	Limit limiterv1.RateLimit
	Field string
	// Need is how many units the call takes.
	Need int64
	// Waived is as in MoneyCheck. From a bucket that has too little, nothing is taken.
	Waived bool
}

// reading is the bucket at a debt in points.
func (c BucketCheck) reading(debt int64, slowed bool) RateReading {
	bucket := c.Limit.Bucket()
	return RateReading{Limit: c.Limit, Remaining: bucket.Remaining(debt), FullIn: byClock(bucket.FullIn(debt), slowed)}
}

// byClock is how long a wait of the Store's time takes by the clock.
func byClock(wait time.Duration, slowed bool) time.Duration {
	if !slowed {
		return wait
	}
	return limiterv1.ClockTime(wait)
}

// Verdict is how an admission was decided.
type Verdict int

// The verdicts.
const (
	// Admitted: everything was taken.
	Admitted Verdict = iota
	// Refused: the check numbered Refusing, which is not waived, refused, and nothing was
	// taken.
	Refused
	// PeriodTurned: Now lies outside a check's Span or Stretch. Nothing was decided.
	PeriodTurned
	// RungChanged: Downgraded is not what the counters say. Nothing was decided.
	RungChanged
)

// AdmitReply is the Store's answer.
type AdmitReply struct {
	Verdict Verdict
	// Now is the Store's time of the decision.
	Now time.Time
	// AdmittedAt is when the call was admitted: Now, or before for a call that was
	// asked about again.
	AdmittedAt time.Time
	// Refusing is the number, from 1, of the check that refused, the money of all
	// accounts counted before the buckets of all accounts; 0 when none did. It is the
	// first that is not waived, or else the first: then the call is admitted all the same.
	Refusing int
	// Spent and Held are those of the money limit that refused.
	Spent, Held money.Nanos
	// Slowed says that the Store's time goes slower than the clock, which was set back; see
	// limiterv1.ClockTime.
	Slowed bool
	// Nearest is the number, from 1, of the money limit of the tenant or of its owners that has
	// the least left after an admission, counted as in Refusing, and Left is how much that is:
	// less than zero where a limit is waived. 0 where the call was admitted before, or has no
	// such limit.
	Nearest int
	Left    money.Nanos
	// Debts are the debts of the buckets after the decision, in points.
	Debts []int64
	// Taken says of each bucket whether it was taken from, where a call was admitted
	// because what refused it was waived; nil means that all were.
	Taken []bool
}

// SettleRequest ends a hold.
type SettleRequest struct {
	Root   string
	CallID string
	// Cost is what the call cost; zero for a call that was not made after all.
	Cost money.Nanos
	// AdmittedAt is when the call was admitted, by the Store's clock: the cost belongs to
	// the periods of then, should the Store not know the call any more. Zero where nobody
	// knows whether it was admitted.
	AdmittedAt time.Time
	// Entry is the call's entry for the ledger, encoded; empty for none.
	Entry []byte
	// Accounts are those that the call was admitted by. Of their buckets, those get
	// something back whose Need is not zero; less than zero takes more.
	Accounts []Account
}

// TakeRequest takes a part of an open call's bound for another call.
type TakeRequest struct {
	Root string
	// From is the call to take from, CallID the one that takes.
	From, CallID string
	Bound        money.Nanos
	Record       []byte
	// Accounts are those that From was admitted by.
	Accounts []Account
}

// ErrGone is returned by Take when there is nothing to take from.
var ErrGone = errors.New("there is no open call to take from")

// ErrFenced is returned by a Store whose session was declared dead. Another session
// adopts its calls, and ends those that it does not end itself.
var ErrFenced = errors.New("session was declared dead")

// ErrSuspended is returned by a Store that is not valid at present: its counters were
// lost and are being set anew, or those of a new limit are not set yet.
var ErrSuspended = errors.New("the limiter is suspended: its counters are not valid yet")
