package store_test

import (
	"slices"
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

// ownersOf are those who may have counters of their own that a call of the subject counts in,
// in the order in which their limits refuse, after those of the whole tenant.
func ownersOf(of admission.Subject) []limiterv1.Owner {
	owners := []limiterv1.Owner{{}, {User: of.User}}
	for _, group := range of.Groups {
		owners = append(owners, limiterv1.Owner{Group: group})
	}
	if of.Credential != "" {
		owners = append(owners, limiterv1.Owner{Key: of.Credential})
	}
	return owners
}

// counts is whether a call counts in the counter of a limit that an owner has.
func counts(per limiterv1.Scope, s limiterv1.Selector, owner limiterv1.Owner, call admission.Request) bool {
	isScope := map[limiterv1.Scope]bool{
		limiterv1.PerTenant: owner == limiterv1.Owner{}, limiterv1.PerUser: owner.User != "",
		limiterv1.PerGroup: owner.Group != "", limiterv1.PerKey: owner.Key != "",
	}[per]
	isNamed := owner.Group == "" || s.Groups == nil || slices.Contains(s.Groups, owner.Group)
	return isScope && isNamed && slices.Contains(ownersOf(call.Subject), owner) && s.Selects(call.Subject.Caller(), call.Model)
}

// eachMoney visits the money limits that the call counts in, with what is granted now
// in their amounts, in the order in which they refuse.
func (h *history) eachMoney(call admission.Request, visit func(limiterv1.Level, limiterv1.MoneyLimit, limiterv1.Owner)) {
	eachLevel(h.doc, call, func(l limiterv1.Level, owner limiterv1.Owner) {
		for _, limit := range l.Money {
			if !counts(limit.Per, limit.Selector, owner, call) {
				continue
			}
			for _, grant := range limit.Grants {
				isOwn := grant.Owner == limiterv1.Owner{} || grant.Owner == owner
				if isOwn && !h.now.Before(grant.StartsAt) && h.now.Before(grant.ExpiresAt) {
					limit.Amount += grant.Amount
				}
			}
			visit(l, limit, owner)
		}
	})
}

// eachLevel visits the tenant, its owners and its ancestors.
func eachLevel(doc limiterv1.Tenant, call admission.Request, visit func(limiterv1.Level, limiterv1.Owner)) {
	for _, owner := range ownersOf(call.Subject) {
		visit(doc.Level, owner)
	}
	for _, ancestor := range doc.Ancestors {
		visit(ancestor, limiterv1.Owner{})
	}
}

// modelRate is a rate limit as one owner within a tenant has it.
type modelRate struct {
	limiterv1.RateLimit
	tenant string
	owner  limiterv1.Owner
}

// key names the bucket.
func (r modelRate) key() string { return r.tenant + " " + r.Name + " " + r.owner.String() }

// eachRate visits the rate limits that the call counts in, in the order in which
// they refuse.
func eachRate(doc limiterv1.Tenant, call admission.Request, visit func(limit modelRate)) {
	eachLevel(doc, call, func(l limiterv1.Level, owner limiterv1.Owner) {
		for _, limit := range l.Rates {
			if counts(limit.Per, limit.Selector, owner, call) {
				visit(modelRate{limit, l.Tenant, owner})
			}
		}
	})
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
	owner  limiterv1.Owner
	reason ledgerv1.Reason
	spent  money.Nanos
	// stands: the limit refuses because of what is spent, held left aside.
	stands bool
}

func (h *history) downgraded(call admission.Request) (reached bool) {
	h.eachMoney(call, func(l limiterv1.Level, limit limiterv1.MoneyLimit, owner limiterv1.Owner) {
		if rung, ok := l.Rung(limiterv1.Downgrade); ok {
			spent, _ := h.total(l, limit, owner)
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
		h.eachMoney(call, func(l limiterv1.Level, limit limiterv1.MoneyLimit, owner limiterv1.Owner) {
			spent, held := h.total(l, limit, owner)
			r := modelRefusal{limit: limit.Name, owner: owner, spent: spent, stands: spent+call.Bound > limit.Amount}
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
	eachRate(h.doc, call, func(of modelRate) {
		limit := of.RateLimit
		r := modelRefusal{limit: limit.Name, owner: of.owner}
		switch bucket := h.bucket(of); {
		case need(limit, call) > limit.Burst:
			r.reason = ledgerv1.TooLarge
		case bucket.debt(limit, h.now)+need(limit, call)*pointsPerUnit(limit) > limit.Burst*pointsPerUnit(limit):
			r.reason = ledgerv1.RateLimited
		default:
			want.took[of.key()] = true
			return
		}
		refuse(r, inShadow[of.tenant] && !limit.Imposed)
	})
	want.admitted = len(want.refusals) == 0
	if want.admitted {
		want.refusals = waived
	}
	eachRate(h.doc, call, func(of modelRate) {
		limit, bucket := of.RateLimit, h.bucket(of)
		if want.admitted && want.took[of.key()] {
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
func (h *history) total(l limiterv1.Level, limit limiterv1.MoneyLimit, owner limiterv1.Owner) (spent, held money.Nanos) {
	span := period.Containing(limit.Period, zoneOf(l), h.now)
	for _, c := range h.calls {
		if !span.Contains(c.admittedAt) || !counts(limit.Per, limit.Selector, owner, c.call) {
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

func (h *history) bucket(of modelRate) *modelBucket {
	if h.buckets[of.key()] == nil {
		h.buckets[of.key()] = &modelBucket{}
	}
	return h.buckets[of.key()]
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
