package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/store"
)

// TestScriptsAgreeWithTheModel runs random histories of admissions, settlements,
// repeats and passing time against the scripts and against a model that knows
// nothing of counters: it keeps every call for ever and adds them up.
func TestScriptsAgreeWithTheModel(t *testing.T) {
	clock := newStoppedClock(t)
	s := store.NewWithClock(clock.client, "session", clock.luaSource())
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, s, clock)
		t.Repeat(map[string]func(*rapid.T){
			"admit":        h.admit,
			"admit again":  h.admitAgain,
			"settle":       h.settle,
			"settle again": h.settleAgain,
			"wait":         h.wait,
			"":             h.checkCounters,
		})
	})
}

// history is one run: the real admitter, and the model beside it.
type history struct {
	admitter *admission.Admitter
	clock    *stoppedClock
	tenant   *admission.Tenant
	doc      limiterv1.Tenant
	zone     *time.Location
	now      time.Time
	calls    []*modelCall
	buckets  map[string]*modelBucket
}

type modelCall struct {
	call       admission.Call
	hold       *admission.Hold
	admittedAt time.Time
	settled    bool
	cost       money.Nanos
}

func newHistory(t *rapid.T, s *store.Store, clock *stoppedClock) *history {
	h := &history{
		admitter: admission.NewAdmitter(s), clock: clock,
		doc: drawTenant(t), buckets: map[string]*modelBucket{},
	}
	var err error
	if h.tenant, err = admission.NewTenant(h.doc); err != nil {
		t.Fatal(err)
	}
	if h.zone, err = time.LoadLocation(h.doc.TimeZone); err != nil {
		t.Fatal(err)
	}
	seconds := rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(t, "start")
	h.setTime(t, time.Unix(seconds, 0))
	return h
}

func drawTenant(t *rapid.T) limiterv1.Tenant {
	doc := limiterv1.Tenant{
		Tenant:   uuid.NewString(),
		TimeZone: rapid.SampledFrom([]string{"UTC", "America/Argentina/Buenos_Aires", "Asia/Kathmandu", "Australia/Lord_Howe"}).Draw(t, "zone"),
	}
	if rapid.Bool().Draw(t, "ladder") {
		doc.Ladder = []limiterv1.Rung{{AtPercent: 80, Action: limiterv1.Warn}, {AtPercent: 90, Action: limiterv1.Trip}}
	}
	for _, per := range []limiterv1.Scope{limiterv1.PerTenant, limiterv1.PerUser} {
		for _, kind := range period.Kinds() {
			if rapid.IntRange(0, 3).Draw(t, "has limit") == 0 {
				doc.Money = append(doc.Money, limiterv1.MoneyLimit{
					Name: fmt.Sprintf("%s-%s", kind, per), Per: per, Period: kind,
					Amount: money.Nanos(rapid.Int64Range(0, 400).Draw(t, "amount")),
				})
			}
		}
	}
	tenantRates := rapid.IntRange(0, 2).Draw(t, "rates of the tenant")
	for i := range tenantRates + rapid.IntRange(0, 2).Draw(t, "rates of each user") {
		per := limiterv1.PerTenant
		if i >= tenantRates {
			per = limiterv1.PerUser
		}
		count := rapid.Int64Range(1, 7).Draw(t, "count")
		doc.Rates = append(doc.Rates, limiterv1.RateLimit{
			Name: fmt.Sprintf("policy/%d", i), Count: count,
			Per:    per,
			Unit:   rapid.SampledFrom([]limiterv1.Unit{limiterv1.Requests, limiterv1.Tokens}).Draw(t, "unit"),
			Burst:  rapid.Int64Range(1, 20).Draw(t, "burst"),
			Window: limiterv1.Duration(rapid.Int64Range(1000, 100_000).Draw(t, "window")),
		})
	}
	return doc
}

func (h *history) setTime(t *rapid.T, now time.Time) {
	h.now = now.Truncate(time.Millisecond)
	if err := h.clock.set(h.now); err != nil {
		t.Fatal(err)
	}
}

func (h *history) wait(t *rapid.T) {
	if rapid.Bool().Draw(t, "to the end of a period") {
		kind := rapid.SampledFrom(period.Kinds()[:4]).Draw(t, "period")
		end := period.Of(kind, h.zone, h.now).End
		h.setTime(t, end.Add(time.Duration(rapid.IntRange(-1, 0).Draw(t, "just"))*time.Millisecond))
		return
	}
	h.setTime(t, h.now.Add(time.Duration(rapid.Int64Range(0, 200_000).Draw(t, "ms"))*time.Millisecond))
}

func (h *history) admit(t *rapid.T) {
	call := admission.Call{
		ID: uuid.NewString(),
		Subject: admission.Subject{
			Tenant: h.doc.Tenant, User: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "user"),
		},
		Bound:  money.Nanos(rapid.Int64Range(0, 120).Draw(t, "bound")),
		Tokens: rapid.Int64Range(0, 12).Draw(t, "tokens"),
		Record: []byte("record"),
	}
	want := h.modelAdmit(call)
	got, err := h.admitter.Admit(context.Background(), h.tenant, call)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, want, got)
	if got.Hold != nil {
		h.calls = append(h.calls, &modelCall{call: call, hold: got.Hold, admittedAt: h.now})
	}
}

func (h *history) admitAgain(t *rapid.T) {
	c := h.drawCall(t)
	got, err := h.admitter.Admit(context.Background(), h.tenant, c.call)
	if err != nil {
		t.Fatal(err)
	}
	if got.Hold == nil {
		t.Fatalf("call %s was admitted, and asked again it is refused: %+v", c.call.ID, got.Refusal)
	}
}

func (h *history) settle(t *rapid.T) {
	c := h.drawCall(t)
	if c.settled {
		return
	}
	c.settled = true
	// A provider may report more than the bound.
	c.cost = money.Nanos(rapid.Int64Range(0, int64(c.call.Bound)+5).Draw(t, "cost"))
	if c.call.Bound == 0 {
		c.cost = 0
	}
	tokens := rapid.Int64Range(0, c.call.Tokens+2).Draw(t, "used tokens")
	if err := c.hold.Settle(context.Background(), c.cost, tokens, []byte("entry")); err != nil {
		t.Fatal(err)
	}
	for _, limit := range h.doc.Rates {
		if limit.Unit == limiterv1.Tokens {
			h.bucket(limit, c.call.Subject.User).add(limit, h.now, c.call.Tokens-tokens)
		}
	}
}

func (h *history) settleAgain(t *rapid.T) {
	c := h.drawCall(t)
	if !c.settled {
		return
	}
	if err := c.hold.Settle(context.Background(), c.cost+1, 0, []byte("another entry")); err != nil {
		t.Fatal(err)
	}
}

// checkCounters reads the counters as the control plane reads them.
func (h *history) checkCounters(t *rapid.T) {
	for _, limit := range h.doc.Money {
		if limit.Per == limiterv1.PerUser {
			continue
		}
		raw, err := h.clock.client.HGet(context.Background(), limiterv1.TenantCountersKey(h.doc.Tenant), limiterv1.MoneyField(limit.Period)).Bytes()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		counter, err := limiterv1.DecodeMoneyCounter(raw)
		if err != nil {
			t.Fatal(err)
		}
		spent, held := counter.At(h.now)
		if wantSpent, wantHeld := h.total(limit, ""); spent != wantSpent || held != wantHeld {
			t.Fatalf("limit %s: spent %d and held %d, want %d and %d", limit.Name, spent, held, wantSpent, wantHeld)
		}
	}
}

func (h *history) drawCall(t *rapid.T) *modelCall {
	if len(h.calls) == 0 {
		t.Skip("no call yet")
	}
	return rapid.SampledFrom(h.calls).Draw(t, "call")
}

// outcome is what the model expects of an admission.
type outcome struct {
	admitted    bool
	limit       string
	reason      admission.Reason
	spent, held money.Nanos
	remaining   []int64
}

// modelAdmit is the rule in the words of the documentation: every money limit in
// order, then every rate limit; all or nothing.
func (h *history) modelAdmit(call admission.Call) (want outcome) {
	defer func() {
		for _, limit := range h.doc.Rates {
			want.remaining = append(want.remaining, h.bucket(limit, call.Subject.User).level(limit, h.now)/limit.Window.Milliseconds())
		}
	}()
	for _, limit := range h.doc.Money {
		if call.Bound == 0 {
			continue
		}
		spent, held := h.total(limit, call.Subject.User)
		trip, trips := h.doc.TripAt(limit)
		if trips && spent >= trip {
			want = outcome{limit: limit.Name, reason: admission.BreakerOpen, spent: spent, held: held}
			return want
		}
		if spent+held+call.Bound > limit.Amount {
			want = outcome{limit: limit.Name, reason: admission.BudgetExhausted, spent: spent, held: held}
			return want
		}
	}
	for _, limit := range h.doc.Rates {
		need := need(limit, call)
		if need > limit.Burst {
			want = outcome{limit: limit.Name, reason: admission.TooLarge}
			return want
		}
		if h.bucket(limit, call.Subject.User).level(limit, h.now) < need*limit.Window.Milliseconds() {
			want = outcome{limit: limit.Name, reason: admission.RateLimited}
			return want
		}
	}
	for _, limit := range h.doc.Rates {
		h.bucket(limit, call.Subject.User).add(limit, h.now, -need(limit, call))
	}
	want.admitted = true
	return want
}

func need(limit limiterv1.RateLimit, call admission.Call) int64 {
	if limit.Unit == limiterv1.Tokens {
		return call.Tokens
	}
	return 1
}

// total adds up the calls that were admitted in the limit's current period.
func (h *history) total(limit limiterv1.MoneyLimit, user string) (spent, held money.Nanos) {
	span := period.Of(limit.Period, h.zone, h.now)
	for _, c := range h.calls {
		if !span.Contains(c.admittedAt) || limit.Per == limiterv1.PerUser && c.call.Subject.User != user {
			continue
		}
		if c.settled {
			spent += c.cost
		} else {
			held += c.call.Bound
		}
	}
	return spent, held
}

// modelBucket is a bucket whose level is counted in units times milliseconds of
// the window.
type modelBucket struct {
	points int64
	at     time.Time
	used   bool
}

func (h *history) bucket(limit limiterv1.RateLimit, user string) *modelBucket {
	key := limit.Name
	if limit.Per == limiterv1.PerUser {
		key += " " + user
	}
	if h.buckets[key] == nil {
		h.buckets[key] = &modelBucket{}
	}
	return h.buckets[key]
}

func (b *modelBucket) level(limit limiterv1.RateLimit, now time.Time) int64 {
	full := limit.Burst * limit.Window.Milliseconds()
	if !b.used {
		return full
	}
	return min(full, b.points+now.Sub(b.at).Milliseconds()*limit.Count)
}

func (b *modelBucket) add(limit limiterv1.RateLimit, now time.Time, units int64) {
	full := limit.Burst * limit.Window.Milliseconds()
	b.points, b.at, b.used = min(full, b.level(limit, now)+units*limit.Window.Milliseconds()), now, true
}

func compare(t *rapid.T, want outcome, got admission.Decision) {
	t.Helper()
	switch {
	case want.admitted && got.Hold == nil:
		t.Fatalf("refused by %+v, want admitted", got.Refusal)
	case !want.admitted && got.Hold != nil:
		t.Fatalf("admitted, want refused by %q: %s", want.limit, want.reason)
	case !want.admitted:
		r := got.Refusal
		if r.Limit != want.limit || r.Reason != want.reason || r.Spent != want.spent || r.Held != want.held {
			t.Fatalf("refused by %+v, want %+v", r, want)
		}
	}
	for i, rate := range got.Rates {
		if rate.Remaining != want.remaining[i] {
			t.Fatalf("limit %s has %d left, want %d", rate.Limit.Name, rate.Remaining, want.remaining[i])
		}
	}
}
