package call

import (
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// toldUnits are the units of the rate limits that clients are told of.
var toldUnits = []limiterv1.Unit{limiterv1.Requests, limiterv1.Tokens}

// setRateFields tells the client, for requests and for tokens, how the tightest of the rate
// limits stands, in the fields that clients of the protocol read.
func (c *Call) setRateFields(rates []admission.RateReading) {
	now := time.Now()
	for _, unit := range toldUnits {
		if rate, ok := tightest(rates, unit); ok {
			c.Endpoint.Protocol().SetRate(c.header, protocol.Rate{
				Unit: unit, Limit: rate.Limit.Burst, Remaining: rate.Remaining, FullIn: rate.FullIn,
			}, now)
		}
	}
}

// removeRateFields removes what setRateFields has written from a header.
func removeRateFields(header protocol.Header, p protocol.Protocol) {
	fields := protocol.Header{}
	for _, unit := range toldUnits {
		p.SetRate(fields, protocol.Rate{Unit: unit}, time.Time{})
	}
	for name := range fields {
		delete(header, name)
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
