package proxy

import (
	"net/http"
	"strconv"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// setRates writes, for requests and for tokens, how the tightest of the rate
// limits stands, in the fields that OpenAI uses.
func setRates(header http.Header, rates []admission.RateReading) {
	for unit, name := range map[limiterv1.Unit]string{limiterv1.Requests: "Requests", limiterv1.Tokens: "Tokens"} {
		if rate, ok := tightest(rates, unit); ok {
			header.Set("X-Ratelimit-Limit-"+name, strconv.FormatInt(rate.Limit.Burst, 10))
			header.Set("X-Ratelimit-Remaining-"+name, strconv.FormatInt(rate.Remaining, 10))
			header.Set("X-Ratelimit-Reset-"+name, roundUp(rate.FullIn, time.Millisecond).String())
		}
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
