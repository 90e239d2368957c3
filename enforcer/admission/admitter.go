package admission

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
)

// Admitter admits calls.
type Admitter struct {
	store atomic.Pointer[Store]
	// ledger records how holds that belong to no call have ended; nil if nothing does.
	ledger Recorder
	// current returns the present configuration of a tenant, if it has one; nil if shares are not
	// checked against it.
	current   func(tenant string) (*Tenant, bool)
	open      *openHolds
	shares    *shares
	abandoned *abandoned
	clock     *clock
}

// NewAdmitter makes an Admitter on a Store. The caller must also start Run.
func NewAdmitter(store Store) *Admitter {
	clock := &clock{machine: time.Now}
	a := &Admitter{open: newOpenHolds(), shares: newShares(clock), abandoned: newAbandoned(), clock: clock}
	a.abandoned.fenced = a.tellNothing
	a.Use(store)
	return a
}

// Recorder takes the ends of calls to the ledger.
type Recorder interface {
	Add(ledgerv1.Entry)
}

// RecordIn sets the ledger that is told how holds of shares, and of admissions without an
// answer, have ended: another session may have charged them in full. It must be called
// before anything else.
func (a *Admitter) RecordIn(ledger Recorder) { a.ledger = ledger }

// Follow sets the function that returns the present configuration of a tenant. Shares that
// were taken under an older one are given back, also for tenants that make no more calls. It
// must be called before anything else.
func (a *Admitter) Follow(current func(tenant string) (*Tenant, bool)) { a.current = current }

// Use makes the Admitter admit calls in another Store from now on. Calls that were
// admitted before are settled where they were admitted, and shares of the previous Store
// admit no more calls.
func (a *Admitter) Use(store Store) { a.store.Store(&store) }

// Run voids calls whose admission was given up without an answer, and takes shares
// beforehand for tenants that want them, until ctx ends.
func (a *Admitter) Run(ctx context.Context) {
	var shares sync.WaitGroup
	shares.Go(func() { a.runShares(ctx) })
	a.abandoned.run(ctx)
	shares.Wait()
}

// Flush gives back all shares, and waits until every call whose admission was given
// up without an answer is voided. Run must still run. An error says how many calls may
// still hold money.
func (a *Admitter) Flush(ctx context.Context) error {
	a.giveBack(ctx, func(*share) bool { return true })
	return a.abandoned.flush(ctx)
}

// maxTurns bounds how often a period may turn while one admission is decided. One
// turn is ordinary, a second one needs a clock that jumps.
const maxTurns = 4

// Admit decides whether a call of the tenant may be made, and holds its bound if
// so. An error means that nothing was decided and the call must not be made: it
// wraps ErrStoreUnavailable or ErrSuspended, or is ErrRungChanged or ErrTooManyLimits.
func (a *Admitter) Admit(ctx context.Context, tenant *Tenant, call Request) (Result, error) {
	if call.Bound < 0 || call.Bound > money.Max || call.Tokens < 0 {
		return Result{}, fmt.Errorf("call %s: bound of %s and %d tokens is out of range", call.ID, call.Bound, call.Tokens)
	}
	if name := tenant.forcedOpen; name != "" && call.Bound > 0 {
		return Result{Refusal: &Refusal{Reason: ledgerv1.BreakerForced, Tenant: name, Bound: call.Bound, Tokens: call.Tokens}}, nil
	}
	d, err := a.decide(ctx, tenant, call, a.open.add)
	if err == nil && d.Hold == nil && d.Refusal.ByMoney() && a.giveBackOf(ctx, tenant, call) {
		// A share is kept for when the Store is away. It must not cause a refusal while the Store answers.
		d, err = a.decide(ctx, tenant, call, a.open.add)
	}
	if d.Hold != nil {
		a.shares.want(tenant, call, d.Hold.store)
	}
	return d, err
}

// decide asks the Store, unless a refusal is remembered. It calls admitted with the hold
// before OpenCalls can return.
func (a *Admitter) decide(ctx context.Context, tenant *Tenant, call Request, admitted func(*Hold)) (Result, error) {
	request := AdmitRequest{
		Root: tenant.doc.Root(), CallID: call.ID, Bound: call.Bound, Downgraded: call.Downgraded && call.Bound > 0,
	}
	now := a.Now(request.Root)
	if d, known := tenant.recall(&call, now); known {
		return d, nil
	}
	defer a.open.admitting()()
	store := *a.store.Load()
	for range maxTurns {
		request.Accounts, request.OwnersUntil = tenant.accounts(&call, now), tenant.ownersUntil(now)
		if weight(request.Accounts) > mostWeight {
			return Result{}, ErrTooManyLimits
		}
		request.Record = call.recordIn(request.Accounts)
		reply, err := askStore(ctx, call.DecideBy, store, request)
		if errors.Is(err, ErrSuspended) {
			return Result{}, err // nothing was taken
		}
		if errors.Is(err, ErrFenced) { // nor here, and another session begins in a moment
			a.shares.fence(store)
			return Result{}, fmt.Errorf("%w: %w", ErrSuspended, err)
		}
		if err != nil {
			a.abandoned.add(Hold{store: store, request: request})
			return Result{}, fmt.Errorf("%w: %w", ErrStoreUnavailable, err)
		}
		now, request.NotBefore = reply.Now, reply.Now
		a.clock.hear(request.Root, now)
		switch reply.Verdict {
		case PeriodTurned:
			continue
		case RungChanged:
			if !call.probe {
				tenant.rungChanged(call)
			}
			return Result{}, ErrRungChanged
		}
		if reply.Verdict == Refused && (reply.Spent == limiterv1.UnknownAmount || reply.Held == limiterv1.UnknownAmount) {
			// The limit is not used up: its amounts are unknown until they are counted anew. So
			// this must not be remembered as a refusal.
			return Result{}, fmt.Errorf("%w: an amount was broken", ErrSuspended)
		}
		d := decision(store, tenant, call, request, reply)
		if d.Hold != nil {
			admitted(d.Hold)
		}
		return d, nil
	}
	return Result{}, fmt.Errorf("%w: %w", ErrStoreUnavailable, errClockJumps)
}

// askStore asks the Store to decide about a call by a deadline. The context for that is made only here,
// because most refusals by money are remembered, and need no Store.
func askStore(ctx context.Context, by time.Time, store Store, request AdmitRequest) (AdmitReply, error) {
	ctx, cancel := decidedBy(ctx, by)
	defer cancel()
	return store.Admit(ctx, request)
}

// UseClock makes the Admitter guess by another clock than this machine's. It must be
// called before anything else.
func (a *Admitter) UseClock(clock func() time.Time) { a.clock.machine = clock }

// Now is the best guess of the Store's time for the budget tree with the root. It is never
// before the last time that was heard, even if this machine's clock was set back.
func (a *Admitter) Now(root string) time.Time { return a.clock.now(root) }

var errClockJumps = errors.New("the store's clock jumps from period to period")

// rungChanged remembers that the guess about the user was wrong.
func (t *Tenant) rungChanged(call Request) {
	t.downgraded.set(call.Subject.User, !call.Downgraded)
}

// smallest is the lowest cost of a call that is not free.
const smallest money.Nanos = 1

// learn remembers a refusal by money.
func (t *Tenant) learn(call Request, account Account, check MoneyCheck, reply AdmitReply, rates []RateReading) {
	if !t.forgetful && !call.probe {
		t.exhausted.learn(account, check, reply, rates)
	}
}

// recall answers a call by a refusal that is known to stand at the given time.
func (t *Tenant) recall(call *Request, now time.Time) (Result, bool) {
	if t.forgetful || call.probe {
		return Result{}, false
	}
	bound := call.Bound
	if t.doc.FitOutputTokens > 0 {
		bound = min(bound, smallest) // a call that is too large may be lowered to what is left, which only the Store knows
	}
	known, found := t.exhausted.recall(t, call, bound, now)
	if !found {
		return Result{}, false
	}
	return Result{Refusal: known.check.refusal(*call, known.account, known.spent, known.held), Rates: known.rates}, true
}

func decision(store Store, tenant *Tenant, call Request, request AdmitRequest, reply AdmitReply) Result {
	d := Result{asked: request.Accounts}
	debts := reply.Debts
	for _, account := range request.Accounts {
		for _, check := range account.Buckets {
			d.Rates = append(d.Rates, check.reading(debts[0], reply.Slowed))
			debts = debts[1:]
		}
	}
	if reply.Refusing > 0 {
		d.Refusal = refusal(tenant, call, request, reply, d.Rates)
	}
	if reply.Verdict == Admitted {
		d.Nearest = nearest(request.Accounts, reply)
		d.Hold = &Hold{store: store, request: request, tokens: call.Tokens, taken: reply.Taken, admittedAt: reply.AdmittedAt}
	}
	return d
}

// nearest is the money limit that the reply names as the one with the least left.
func nearest(accounts []Account, reply AdmitReply) *MoneyReading {
	index := reply.Nearest - 1
	for _, account := range accounts {
		if 0 <= index && index < len(account.Money) {
			return &MoneyReading{Limit: account.Money[index].Limit, Left: reply.Left}
		}
		index -= len(account.Money)
	}
	return nil
}

// refusal is the refusal of the check that the reply names.
func refusal(tenant *Tenant, call Request, request AdmitRequest, reply AdmitReply, rates []RateReading) *Refusal {
	index := reply.Refusing - 1
	for _, account := range request.Accounts {
		if index < len(account.Money) {
			check := account.Money[index]
			tenant.learn(call, account, check, reply, rates)
			return check.refusal(call, account, reply.Spent, reply.Held)
		}
		index -= len(account.Money)
	}
	bucket := index
	for _, account := range request.Accounts {
		if index < len(account.Buckets) {
			return account.Buckets[index].refusal(call, account, reply.Debts[bucket], reply.Slowed)
		}
		index -= len(account.Buckets)
	}
	panic(fmt.Sprintf("admission: the store refuses by check %d, which was not asked", reply.Refusing))
}

func (c MoneyCheck) refusal(call Request, of Account, spent, held money.Nanos) *Refusal {
	r := &Refusal{
		Reason: ledgerv1.BudgetExhausted, Tenant: of.Tenant, Limit: c.Limit.Name, Per: c.Limit.Per, Owner: of.Owner,
		Period: c.Limit.Period, Amount: c.Limit.Amount, Spent: spent, Held: held, ResetsAt: c.Span.End,
		Bound: call.Bound, Tokens: call.Tokens,
	}
	if limiterv1.Reached(spent, c.Trip) {
		r.Reason = ledgerv1.BreakerOpen
	}
	return r
}

func (c BucketCheck) refusal(call Request, of Account, debt int64, slowed bool) *Refusal {
	r := &Refusal{
		Reason: ledgerv1.RateLimited, Tenant: of.Tenant, Limit: c.Limit.Name, Per: c.Limit.Per, Owner: of.Owner, Unit: c.Limit.Unit,
		Bound: call.Bound, Tokens: call.Tokens,
	}
	bucket := c.Limit.Bucket()
	r.Burst, r.Remaining = c.Limit.Burst, bucket.Remaining(debt)
	need := bucket.Points(c.Need)
	if !bucket.Fits(0, need) {
		r.Reason = ledgerv1.TooLarge
		return r
	}
	r.RetryAfter = byClock(bucket.RetryAfter(debt, need), slowed)
	return r
}

// Hold is the money that is reserved for an admitted call. It must be ended with
// Settle, and then Done.
type Hold struct {
	store Store
	open  *openHolds
	// from is the share that the call was admitted from, until the Store knows of the call or
	// the call has ended. shares is the set that it belongs to.
	from   *share
	shares *shares
	// isShareGone is whether the Store does not know that share any more.
	isShareGone bool
	request     AdmitRequest
	tokens      int64
	taken       []bool
	admittedAt  time.Time
	// ended is what the Store was told of the call's end; nil before. It changes only while
	// a settlement is under way.
	ended *limiterv1.CallRecord
}

// AdmittedAt is when the call was admitted, by the Store's clock. It decides which
// periods the cost belongs to.
func (h *Hold) AdmittedAt() time.Time { return h.admittedAt }

// Bound is the amount held.
func (h *Hold) Bound() money.Nanos { return h.request.Bound }

// Done notes that the hold has ended, and that the call is in the ledger or on its way
// there. Until then the call counts as open.
func (h *Hold) Done() { h.open.remove(h) }

// Settle ends the hold with what the call cost and used, and leaves entry with
// the Store until the ledger has it; entry is nil for what the ledger need not know.
// A call that was not made after all cost and used nothing.
//
// ErrFenced means that the session was declared dead, and another may have ended the hold
// and charged the call in full: send the entry to the ledger, which replaces such a charge
// with it. After any other error it is unknown whether the hold has ended:
// settle again; a repeat changes nothing.
func (h *Hold) Settle(ctx context.Context, cost money.Nanos, tokens int64, entry *ledgerv1.Entry) error {
	if err := h.take(ctx); err != nil {
		return err
	}
	request := SettleRequest{
		Root: h.request.Root, CallID: h.request.CallID, Cost: cost, AdmittedAt: h.admittedAt, Accounts: h.settleAccounts(tokens),
	}
	if entry != nil {
		request.Entry = entry.Encode()
	}
	defer h.open.settling()()
	err := h.store.Settle(ctx, request)
	if err == nil || errors.Is(err, ErrFenced) {
		h.leaveShare() // not before: the share stands for the call until then
	}
	if err == nil {
		h.ended = &limiterv1.CallRecord{Settled: true, Amount: cost, AdmittedAt: h.admittedAt, Body: request.Entry}
	}
	return err
}

// nothing is the entry that tells the ledger that the hold was given back and cost nothing,
// in the place of a charge. For an admission without an answer it does not say when the call
// was admitted: such an entry is never inserted, and only corrects a charge. ok is false for
// a hold that the ledger is never told of.
func (h *Hold) nothing(now time.Time) (entry ledgerv1.Entry, ok bool) {
	entry, err := ledgerv1.Decode(h.request.Record)
	if err != nil || entry.Probe || entry.CallID == "" {
		return ledgerv1.Entry{}, false
	}
	entry.Counters, entry.Outcome, entry.AdmittedAt, entry.SettledAt = nil, ledgerv1.Voided, h.admittedAt, now
	return entry, true
}

// settleAccounts are the accounts of the admission, with what their buckets get
// back when the call used so many tokens.
func (h *Hold) settleAccounts(tokens int64) []Account {
	accounts := make([]Account, len(h.request.Accounts))
	bucket := 0
	for i, a := range h.request.Accounts {
		accounts[i] = Account{Tenant: a.Tenant, Owner: a.Owner, Money: a.Money}
		for _, check := range a.Buckets {
			taken := h.taken == nil || h.taken[bucket]
			bucket++
			if unused := h.unused(check, tokens); taken && unused != 0 {
				accounts[i].Buckets = append(accounts[i].Buckets, BucketCheck{Limit: check.Limit, Field: check.Field, Need: unused})
			}
		}
	}
	return accounts
}

// unused is what a bucket gets back at the end of a call. A request was made,
// whatever became of it.
func (h *Hold) unused(check BucketCheck, tokens int64) int64 {
	switch check.Limit.Unit {
	case limiterv1.Tokens:
		return h.tokens - tokens
	case limiterv1.InFlight:
		return check.Need
	}
	return 0
}
