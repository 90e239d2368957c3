package replay

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"slices"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
)

// ErrOrder means that calls did not come in the order of their admission.
var ErrOrder = errors.New("calls must be in order")

// ZoneError means that this machine does not know the time zone of a tenant.
type ZoneError struct {
	Tenant, Zone string
	Err          error
}

func (e *ZoneError) Error() string {
	return fmt.Sprintf("tenant %s: time zone %q: %v", e.Tenant, e.Zone, e.Err)
}
func (e *ZoneError) Unwrap() error { return e.Err }

// Run replays what happened under a tenant's document. It fails when the calls do, with
// ErrOrder when they are not in order, and with a *ZoneError.
func Run(document limiterv1.Tenant, history History) (Result, error) {
	r, err := newReplay(document, history)
	if err != nil {
		return Result{}, err
	}
	var last time.Time
	for call, err := range history.Calls {
		switch {
		case err != nil:
			return Result{}, err
		case call.AdmittedAt.Before(last):
			return Result{}, fmt.Errorf("call %s of %s comes after one of %s: %w", call.ID, call.AdmittedAt, last, ErrOrder)
		}
		last = call.AdmittedAt
		r.holds.endUntil(call.AdmittedAt)
		r.next(call)
	}
	r.holds.endUntil(history.To)
	return r.finish(), nil
}

// replay is a run.
type replay struct {
	document limiterv1.Tenant
	from     time.Time
	levels   []level
	holds    holds
	users    map[userKey]*User
	result   Result
	// forced is what the breakers that are forced open refuse, in the order of the levels.
	forced []*LimitResult
	// fitting are calls that were refused then and fit now. A fallback may have been made in
	// their place.
	fitting map[string]bool
	ratios  ratios
}

type userKey struct{ tenant, name string }

// level is one tenant of the budget tree.
type level struct {
	limiterv1.Level
	rules  []*rule
	meters []*meter
}

func newReplay(document limiterv1.Tenant, history History) (*replay, error) {
	r := &replay{
		document: document, from: history.From, users: map[userKey]*User{}, fitting: map[string]bool{}, ratios: ratios{},
		result: Result{From: history.From, To: history.To, Shadow: document.Waives()},
	}
	for _, l := range levelsOf(document) {
		zone, err := period.Zone(l.TimeZone)
		if err != nil {
			return nil, &ZoneError{Tenant: l.Tenant, Zone: l.TimeZone, Err: err}
		}
		made := level{Level: l}
		for _, limit := range inOrder(l.Money, func(l limiterv1.MoneyLimit) limiterv1.Scope { return l.Per }) {
			made.rules = append(made.rules, &rule{
				limit: limit, zone: zone, level: l,
				opening: openingOf(history.Opening, l.Tenant, limit.Name), counters: map[limiterv1.Owner]*counter{},
				result: &LimitResult{Tenant: l.Tenant, Money: &limit, Refused: map[ledgerv1.Reason]Tally{}},
			})
		}
		for _, limit := range inOrder(l.Rates, func(l limiterv1.RateLimit) limiterv1.Scope { return l.Per }) {
			made.meters = append(made.meters, &meter{
				limit: limit, buckets: map[limiterv1.Owner]*bucket{},
				result: &LimitResult{Tenant: l.Tenant, Rate: &limit, Refused: map[ledgerv1.Reason]Tally{}},
			})
		}
		r.levels = append(r.levels, made)
	}
	return r, nil
}

// inOrder are limits in the order in which they refuse: those of the tenant, then those per
// user, group and APIKey.
func inOrder[L any](limits []L, per func(L) limiterv1.Scope) []L {
	ordered := slices.Clone(limits)
	slices.SortStableFunc(ordered, func(a, b L) int {
		return cmp.Compare(slices.Index(order, per(a)), slices.Index(order, per(b)))
	})
	return ordered
}

var order = limiterv1.Scopes()

func openingOf(openings []Opening, tenant, limit string) map[limiterv1.Owner]money.Nanos {
	spent := map[limiterv1.Owner]money.Nanos{}
	for _, o := range openings {
		if o.Tenant == tenant && o.Limit == limit {
			spent[o.Owner] += o.Spent
		}
	}
	return spent
}

// next replays one call.
func (r *replay) next(call PastCall) {
	first, counts := r.counts(call)
	if !counts {
		return
	}
	if !call.Refused && r.fitting[call.ID] {
		delete(r.fitting, call.ID) // the call that it replaced is made instead
		return
	}
	if call.Refused {
		call.Cost, call.SettledAt = r.ratios.estimate(call), call.AdmittedAt
	}
	asked := !call.AdmittedAt.Before(r.from) && first == 0
	h, refusal := r.ask(call, first)
	if !asked {
		if !call.Refused {
			r.take(h)
		}
		return
	}
	r.tally(call, refusal)
	if refusal == nil || refusal.waived && !call.Refused {
		r.take(h)
	}
}

// counts is the nearest level whose limits a call counts against; it also counts against those
// above.
func (r *replay) counts(call PastCall) (first int, counts bool) {
	for i, l := range r.levels {
		if call.Tenant == l.Tenant || slices.Contains(call.Ancestors, l.Tenant) {
			return i, true
		}
	}
	return 0, false
}

// refusal is the limit that refuses a call.
type refusal struct {
	reason  ledgerv1.Reason
	limit   *LimitResult
	counter *counter
	// waived is whether the limit is in Shadow, so that the call is admitted.
	waived bool
}

// ask is what a call would take from the levels from first on, and what refuses it; nil if
// nothing does. Money limits are asked before buckets, both in the order in which they
// refuse. It returns the first refusal, and one of a limit in Shadow only if no other limit
// refuses.
func (r *replay) ask(call PastCall, first int) (*hold, *refusal) {
	h := &hold{call: call, ends: call.SettledAt}
	var found *refusal
	refuse := func(why refusal) {
		if found == nil || found.waived && !why.waived {
			found = &why
		}
	}
	if call.Bound > 0 {
		r.askForced(first, refuse)
	}
	for _, l := range r.levels[first:] {
		for _, rule := range l.rules {
			if call.Bound == 0 || !applies(l, rule.limit.Per, rule.limit.Selector, call) {
				continue
			}
			for _, owner := range rule.limit.Owners(rule.limit.Per, call.caller()) {
				c := rule.at(owner, call.AdmittedAt, r.from)
				if reason, refuses := c.refuses(call); refuses {
					refuse(refusal{reason, rule.result, c, l.Waives()})
				}
				h.counters = append(h.counters, c)
			}
		}
	}
	r.askBuckets(h, first, refuse)
	return h, found
}

// askForced asks the breakers that are forced open.
func (r *replay) askForced(first int, refuse func(refusal)) {
	for _, l := range r.levels[first:] {
		if l.Forced == limiterv1.BreakerOpen {
			refuse(refusal{ledgerv1.BreakerForced, r.forcedOf(l.Tenant), nil, l.Waives()})
		}
	}
}

// forcedOf is the result of a tenant's breaker that is forced open.
func (r *replay) forcedOf(tenant string) *LimitResult {
	i := slices.IndexFunc(r.forced, func(f *LimitResult) bool { return f.Tenant == tenant })
	if i >= 0 {
		return r.forced[i]
	}
	forced := &LimitResult{Tenant: tenant, Refused: map[ledgerv1.Reason]Tally{}}
	r.forced = append(r.forced, forced)
	return forced
}

func (r *replay) askBuckets(h *hold, first int, refuse func(refusal)) {
	for _, l := range r.levels[first:] {
		for _, m := range l.meters {
			if !applies(l, m.limit.Per, m.limit.Selector, h.call) {
				continue
			}
			for _, owner := range m.limit.Owners(m.limit.Per, h.call.caller()) {
				b := m.at(owner, h.call.AdmittedAt)
				if reason, refuses := m.refuses(b, h.call); refuses {
					refuse(refusal{reason, m.result, nil, l.WaivesRate(m.limit)})
				}
				h.taken = append(h.taken, taking{b, m.need(h.call)})
				switch m.limit.Unit {
				case limiterv1.InFlight:
					h.inFlight = append(h.inFlight, b)
				case limiterv1.Tokens:
					h.tokens = append(h.tokens, b)
				}
			}
		}
	}
}

// applies reports whether a call counts against a limit of a level. Users, groups and APIKeys
// belong to one tenant: a limit per user, group or key does not count calls of the tenants
// below.
func applies(l level, per limiterv1.Scope, selector limiterv1.Selector, call PastCall) bool {
	return (per == limiterv1.PerTenant || call.Tenant == l.Tenant) && selector.Selects(call.caller(), call.Model)
}

// take takes what a call takes.
func (r *replay) take(h *hold) {
	for _, c := range h.counters {
		c.take(h.call.Bound)
	}
	for _, t := range h.taken {
		t.bucket.debt += t.points
	}
	h.taken = nil
	for _, b := range h.tokens {
		b.unended++
		if h.call.AdmittedAt.Before(r.from) {
			// Calls that ended before the replay may have given back what this one took.
			b.debt = b.least()
		}
	}
	if len(h.counters)+len(h.inFlight)+len(h.tokens) > 0 {
		heap.Push(&r.holds, h)
	}
	if !h.call.Refused {
		r.ratios.learn(h.call)
	}
}

// tally adds a call to the result.
func (r *replay) tally(call PastCall, why *refusal) {
	if call.Refused {
		r.result.WereRefused.add(call.Cost)
		if why == nil {
			r.result.Fitting.add(call.Cost)
			if call.Fallback {
				r.fitting[call.ID] = true
			}
		}
		return
	}
	key := userKey{call.Tenant, call.User}
	user := r.users[key]
	if user == nil {
		user = &User{Tenant: call.Tenant, Name: call.User}
		r.users[key] = user
	}
	user.Admitted.add(call.Cost)
	r.result.Admitted.add(call.Cost)
	if why == nil {
		return
	}
	user.Refused.add(call.Cost)
	r.result.Refused.add(call.Cost)
	byReason := why.limit.Refused[why.reason]
	byReason.add(call.Cost)
	why.limit.Refused[why.reason] = byReason
	if c := why.counter; c != nil {
		c.refused.add(call.Cost)
		if why.reason == ledgerv1.BudgetExhausted && c.exhaustedAt.IsZero() {
			c.exhaustedAt = call.AdmittedAt
		}
	}
}

// finish is the result once all calls are replayed.
func (r *replay) finish() Result {
	for _, forced := range r.forced {
		if len(forced.Refused) > 0 {
			r.result.Limits = append(r.result.Limits, *forced)
		}
	}
	for _, l := range r.levels {
		for _, rule := range l.rules {
			r.result.Limits = append(r.result.Limits, rule.finish())
		}
	}
	for _, l := range r.levels {
		for _, m := range l.meters {
			r.result.Limits = append(r.result.Limits, *m.result)
		}
	}
	for _, user := range r.users {
		if user.Refused.Calls > 0 {
			r.result.Users = append(r.result.Users, *user)
		}
	}
	slices.SortFunc(r.result.Users, func(a, b User) int {
		return cmp.Or(cmp.Compare(b.Refused.Calls, a.Refused.Calls), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Name, b.Name))
	})
	return r.result
}
