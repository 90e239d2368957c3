package proxy

import (
	"net/http"
	"strconv"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// setRates writes, for requests and for tokens, how the tightest of the rate
// limits stands, in the fields that clients of the protocol read.
func setRates(header http.Header, protocol limiterv1.Protocol, rates []admission.RateReading) {
	for unit, name := range map[limiterv1.Unit]string{limiterv1.Requests: "Requests", limiterv1.Tokens: "Tokens"} {
		rate, ok := tightest(rates, unit)
		if !ok {
			continue
		}
		limit, remaining := strconv.FormatInt(rate.Limit.Burst, 10), strconv.FormatInt(rate.Remaining, 10)
		if protocol == limiterv1.Anthropic {
			header.Set("Anthropic-Ratelimit-"+name+"-Limit", limit)
			header.Set("Anthropic-Ratelimit-"+name+"-Remaining", remaining)
			header.Set("Anthropic-Ratelimit-"+name+"-Reset", time.Now().Add(roundUp(rate.FullIn, time.Second)).UTC().Format(time.RFC3339))
			continue
		}
		header.Set("X-Ratelimit-Limit-"+name, limit)
		header.Set("X-Ratelimit-Remaining-"+name, remaining)
		header.Set("X-Ratelimit-Reset-"+name, roundUp(rate.FullIn, time.Millisecond).String())
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

func roundUp(d, unit time.Duration) time.Duration {
	return (d + unit - 1) / unit * unit
}
