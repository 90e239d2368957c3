package admission

import (
	"slices"
	"sync"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
)

// memory keeps the refusals that stand, so that not every call has to ask the Store
// again. What is spent never becomes less within a period, so that a limit that refuses
// because of what is spent alone, holds left aside, refuses until its period turns or the
// configuration changes. Each Tenant, and so each configuration, has a memory of its own.
// Only the Store knows that the period has turned, and its clock may jump: so each refusal
// is asked about again after rememberedFor.
type memory struct {
	mu    sync.RWMutex
	spent map[account]map[string]remembered
	// refusals and readings are how many there are: at most rememberedAccounts and
	// rememberedReadings, because a caller who may act for others can make up users.
	refusals, readings int
}

// account names counters.
type account struct {
	tenant string
	owner  limiterv1.Owner
}

// remembered is a money limit that refused, and how it stood.
type remembered struct {
	account     Account
	check       MoneyCheck
	spent, held money.Nanos
	rates       []RateReading
	// learnt is when it refused, by this machine's monotonic clock.
	learnt time.Time
}

// rememberedFor is how long a refusal is believed before the Store is asked again.
const rememberedFor = time.Second

const (
	// rememberedAccounts bounds the memory. What does not fit is asked of the Store.
	rememberedAccounts = 10_000
	// rememberedReadings bounds the readings of rate limits that are kept with the refusals:
	// each takes some 300 bytes, and a tenant may have very many rate limits.
	rememberedReadings = 50_000
)

// learn remembers the money check that refused a call. All others are forgotten when there is no
// room for it.
func (m *memory) learn(a Account, check MoneyCheck, reply AdmitReply, rates []RateReading) {
	known := remembered{Account{Tenant: a.Tenant, Owner: a.Owner}, check, reply.Spent, reply.Held, ofTenants(rates), time.Now()}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.spent == nil || m.refusals >= rememberedAccounts || m.readings+len(known.rates) > rememberedReadings {
		m.spent, m.refusals, m.readings = map[account]map[string]remembered{}, 0, 0
	}
	key, name := account{a.Tenant, a.Owner}, check.Limit.Name
	if m.spent[key] == nil {
		m.spent[key] = map[string]remembered{}
	}
	before, again := m.spent[key][name]
	if !again {
		m.refusals++
	}
	m.readings += len(known.rates) - len(before.rates)
	m.spent[key][name] = known
}

// ofTenants are the readings of rate limits that count a whole tenant, in a slice that keeps nothing
// else in memory. The others are left out because the refusal may be recalled for another user.
func ofTenants(rates []RateReading) (kept []RateReading) {
	for _, rate := range rates {
		if rate.Limit.Per == limiterv1.PerTenant {
			kept = append(kept, rate)
		}
	}
	return slices.Clip(kept)
}

// recall finds the first money limit that is known to refuse the bound, of those that count the call in
// the tenant's counters.
func (m *memory) recall(t *Tenant, call *Request, bound money.Nanos, now time.Time) (known remembered, found bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if len(m.spent) == 0 || bound == 0 {
		return remembered{}, false
	}
	by := call.Subject.Caller()
	for _, c := range t.counters(by) {
		of := m.spent[account{c.level.Tenant, c.owner}]
		if len(of) == 0 {
			continue
		}
		for i := range c.level.money {
			rule := &c.level.money[i]
			known, ok := of[rule.limit.Name]
			if !ok || time.Since(known.learnt) >= rememberedFor || !c.counts(rule, call, by) {
				continue
			}
			check := c.moneyCheck(rule, call, now)
			if known.check.Span == check.Span && known.check.Stretch == check.Stretch && known.refuses(check, bound) {
				known.check = check // the one that was remembered may not have asked about the Trip rung
				return known, true
			}
		}
	}
	return remembered{}, false
}

// refuses reports whether the check refuses the bound whatever else is held.
func (r remembered) refuses(check MoneyCheck, bound money.Nanos) bool {
	return limiterv1.Reached(r.spent, check.Trip) || !check.Limit.Fits(r.spent, 0, bound)
}

// users are users, by name: at most rememberedAccounts, because a caller who may act for others
// can make up names. All are forgotten when there is no room for one.
type users struct {
	mu   sync.RWMutex
	have map[string]struct{}
}

// has is whether a user is among them.
func (u *users) has(name string) bool {
	u.mu.RLock()
	defer u.mu.RUnlock()
	_, has := u.have[name]
	return has
}

// set adds a user, or takes one away.
func (u *users) set(name string, isThere bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !isThere {
		delete(u.have, name)
		return
	}
	if u.have == nil || len(u.have) >= rememberedAccounts {
		u.have = map[string]struct{}{}
	}
	u.have[name] = struct{}{}
}
