package call

import (
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// setRateFields tells the client, for requests and for tokens, how the tightest of the rate
// limits stands, in the fields that clients of the protocol read.
func (c *Call) setRateFields(rates []admission.RateReading) {
	now := time.Now()
	fields := map[string][]string{}
	for _, unit := range []limiterv1.Unit{limiterv1.Requests, limiterv1.Tokens} {
		if rate, ok := tightest(rates, unit); ok {
			c.Endpoint.Protocol().SetRate(fields, protocol.Rate{
				Unit: unit, Limit: rate.Limit.Burst, Remaining: rate.Remaining, FullIn: rate.FullIn,
			}, now)
		}
	}
	for name, values := range fields {
		c.header[name] = values
		c.rateFields = append(c.rateFields, name)
	}
}

// tightest is the rate limit of a unit with the least left; among equals, the one
// that takes longest to fill up.
func tightest(rates []admission.RateReading, unit limiterv1.Unit) (tightest admission.RateReading, ok bool) {
	for _, rate := range rates {
		if rate.Limit.Unit != unit {
			continue
		}
		if !ok || rate.Remaining < tightest.Remaining ||
			rate.Remaining == tightest.Remaining && rate.FullIn > tightest.FullIn {
			tightest, ok = rate, true
		}
	}
	return tightest, ok
}
