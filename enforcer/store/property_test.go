package store_test

import (
	"context"
	"errors"
	"fmt"
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
	// bystander is a tenant without limits.
	bystander *admission.Tenant
	doc       limiterv1.Tenant
	now       time.Time
	calls     []*modelCall
	buckets   map[string]*modelBucket
}

type modelCall struct {
	call       admission.Request
	hold       *admission.Hold
	doc        limiterv1.Tenant
	admittedAt time.Time
	settled    bool
	cost       money.Nanos
	// took are the buckets that the call took something from: in shadow, those
	// that had it.
	took map[string]bool
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
	bystander := limiterv1.Tenant{Level: limiterv1.Level{Tenant: uuid.NewString(), TimeZone: "UTC"}}
	for _, doc := range []limiterv1.Tenant{h.doc, bystander} {
		if err := openTenant(clock.client, doc); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if h.bystander, err = admission.NewTenant(bystander); err != nil {
		t.Fatal(err)
	}
	h.setTime(t, h.now)
	return h
}

func (h *history) useDocument(t *rapid.T) {
	var err error
	if h.tenant, err = admission.NewTenant(h.doc); err != nil {
		t.Fatal(err)
	}
}

var (
	testTiers  = []string{"empleado", "gerente"}
	testModels = []string{"large", "small"}
)

func drawTenant(t *rapid.T) limiterv1.Tenant {
	var doc limiterv1.Tenant
	doc.Level = drawLevel(t, "", []limiterv1.Scope{limiterv1.PerTenant, limiterv1.PerUser})
	for range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "ancestors") {
		doc.Ancestors = append(doc.Ancestors, drawLevel(t, "", []limiterv1.Scope{limiterv1.PerTenant}))
	}
	return doc
}

func drawLevel(t *rapid.T, name string, scopes []limiterv1.Scope) limiterv1.Level {
	l := limiterv1.Level{Tenant: name, TimeZone: "UTC"}
	if name == "" {
		l.Tenant = uuid.NewString()
		l.TimeZone = rapid.SampledFrom([]string{"UTC", "America/Argentina/Buenos_Aires", "Asia/Kathmandu", "Australia/Lord_Howe"}).Draw(t, "zone")
	}
	l.Ladder = drawLadder(t)
	drawEnforcement(t, &l)
	for _, per := range scopes {
		for _, kind := range append(period.Kinds(), "90s") {
			if rapid.IntRange(0, 4).Draw(t, "has limit") == 0 {
				l.Money = append(l.Money, limiterv1.MoneyLimit{
					Name: fmt.Sprintf("%s-%s", kind, per), Per: per, Period: kind,
					Amount:   money.Nanos(rapid.Int64Range(0, 400).Draw(t, "amount")),
					Selector: drawSelector(t),
				})
			}
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "rates") {
			l.Rates = append(l.Rates, drawRate(t, fmt.Sprintf("policy/%s-%d", per, i), per))
		}
	}
	return l
}

func drawEnforcement(t *rapid.T, l *limiterv1.Level) {
	l.Enforcement = rapid.SampledFrom([]limiterv1.Enforcement{"", limiterv1.Enforce, limiterv1.Shadow}).Draw(t, "enforcement")
	l.Forced = rapid.SampledFrom([]limiterv1.BreakerState{
		"", "", "", "", "", "", "", "", limiterv1.BreakerClosed, limiterv1.BreakerOpen,
	}).Draw(t, "forced")
}

func drawLadder(t *rapid.T) (ladder []limiterv1.Rung) {
	for _, rung := range []limiterv1.Rung{
		{AtPercent: 60, Action: limiterv1.Downgrade, Models: map[string]string{"large": "small"}},
		{AtPercent: 80, Action: limiterv1.Warn},
		{AtPercent: 90, Action: limiterv1.Trip, Fallbacks: drawFallbacks(t)},
	} {
		if rapid.Bool().Draw(t, string(rung.Action)) {
			ladder = append(ladder, rung)
		}
	}
	return ladder
}

func drawFallbacks(t *rapid.T) []limiterv1.Fallback {
	return rapid.SampledFrom([][]limiterv1.Fallback{
		nil, {{Kind: limiterv1.Message}}, {{Kind: limiterv1.CheapestModel}}, {{Kind: limiterv1.CheapestModel, Models: testModels[1:]}},
	}).Draw(t, "fallbacks")
}

func drawSelector(t *rapid.T) (s limiterv1.Selector) {
	if rapid.IntRange(0, 3).Draw(t, "selects tiers") == 0 {
		s.Tiers = testTiers[:1]
	}
	if rapid.IntRange(0, 3).Draw(t, "selects models") == 0 {
		s.Models = testModels[1:]
	}
	return s
}

func drawRate(t *rapid.T, name string, per limiterv1.Scope) limiterv1.RateLimit {
	limit := limiterv1.RateLimit{
		Name: name, Per: per, Selector: drawSelector(t),
		Unit:    rapid.SampledFrom([]limiterv1.Unit{limiterv1.Requests, limiterv1.Tokens, limiterv1.InFlight}).Draw(t, "unit"),
		Imposed: rapid.Bool().Draw(t, "imposed"),
		Burst:   rapid.Int64Range(1, 20).Draw(t, "burst"),
	}
	if limit.Unit != limiterv1.InFlight {
		limit.Count = rapid.Int64Range(1, 7).Draw(t, "count")
		limit.Window = limiterv1.Duration(rapid.Int64Range(1000, 100_000).Draw(t, "window"))
	}
	return limit
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

func (h *history) drawGrants(t *rapid.T, per limiterv1.Scope) (grants []limiterv1.Grant) {
	for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "grants") {
		starts := h.now.Add(time.Duration(rapid.IntRange(-200, 200).Draw(t, "starts")) * time.Second)
		grant := limiterv1.Grant{
			Amount:   money.Nanos(rapid.Int64Range(1, 400).Draw(t, "granted")),
			StartsAt: starts, ExpiresAt: starts.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "lasts")) * time.Second),
		}
		if rapid.Bool().Draw(t, "at once") {
			grant.StartsAt = time.Time{}
		}
		if per == limiterv1.PerUser {
			grant.User = rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "granted to")
		}
		grants = append(grants, grant)
	}
	return grants
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
	// with the next answer, whosever call it is.
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
		ID: uuid.NewString(),
		Subject: admission.Subject{
			Tenant: h.doc.Tenant,
			User:   rapid.SampledFrom([]string{"a", "b"}).Draw(t, "user"),
			Tier:   rapid.SampledFrom(testTiers).Draw(t, "tier"),
		},
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
	eachRate(c.doc, c.call, func(tenant string, limit limiterv1.RateLimit) {
		unused := map[limiterv1.Unit]int64{limiterv1.Tokens: c.call.Tokens - tokens, limiterv1.InFlight: 1}[limit.Unit]
		if b := h.bucket(tenant, limit, c.call.Subject.User); unused != 0 && c.took[tenant+limit.Name] {
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

// checkCounters reads the counters as the control plane reads them.
func (h *history) checkCounters(t *rapid.T) {
	for _, l := range levelsOf(h.doc) {
		for _, limit := range l.Money {
			if limit.Per == limiterv1.PerUser {
				continue
			}
			raw, err := h.clock.client.HGet(context.Background(), limiterv1.TenantCountersKey(h.doc.Root(), l.Tenant), limiterv1.MoneyField(limit)).Bytes()
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
			spent, held := counter.In(period.Containing(limit.Period, zoneOf(l), h.now))
			if wantSpent, wantHeld := h.total(l, limit, ""); spent != wantSpent || held != wantHeld {
				t.Fatalf("limit %s: spent %d and held %d, want %d and %d", limit.Name, spent, held, wantSpent, wantHeld)
			}
		}
	}
}

func (h *history) drawCall(t *rapid.T) *modelCall {
	if len(h.calls) == 0 {
		t.Skip("no call yet")
	}
	return rapid.SampledFrom(h.calls).Draw(t, "call")
}

func levelsOf(doc limiterv1.Tenant) []limiterv1.Level {
	return append([]limiterv1.Level{doc.Level}, doc.Ancestors...)
}

// eachMoney visits the money limits that the call counts in, with what is granted now
// in their amounts, in the order in which they refuse.
func (h *history) eachMoney(call admission.Request, visit func(limiterv1.Level, limiterv1.MoneyLimit)) {
	for i, l := range levelsOf(h.doc) {
		for _, per := range []limiterv1.Scope{limiterv1.PerTenant, limiterv1.PerUser} {
			for _, limit := range l.Money {
				if limit.Per == per && (per == limiterv1.PerTenant || i == 0) && limit.Selects(call.Subject.Tier, call.Model) {
					for _, grant := range limit.Grants {
						isOwn := grant.User == "" || grant.User == call.Subject.User
						if isOwn && !h.now.Before(grant.StartsAt) && h.now.Before(grant.ExpiresAt) {
							limit.Amount += grant.Amount
						}
					}
					visit(l, limit)
				}
			}
		}
	}
}

// eachRate visits the rate limits that the call counts in, in the order in which
// they refuse.
func eachRate(doc limiterv1.Tenant, call admission.Request, visit func(tenant string, limit limiterv1.RateLimit)) {
	for i, l := range levelsOf(doc) {
		for _, per := range []limiterv1.Scope{limiterv1.PerTenant, limiterv1.PerUser} {
			for _, limit := range l.Rates {
				if limit.Per == per && (per == limiterv1.PerTenant || i == 0) && limit.Selects(call.Subject.Tier, call.Model) {
					visit(l.Tenant, limit)
				}
			}
		}
	}
}

// outcome is what the model expects of an admission.
type outcome struct {
	admitted bool
	// refusals are those of every limit that refuses, in order: those of limits that
	// enforce, or else those of the others.
	refusals  []modelRefusal
	remaining []int64
	took      map[string]bool
}

type modelRefusal struct {
	limit  string
	reason ledgerv1.Reason
	spent  money.Nanos
	// stands: the limit refuses because of what is spent, held left aside.
	stands bool
}

func (h *history) downgraded(call admission.Request) (reached bool) {
	h.eachMoney(call, func(l limiterv1.Level, limit limiterv1.MoneyLimit) {
		if rung, ok := l.Rung(limiterv1.Downgrade); ok {
			spent, _ := h.total(l, limit, call.Subject.User)
			reached = reached || spent >= rung.Amount(limit)
		}
	})
	return reached
}

// forcedOpen is the tenant that has forced its breaker open, and is not in shadow.
func (h *history) forcedOpen() string {
	for _, l := range levelsOf(h.doc) {
		if l.Forced == limiterv1.BreakerOpen && l.Enforcement != limiterv1.Shadow {
			return l.Tenant
		}
	}
	return ""
}

// trips reports whether a limit's ladder stops a call when so much is spent. A fallback
// passes the tenant's own rungs, and those of an ancestor as the ancestor says: the Trip
// rung where it falls back to the model itself, the Downgrade rung with a model that it
// does not replace.
func (h *history) trips(l limiterv1.Level, limit limiterv1.MoneyLimit, call admission.Request, spent money.Nanos) bool {
	for _, rung := range l.Ladder {
		if spent < rung.Amount(limit) || call.Fallback && l.Tenant == h.doc.Tenant {
			continue
		}
		switch {
		case rung.Action == limiterv1.Trip && l.Forced != limiterv1.BreakerClosed:
			fallsBack := len(rung.Fallbacks) > 0 && rung.Fallbacks[0].Kind == limiterv1.CheapestModel &&
				(len(rung.Fallbacks[0].Models) == 0 || call.Model == testModels[1])
			if !call.Fallback || !fallsBack {
				return true
			}
		case rung.Action == limiterv1.Downgrade && call.Fallback && rung.Models[call.Model] != "":
			return true
		}
	}
	return false
}

// modelAdmit is the rule in the words of the documentation: every money limit in
// order, then every rate limit; all or nothing. A tenant in shadow refuses nothing by
// limits of its own.
func (h *history) modelAdmit(call admission.Request) outcome {
	want := outcome{took: map[string]bool{}}
	if forced := h.forcedOpen(); forced != "" && call.Bound > 0 {
		want.refusals = []modelRefusal{{reason: ledgerv1.BreakerForced}}
		return want
	}
	var waived []modelRefusal
	inShadow := map[string]bool{}
	for _, l := range levelsOf(h.doc) {
		inShadow[l.Tenant] = l.Enforcement == limiterv1.Shadow
	}
	refuse := func(r modelRefusal, isWaived bool) {
		if isWaived {
			waived = append(waived, r)
		} else {
			want.refusals = append(want.refusals, r)
		}
	}
	if call.Bound > 0 {
		h.eachMoney(call, func(l limiterv1.Level, limit limiterv1.MoneyLimit) {
			spent, held := h.total(l, limit, call.Subject.User)
			r := modelRefusal{limit: limit.Name, spent: spent, stands: spent+call.Bound > limit.Amount}
			if h.trips(l, limit, call, spent) {
				r.reason, r.stands = ledgerv1.BreakerOpen, true
			} else if spent+held+call.Bound > limit.Amount {
				r.reason = ledgerv1.BudgetExhausted
			}
			if r.reason != "" {
				refuse(r, inShadow[l.Tenant])
			}
		})
	}
	eachRate(h.doc, call, func(tenant string, limit limiterv1.RateLimit) {
		r := modelRefusal{limit: limit.Name}
		switch bucket := h.bucket(tenant, limit, call.Subject.User); {
		case need(limit, call) > limit.Burst:
			r.reason = ledgerv1.TooLarge
		case bucket.debt(limit, h.now)+need(limit, call)*pointsPerUnit(limit) > limit.Burst*pointsPerUnit(limit):
			r.reason = ledgerv1.RateLimited
		default:
			want.took[tenant+limit.Name] = true
			return
		}
		refuse(r, inShadow[tenant] && !limit.Imposed)
	})
	want.admitted = len(want.refusals) == 0
	if want.admitted {
		want.refusals = waived
	}
	eachRate(h.doc, call, func(tenant string, limit limiterv1.RateLimit) {
		bucket := h.bucket(tenant, limit, call.Subject.User)
		if want.admitted && want.took[tenant+limit.Name] {
			bucket.pay(limit, h.now, -need(limit, call))
		}
		left := limit.Burst*pointsPerUnit(limit) - bucket.debt(limit, h.now)
		want.remaining = append(want.remaining, max(0, left)/pointsPerUnit(limit))
	})
	return want
}

func need(limit limiterv1.RateLimit, call admission.Request) int64 {
	if limit.Unit == limiterv1.Tokens {
		return call.Tokens
	}
	return 1
}

// total adds up the calls that were admitted in the limit's current period.
func (h *history) total(l limiterv1.Level, limit limiterv1.MoneyLimit, user string) (spent, held money.Nanos) {
	span := period.Containing(limit.Period, zoneOf(l), h.now)
	for _, c := range h.calls {
		if !span.Contains(c.admittedAt) || limit.Per == limiterv1.PerUser && c.call.Subject.User != user ||
			!limit.Selects(c.call.Subject.Tier, c.call.Model) {
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

// modelBucket is a bucket whose debt is counted in units times milliseconds of the
// window.
type modelBucket struct {
	points int64
	at     time.Time
	used   bool
}

func pointsPerUnit(limit limiterv1.RateLimit) int64 { return max(1, limit.Window.Milliseconds()) }

func (h *history) bucket(tenant string, limit limiterv1.RateLimit, user string) *modelBucket {
	key := tenant + " " + limit.Name
	if limit.Per == limiterv1.PerUser {
		key += " " + user
	}
	if h.buckets[key] == nil {
		h.buckets[key] = &modelBucket{}
	}
	return h.buckets[key]
}

func (b *modelBucket) debt(limit limiterv1.RateLimit, now time.Time) int64 {
	if !b.used {
		return 0
	}
	return max(0, b.points-now.Sub(b.at).Milliseconds()*limit.Count)
}

func (b *modelBucket) pay(limit limiterv1.RateLimit, now time.Time, units int64) {
	b.points, b.at, b.used = max(0, b.debt(limit, now)-units*pointsPerUnit(limit)), now, true
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
		return m.limit == r.Limit &&
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
