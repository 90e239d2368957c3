package store

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
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
	// next is the Store of the session that follows, once this one was declared dead.
	next atomic.Pointer[Store]
}

var _ admission.Store = (*Store)(nil)

// New makes a Store whose calls belong to a session. Before SetEpoch it is suspended.
func New(client redis.UniversalClient, session string) *Store {
	return &Store{client: client, session: session, epoch: newEpoch(client)}
}

// SetEpoch sets the epoch. Money is admitted only while it is valid. When SetEpoch
// returns, no operation of the previous epoch is under way any more.
func (s *Store) SetEpoch(epoch limiterv1.Epoch) { s.epoch.set(epoch) }

// Admit runs admit.lua.
func (s *Store) Admit(ctx context.Context, r admission.AdmitRequest) (admission.AdmitReply, error) {
	epoch, done, err := s.epoch.enter()
	if err != nil {
		return admission.AdmitReply{}, err
	}
	defer done()
	shard, seen := limiterv1.Shard(r.Root), epoch.seenOf(r)
	answer, err := epoch.run(ctx, epoch.admits.of(shard), s.admission(epoch, r, seen.Load())).Text()
	if err != nil {
		return admission.AdmitReply{}, fmt.Errorf("admit: %w", err)
	}
	reply, seq, err := admitReply(answer)
	if errors.Is(err, errGoneBack) {
		epoch.goneBack(shard)
		return reply, admission.ErrSuspended
	}
	raise(seen, seq)
	return reply, err
}

// admission is what admit.lua is told of a call.
func (s *Store) admission(epoch *validEpoch, r admission.AdmitRequest, seen int64) scriptCall {
	return scriptCall{
		script: epoch.admit, shard: limiterv1.Shard(r.Root), session: s.session, id: r.CallID, text: r.Record,
		accounts: admitAccounts(epoch.Epoch, r), numbers: admitNumbers(r, seen),
	}
}

// admitNumbers are what admit.lua wants to know of a call, in its order.
func admitNumbers(r admission.AdmitRequest, seen int64) []int64 {
	valid := stretch(r.Accounts)
	numbers := []int64{
		int64(r.Bound), unixMilli(r.NotBefore), unixMilli(r.OwnersUntil), limiterv1.Retention.Milliseconds(),
		number(r.Downgraded), unixMilli(valid.Start), unixMilli(valid.End), seen,
	}
	for _, a := range r.Accounts {
		for _, check := range a.Buckets {
			numbers = append(numbers, check.Limit.Bucket().Points(check.Need))
		}
	}
	return numbers
}

// admitAccounts are the accounts of a call with what admit.lua wants to know of their limits, in its
// order.
func admitAccounts(epoch limiterv1.Epoch, r admission.AdmitRequest) []scriptAccount {
	accounts := make([]scriptAccount, len(r.Accounts))
	for i, a := range r.Accounts {
		numbers := make([]int64, 0, 3+7*len(a.Money)+3*len(a.Buckets))
		numbers = append(numbers, number(!a.Owner.IsTenant()), int64(len(a.Money)), int64(len(a.Buckets)))
		for _, check := range a.Money {
			numbers = append(numbers, int64(check.Limit.Amount), int64(check.Trip), int64(check.Downgrade),
				check.Span.Start.UnixMilli(), check.Span.End.UnixMilli(), int64(check.MostHeld), number(check.Waived))
		}
		for _, check := range a.Buckets {
			bucket := check.Limit.Bucket()
			numbers = append(numbers, bucket.Capacity(), bucket.Refill(), number(check.Waived))
		}
		accounts[i] = scriptAccount{key: limiterv1.CountersKey(r.Root, epoch, a.Tenant, a.Owner), numbers: packNumbers(numbers), fields: fieldsOf(a)}
	}
	return accounts
}

// fieldsOf are the fields that the account's checks are about.
func fieldsOf(a admission.Account) []string {
	fields := make([]string, 0, len(a.Money)+len(a.Buckets))
	for _, check := range a.Money {
		fields = append(fields, check.Field)
	}
	for _, check := range a.Buckets {
		fields = append(fields, check.Field)
	}
	return fields
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
func admitReply(answer string) (reply admission.AdmitReply, seq int64, err error) {
	verdict, packed, _ := strings.Cut(answer, "\x00")
	numbers := unpackNumbers(packed)
	if len(numbers) == 0 {
		return admission.AdmitReply{}, 0, fmt.Errorf("admit: the reply is %q, want numbers", answer)
	}
	reply = admission.AdmitReply{Now: time.UnixMilli(numbers[0]).UTC()}
	switch verdict {
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
		return admission.AdmitReply{}, 0, fmt.Errorf("admit: verdict %q", verdict)
	}
	const debts = 9 // where they begin
	if len(numbers) < debts {
		return admission.AdmitReply{}, 0, fmt.Errorf("admit: unexpected reply of %d numbers", len(numbers))
	}
	reply.AdmittedAt = time.UnixMilli(numbers[1]).UTC()
	reply.Refusing = int(numbers[2])
	reply.Spent, reply.Held = money.Nanos(numbers[3]), money.Nanos(numbers[4])
	reply.Slowed = numbers[5] == 1
	reply.Nearest, reply.Left = int(numbers[7]), money.Nanos(numbers[8])
	reply.Debts = numbers[debts:]
	if reply.Verdict == admission.Admitted && reply.Refusing > 0 {
		buckets := len(reply.Debts) / 2
		for _, taken := range reply.Debts[buckets:] {
			reply.Taken = append(reply.Taken, taken == 1)
		}
		reply.Debts = reply.Debts[:buckets]
	}
	return reply, numbers[6], nil
}

// Take runs take.lua.
func (s *Store) Take(ctx context.Context, r admission.TakeRequest) error {
	epoch, done, err := s.epoch.enter()
	if err != nil {
		return err
	}
	defer done()
	shard := limiterv1.Shard(r.Root)
	call := scriptCall{
		script: epoch.take, shard: shard, session: s.session, id: r.CallID, text: r.Record,
		accounts: make([]scriptAccount, len(r.Accounts)), numbers: []int64{int64(r.Bound)}, more: []any{r.From},
	}
	for i, a := range r.Accounts {
		a.Buckets = nil // nothing is taken from them
		call.accounts[i] = scriptAccount{
			key:     limiterv1.CountersKey(r.Root, epoch.Epoch, a.Tenant, a.Owner),
			numbers: packNumbers([]int64{number(!a.Owner.IsTenant()), int64(len(a.Money)), 0}), fields: fieldsOf(a),
		}
	}
	switch answer, err := epoch.run(ctx, epoch.settles.of(shard), call).Text(); {
	case err != nil:
		return fmt.Errorf("take: %w", err)
	case answer == "fenced":
		return admission.ErrFenced
	case answer == "gone":
		return admission.ErrGone
	}
	return nil
}

// Forget drops calls that the ledger has. Once the session was declared dead, it leaves them to its
// adopter.
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
