package store

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

var (
	//go:embed counters.lua
	countersLua string
	//go:embed admit.lua
	admitLua string
	//go:embed settle.lua
	settleLua string

	admitScript  = redis.NewScript(countersLua + admitLua)
	settleScript = redis.NewScript(countersLua + settleLua)
)

// keep is how long a user's counters outlive their last period, so that calls
// admitted in it can still be settled.
const keep = 24 * time.Hour

// Store is an admission.Store in Redis.
type Store struct {
	client        redis.UniversalClient
	session       string
	admit, settle *redis.Script
}

var _ admission.Store = (*Store)(nil)

// New makes a Store whose calls belong to a session.
func New(client redis.UniversalClient, session string) *Store {
	return &Store{client: client, session: session, admit: admitScript, settle: settleScript}
}

func (s *Store) keys(tenant, user string) []string {
	return []string{
		limiterv1.TenantCountersKey(tenant),
		limiterv1.UserCountersKey(tenant, user),
		limiterv1.CallsKey(limiterv1.Shard(tenant), s.session),
	}
}

// Admit runs admit.lua.
func (s *Store) Admit(ctx context.Context, r admission.AdmitRequest) (admission.AdmitReply, error) {
	layout := layoutOf(r.Money, r.Buckets)
	numbers := []int64{int64(r.Bound), unixMilli(r.NotBefore), forgetAt(r.Money).UnixMilli()}
	numbers = append(numbers, layout.counts()...)
	for _, check := range r.Money {
		numbers = append(numbers, int64(check.Limit.Amount), int64(check.Trip),
			check.Span.Start.UnixMilli(), check.Span.End.UnixMilli())
	}
	numbers = appendBuckets(numbers, r.Buckets)
	args := layout.appendFields([]any{r.CallID, r.Record, packNumbers(numbers)})
	raw, err := s.admit.Run(ctx, s.client, s.keys(r.Tenant, r.User), args...).Slice()
	if err != nil {
		return admission.AdmitReply{}, fmt.Errorf("admit: %w", err)
	}
	return admitReply(raw)
}

// unixMilli is the time in milliseconds since the Unix epoch, and zero for none.
func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// forgetAt is when the user's counters may go: when the last period is over and
// its calls are settled. Buckets alone are full again within a day at the latest.
func forgetAt(checks []admission.MoneyCheck) time.Time {
	last := time.Now()
	for _, check := range checks {
		if check.Span.End.After(last) {
			last = check.Span.End
		}
	}
	return last.Add(keep)
}

func admitReply(raw []any) (admission.AdmitReply, error) {
	if len(raw) < 2 {
		return admission.AdmitReply{}, fmt.Errorf("admit: answer of %d values", len(raw))
	}
	numbers := make([]int64, len(raw))
	for i, v := range raw[1:] {
		n, ok := v.(int64)
		if !ok {
			return admission.AdmitReply{}, fmt.Errorf("admit: value %d of the answer is %T, want a number", i+1, v)
		}
		numbers[i+1] = n
	}
	reply := admission.AdmitReply{Now: time.UnixMilli(numbers[1]).UTC()}
	switch raw[0] {
	case "turned":
		reply.Verdict = admission.PeriodTurned
		return reply, nil
	case "admitted":
		reply.Verdict = admission.Admitted
	case "refused":
		reply.Verdict = admission.Refused
	default:
		return admission.AdmitReply{}, fmt.Errorf("admit: verdict %v", raw[0])
	}
	if len(raw) < 5 {
		return admission.AdmitReply{}, fmt.Errorf("admit: answer of %d values", len(raw))
	}
	reply.Refusing = int(numbers[2]) - 1
	reply.Spent, reply.Held = money.Nanos(numbers[3]), money.Nanos(numbers[4])
	reply.Levels = numbers[5:]
	return reply, nil
}

// Settle runs settle.lua.
func (s *Store) Settle(ctx context.Context, r admission.SettleRequest) error {
	layout := layoutOf(r.Money, r.Buckets)
	numbers := append([]int64{int64(r.Cost)}, layout.counts()...)
	numbers = appendRungs(numbers, r.Money)
	numbers = appendBuckets(numbers, r.Buckets)
	args := layout.appendFields([]any{
		r.CallID, r.Entry, limiterv1.FeedChannel, limiterv1.FeedTenant + " " + r.Tenant, packNumbers(numbers),
	})
	if err := s.settle.Run(ctx, s.client, s.keys(r.Tenant, r.User), args...).Err(); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	// Whether the hold was ended now, before, or is not known to this Redis at
	// all: nothing is left to release, and the ledger keeps the cost.
	return nil
}

// appendRungs appends how many rungs a tenant's limit has, and the rungs of each.
func appendRungs(numbers []int64, checks []admission.MoneyCheck) []int64 {
	if len(checks) == 0 {
		return append(numbers, 0)
	}
	numbers = append(numbers, int64(len(checks[0].Rungs)))
	for _, check := range checks {
		if check.Limit.Per == limiterv1.PerTenant {
			for _, rung := range check.Rungs {
				numbers = append(numbers, int64(rung))
			}
		}
	}
	return numbers
}

// Forget drops calls that the ledger has.
func (s *Store) Forget(ctx context.Context, tenant string, callIDs []string) error {
	if len(callIDs) == 0 {
		return nil
	}
	key := limiterv1.CallsKey(limiterv1.Shard(tenant), s.session)
	if err := s.client.HDel(ctx, key, callIDs...).Err(); err != nil {
		return fmt.Errorf("forget: %w", err)
	}
	return nil
}
