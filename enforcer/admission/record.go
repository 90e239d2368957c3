package admission

import (
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// recordIn is what the session that adopts the open call must know of it, should this process
// die: its entry, with the counters of the accounts that it is counted in.
func (c Request) recordIn(accounts []Account) []byte {
	c.Entry.Counters = countersOf(accounts)
	return c.Entry.Encode()
}

// countersOf are the counters of the accounts that must change when the call ends
// and nobody knows what it used.
func countersOf(accounts []Account) []limiterv1.CallCounters {
	all := make([]limiterv1.CallCounters, len(accounts))
	for i, a := range accounts {
		counters := limiterv1.CallCounters{Tenant: a.Tenant, Owner: a.Owner}
		for _, check := range a.Money {
			counters.Money = append(counters.Money, check.Field)
		}
		for _, check := range a.Buckets {
			if check.Limit.Unit == limiterv1.InFlight && check.Need > 0 {
				counters.InFlight = append(counters.InFlight, check.Field)
			}
		}
		all[i] = counters
	}
	return all
}

// openCall is what others must know to end a call of the tenant's that has no caller.
func (t *Tenant) openCall(call Request) limiterv1.OpenCall {
	return limiterv1.OpenCall{
		CallID: call.ID, Tenant: t.Name(), User: call.Subject.User, Tier: call.Subject.Tier, Credential: call.Subject.Credential,
		Groups: call.Subject.Groups, Labels: call.Subject.Labels, Model: call.Model,
		Root: t.doc.Root(), Ancestors: t.Ancestors(),
	}
}
