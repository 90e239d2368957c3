package admission

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
)

// Tenant is a tenant's compiled configuration, made ready for admissions.
type Tenant struct {
	doc limiterv1.Tenant
	// forcedOpen is the tenant whose breaker refuses all paid calls; empty for none.
	forcedOpen string
	// levels are the tenant and its ancestors, nearest first.
	levels []level
	// downgraded remembers the users, by name, whose last call met a Downgrade
	// rung. It only makes the first guess good: the Store checks it.
	downgraded users
	// exhausted are the refusals that stand until a known moment.
	exhausted memory
	// scopes are those of the tenant's own limits that count owners.
	scopes []limiterv1.Scope
	// forgetful is whether refusals are not remembered: limits in shadow refuse nothing, and
	// with a Downgrade rung, another model may be admitted where one was refused.
	forgetful bool
}

// level is one tenant of the budget tree.
type level struct {
	limiterv1.Level
	money []moneyRule
	// moneyRoom is the number of money checks to allocate for in an account, by its scope.
	moneyRoom map[limiterv1.Scope]int
	// rateFields are the fields of the level's Rates.
	rateFields []string
}

// NewTenant makes a tenant's configuration ready for admissions. It fails when a
// time zone is not known to this machine.
func NewTenant(doc limiterv1.Tenant) (*Tenant, error) {
	t := &Tenant{doc: doc, forcedOpen: doc.ForcedOpen()}
	for _, l := range doc.Levels() {
		zone, err := period.Zone(l.TimeZone)
		if err != nil {
			return nil, fmt.Errorf("tenant %s: time zone %q: %w", l.Tenant, l.TimeZone, err)
		}
		t.levels = append(t.levels, newLevel(l, zone))
		if _, downgrades := l.Rung(limiterv1.Downgrade); downgrades || l.Waives() {
			t.forgetful = true
		}
	}
	t.scopes = slices.DeleteFunc(limiterv1.OwnerScopes(), func(per limiterv1.Scope) bool { return !doc.Counts(per) })
	return t, nil
}

// usualChecks is how many checks of money an account has at most, as a rule: a tenant may have very many
// limits, of which each selects few calls.
const usualChecks = 4

func newLevel(l limiterv1.Level, zone *time.Location) level {
	rules, room := make([]moneyRule, len(l.Money)), map[limiterv1.Scope]int{}
	for i, limit := range l.Money {
		room[limit.Per] = min(room[limit.Per]+1, usualChecks)
		rule := &rules[i]
		rule.limit, rule.field, rule.zone = limit, limiterv1.MoneyField(limit), zone
		if len(limit.Grants) == 0 {
			rule.terms = termsAt(l, limit, limiterv1.Owner{}, time.Time{})
		}
	}
	rateFields := make([]string, len(l.Rates))
	for i, limit := range l.Rates {
		rateFields[i] = limiterv1.RateField(limit)
	}
	return level{Level: l, money: rules, moneyRoom: room, rateFields: rateFields}
}

// Name is the tenant's name.
func (t *Tenant) Name() string { return t.doc.Tenant }

// Ancestors are the names of the tenant's ancestors, nearest first.
func (t *Tenant) Ancestors() []string {
	var names []string
	for _, l := range t.levels[1:] {
		names = append(names, l.Tenant)
	}
	return names
}

// Document is the compiled configuration.
func (t *Tenant) Document() limiterv1.Tenant { return t.doc }

// ModelFor is the model that a user's call for a model goes to: if a Downgrade rung was
// reached when last seen, downgraded is true, and use may be another model. A tenant cannot
// replace a model that an ancestor replaces, nor use it in the place of another: the
// ancestor's replacement applies.
func (t *Tenant) ModelFor(user, model string) (use string, downgraded bool) {
	if downgraded = t.downgraded.has(user); !downgraded {
		return model, false
	}
	use = model
	for above := t.levels; len(above) > 0; {
		other, rest, found := replaced(above, use)
		if !found {
			break
		}
		use, above = other, rest
	}
	return use, true
}

// replaced is the model that the topmost of the levels with a Downgrade rung for a model
// puts in its place, and the levels above that one.
func replaced(levels []level, model string) (other string, above []level, found bool) {
	for i, l := range slices.Backward(levels) {
		if rung, ok := l.Rung(limiterv1.Downgrade); ok {
			if other, ok := rung.Models[model]; ok {
				return other, levels[i+1:], true
			}
		}
	}
	return "", nil, false
}

// moneyRule is a money limit with what follows from it.
type moneyRule struct {
	limit limiterv1.MoneyLimit
	field string
	zone  *time.Location
	// terms are those of a limit without grants.
	terms terms
	// span is the period that was asked for last. It caches a pure function,
	// because calendars are slow and periods are long.
	span atomic.Pointer[period.Span]
}

func (r *moneyRule) spanAt(now time.Time) period.Span {
	if span := r.span.Load(); span != nil && span.Contains(now) {
		return *span
	}
	span := period.Containing(r.limit.Period, r.zone, now)
	r.span.Store(&span)
	return span
}

// terms are a money limit as it is for an owner during a stretch of time, with what
// follows from its amount.
type terms struct {
	limit           limiterv1.MoneyLimit
	trip, downgrade money.Nanos
	rungs           []money.Nanos
	stretch         period.Span
}

// termsAt are the terms of a limit of the level for an owner at a moment. The rungs include
// those of the next stretch, because the call may be settled in it.
func termsAt(l limiterv1.Level, limit limiterv1.MoneyLimit, owner limiterv1.Owner, now time.Time) terms {
	t := terms{trip: Never, downgrade: Never}
	t.limit, t.stretch = limit.At(now, owner)
	if trip, ok := l.TripAt(t.limit); ok {
		t.trip = trip
	}
	if rung, ok := l.Rung(limiterv1.Downgrade); ok {
		t.downgrade = rung.Amount(t.limit)
	}
	t.rungs = appendRungs(t.rungs, l, t.limit)
	if len(limit.Grants) > 0 {
		next, _ := limit.At(t.stretch.End, owner)
		t.rungs = appendRungs(t.rungs, l, next)
	}
	return t
}

func appendRungs(rungs []money.Nanos, l limiterv1.Level, limit limiterv1.MoneyLimit) []money.Nanos {
	for _, rung := range l.Ladder {
		rungs = append(rungs, rung.Amount(limit))
	}
	return rungs
}

// counters are those of an owner in a level.
type counters struct {
	level      *level
	owner      limiterv1.Owner
	isAncestor bool
}

// counters are those that a call counts in: the tenant's, its owners' there, and those of every
// ancestor.
func (t *Tenant) counters(by limiterv1.Caller) []counters {
	all := make([]counters, 0, len(t.levels)+len(t.scopes))
	all = append(all, counters{level: &t.levels[0]})
	for _, per := range t.scopes {
		for _, owner := range (limiterv1.Selector{}).Owners(per, by) {
			all = append(all, counters{level: &t.levels[0], owner: owner})
		}
	}
	for i := range t.levels[1:] {
		all = append(all, counters{level: &t.levels[i+1], isAncestor: true})
	}
	return all
}

// accounts are the counters that a call counts in, and its checks in each, at the given time. An
// owner without checks has no account.
func (t *Tenant) accounts(call *Request, now time.Time) []Account {
	by := call.Subject.Caller()
	counters := t.counters(by)
	accounts := make([]Account, 0, len(counters))
	for _, c := range counters {
		account := Account{Tenant: c.level.Tenant, Owner: c.owner, Money: c.moneyChecks(call, by, now), Buckets: c.bucketChecks(call, by)}
		if c.owner.IsTenant() || len(account.Money)+len(account.Buckets) > 0 {
			accounts = append(accounts, account)
		}
	}
	return accounts
}

// mostWeight bounds how much the Store is asked to look at for one call, for which all other
// calls wait. A caller in few groups cannot come near it, even with eight ancestors that have as
// many limits as they may. What a script writes of one account, two values for each limit, then
// fits into a command of Redis, which takes fewer than 8000.
const mostWeight = 7900

// weight is how much there is to look at: something for each account, and for each check, twice as
// much for one of money as for a bucket.
func weight(accounts []Account) (n int) {
	for _, a := range accounts {
		n += 2 + 6*len(a.Money) + 3*len(a.Buckets)
	}
	return n
}

// ownersUntil is when the last of the current periods ends, of the limits that count
// owners; zero if there are none.
func (t *Tenant) ownersUntil(now time.Time) (until time.Time) {
	for i := range t.levels[0].money {
		rule := &t.levels[0].money[i]
		if rule.limit.Per == limiterv1.PerTenant {
			continue
		}
		if end := rule.spanAt(now).End; end.After(until) {
			until = end
		}
	}
	return until
}

// moneyChecks are the checks of the money limits that count the owner. None applies to a
// call that can cost nothing: free models keep working when the money is gone.
func (c counters) moneyChecks(call *Request, by limiterv1.Caller, now time.Time) []MoneyCheck {
	room := c.level.moneyRoom[c.owner.Scope()]
	if call.Bound == 0 || room == 0 {
		return nil
	}
	checks := make([]MoneyCheck, 0, room)
	for i := range c.level.money {
		if rule := &c.level.money[i]; c.counts(rule, call, by) {
			checks = append(checks, c.moneyCheck(rule, call, now))
		}
	}
	return checks
}

// counts is whether a money limit of the level counts the owner's call.
func (c counters) counts(rule *moneyRule, call *Request, by limiterv1.Caller) bool {
	return rule.limit.Per == c.owner.Scope() && rule.limit.CountsFor(c.owner) && rule.limit.Selects(by, call.Model)
}

// moneyCheck is the check of a money limit that counts the owner's call.
func (c counters) moneyCheck(rule *moneyRule, call *Request, now time.Time) MoneyCheck {
	terms := &rule.terms
	if len(rule.limit.Grants) > 0 {
		granted := termsAt(c.level.Level, rule.limit, c.owner, now)
		terms = &granted
	}
	check := MoneyCheck{
		Limit: terms.limit, Field: rule.field, Trip: terms.trip, Downgrade: terms.downgrade, Rungs: terms.rungs,
		Span: rule.spanAt(now), Stretch: terms.stretch, MostHeld: Never, Waived: c.level.Waives(),
	}
	if call.Fallback {
		check.Trip, check.Downgrade = Never, Never
		if trip, trips := c.level.FallbackTripAt(terms.limit, call.Model); trips && c.isAncestor {
			check.Trip = trip
		}
	}
	if call.share && c.isAncestor {
		check.MostHeld = terms.limit.Amount.Share(c.level.StoreLossPercent)
	}
	return check
}

// bucketChecks are the checks of the rate limits that count the owner.
func (c counters) bucketChecks(call *Request, by limiterv1.Caller) []BucketCheck {
	if call.share {
		return nil
	}
	per := c.owner.Scope()
	var checks []BucketCheck
	for i := range c.level.Rates {
		limit := &c.level.Rates[i]
		if limit.Per != per || !limit.CountsFor(c.owner) || !limit.Selects(by, call.Model) {
			continue
		}
		need := int64(1)
		switch {
		case call.probe:
			need = 0
		case limit.Unit == limiterv1.Tokens:
			need = call.Tokens
		}
		checks = append(checks, BucketCheck{Limit: *limit, Field: c.level.rateFields[i], Need: need, Waived: c.level.WaivesRate(*limit)})
	}
	return checks
}
