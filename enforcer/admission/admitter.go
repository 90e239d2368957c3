package admission

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
)

// Admitter admits calls.
type Admitter struct {
	store     Store
	abandoned *abandoned
	// ahead is how far the Store's clock was ahead of this machine's, in
	// nanoseconds, when last seen. It only makes guesses of the period good: the
	// Store checks every guess.
	ahead atomic.Int64
}

// NewAdmitter makes an Admitter on a Store. Run must run beside it.
func NewAdmitter(store Store) *Admitter {
	return &Admitter{store: store, abandoned: newAbandoned(store)}
}

// Run voids calls whose admission was given up without an answer, until ctx ends.
func (a *Admitter) Run(ctx context.Context) { a.abandoned.run(ctx) }

// maxTurns bounds how often a period may turn while one admission is decided. One
// turn is ordinary, a second one needs a clock that jumps.
const maxTurns = 4

// Admit decides whether a call of the tenant may be made, and holds its bound if
// so. An error wraps ErrStoreUnavailable: then the call must not be made.
func (a *Admitter) Admit(ctx context.Context, tenant *Tenant, call Call) (Decision, error) {
	if call.Bound < 0 || call.Bound > money.Max || call.Tokens < 0 {
		return Decision{}, fmt.Errorf("call %s: bound of %s and %d tokens is out of range", call.ID, call.Bound, call.Tokens)
	}
	buckets := tenant.bucketChecks(call)
	now, notBefore := time.Now().Add(time.Duration(a.ahead.Load())), time.Time{}
	for range maxTurns {
		request := AdmitRequest{
			Tenant: tenant.name, User: call.Subject.User,
			CallID: call.ID, Bound: call.Bound, Record: call.Record,
			NotBefore: notBefore,
			Money:     tenant.moneyChecks(call, now), Buckets: buckets,
		}
		reply, err := a.store.Admit(ctx, request)
		if err != nil {
			a.abandoned.add(request)
			return Decision{}, fmt.Errorf("%w: %w", ErrStoreUnavailable, err)
		}
		now, notBefore = reply.Now, reply.Now
		a.ahead.Store(int64(time.Until(now)))
		if reply.Verdict != PeriodTurned {
			return a.decision(call, request, reply), nil
		}
	}
	return Decision{}, fmt.Errorf("%w: %w", ErrStoreUnavailable, errClockJumps)
}

var errClockJumps = errors.New("the store's clock jumps from period to period")

func (a *Admitter) decision(call Call, request AdmitRequest, reply AdmitReply) Decision {
	var d Decision
	for i, check := range request.Buckets {
		d.Rates = append(d.Rates, check.reading(reply.Levels[i]))
	}
	if reply.Verdict == Admitted {
		d.Hold = &Hold{store: a.store, request: request, tokens: call.Tokens, admittedAt: reply.Now}
	} else {
		d.Refusal = refusal(call, request, reply)
	}
	return d
}

func refusal(call Call, request AdmitRequest, reply AdmitReply) *Refusal {
	r := &Refusal{Bound: call.Bound, Tokens: call.Tokens}
	if reply.Refusing < len(request.Money) {
		check := request.Money[reply.Refusing]
		r.Reason = BudgetExhausted
		if reply.Spent >= check.Trip {
			r.Reason = BreakerOpen
		}
		r.Limit, r.Per, r.Period, r.Amount = check.Limit.Name, check.Limit.Per, check.Limit.Period, check.Limit.Amount
		r.Spent, r.Held, r.ResetsAt = reply.Spent, reply.Held, check.Span.End
		return r
	}
	index := reply.Refusing - len(request.Money)
	check := request.Buckets[index]
	r.Reason = RateLimited
	r.Limit, r.Per, r.Unit = check.Limit.Name, check.Limit.Per, check.Limit.Unit
	if check.NeedPoints() > check.Capacity() {
		r.Reason = TooLarge
		return r
	}
	r.RetryAfter = check.timeFor(check.NeedPoints() - reply.Levels[index])
	return r
}

// Hold is the money that is reserved for an admitted call. It must be ended with
// Settle.
type Hold struct {
	store      Store
	request    AdmitRequest
	tokens     int64
	admittedAt time.Time
}

// AdmittedAt is when the call was admitted, by the Store's clock. It decides which
// periods the cost belongs to.
func (h *Hold) AdmittedAt() time.Time { return h.admittedAt }

// Bound is the amount held.
func (h *Hold) Bound() money.Nanos { return h.request.Bound }

// Settle ends the hold with what the call cost and used, and leaves entry with
// the Store until the ledger has it. A call that was not made after all cost and
// used nothing. After an error it is unknown whether the hold has ended: settle
// again; a repeat changes nothing.
func (h *Hold) Settle(ctx context.Context, cost money.Nanos, tokens int64, entry []byte) error {
	return h.store.Settle(ctx, SettleRequest{
		Tenant: h.request.Tenant, User: h.request.User,
		CallID: h.request.CallID, Cost: cost, Entry: entry,
		Money: h.request.Money, Buckets: h.unused(tokens),
	})
}

// unused is what the token buckets get back when a call used so many tokens. A
// request was made, whatever became of it, so the request buckets get nothing.
func (h *Hold) unused(tokens int64) []BucketCheck {
	var back []BucketCheck
	for _, check := range h.request.Buckets {
		if check.Limit.Unit == limiterv1.Tokens && tokens != h.tokens {
			back = append(back, BucketCheck{Limit: check.Limit, Need: h.tokens - tokens})
		}
	}
	return back
}
