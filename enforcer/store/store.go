package store

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

var (
	//go:embed counters.lua
	countersLua string
	//go:embed admit.lua
	admitLua string
	//go:embed settle.lua
	settleLua string
	//go:embed take.lua
	takeLua string
	//go:embed forget.lua
	forgetLua string

	forgetScript = redis.NewScript(forgetLua)
)

// Store is an admission.Store in Redis.
type Store struct {
	client  redis.UniversalClient
	session string
	epoch   *epoch
	// next is that of the session which follows once this one was declared dead.
	next atomic.Pointer[Store]
}

var _ admission.Store = (*Store)(nil)

// New makes a Store whose calls belong to a session. Before SetEpoch it is suspended.
func New(client redis.UniversalClient, session string) *Store {
	return &Store{client: client, session: session, epoch: newEpoch(client)}
}

// SetEpoch tells the epoch. Money is admitted while it is valid. When SetEpoch
// returns, nothing is under way any more that was asked under the one before.
func (s *Store) SetEpoch(epoch limiterv1.Epoch) { s.epoch.set(epoch) }

// Admit runs admit.lua.
func (s *Store) Admit(ctx context.Context, r admission.AdmitRequest) (admission.AdmitReply, error) {
	epoch, done, err := s.epoch.enter()
	if err != nil {
		return admission.AdmitReply{}, err
	}
	defer done()
	seen := epoch.seenOf(r)
	args := appendFields([]any{r.CallID, r.Record, packNumbers(admitNumbers(r, seen.Load())), waived(r.Accounts)}, r.Accounts)
	raw, err := epoch.run(ctx, epoch.admits.of(limiterv1.Shard(r.Root)), epoch.admit, s.keys(epoch.Epoch, r.Root, r.Accounts), args).Slice()
	if err != nil {
		return admission.AdmitReply{}, fmt.Errorf("admit: %w", err)
	}
	reply, seq, err := admitReply(raw)
	if errors.Is(err, errGoneBack) {
		epoch.goneBack(limiterv1.Shard(r.Root))
		return reply, admission.ErrSuspended
	}
	raise(seen, seq)
	return reply, err
}

// admitNumbers are the numbers of admit.lua, in its order.
func admitNumbers(r admission.AdmitRequest, seen int64) []int64 {
	valid := stretch(r.Accounts)
	numbers := []int64{
		int64(r.Bound), unixMilli(r.NotBefore), unixMilli(r.OwnersUntil), limiterv1.Retention.Milliseconds(),
		0, number(r.Downgraded), unixMilli(valid.Start), unixMilli(valid.End),
		seen, owners(r.Accounts),
	}
	for _, a := range r.Accounts {
		numbers = append(numbers, int64(len(a.Money)), int64(len(a.Buckets)))
	}
	for _, a := range r.Accounts {
		for _, check := range a.Money {
			numbers = append(numbers, int64(check.Limit.Amount), int64(check.Trip), int64(check.Downgrade),
				check.Span.Start.UnixMilli(), check.Span.End.UnixMilli())
		}
	}
	for _, a := range r.Accounts {
		for _, check := range a.Buckets {
			bucket := check.Limit.Bucket()
			numbers = append(numbers, bucket.Capacity(), bucket.Refill(), bucket.Points(check.Need))
		}
	}
	return appendCeilings(numbers, r.Accounts)
}

// owners is how many of the accounts are those of owners.
func owners(accounts []admission.Account) (n int64) {
	for _, a := range accounts {
		n += number(!a.Owner.IsTenant())
	}
	return n
}

// appendCeilings appends the most that may be held of each money limit, where that is
// bounded of any.
func appendCeilings(numbers []int64, accounts []admission.Account) []int64 {
	const ceilings = 4 // the number that says where they begin
	isBounded := func(check admission.MoneyCheck) bool { return check.MostHeld != admission.Never }
	if !slices.ContainsFunc(accounts, func(a admission.Account) bool { return slices.ContainsFunc(a.Money, isBounded) }) {
		return numbers
	}
	numbers[ceilings] = int64(len(numbers))
	for _, a := range accounts {
		for _, check := range a.Money {
			numbers = append(numbers, int64(check.MostHeld))
		}
	}
	return numbers
}

// waived says of each check, the money of all accounts before the buckets of all
// accounts, whether it is waived: '1' or '0'. It is empty where none is.
func waived(accounts []admission.Account) []byte {
	var all []byte
	add := func(isWaived bool) { all = append(all, byte('0'+number(isWaived))) }
	for _, a := range accounts {
		for _, check := range a.Money {
			add(check.Waived)
		}
	}
	for _, a := range accounts {
		for _, check := range a.Buckets {
			add(check.Waived)
		}
	}
	if !slices.Contains(all, '1') {
		return nil
	}
	return all
}

// unixMilli is the time in milliseconds since the Unix epoch, and zero for none.
func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// stretch is the time in which the amounts of all checks hold; zero where there are
// none.
func stretch(accounts []admission.Account) (all period.Span) {
	for _, a := range accounts {
		for _, check := range a.Money {
			if check.Stretch.Start.After(all.Start) {
				all.Start = check.Stretch.Start
			}
			if all.End.IsZero() || check.Stretch.End.Before(all.End) {
				all.End = check.Stretch.End
			}
		}
	}
	return all
}

// admitReply is what admit.lua answers, and the tenant's seq then.
func admitReply(raw []any) (reply admission.AdmitReply, seq int64, err error) {
	if len(raw) < 2 {
		return admission.AdmitReply{}, 0, fmt.Errorf("admit: unexpected reply of %d values", len(raw))
	}
	numbers := make([]int64, len(raw))
	for i, v := range raw[1:] {
		n, ok := v.(int64)
		if !ok {
			return admission.AdmitReply{}, 0, fmt.Errorf("admit: value %d of the reply is %T, want a number", i+1, v)
		}
		numbers[i+1] = n
	}
	reply = admission.AdmitReply{Now: time.UnixMilli(numbers[1]).UTC()}
	switch raw[0] {
	case "fenced":
		return reply, 0, admission.ErrFenced
	case "closed":
		return reply, 0, admission.ErrSuspended
	case "back":
		return reply, 0, errGoneBack
	case "turned":
		reply.Verdict = admission.PeriodTurned
		return reply, 0, nil
	case "rung":
		reply.Verdict = admission.RungChanged
		return reply, 0, nil
	case "admitted":
		reply.Verdict = admission.Admitted
	case "refused":
		reply.Verdict = admission.Refused
	default:
		return admission.AdmitReply{}, 0, fmt.Errorf("admit: verdict %v", raw[0])
	}
	if len(raw) < 10 {
		return admission.AdmitReply{}, 0, fmt.Errorf("admit: unexpected reply of %d values", len(raw))
	}
	reply.AdmittedAt = time.UnixMilli(numbers[2]).UTC()
	reply.Refusing = int(numbers[3])
	reply.Spent, reply.Held = money.Nanos(numbers[4]), money.Nanos(numbers[5])
	reply.Slowed = numbers[6] == 1
	reply.Nearest, reply.Left = int(numbers[8]), money.Nanos(numbers[9])
	reply.Debts = numbers[10:]
	if reply.Verdict == admission.Admitted && reply.Refusing > 0 {
		buckets := len(reply.Debts) / 2
		for _, taken := range reply.Debts[buckets:] {
			reply.Taken = append(reply.Taken, taken == 1)
		}
		reply.Debts = reply.Debts[:buckets]
	}
	return reply, numbers[7], nil
}

// Take runs take.lua.
func (s *Store) Take(ctx context.Context, r admission.TakeRequest) error {
	epoch, done, err := s.epoch.enter()
	if err != nil {
		return err
	}
	defer done()
	numbers := []int64{int64(r.Bound)}
	var fields []any
	for _, a := range r.Accounts {
		numbers = append(numbers, int64(len(a.Money)))
		for _, check := range a.Money {
			fields = append(fields, check.Field)
		}
	}
	args := append([]any{r.From, r.CallID, r.Record, packNumbers(numbers)}, fields...)
	switch answer, err := epoch.run(ctx, epoch.settles.of(limiterv1.Shard(r.Root)), epoch.take, s.keys(epoch.Epoch, r.Root, r.Accounts), args).Text(); {
	case err != nil:
		return fmt.Errorf("take: %w", err)
	case answer == "fenced":
		return admission.ErrFenced
	case answer == "gone":
		return admission.ErrGone
	}
	return nil
}

// Forget drops calls that the ledger has. Once the session was declared dead it leaves them to who
// adopts it.
func (s *Store) Forget(ctx context.Context, root string, callIDs []string) error {
	if len(callIDs) == 0 {
		return nil
	}
	keys, ids := []string{limiterv1.CallsKey(limiterv1.Shard(root), s.session)}, make([]any, len(callIDs))
	for i, id := range callIDs {
		ids[i] = id
	}
	if err := forgetScript.Run(ctx, s.client, keys, ids...).Err(); err != nil {
		return fmt.Errorf("forget: %w", err)
	}
	return nil
}

// ForgetOwners drops the counters of owners whose calls count no more.
func (s *Store) ForgetOwners(ctx context.Context, root, tenant string, owners ...limiterv1.Owner) error {
	epoch, done, err := s.epoch.enter()
	if err != nil {
		return err
	}
	defer done()
	keys := make([]string, len(owners))
	for i, owner := range owners {
		keys[i] = limiterv1.CountersKey(root, epoch.Epoch, tenant, owner)
	}
	if err := s.client.Del(ctx, keys...).Err(); err != nil {
		return fmt.Errorf("forget owners of counters: %w", err)
	}
	return nil
}
