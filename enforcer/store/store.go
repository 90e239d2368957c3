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

// keyOf is the number, among keys, of the key that a limit of the scope counts in.
func keyOf(scope limiterv1.Scope) int {
	if scope == limiterv1.PerUser {
		return 2
	}
	return 1
}

// Admit runs admit.lua.
func (s *Store) Admit(ctx context.Context, r admission.AdmitRequest) (admission.AdmitReply, error) {
	args := make([]any, 0, 5+6*len(r.Money)+5*len(r.Buckets))
	args = append(args, r.CallID, int64(r.Bound), r.Record, forgetAt(r.Money).UnixMilli(), len(r.Money))
	for _, check := range r.Money {
		args = append(args, keyOf(check.Limit.Per), limiterv1.MoneyField(check.Limit.Period),
			int64(check.Limit.Amount), int64(check.Trip),
			check.Span.Start.UnixMilli(), check.Span.End.UnixMilli())
	}
	for _, check := range r.Buckets {
		args = append(args, keyOf(check.Limit.Per), limiterv1.RateField(check.Limit),
			check.Capacity(), check.Refill(), check.NeedPoints())
	}
	raw, err := s.admit.Run(ctx, s.client, s.keys(r.Tenant, r.User), args...).Slice()
	if err != nil {
		return admission.AdmitReply{}, fmt.Errorf("admit: %w", err)
	}
	return admitReply(raw)
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
	args := make([]any, 0, 6+5*len(r.Money)+5*len(r.Buckets))
	args = append(args, r.CallID, int64(r.Cost), r.Entry,
		limiterv1.FeedChannel, limiterv1.FeedTenant+" "+r.Tenant, len(r.Money))
	for _, check := range r.Money {
		args = append(args, keyOf(check.Limit.Per), limiterv1.MoneyField(check.Limit.Period))
		args = appendRungs(args, check)
	}
	for _, check := range r.Buckets {
		args = append(args, keyOf(check.Limit.Per), limiterv1.RateField(check.Limit),
			check.Capacity(), check.Refill(), check.NeedPoints())
	}
	if err := s.settle.Run(ctx, s.client, s.keys(r.Tenant, r.User), args...).Err(); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	// Whether the hold was ended now, before, or is not known to this Redis at
	// all: nothing is left to release, and the ledger keeps the cost.
	return nil
}

// appendRungs appends the rungs whose crossing is news to the control plane. It
// watches tenants; what a single user has reached concerns that user alone.
func appendRungs(args []any, check admission.MoneyCheck) []any {
	if check.Limit.Per == limiterv1.PerUser {
		return append(args, 0)
	}
	args = append(args, len(check.Rungs))
	for _, rung := range check.Rungs {
		args = append(args, int64(rung))
	}
	return args
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
