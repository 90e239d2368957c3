package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/store"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestScriptsAgreeWithTheModel runs random histories of admissions, settlements,
// repeats, passing time and changes of the configuration against the scripts and
// against a model that knows nothing of counters: it keeps every call for ever and
// adds them up.
func TestScriptsAgreeWithTheModel(t *testing.T) {
	clock := newStoppedClock(t)
	s := store.NewWithClock(clock.client, "session", clock.luaSource())
	s.OnBroken(func(b store.Broken) { t.Errorf("told of %+v, and nothing was broken", b) })
	s.SetEpoch(testEpoch(clock.client))
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, s, clock)
		t.Repeat(map[string]func(*rapid.T){
			"admit":        h.admit,
			"admit again":  h.admitAgain,
			"settle":       h.settle,
			"settle again": h.settleAgain,
			"wait":         h.wait,
			"reconfigure":  h.reconfigure,
			"":             h.checkCounters,
		})
	})
}

// history is one run: the real admitter, and the model beside it.
type history struct {
	admitter *admission.Admitter
	clock    *stoppedClock
	tenant   *admission.Tenant
	// bystander is a tenant without limits in the same shard.
	bystander *admission.Tenant
	doc       limiterv1.Tenant
	now       time.Time
	calls     []*modelCall
	buckets   map[string]*modelBucket
}

func newHistory(t *rapid.T, s *store.Store, clock *stoppedClock) *history {
	h := &history{
		admitter: admission.NewAdmitter(s), clock: clock,
		doc: drawTenant(t), buckets: map[string]*modelBucket{},
	}
	clock.begin(t)
	// In the future: what users have is forgotten by Redis' own clock.
	seconds := rapid.Int64Range(1_900_000_000, 2_100_000_000).Draw(t, "start")
	h.now = time.Unix(seconds, 0)
	h.grant(t)
	h.useDocument(t)
	testkit.Must(t, openTenant(clock.client, h.doc))
	h.bystander = newBystander(t, clock.client, h.doc)
	h.setTime(t, h.now)
	return h
}

func (h *history) useDocument(t *rapid.T) {
	var err error
	if h.tenant, err = admission.NewTenant(h.doc); err != nil {
		t.Fatal(err)
	}
}

// grant gives other grants to the limits: some that are over, some for now, some for
// later.
func (h *history) grant(t *rapid.T) {
	for _, l := range h.levels() {
		l.Money = append([]limiterv1.MoneyLimit(nil), l.Money...)
		for i := range l.Money {
			l.Money[i].Grants = h.drawGrants(t, l.Money[i].Per)
		}
	}
}

// levels are the tenant and its ancestors, to be changed.
func (h *history) levels() []*limiterv1.Level {
	h.doc.Ancestors = append([]limiterv1.Level(nil), h.doc.Ancestors...)
	levels := []*limiterv1.Level{&h.doc.Level}
	for i := range h.doc.Ancestors {
		levels = append(levels, &h.doc.Ancestors[i])
	}
	return levels
}

// reconfigure changes amounts, bursts, ladders and enforcement. What was spent stays
// spent.
func (h *history) reconfigure(t *rapid.T) {
	for _, l := range h.levels() {
		l.Ladder = drawLadder(t)
		drawEnforcement(t, l)
		l.Money, l.Rates = append([]limiterv1.MoneyLimit(nil), l.Money...), append([]limiterv1.RateLimit(nil), l.Rates...)
		for i := range l.Money {
			l.Money[i].Amount = money.Nanos(rapid.Int64Range(0, 400).Draw(t, "new amount"))
		}
		for i := range l.Rates {
			l.Rates[i].Burst = rapid.Int64Range(1, 20).Draw(t, "new burst")
		}
	}
	h.grant(t)
	h.useDocument(t)
}

func (h *history) setTime(t *rapid.T, now time.Time) {
	h.now = now.Truncate(time.Millisecond)
	if err := h.clock.set(h.now); err != nil {
		t.Fatal(err)
	}
	// Time stands still or leaps here. The enforcer hears of it as it does in life:
	// with the next answer about a call of the shard, whosever it is.
	if d, err := h.admitter.Admit(context.Background(), h.bystander, admission.Request{ID: uuid.NewString()}); err != nil || d.Hold == nil {
		t.Fatal(d, err)
	}
}

func (h *history) wait(t *rapid.T) {
	if turns := h.turnsOfGrants(); len(turns) > 0 && rapid.IntRange(0, 2).Draw(t, "to the turn of a grant") == 0 {
		turn := rapid.SampledFrom(turns).Draw(t, "turn")
		h.setTime(t, turn.Add(time.Duration(rapid.IntRange(-1, 0).Draw(t, "just"))*time.Millisecond))
		return
	}
	if rapid.Bool().Draw(t, "to the end of a period") {
		kind := rapid.SampledFrom(period.Kinds()[:4]).Draw(t, "period")
		end := period.Containing(kind, zoneOf(h.doc.Level), h.now).End
		h.setTime(t, end.Add(time.Duration(rapid.IntRange(-1, 0).Draw(t, "just"))*time.Millisecond))
		return
	}
	h.setTime(t, h.now.Add(time.Duration(rapid.Int64Range(0, 200_000).Draw(t, "ms"))*time.Millisecond))
}

// turnsOfGrants are the starts and ends of grants that are to come.
func (h *history) turnsOfGrants() (turns []time.Time) {
	for _, l := range h.levels() {
		for _, limit := range l.Money {
			for _, grant := range limit.Grants {
				for _, turn := range []time.Time{grant.StartsAt, grant.ExpiresAt} {
					if turn.After(h.now.Add(time.Millisecond)) {
						turns = append(turns, turn)
					}
				}
			}
		}
	}
	return turns
}

func zoneOf(l limiterv1.Level) *time.Location {
	zone, err := time.LoadLocation(l.TimeZone)
	if err != nil {
		panic(err)
	}
	return zone
}

func (h *history) admit(t *rapid.T) {
	call := admission.Request{
		ID:       uuid.NewString(),
		Subject:  drawSubject(t, h.doc.Tenant),
		Bound:    money.Nanos(rapid.Int64Range(0, 120).Draw(t, "bound")),
		Tokens:   rapid.Int64Range(0, 12).Draw(t, "tokens"),
		Fallback: rapid.IntRange(0, 3).Draw(t, "fallback") == 0,
	}
	asked := rapid.SampledFrom(testModels).Draw(t, "model")
	got := h.askUntilBound(t, &call, asked)
	want := h.modelAdmit(call)
	isOnLadder := call.Bound > 0 && !call.Fallback && h.forcedOpen() == ""
	if wantDowngraded := h.downgraded(call); isOnLadder && call.Downgraded != wantDowngraded {
		t.Fatalf("bound with downgraded %t, want %t", call.Downgraded, wantDowngraded)
	}
	compare(t, want, got)
	if got.Hold != nil {
		h.calls = append(h.calls, &modelCall{call: call, hold: got.Hold, doc: h.doc, admittedAt: h.now, took: want.took})
	}
}

// askUntilBound asks as a door does: again, when a Downgrade rung was crossed.
func (h *history) askUntilBound(t *rapid.T, call *admission.Request, asked string) admission.Result {
	for range 2 {
		call.Model, call.Downgraded = h.tenant.ModelFor(call.Subject.User, asked)
		if call.Fallback {
			call.Model, call.Downgraded = asked, false
		}
		d, err := h.admitter.Admit(context.Background(), h.tenant, *call)
		if errors.Is(err, admission.ErrRungChanged) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	t.Fatalf("the rung changed twice while nothing was spent")
	return admission.Result{}
}

func (h *history) admitAgain(t *rapid.T) {
	c := h.drawCall(t)
	got, err := h.admitter.Admit(context.Background(), h.tenant, c.call)
	switch {
	case errors.Is(err, admission.ErrRungChanged):
		t.Fatalf("call %s was admitted, and asked again it is to be bound anew", c.call.ID)
	case err != nil:
		t.Fatal(err)
	case got.Hold == nil && got.Refusal.Reason != ledgerv1.BreakerForced && !h.mayBeRemembered(got):
		t.Fatalf("call %s was admitted, and asked again it is refused: %+v", c.call.ID, got.Refusal)
	}
}

// mayBeRemembered: a refusal by money may come from the enforcer's memory, which
// does not know calls. Doors ask again only when an answer was lost, and then the
// call must not be made.
func (h *history) mayBeRemembered(d admission.Result) bool {
	return d.Refusal.Reason == ledgerv1.BreakerOpen || d.Refusal.Reason == ledgerv1.BudgetExhausted
}

func (h *history) settle(t *rapid.T) {
	c := h.drawCall(t)
	if c.settled {
		return
	}
	c.settled = true
	// A provider may report more than the bound.
	if c.call.Bound > 0 {
		c.cost = money.Nanos(rapid.Int64Range(0, int64(c.call.Bound)+5).Draw(t, "cost"))
	}
	tokens := rapid.Int64Range(0, c.call.Tokens+2).Draw(t, "used tokens")
	if err := c.hold.Settle(context.Background(), c.cost, tokens, &ledgerv1.Entry{}); err != nil {
		t.Fatal(err)
	}
	eachRate(c.doc, c.call, func(of modelRate) {
		limit := of.RateLimit
		unused := map[limiterv1.Unit]int64{limiterv1.Tokens: c.call.Tokens - tokens, limiterv1.InFlight: 1}[limit.Unit]
		if b := h.bucket(of); unused != 0 && c.took[of.key()] {
			b.pay(limit, h.now, unused)
		}
	})
}

func (h *history) settleAgain(t *rapid.T) {
	c := h.drawCall(t)
	if !c.settled {
		return
	}
	if err := c.hold.Settle(context.Background(), c.cost+1, 0, &ledgerv1.Entry{ModelAsked: "another"}); err != nil {
		t.Fatal(err)
	}
}

// checkCounters reads the counters as the control plane reads them, those of owners too.
func (h *history) checkCounters(t *rapid.T) {
	subjects := map[limiterv1.Owner]bool{{}: true}
	for _, c := range h.calls {
		for _, owner := range ownersOf(c.call.Subject) {
			subjects[owner] = true
		}
	}
	for i, l := range levelsOf(h.doc) {
		for _, limit := range l.Money {
			for owner := range subjects {
				if owner.Scope() == limit.Per && (i == 0 || owner.IsTenant()) {
					h.checkCounter(t, l, limit, owner)
				}
			}
		}
	}
}

func (h *history) checkCounter(t *rapid.T, l limiterv1.Level, limit limiterv1.MoneyLimit, owner limiterv1.Owner) {
	key := limiterv1.CountersKey(h.doc.Root(), testEpoch(h.clock.client), l.Tenant, owner)
	raw, err := h.clock.client.HGet(context.Background(), key, limiterv1.MoneyField(limit)).Bytes()
	if errors.Is(err, redis.Nil) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	counter, err := limiterv1.DecodeMoneyCounter(raw)
	if err != nil {
		t.Fatal(err)
	}
	spent, held := counter.In(period.Containing(limit.Period, zoneOf(l), h.now))
	if wantSpent, wantHeld := h.total(l, limit, owner); spent != wantSpent || held != wantHeld {
		t.Fatalf("limit %s of %s: spent %d and held %d, want %d and %d", limit.Name, owner, spent, held, wantSpent, wantHeld)
	}
}

func (h *history) drawCall(t *rapid.T) *modelCall {
	if len(h.calls) == 0 {
		t.Skip("no call yet")
	}
	return rapid.SampledFrom(h.calls).Draw(t, "call")
}

func compare(t *rapid.T, want outcome, got admission.Result) {
	t.Helper()
	if want.admitted != (got.Hold != nil) {
		t.Fatalf("got %+v with refusal %+v, want %+v", got, got.Refusal, want)
	}
	if (len(want.refusals) == 0) != (got.Refusal == nil) {
		t.Fatalf("got refusal %+v, want %+v", got.Refusal, want)
	}
	if r := got.Refusal; r != nil && !slices.ContainsFunc(want.refusals, func(m modelRefusal) bool {
		// The first that refuses, or one that the enforcer remembers because it
		// refuses whatever happens.
		return m.limit == r.Limit && m.owner == r.Owner &&
			(m == want.refusals[0] && m.reason == r.Reason && m.spent == r.Spent || m.stands && m.spent >= r.Spent)
	}) {
		t.Fatalf("refused by %+v, want %+v", r, want)
	}
	if got.Hold == nil {
		return
	}
	for i, rate := range got.Rates {
		if rate.Remaining != want.remaining[i] {
			t.Fatalf("limit %s has %d left, want %d", rate.Limit.Name, rate.Remaining, want.remaining[i])
		}
	}
}
