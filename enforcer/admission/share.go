package admission

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
)

const (
	// shareIdle is how long a share is kept after the last call that asked for it.
	shareIdle = time.Minute
	// sharesLookedAt is how often the shares are checked for those to give back.
	sharesLookedAt = 5 * time.Second
	// sharesMost bounds the shares of this process.
	sharesMost = 10_000
	// sharesWanted bounds the queue of shares to take. One that does not fit is asked
	// for again with the next call.
	sharesWanted = 1024
	// shareTimeout bounds how long taking or giving back one share waits for the Store.
	shareTimeout = 2 * time.Second
	// ofAncestor is the number of parts that an ancestor's money for the shares of its
	// descendants is divided into. A share gets one part at most: it must not take all.
	ofAncestor = 4
	// beforeTurn is how long before its period turns a share stops admitting calls:
	// this machine only guesses the Store's time.
	beforeTurn = 5 * time.Second
)

// shares are money that is held beforehand, for calls of the tenants that have
// onStoreLoss: AllowBounded while the Store does not answer. A share is a hold like
// any other, in all the limits that a kind of calls counts in, so that these limits
// hold whatever is admitted from it. An ancestor bounds what all shares of its
// descendants hold of its limits together.
type shares struct {
	wanted chan wantedShare
	clock  *clock

	mu  sync.Mutex
	all map[string]*share
	// fenced is the Store whose session was last found to be declared dead.
	fenced Store
}

// wantedShare is a share to take for calls that are like a call of a tenant.
type wantedShare struct {
	tenant *Tenant
	call   Request
}

// share is a hold for calls that count in the same limits.
type share struct {
	hold *Hold
	// tenant is the configuration that it was taken under.
	tenant *Tenant
	// left is what calls may still take of it.
	left money.Nanos
	// until is when the first of its periods turns, or a grant starts or expires, by the
	// Store's clock.
	until time.Time
	// used is when a call last asked for it, by this machine's clock: how long it is idle
	// does not depend on what the Store's clock does meanwhile.
	used time.Time
	// untaken is how many calls were admitted from it of which the Store does not
	// know yet.
	untaken int
}

func newShares(clock *clock) *shares {
	return &shares{wanted: make(chan wantedShare, sharesWanted), clock: clock, all: map[string]*share{}}
}

// sharing is the call as a request for its share. It takes from no bucket; it is no fallback, since
// a share is taken only below the Trip rung; and it has no deadline of its own, since no caller
// waits for it.
func sharing(call Request) Request {
	call.share, call.Fallback, call.DecideBy = true, false, time.Time{}
	return call
}

// shareKey names the counters of accounts.
func shareKey(root string, accounts []Account) string {
	var key strings.Builder
	key.WriteString(root)
	for _, a := range accounts {
		if len(a.Money) > 0 { // else it does not matter whose call it is
			fmt.Fprintf(&key, "\n%s\n%s", a.Tenant, a.Owner)
		}
		for _, check := range a.Money {
			key.WriteString("\n" + check.Field)
		}
	}
	return key.String()
}

// want ensures that calls like this one have a share.
func (s *shares) want(tenant *Tenant, call Request, store Store) {
	if !tenant.hasShares() || call.Bound == 0 || call.share {
		return
	}
	root := tenant.doc.Root()
	now := s.clock.now(root)
	shared := sharing(call)
	key := shareKey(root, tenant.accounts(&shared, now))
	s.mu.Lock()
	defer s.mu.Unlock()
	if have := s.all[key]; have.serves(tenant, store, now) {
		have.used = s.clock.machine()
		return
	}
	select {
	case s.wanted <- wantedShare{tenant, call}:
	default:
	}
}

// serves reports whether the share need not be taken anew: it is of the present
// configuration, session and period, and at least half of it is left.
func (s *share) serves(tenant *Tenant, store Store, now time.Time) bool {
	return s != nil && s.tenant == tenant && s.hold.store == store && 2*s.left >= s.hold.Bound() && now.Before(s.until)
}

// fence notes that the session of a Store was declared dead: its shares admit no more calls.
func (s *shares) fence(store Store) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fenced = store
}

// use takes the bound of a call from the share of calls like it, and returns that share. It
// returns nil if there is no such share of the Store's session with so much left.
func (s *shares) use(key string, bound money.Nanos, tenant *Tenant, store Store, now time.Time) *share {
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.all[key]
	if have == nil || have.left < bound || have.tenant != tenant || !now.Before(have.until.Add(-beforeTurn)) {
		return nil
	}
	if have.hold.store != store || store == s.fenced {
		return nil
	}
	have.left -= bound
	have.used = s.clock.machine()
	have.untaken++
	return have
}

// taken notes that the Store knows of a call that was admitted from the share, or that
// the call has ended.
func (s *shares) taken(of *share) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of.untaken--
}

// forget forgets the shares of the session of a Store, which has lost what they held, and
// returns them. Shares of a session that was declared dead stay until they can be given
// back: they may have been charged, and stand for calls that are open.
func (s *shares) forget(store Store) (forgotten []*share) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, share := range s.all {
		if share.hold.store == store && store != s.fenced {
			delete(s.all, key)
			forgotten = append(forgotten, share)
		}
	}
	return forgotten
}

// remove removes and returns the shares that are due, except those that still stand for a
// call. due is called under the lock: it must not call methods of shares.
func (s *shares) remove(due func(*share) bool) (removed []*share) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, share := range s.all {
		if share.untaken == 0 && due(share) {
			delete(s.all, key)
			removed = append(removed, share)
		}
	}
	return removed
}

// runShares takes the shares that are wanted, and gives back those that are not
// wanted any more, until ctx ends.
func (a *Admitter) runShares(ctx context.Context) {
	tick := time.NewTicker(sharesLookedAt)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case want := <-a.shares.wanted:
			a.takeShare(ctx, want)
		case <-tick.C:
			a.giveBack(ctx, a.isUnwanted)
		}
	}
}

// isUnwanted is whether a share serves nobody any more, or no call has asked for it for long.
func (a *Admitter) isUnwanted(s *share) bool {
	if s.hold.store != *a.store.Load() || a.Now(s.hold.request.Root).After(s.until) || a.clock.machine().Sub(s.used) > shareIdle {
		return true
	}
	if a.current == nil {
		return false
	}
	current, ok := a.current(s.tenant.Name())
	return !ok || current != s.tenant
}

// takeShare takes a share in the place of the one there is, unless that one still
// stands for calls that the Store does not know of.
func (a *Admitter) takeShare(ctx context.Context, want wantedShare) {
	root := want.tenant.doc.Root()
	now := a.Now(root)
	call := sharing(want.call)
	accounts := want.tenant.accounts(&call, now)
	key, amount := shareKey(root, accounts), want.tenant.share(accounts)
	have, serves := a.shares.find(key, want.tenant, *a.store.Load(), now)
	if amount == 0 || serves {
		return
	}
	a.giveBack(ctx, func(s *share) bool { return s == have })
	if !a.shares.hasRoom(key) {
		return
	}
	call.ID, call.Bound, call.Tokens = uuid.NewString(), amount, 0
	call.Entry = want.tenant.shareEntry(call)
	ctx, cancel := context.WithTimeout(ctx, shareTimeout)
	defer cancel()
	// If this fails, the next call asks for the share again.
	_, _ = a.decide(ctx, want.tenant, call, func(hold *Hold) {
		until := turn(hold.request.Accounts) // in the period that the Store decided by, not the guessed one
		a.shares.put(key, &share{hold: hold, tenant: want.tenant, left: amount, until: until, used: a.clock.machine()})
	})
}

// shareEntry is what others know of a share, should this process die: a call that
// was charged in full.
func (t *Tenant) shareEntry(call Request) ledgerv1.Entry {
	entry := ledgerv1.Entry{OpenCall: t.openCall(call), Endpoint: "share", Held: call.Bound}
	entry.Share = true
	return entry
}

// hasShares reports whether the tenant, and every ancestor, lets calls be admitted while
// the Store is lost.
func (t *Tenant) hasShares() bool {
	return !slices.ContainsFunc(t.levels, func(l level) bool { return l.StoreLossPercent == 0 })
}

// share is the size of one share: of each limit at most what its tenant gives to shares, and
// of an ancestor's limit a part of that. It is 0 if there is no limit.
func (t *Tenant) share(accounts []Account) money.Nanos {
	amount := Never
	for _, a := range accounts {
		i := slices.IndexFunc(t.levels, func(l level) bool { return l.Tenant == a.Tenant })
		for _, check := range a.Money {
			part := check.Limit.Amount.Share(t.levels[i].StoreLossPercent)
			if i > 0 {
				part /= ofAncestor
			}
			amount = min(amount, part)
		}
	}
	if amount == Never {
		return 0 // there is no limit
	}
	return amount
}

// turn is when the first of the checks' periods turns, or what is granted changes.
func turn(accounts []Account) (first time.Time) {
	for _, a := range accounts {
		for _, check := range a.Money {
			for _, end := range []time.Time{check.Span.End, check.Stretch.End} {
				if first.IsZero() || end.Before(first) {
					first = end
				}
			}
		}
	}
	return first
}

// find is the share of a kind of calls, nil for none, and whether it serves.
func (s *shares) find(key string, tenant *Tenant, store Store, now time.Time) (have *share, serves bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	have = s.all[key]
	return have, have.serves(tenant, store, now)
}

func (s *shares) put(key string, share *share) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[key] = share
}

// hasRoom is whether a share of a kind of calls may be added.
func (s *shares) hasRoom(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[key] == nil && len(s.all) < sharesMost
}

// giveBack ends the holds of shares that are due. If the Store does not answer, a hold is voided later,
// like that of an admission without an answer.
func (a *Admitter) giveBack(ctx context.Context, due func(*share) bool) {
	a.end(ctx, a.shares.remove(due))
}

// giveBackOf gives back the shares of a tenant for its call, and reports whether there were any.
func (a *Admitter) giveBackOf(ctx context.Context, tenant *Tenant, call Request) bool {
	given := a.shares.remove(func(s *share) bool { return s.tenant.Name() == tenant.Name() })
	if len(given) == 0 {
		return false
	}
	ctx, cancel := decidedBy(ctx, call.DecideBy)
	defer cancel()
	a.end(ctx, given)
	return true
}

// end ends the holds of shares that were removed.
func (a *Admitter) end(ctx context.Context, given []*share) {
	for _, share := range given {
		ctx, cancel := context.WithTimeout(ctx, shareTimeout)
		if err := share.hold.giveBack(ctx); errors.Is(err, ErrFenced) {
			a.tellNothing(share.hold)
		} else if err != nil {
			a.abandoned.add(Hold{store: share.hold.store, request: share.hold.request, admittedAt: share.hold.admittedAt})
		}
		cancel()
	}
}

// giveBack ends a hold that cost nothing, and has the Store forget it.
func (h *Hold) giveBack(ctx context.Context) error {
	if err := h.Settle(ctx, 0, 0, nil); err != nil {
		return err
	}
	return h.store.Forget(ctx, h.request.Root, []string{h.request.CallID})
}

// ForgetShares forgets all shares, because the Store has lost what they held. If the session
// was declared dead before that, without its knowledge, the ledger has the shares as charged,
// or soon will: it is told now, and again later, that they cost nothing.
func (a *Admitter) ForgetShares() {
	for _, share := range a.shares.forget(*a.store.Load()) {
		undated := &Hold{request: share.hold.request} // an entry without a time only corrects a charge
		if entry, ok := undated.nothing(a.Now(undated.request.Root)); ok && a.ledger != nil {
			a.ledger.Add(entry)
		}
		a.tellNothing(undated)
	}
}
