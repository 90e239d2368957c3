package store_test

import (
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

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
