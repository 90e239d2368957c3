package admission

import (
	"context"
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
	// Settle ends a call's hold. Ending it again changes nothing.
	Settle(ctx context.Context, request SettleRequest) error
	// Forget drops settled calls of a tenant that nobody will ask about again.
	Forget(ctx context.Context, tenant string, callIDs []string) error
}

// AdmitRequest is everything that one admission needs to be decided.
type AdmitRequest struct {
	Tenant, User string
	CallID       string
	Bound        money.Nanos
	Record       []byte
	// NotBefore is a time that an earlier reply about this call gave. The Store's
	// clock may be set back by a failover; time does not go back.
	NotBefore time.Time
	// Money and Buckets are the checks, those of the tenant before those of the user.
	Money   []MoneyCheck
	Buckets []BucketCheck
}

// NoTrip is the Trip of a MoneyCheck whose ladder has no Trip rung: more than any
// counter can reach.
const NoTrip money.Nanos = math.MaxInt64

// MoneyCheck asks whether a call fits into a money limit.
type MoneyCheck struct {
	Limit limiterv1.MoneyLimit
	// Trip is the spent amount from which on calls are refused.
	Trip money.Nanos
	// Rungs are the spent amounts at which something happens.
	Rungs []money.Nanos
	// Span is the period in which the check is meant to happen.
	Span period.Span
}

// BucketCheck asks whether a bucket has what a call needs.
//
// A bucket's level is counted in points, of which a unit of the limit has as many
// as the window has milliseconds. So a bucket that takes in Count units a window
// takes in exactly Count points a millisecond, in whole numbers.
type BucketCheck struct {
	Limit limiterv1.RateLimit
	// Need is how many units the call takes.
	Need int64
}

func (c BucketCheck) pointsPerUnit() int64 { return c.Limit.Window.Milliseconds() }

// Capacity is the level of the full bucket, in points.
func (c BucketCheck) Capacity() int64 { return c.Limit.Burst * c.pointsPerUnit() }

// Refill is how many points the bucket takes in per millisecond.
func (c BucketCheck) Refill() int64 { return c.Limit.Count }

// NeedPoints is what the call takes, in points.
func (c BucketCheck) NeedPoints() int64 { return c.Need * c.pointsPerUnit() }

// reading is the bucket at a level in points.
func (c BucketCheck) reading(level int64) RateReading {
	return RateReading{
		Limit:     c.Limit,
		Remaining: level / c.pointsPerUnit(),
		FullIn:    c.timeFor(c.Capacity() - level),
	}
}

// timeFor is how long the bucket takes to gain so many points, rounded up to the
// millisecond.
func (c BucketCheck) timeFor(points int64) time.Duration {
	if points <= 0 {
		return 0
	}
	return time.Duration((points+c.Refill()-1)/c.Refill()) * time.Millisecond
}

// Verdict is how an admission was decided.
type Verdict int

// The verdicts.
const (
	// Admitted: everything was taken.
	Admitted Verdict = iota
	// Refused: the check numbered Refusing refused, and nothing was taken.
	Refused
	// PeriodTurned: Now lies outside a check's Span. Nothing was decided.
	PeriodTurned
)

// AdmitReply is the Store's answer.
type AdmitReply struct {
	Verdict Verdict
	// Now is the Store's time of the decision; that of the first one for a call
	// that was admitted before.
	Now time.Time
	// Refusing is the index of the check that refused, buckets counted after money.
	Refusing int
	// Spent and Held are those of the money limit that refused.
	Spent, Held money.Nanos
	// Levels are the levels of the buckets after the decision, in points.
	Levels []int64
}

// SettleRequest ends a hold.
type SettleRequest struct {
	Tenant, User string
	CallID       string
	// Cost is what the call cost; zero for a call that was not made after all.
	Cost money.Nanos
	// Entry is the call's entry for the ledger.
	Entry []byte
	// Money are the checks that the call was admitted by.
	Money []MoneyCheck
	// Buckets are the buckets that get something back, Need being how much; less
	// than zero takes more.
	Buckets []BucketCheck
}
