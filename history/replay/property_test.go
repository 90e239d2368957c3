package replay_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/history/replay"
)

// TestNothingThatWasAdmittedIsRefused makes a history with a limiter that knows nothing
// of counters, but keeps every call for ever and adds them up, and replays it under the
// limits that were in force: nothing that was admitted is refused now, and nothing that
// money refused is admitted, from the beginning of the history or from its midst.
func TestNothingThatWasAdmittedIsRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			w.call(t)
		}
		midst := time.Duration(rapid.Int64Range(0, w.now.Sub(w.began).Milliseconds()).Draw(t, "from")) * time.Millisecond
		for _, from := range []time.Time{w.began, w.began.Add(midst)} {
			result, err := replay.Run(w.document, w.history(from))
			if err != nil {
				t.Fatal(err)
			}
			if result.Refused.Calls > 0 {
				t.Fatalf("from %s: refuses %d that were admitted: %v", from, result.Refused.Calls, summary(result))
			}
			if result.Fitting.Calls > 0 {
				t.Fatalf("from %s: admits %d that were refused", from, result.Fitting.Calls)
			}
			if want := w.admitted(from); result.Admitted != want {
				t.Fatalf("from %s: %+v were admitted, want %+v", from, result.Admitted, want)
			}
		}
	})
}

// world is a tenant, its limiter, and what happened.
type world struct {
	document limiterv1.Tenant
	began    time.Time
	now      time.Time
	// calls are all that were asked for, those that were refused for money included.
	calls []*pastCall
}

// pastCall is a call as it was. The limiter heard of its end some time after what the
// ledger has.
type pastCall struct {
	replay.PastCall
	boundTokens int64
	heardAt     time.Time
}

func newWorld(t *rapid.T) *world {
	began := time.Unix(rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(t, "start"), 0).UTC()
	w := &world{began: began, now: began}
	w.document.Level = drawLevel(t, "acme", limiterv1.Scopes()...)
	if rapid.Bool().Draw(t, "has a parent") {
		w.document.Ancestors = []limiterv1.Level{drawLevel(t, "holding", limiterv1.PerTenant)}
	}
	return w
}

func drawLevel(t *rapid.T, tenant string, scopes ...limiterv1.Scope) limiterv1.Level {
	l := limiterv1.Level{Tenant: tenant, TimeZone: rapid.SampledFrom([]string{"UTC", "Asia/Kathmandu"}).Draw(t, "zone")}
	if rapid.Bool().Draw(t, "trips") {
		l.Ladder = []limiterv1.Rung{{AtPercent: rapid.Int32Range(50, 95).Draw(t, "trip"), Action: limiterv1.Trip}}
	}
	for _, per := range scopes {
		for _, kind := range []period.Kind{period.Minute, "90s", period.Hour, period.Day} {
			if rapid.IntRange(0, len(scopes)).Draw(t, "has limit") == 0 {
				l.Money = append(l.Money, limiterv1.MoneyLimit{
					Name: fmt.Sprintf("%s-%s", kind, per), Per: per, Period: kind,
					Amount: money.Nanos(rapid.Int64Range(50, 600).Draw(t, "amount")), Selector: drawSelector(t),
				})
			}
		}
		for i, unit := range []limiterv1.Unit{limiterv1.Requests, limiterv1.Tokens, limiterv1.InFlight} {
			if rapid.IntRange(0, len(scopes)).Draw(t, "has rate") > 0 {
				continue
			}
			rate := limiterv1.RateLimit{
				Name: fmt.Sprintf("policy/%s-%d", per, i), Per: per, Selector: drawSelector(t), Unit: unit,
				Burst: rapid.Int64Range(1, 30).Draw(t, "burst"),
			}
			if unit != limiterv1.InFlight {
				rate.Count = rapid.Int64Range(1, 10).Draw(t, "count")
				rate.Window = limiterv1.Duration(rapid.Int64Range(1000, 100_000).Draw(t, "window"))
			}
			l.Rates = append(l.Rates, rate)
		}
	}
	return l
}

var (
	testUsers  = []string{"ana", "bo"}
	testGroups = []string{"eu", "eu, west", "research"}
	testKeys   = []string{"", "acme/ci", "acme/laptop"}
	testLabels = []map[string]string{nil, {"team": "search"}, {"team": "search", "site": "a"}, {"team": "ads"}}
	testOwners = map[limiterv1.Scope][]string{
		limiterv1.PerTenant: {""}, limiterv1.PerUser: testUsers, limiterv1.PerGroup: testGroups, limiterv1.PerKey: testKeys[1:],
	}
)

func drawSelector(t *rapid.T) (s limiterv1.Selector) {
	if rapid.IntRange(0, 3).Draw(t, "selects models") == 0 {
		s.Models = []string{"large"}
	}
	if rapid.IntRange(0, 3).Draw(t, "selects groups") == 0 {
		s.Groups = testGroups[1:]
	}
	if rapid.IntRange(0, 5).Draw(t, "selects labels") == 0 {
		s.Labels = testLabels[1]
	}
	return s
}

// call makes time pass and has a call asked for.
func (w *world) call(t *rapid.T) {
	w.now = w.now.Add(time.Duration(rapid.Int64Range(1, 40_000).Draw(t, "ms")) * time.Millisecond)
	id := fmt.Sprint(len(w.calls))
	c := &pastCall{PastCall: call(id, 0)}
	c.AdmittedAt = w.now
	c.User, c.Credential = rapid.SampledFrom(testUsers).Draw(t, "user"), rapid.SampledFrom(testKeys).Draw(t, "key")
	c.Labels = rapid.SampledFrom(testLabels).Draw(t, "labels")
	c.Groups = slices.DeleteFunc(slices.Clone(testGroups), func(group string) bool { return rapid.Bool().Draw(t, "is not in "+group) })
	c.Model = rapid.SampledFrom([]string{"large", "small"}).Draw(t, "model")
	if sister := len(w.document.Ancestors) > 0 && rapid.IntRange(0, 3).Draw(t, "sister") == 0; sister {
		c.Tenant = "sister"
	}
	for _, l := range w.document.Ancestors {
		c.Ancestors = append(c.Ancestors, l.Tenant)
	}
	c.Bound = money.Nanos(rapid.Int64Range(0, 100).Draw(t, "bound"))
	c.Cost = money.Nanos(rapid.Int64Range(0, int64(c.Bound)).Draw(t, "cost"))
	c.boundTokens = rapid.Int64Range(0, 12).Draw(t, "tokens at most")
	c.Tokens = rapid.Int64Range(0, c.boundTokens).Draw(t, "tokens")
	c.SettledAt = w.now.Add(time.Duration(rapid.Int64Range(0, 90_000).Draw(t, "lasts")) * time.Millisecond)
	c.heardAt = c.SettledAt.Add(time.Duration(rapid.Int64Range(0, 999).Draw(t, "heard later by")) * time.Millisecond)
	switch byMoney, byRate := w.refuses(c); {
	case byMoney:
		c.Refused = true
	case byRate:
		return
	}
	w.calls = append(w.calls, c)
}

// refuses is the rule in the words of the documentation.
func (w *world) refuses(c *pastCall) (byMoney, byRate bool) {
	for i, l := range append([]limiterv1.Level{w.document.Level}, w.document.Ancestors...) {
		if i == 0 && c.Tenant != l.Tenant {
			continue
		}
		for _, limit := range l.Money {
			if c.Bound == 0 || !limit.Selects(callerOf(c), c.Model) {
				continue
			}
			for _, owner := range ownersOf(limit.Per, limit.Selector, c) {
				spent, held := w.total(l, limit, owner)
				trip, trips := l.TripAt(limit)
				byMoney = byMoney || trips && spent >= trip || spent+held+c.Bound > limit.Amount
			}
		}
		for _, limit := range l.Rates {
			if !limit.Selects(callerOf(c), c.Model) {
				continue
			}
			for _, owner := range ownersOf(limit.Per, limit.Selector, c) {
				takes, _ := needs(limit, c)
				byRate = byRate || w.debt(l, limit, owner)+takes > points(limit, limit.Burst)
			}
		}
	}
	return byMoney, byRate
}

// points are units of a limit as buckets count them.
func points(limit limiterv1.RateLimit, units int64) int64 {
	return units * max(1, limit.Window.Milliseconds())
}

// needs is how many points a call takes when it begins, and how many are given back
// when it ends.
func needs(limit limiterv1.RateLimit, c *pastCall) (takes, back int64) {
	switch limit.Unit {
	case limiterv1.Tokens:
		return points(limit, c.boundTokens), points(limit, c.boundTokens-c.Tokens)
	case limiterv1.InFlight:
		return 1, 1
	}
	return points(limit, 1), 0
}

// ownersOf are whose counters a call counts in: the tenant's, its user's, those of its groups
// that are selected, or its key's.
func ownersOf(per limiterv1.Scope, selector limiterv1.Selector, c *pastCall) (owners []limiterv1.Owner) {
	switch per {
	case limiterv1.PerTenant:
		return []limiterv1.Owner{{}}
	case limiterv1.PerUser:
		return []limiterv1.Owner{{User: c.User}}
	case limiterv1.PerKey:
		if c.Credential != "" {
			owners = append(owners, limiterv1.Owner{Key: c.Credential})
		}
	case limiterv1.PerGroup:
		for _, group := range c.Groups {
			if selector.Groups == nil || slices.Contains(selector.Groups, group) {
				owners = append(owners, limiterv1.Owner{Group: group})
			}
		}
	}
	return owners
}

// counted are the calls that were made and count in the counter of an owner.
func (w *world) counted(l limiterv1.Level, per limiterv1.Scope, selector limiterv1.Selector, owner limiterv1.Owner) (counted []*pastCall) {
	for _, other := range w.calls {
		if other.Refused || !selector.Selects(callerOf(other), other.Model) ||
			other.Tenant != l.Tenant && l.Tenant == w.document.Tenant ||
			!slices.Contains(ownersOf(per, selector, other), owner) {
			continue
		}
		counted = append(counted, other)
	}
	return counted
}

func (w *world) total(l limiterv1.Level, limit limiterv1.MoneyLimit, owner limiterv1.Owner) (spent, held money.Nanos) {
	zone, err := time.LoadLocation(l.TimeZone)
	if err != nil {
		panic(err)
	}
	span := period.Containing(limit.Period, zone, w.now)
	for _, other := range w.counted(l, limit.Per, limit.Selector, owner) {
		switch {
		case !span.Contains(other.AdmittedAt):
		case other.heardAt.After(w.now):
			held += other.Bound
		default:
			spent += other.Cost
		}
	}
	return spent, held
}

func (w *world) debt(l limiterv1.Level, limit limiterv1.RateLimit, owner limiterv1.Owner) (debt int64) {
	type change struct {
		at     time.Time
		points int64
	}
	var changes []change
	for _, other := range w.counted(l, limit.Per, limit.Selector, owner) {
		takes, back := needs(limit, other)
		changes = append(changes, change{other.AdmittedAt, takes}, change{other.heardAt, -back})
	}
	slices.SortStableFunc(changes, func(a, b change) int { return a.at.Compare(b.at) })
	changes = append(changes, change{w.now, 0})
	last := w.began
	for _, change := range changes {
		if change.at.After(w.now) {
			break
		}
		debt = max(0, debt-change.at.Sub(last).Milliseconds()*limit.Count)
		debt, last = max(0, debt+change.points), change.at
	}
	return debt
}

// history is what the ledger has from a moment on.
func (w *world) history(from time.Time) replay.History {
	h := replay.History{From: from, To: w.now.Add(time.Hour)}
	var calls []replay.PastCall
	for _, c := range w.calls {
		if !c.AdmittedAt.Before(from) || !c.Refused && !settledBefore(c, from) {
			calls = append(calls, c.PastCall)
		}
	}
	h.Calls = sequence(calls...)
	for _, l := range append([]limiterv1.Level{w.document.Level}, w.document.Ancestors...) {
		zone, err := time.LoadLocation(l.TimeZone)
		if err != nil {
			panic(err)
		}
		for _, limit := range l.Money {
			span := period.Containing(limit.Period, zone, from)
			for _, name := range testOwners[limit.Per] {
				opening := replay.Opening{Tenant: l.Tenant, Limit: limit.Name, Owner: limiterv1.OwnerOf(limit.Per, name)}
				for _, c := range w.counted(l, limit.Per, limit.Selector, opening.Owner) {
					if span.Contains(c.AdmittedAt) && settledBefore(c, from) {
						opening.Spent += c.Cost
					}
				}
				h.Opening = append(h.Opening, opening)
			}
		}
	}
	return h
}

func settledBefore(c *pastCall, from time.Time) bool {
	return c.SettledAt.Before(from.Add(-replay.Lag))
}

// admitted are the tenant's calls that were made from a moment on.
func (w *world) admitted(from time.Time) (tally replay.Tally) {
	for _, c := range w.calls {
		if !c.Refused && c.Tenant == w.document.Tenant && !c.AdmittedAt.Before(from) {
			tally.Calls, tally.Cost = tally.Calls+1, tally.Cost+c.Cost
		}
	}
	return tally
}

func callerOf(c *pastCall) limiterv1.Caller {
	return limiterv1.Caller{User: c.User, Key: c.Credential, Tier: c.Tier, Groups: c.Groups, Labels: c.Labels}
}
