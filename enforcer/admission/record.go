package admission

import (
	"bytes"
	"encoding/json"
	"fmt"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// withCounters adds to a call's record, the JSON of an object that contains a
// limiterv1.OpenCall, the counters that the call is counted in. It is written at
// the end rather than encoded with the rest, which was encoded before anybody knew
// which limits apply.
func withCounters(record []byte, accounts []Account) []byte {
	object, isObject := bytes.CutSuffix(record, []byte("}"))
	if !isObject {
		return record
	}
	counters, err := json.Marshal(countersOf(accounts))
	if err != nil {
		panic(fmt.Sprintf("admission: names are always JSON: %v", err))
	}
	whole := make([]byte, 0, len(record)+len(counters)+len(`,"counters":`))
	whole = append(whole, object...)
	if len(object) > len("{") {
		whole = append(whole, ',')
	}
	whole = append(whole, `"counters":`...)
	whole = append(whole, counters...)
	return append(whole, '}')
}

// countersOf are the counters of the accounts that must change when the call ends
// and nobody knows what it used.
func countersOf(accounts []Account) []limiterv1.CallCounters {
	all := make([]limiterv1.CallCounters, len(accounts))
	for i, a := range accounts {
		counters := limiterv1.CallCounters{Tenant: a.Tenant, User: a.User}
		for _, check := range a.Money {
			counters.Money = append(counters.Money, limiterv1.MoneyField(check.Limit))
		}
		for _, check := range a.Buckets {
			if check.Limit.Unit == limiterv1.InFlight && check.Need > 0 {
				counters.InFlight = append(counters.InFlight, limiterv1.RateField(check.Limit))
			}
		}
		all[i] = counters
	}
	return all
}
