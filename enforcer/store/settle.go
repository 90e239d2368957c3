package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// Settle runs settle.lua.
func (s *Store) Settle(ctx context.Context, r admission.SettleRequest) error {
	epoch, done, err := s.epoch.enter()
	if err != nil {
		return err
	}
	defer done()
	return s.settle(ctx, epoch, r)
}

// settle ends a call of the session under an epoch.
func (s *Store) settle(ctx context.Context, epoch *validEpoch, r admission.SettleRequest) error {
	if s.next.Load() != nil { // the session was declared dead, even if Redis has forgotten that
		return s.settleFenced(ctx, epoch, r)
	}
	switch answer, err := epoch.settleCall(ctx, settlementOf(s.session, r)); {
	case err != nil:
		return fmt.Errorf("settle: %w", err)
	case answer == "fenced":
		return s.settleFenced(ctx, epoch, r)
	case answer == "closed":
		return admission.ErrSuspended
	case answer == "posted":
		epoch.noteLate(Posted, r.CallID)
	}
	// The hold was ended now or before, or Redis did not know the call: in each case nothing is
	// left to release, and the ledger keeps the cost.
	return nil
}

// SettleAdopted runs settle.lua for an open call of a session that was declared
// dead, and charges it a cost. It reports whether it did: a call that was ended before
// stays as it is. The entry is the call's for the ledger; nil for none.
func (s *Store) SettleAdopted(
	ctx context.Context, dead string, call limiterv1.OpenCall, cost money.Nanos, entry *ledgerv1.Entry,
) (ended bool, err error) {
	epoch, done, err := s.epoch.enter()
	if err != nil {
		return false, err
	}
	defer done()
	adopted := adoption(dead, call, cost)
	if entry != nil {
		adopted.entry = entry.Encode()
	}
	switch answer, err := epoch.settleCall(ctx, adopted); {
	case err != nil:
		return false, fmt.Errorf("settle an adopted call: %w", err)
	case answer == "closed":
		return false, admission.ErrSuspended
	case answer != "settled":
		return false, nil
	}
	// The rungs are not known here, so the control plane is told to look.
	_ = s.client.Publish(ctx, limiterv1.FeedChannel, adopted.news()).Err() // only a hint
	return true, nil
}

// settlement is the end of a call as settle.lua is told it.
type settlement struct {
	// session is whose call it is, and isDead whether it was declared dead.
	session string
	isDead  bool
	root    string
	callID  string
	cost    money.Nanos
	// admittedAt is when the call was admitted, as its session knows it; zero where it
	// does not.
	admittedAt time.Time
	entry      []byte
	ends       []accountEnd
}

// accountEnd is what the end of a call changes in the counters of a tenant, or of one
// owner in it.
type accountEnd struct {
	tenant  string
	Owner   limiterv1.Owner
	money   []moneyEnd
	buckets []bucketEnd
}

// moneyEnd is a money limit in which the hold ends, by its field. rungs are the spent
// amounts at which the control plane is told that they are reached.
type moneyEnd struct {
	field string
	rungs []money.Nanos
}

// bucketEnd is a bucket that gets points back, by its field.
type bucketEnd struct {
	field          string
	refill, unused int64
}

// settlementOf is the end of a call of a session.
func settlementOf(session string, r admission.SettleRequest) settlement {
	s := settlement{
		session: session, root: r.Root, callID: r.CallID, cost: r.Cost, admittedAt: r.AdmittedAt, entry: r.Entry,
		ends: make([]accountEnd, len(r.Accounts)),
	}
	for i, a := range r.Accounts {
		end := accountEnd{tenant: a.Tenant, Owner: a.Owner}
		for _, check := range a.Money {
			limit := moneyEnd{field: check.Field}
			if a.Owner.IsTenant() { // what a single owner has reached concerns that owner alone
				limit.rungs = check.Rungs
			}
			end.money = append(end.money, limit)
		}
		for _, check := range a.Buckets {
			bucket := check.Limit.Bucket()
			end.buckets = append(end.buckets, bucketEnd{check.Field, bucket.Refill(), bucket.Points(check.Need)})
		}
		s.ends[i] = end
	}
	return s
}

// adoption is the end of a call of a dead session. The call's record says where it is
// counted. Among buckets, only those of calls in flight get something back: one unit there
// is one point, and they have no refill.
func adoption(dead string, call limiterv1.OpenCall, cost money.Nanos) settlement {
	s := settlement{session: dead, isDead: true, root: call.Root, callID: call.CallID, cost: cost}
	for _, c := range call.Counters {
		end := accountEnd{tenant: c.Tenant, Owner: c.Owner}
		for _, field := range c.Money {
			end.money = append(end.money, moneyEnd{field: field})
		}
		for _, field := range c.InFlight {
			end.buckets = append(end.buckets, bucketEnd{field: field, unused: 1})
		}
		s.ends = append(s.ends, end)
	}
	return s
}

// settleCall runs settle.lua, and returns its answer.
func (e *validEpoch) settleCall(ctx context.Context, s settlement) (answer string, err error) {
	shard := limiterv1.Shard(s.root)
	lanes := e.settles
	if s.freesInFlight() {
		lanes = e.admits // its caller may wait for that, to make the next call
	}
	return e.run(ctx, lanes.of(shard), e.settlement(s)).Text()
}

// settlement is what settle.lua is told of a call.
func (e *validEpoch) settlement(s settlement) scriptCall {
	return scriptCall{
		script: e.settle, shard: limiterv1.Shard(s.root), session: s.session, id: s.callID, text: s.record(),
		accounts: s.accounts(e.Epoch), numbers: s.numbers(),
	}
}

// record is the record of the call as it is to stand. As a rule the script only copies it, because Lua
// takes long to make long strings.
func (s settlement) record() []byte {
	return limiterv1.CallRecord{Settled: true, Amount: s.cost, AdmittedAt: time.UnixMilli(unixMilli(s.admittedAt)), Body: s.entry}.Encode()
}

// freesInFlight reports whether the end of the call makes room in a limit of calls in flight.
func (s settlement) freesInFlight() bool {
	return slices.ContainsFunc(s.ends, func(end accountEnd) bool {
		return slices.ContainsFunc(end.buckets, func(b bucketEnd) bool { return b.refill == 0 })
	})
}

// numbers are what settle.lua wants to know of the call, in its order.
func (s settlement) numbers() []int64 {
	numbers := []int64{int64(s.cost), number(s.isDead), unixMilli(s.admittedAt)}
	for _, end := range s.ends {
		for _, bucket := range end.buckets {
			numbers = append(numbers, bucket.unused)
		}
	}
	return numbers
}

// accounts are what settle.lua wants to know of the limits, in its order.
func (s settlement) accounts(epoch limiterv1.Epoch) []scriptAccount {
	accounts := make([]scriptAccount, len(s.ends))
	for i, end := range s.ends {
		rungs := end.rungs()
		fields := make([]string, 0, len(end.money)+len(end.buckets))
		numbers := make([]int64, 0, 4+rungs*len(end.money)+len(end.buckets))
		numbers = append(numbers, number(!end.Owner.IsTenant()), int64(len(end.money)), int64(len(end.buckets)), int64(rungs))
		for _, limit := range end.money {
			fields = append(fields, limit.field)
			for _, rung := range limit.rungs {
				numbers = append(numbers, int64(rung))
			}
			for range rungs - len(limit.rungs) {
				numbers = append(numbers, int64(admission.Never))
			}
		}
		for _, bucket := range end.buckets {
			fields, numbers = append(fields, bucket.field), append(numbers, bucket.refill)
		}
		accounts[i] = scriptAccount{
			key: limiterv1.CountersKey(s.root, epoch, end.tenant, end.Owner), numbers: packNumbers(numbers), fields: fields,
		}
	}
	return accounts
}

// rungs is how many rungs a money limit has at most: settle.lua wants as many of each.
func (a accountEnd) rungs() (most int) {
	for _, limit := range a.money {
		most = max(most, len(limit.rungs))
	}
	return most
}

// news is the message to the control plane that names the tenants that may have crossed
// a rung.
func (s settlement) news() string {
	message := limiterv1.FeedTenant
	for _, end := range s.ends {
		if end.Owner.IsTenant() {
			message += " " + end.tenant
		}
	}
	return message
}
