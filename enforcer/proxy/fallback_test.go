package proxy_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/hack/fakeprovider"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// The fallbacks, as the control plane compiles them.
var (
	fromCache    = limiterv1.Fallback{Kind: limiterv1.Cache, MaxAge: 3_600_000}
	fromCheapest = limiterv1.Fallback{Kind: limiterv1.CheapestModel}
	fromMessage  = limiterv1.Fallback{Kind: limiterv1.Message, Text: "The budget is used up."}
)

// withFallbacks is a tenant with a dollar a day, whose breaker opens at 90 cents.
func withFallbacks(fallbacks ...limiterv1.Fallback) limiterv1.Tenant {
	return limiterv1.Tenant{Level: limiterv1.Level{
		Tenant: "acme", TimeZone: "UTC",
		Money:  []limiterv1.MoneyLimit{{Name: "daily", Per: limiterv1.PerTenant, Period: period.Day, Amount: money.USD}},
		Ladder: []limiterv1.Rung{{AtPercent: 90, Action: limiterv1.Trip, Fallbacks: fallbacks}},
	}}
}

// fallbackDoor is a door before the fake provider, to the models gpt-4o, gpt-4o-mini
// and, for nothing, free. Its store says that the tenants have spent something.
type fallbackDoor struct {
	*door
	provider *fakeprovider.Provider
	metrics  *prometheus.Registry
	spent    money.Nanos
}

func newFallbackDoor(t *testing.T, document limiterv1.Tenant) *fallbackDoor {
	t.Helper()
	d := &fallbackDoor{provider: fakeprovider.New(fakeprovider.Options{}), metrics: prometheus.NewRegistry()}
	d.door = newDoor(t, d.provider.ServeHTTP, func(o *doorOptions) { o.Metrics = call.NewMetrics(d.metrics) })
	d.configure(t, document)
	of := d.config.routes[0].Provider
	d.config.routes = []*config.Route{
		{Provider: of, Model: limiterv1.Model{Name: "free", UpstreamName: "gpt-4o-mini", MaxOutputTokens: 10, Prices: flat(price.List{
			price.Input: 0, price.CachedInput: 0, price.Output: 0,
		})}},
		{Provider: of, Model: limiterv1.Model{Name: "gpt-4o", UpstreamName: "gpt-4o", MaxOutputTokens: 1000, Prices: flat(price.List{
			price.Input: 250 * money.Cent, price.CachedInput: 125 * money.Cent, price.Output: 10 * money.USD,
		})}},
		{Provider: of, Model: limiterv1.Model{Name: "gpt-4o-mini", UpstreamName: "gpt-4o-mini", MaxOutputTokens: 1000, Prices: flat(price.List{
			price.Input: 15 * money.Cent, price.CachedInput: 75 * money.Cent / 10, price.Output: 60 * money.Cent,
		})}},
	}
	d.store.decide = d.decide
	return d
}

func (d *fallbackDoor) configure(t *testing.T, document limiterv1.Tenant) {
	d.config.tenant = newTenant(t, document)
}

// decide refuses as the script does, while nothing is held.
func (d *fallbackDoor) decide(r admission.AdmitRequest) *admission.AdmitReply {
	reply := &admission.AdmitReply{Verdict: admission.Refused, Now: admittedAt, Spent: d.spent}
	for _, a := range r.Accounts {
		for _, check := range a.Money {
			reply.Refusing++
			if d.spent >= check.Trip || d.spent+r.Bound > check.Limit.Amount {
				if check.Waived {
					reply.Verdict, reply.AdmittedAt = admission.Admitted, admittedAt
				}
				return reply
			}
		}
	}
	return nil
}

// billed is how many calls the provider wants to be paid for, and of which model
// the last was.
func (d *fallbackDoor) billed() (calls int, model string) {
	bill := d.provider.Bill().Calls
	if len(bill) == 0 {
		return 0, ""
	}
	return len(bill), bill[len(bill)-1].Model
}

func (d *fallbackDoor) as(key, path, body string) reply {
	request := d.request(http.MethodPost, path, body)
	request.Header.Set("Authorization", "Bearer "+key)
	return d.do(request)
}

const bigChat = `{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}],"max_tokens":100}`

func among(models ...string) limiterv1.Fallback {
	return limiterv1.Fallback{Kind: limiterv1.CheapestModel, Models: models}
}

// TestFallbacks: what comes of a call, by what the tenant has spent and declared,
// when the same call has been made before.
func TestFallbacks(t *testing.T) {
	const said = "\"content\":\"token0 "
	for name, tc := range map[string]struct {
		fallbacks    []limiterv1.Fallback
		spent        money.Nanos
		change       func(*limiterv1.Tenant)
		body         string // of the second call
		wantStatus   int
		wantFallback string
		wantModel    string // in the header
		wantBilled   string // the model of the one call, if it is one, that is made
		wantBody     string // contains
	}{
		"none while there is money": {
			fallbacks: []limiterv1.Fallback{fromCache, fromCheapest, fromMessage}, spent: 50 * money.Cent,
			wantStatus: 200, wantBilled: "gpt-4o", wantBody: said,
		},
		"none declared": {spent: 95 * money.Cent, wantStatus: 429, wantBody: `"code":"breaker_open"`},
		"an earlier answer": {
			fallbacks: []limiterv1.Fallback{fromCache, fromCheapest, fromMessage}, spent: 95 * money.Cent,
			wantStatus: 200, wantFallback: "Cache", wantBody: said,
		},
		"the cheapest model": {
			fallbacks: []limiterv1.Fallback{fromCheapest, fromMessage}, spent: 95 * money.Cent,
			wantStatus: 200, wantFallback: "CheapestModel", wantModel: "gpt-4o-mini", wantBilled: "gpt-4o-mini", wantBody: said,
		},
		"the cheapest model, though there is an earlier answer": {
			fallbacks: []limiterv1.Fallback{fromCheapest, fromCache}, spent: 95 * money.Cent,
			wantStatus: 200, wantFallback: "CheapestModel", wantModel: "gpt-4o-mini", wantBilled: "gpt-4o-mini", wantBody: said,
		},
		"the cheapest model that can do it is free": {
			fallbacks: []limiterv1.Fallback{fromCheapest}, spent: money.USD, body: strings.Replace(bigChat, "100", "10", 1),
			wantStatus: 200, wantFallback: "CheapestModel", wantModel: "free", wantBilled: "gpt-4o-mini", wantBody: said,
		},
		"the cheapest of those named": {
			fallbacks: []limiterv1.Fallback{among("gpt-4o", "gone")}, spent: 95 * money.Cent,
			wantStatus: 200, wantFallback: "CheapestModel", wantModel: "gpt-4o", wantBilled: "gpt-4o", wantBody: said,
		},
		"none of those named is to be had": {
			fallbacks: []limiterv1.Fallback{among("gone"), fromMessage}, spent: 95 * money.Cent,
			wantStatus: 200, wantFallback: "Message", wantBody: `"content":"The budget is used up."`,
		},
		"too little left for the cheapest model": {
			fallbacks: []limiterv1.Fallback{among("gpt-4o-mini"), fromMessage}, spent: money.USD - 1000,
			wantStatus: 200, wantFallback: "Message", wantBody: `"content":"The budget is used up."`,
		},
		"too little left, and nothing else declared": {
			fallbacks: []limiterv1.Fallback{among("gpt-4o-mini")}, spent: money.USD - 1000,
			wantStatus: 429, wantBody: `"code":"breaker_open"`,
		},
		"a message": {
			fallbacks: []limiterv1.Fallback{fromMessage}, spent: 95 * money.Cent,
			wantStatus: 200, wantFallback: "Message", wantBody: `"model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"The budget is used up."}`,
		},
		"a message in a stream": {
			fallbacks: []limiterv1.Fallback{fromMessage}, spent: 95 * money.Cent, body: bigChat[:len(bigChat)-1] + `,"stream":true}`,
			wantStatus: 200, wantFallback: "Message", wantBody: `"delta":{"role":"assistant","content":"The budget is used up."}`,
		},
		"an answer to a stream is none to the same without": {
			fallbacks: []limiterv1.Fallback{fromCache}, spent: 95 * money.Cent, body: bigChat[:len(bigChat)-1] + `,"stream":true}`,
			wantStatus: 429, wantBody: `"code":"breaker_open"`,
		},
		"the budget is exhausted below the Trip rung": {
			fallbacks: []limiterv1.Fallback{fromCheapest}, spent: 89 * money.Cent,
			change:     func(t *limiterv1.Tenant) { t.Money[0].Amount, t.Ladder[0].AtPercent = 89*money.Cent+500_000, 100 },
			body:       strings.Replace(bigChat, "100", "150", 1),
			wantStatus: 200, wantFallback: "CheapestModel", wantModel: "gpt-4o-mini", wantBilled: "gpt-4o-mini", wantBody: said,
		},
		"a breaker that is forced closed leaves the fallbacks to the limit": {
			fallbacks: []limiterv1.Fallback{fromMessage}, spent: money.USD,
			change:     func(t *limiterv1.Tenant) { t.Forced = limiterv1.BreakerClosed },
			wantStatus: 200, wantFallback: "Message", wantBody: "The budget is used up.",
		},
		"a breaker that is forced open lets no paid call through": {
			fallbacks:  []limiterv1.Fallback{among("gpt-4o-mini"), fromMessage},
			change:     func(t *limiterv1.Tenant) { t.Forced = limiterv1.BreakerOpen },
			wantStatus: 200, wantFallback: "Message", wantBody: "The budget is used up.",
		},
		"a breaker that is forced open lets free calls through": {
			fallbacks: []limiterv1.Fallback{fromCheapest}, body: strings.Replace(bigChat, "100", "10", 1),
			change:     func(t *limiterv1.Tenant) { t.Forced = limiterv1.BreakerOpen },
			wantStatus: 200, wantFallback: "CheapestModel", wantModel: "free", wantBilled: "gpt-4o-mini", wantBody: said,
		},
		"a parent's limit": {
			fallbacks: []limiterv1.Fallback{fromMessage}, spent: 50 * money.Cent,
			change: func(t *limiterv1.Tenant) {
				parent := withFallbacks(limiterv1.Fallback{Kind: limiterv1.Message, Text: "The parent's words."}).Level
				parent.Tenant, parent.Ladder[0].AtPercent = "group", 20
				t.Ancestors = []limiterv1.Level{parent}
			},
			wantStatus: 200, wantFallback: "Message", wantBody: "The budget is used up.",
		},
		"a parent's fallbacks are the parent's": {
			spent: 50 * money.Cent,
			change: func(t *limiterv1.Tenant) {
				parent := withFallbacks(fromMessage).Level
				parent.Tenant, parent.Ladder[0].AtPercent = "group", 20
				t.Ancestors = []limiterv1.Level{parent}
			},
			wantStatus: 429, wantBody: `"code":"breaker_open"`,
		},
		"shadow": {
			fallbacks: []limiterv1.Fallback{fromCache, fromMessage}, spent: 95 * money.Cent,
			change:     func(t *limiterv1.Tenant) { t.Enforcement = limiterv1.Shadow },
			wantStatus: 200, wantBilled: "gpt-4o", wantBody: said,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newFallbackDoor(t, withFallbacks(tc.fallbacks...))
			if got := d.call(bigChat); got.status != http.StatusOK || got.header.Get(call.FallbackHeader) != "" {
				t.Fatalf("the first call got %d %s", got.status, got.body)
			}
			document := withFallbacks(tc.fallbacks...)
			if tc.change != nil {
				tc.change(&document)
			}
			d.configure(t, document)
			d.spent = tc.spent
			for range 2 { // from memory, where that knows
				d.provider.ResetBill()
				got := d.call(or(tc.body, bigChat))
				if got.status != tc.wantStatus || got.header.Get(call.FallbackHeader) != tc.wantFallback ||
					got.header.Get(call.ModelHeader) != tc.wantModel || !strings.Contains(got.body, tc.wantBody) {
					t.Errorf("got %d, fallback %q, model %q and\n%s\nwant %d, %q, %q and %s", got.status, got.header.Get(call.FallbackHeader),
						got.header.Get(call.ModelHeader), got.body, tc.wantStatus, tc.wantFallback, tc.wantModel, tc.wantBody)
				}
				if calls, model := d.billed(); model != tc.wantBilled || calls > 1 {
					t.Errorf("the provider wants to be paid for %d calls, the last of %q; want one of %q", calls, model, tc.wantBilled)
				}
			}
		})
	}
}

// TestCacheFallback: whose answers are given again, to whom, and which are not kept.
func TestCacheFallback(t *testing.T) {
	streamed := bigChat[:len(bigChat)-1] + `,"stream":true}`
	said := func(directive string) string { return strings.Replace(bigChat, "hi", "[["+directive+"]]", 1) }
	for name, tc := range map[string]struct {
		first, again string // default: first
		key          string // of again
		path         string // of again
		change       func(before, after *limiterv1.Tenant)
		want         bool
	}{
		"to the same user":               {first: bigChat, want: true},
		"a stream":                       {first: streamed, want: true},
		"to another user of the tenant":  {first: bigChat, key: "key-of-another", want: true},
		"never to another tenant":        {first: bigChat, key: "key-without-budget"},
		"not to another question":        {first: bigChat, again: strings.Replace(bigChat, "hi", "ho", 1)},
		"not to the same in other bytes": {first: bigChat, again: " " + bigChat},
		"not to another URL":             {first: bigChat, path: "/v1/chat/completions?more"},
		"not to a stream":                {first: bigChat, again: streamed},
		"no error of the provider":       {first: said("status=500")},
		"no answer without usage":        {first: said("usage=none")},
		"no answer that was cut":         {first: said("cut=2")},
		"no stream that was cut":         {first: strings.Replace(streamed, "hi", "[[cut=2]]", 1)},
		"no stream that failed":          {first: strings.Replace(streamed, "hi", "[[fail=2]]", 1)},
		"none that is too old":           {first: bigChat, change: func(_, after *limiterv1.Tenant) { after.Ladder[0].Fallbacks[0].MaxAge = 1 }},
		"none from before it was asked for": {
			first: bigChat, change: func(before, _ *limiterv1.Tenant) { before.Ladder[0].Fallbacks = nil },
		},
		"none when it is no longer asked for": {
			first: bigChat, change: func(_, after *limiterv1.Tenant) { after.Ladder[0].Fallbacks = nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := withFallbacks(fromCache), withFallbacks(fromCache)
			if tc.change != nil {
				tc.change(&before, &after)
			}
			d := newFallbackDoor(t, before)
			first := d.call(tc.first)
			answered := time.Now()
			d.configure(t, after)
			poor := after
			poor.Tenant = "poor"
			d.config.poor = newTenant(t, poor)
			d.spent = 95 * money.Cent
			testkit.Eventually(t, "the answer is older than the least age", func() bool { return time.Since(answered) > 2*time.Millisecond })
			d.provider.ResetBill()
			got := d.as(or(tc.key, "key"), or(tc.path, "/v1/chat/completions"), or(tc.again, tc.first))
			if calls, _ := d.billed(); calls != 0 {
				t.Errorf("the provider was asked")
			}
			if !tc.want {
				if got.status != http.StatusTooManyRequests || got.header.Get(call.FallbackHeader) != "" {
					t.Errorf("got %d, fallback %q; want it refused", got.status, got.header.Get(call.FallbackHeader))
				}
				return
			}
			if got.status != first.status || got.body != first.body || got.header.Get("Content-Type") != first.header.Get("Content-Type") {
				t.Errorf("got %d %v %s\nwant the first answer, %d %v %s", got.status, got.header, got.body, first.status, first.header, first.body)
			}
			if got.header.Get(call.FallbackHeader) != "Cache" || got.header.Get("Age") != "0" {
				t.Errorf("fallback %q, age %q; want Cache, 0", got.header.Get(call.FallbackHeader), got.header.Get("Age"))
			}
			if n := d.store.held(); n != 0 {
				t.Errorf("%d calls are open", n)
			}
		})
	}
}

// TestDowngradedAnswerSaysSoAgain: an answer of another model names it, whenever it is given.
func TestDowngradedAnswerSaysSoAgain(t *testing.T) {
	d := newFallbackDoor(t, withFallbacks(fromCache, fromCheapest))
	d.spent = 95 * money.Cent
	for _, want := range []string{"CheapestModel", "Cache"} {
		got := d.call(bigChat)
		if got.header.Get(call.FallbackHeader) != want || got.header.Get(call.ModelHeader) != "gpt-4o-mini" {
			t.Errorf("fallback %q of model %q, want %s of gpt-4o-mini", got.header.Get(call.FallbackHeader), got.header.Get(call.ModelHeader), want)
		}
	}
}

// TestAnswerToWhoHasGoneIsKept: where answers are drained, an answer whose client has gone is paid for,
// and kept.
func TestAnswerToWhoHasGoneIsKept(t *testing.T) {
	d := newFallbackDoor(t, withFallbacks(fromCache))
	for _, route := range d.config.routes {
		route.Provider.OnClientGone = limiterv1.Drain
	}
	body := strings.Replace(bigChat[:len(bigChat)-1]+`,"stream":true}`, "hi", "[[pause=1]]", 1)
	response, err := http.DefaultClient.Do(d.request(http.MethodPost, "/v1/chat/completions", body))
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the answer waits", func() bool { return d.provider.Paused() == 1 })
	_ = response.Body.Close()
	d.provider.Resume()
	d.ending()
	d.spent = 95 * money.Cent
	if got := d.call(body); got.header.Get(call.FallbackHeader) != "Cache" || !strings.HasSuffix(got.body, done) {
		t.Errorf("got %d, fallback %q and\n%s\nwant the whole stream from the cache", got.status, got.header.Get(call.FallbackHeader), got.body)
	}
}

// TestRateLimitsHaveNoFallback: fallbacks are for refusals for money only.
func TestRateLimitsHaveNoFallback(t *testing.T) {
	document := withFallbacks(fromMessage)
	document.Rates = []limiterv1.RateLimit{{Name: "a/b", Per: limiterv1.PerTenant, Unit: limiterv1.Requests, Count: 1, Burst: 1, Window: 60_000}}
	d := newFallbackDoor(t, document)
	d.store.decide = nil
	d.store.reply = &admission.AdmitReply{Verdict: admission.Refused, Now: admittedAt, Refusing: 2, Debts: []int64{60_000}}
	if got := d.call(bigChat); got.status != http.StatusTooManyRequests || got.header.Get(call.FallbackHeader) != "" {
		t.Errorf("got %d, fallback %q; want 429 and none", got.status, got.header.Get(call.FallbackHeader))
	}
}

// TestCheapestModelIsACall: with a hold and an entry in the ledger, like any other.
func TestCheapestModelIsACall(t *testing.T) {
	d := newFallbackDoor(t, withFallbacks(fromCheapest))
	d.spent = 95 * money.Cent
	d.call(bigChat)
	entry, end := d.ending()
	if entry.Outcome != ledgerv1.Settled || entry.Decision != ledgerv1.Fallback || entry.ModelAsked != "gpt-4o" || entry.Model != "gpt-4o-mini" || entry.Cost == 0 || end.Cost != entry.Cost {
		t.Errorf("settled with %s, ledger %+v", end.Cost, entry)
	}
	if want := money.Nanos(len(bigChat))*150 + 100*600; entry.Held != want || d.store.admits[0].Bound != want {
		t.Errorf("held %s, want the bound of the cheapest model, %s", entry.Held, want)
	}
	if check := d.store.admits[0].Accounts[0].Money[0]; check.Trip != admission.Never || check.Limit.Amount != money.USD {
		t.Errorf("admitted by %+v, want the limit without its Trip rung", check)
	}
}

func TestFallbacksAreCounted(t *testing.T) {
	d := newFallbackDoor(t, withFallbacks(fromCheapest, fromMessage))
	d.spent = 95 * money.Cent
	d.call(bigChat)
	d.spent = money.USD - 1
	d.call(bigChat)
	want := `
# HELP bursar_enforcer_fallbacks_total Requests that a fallback (Cache, CheapestModel, Message) answered instead of a refusal for money, by the error code of that refusal. They are not counted as refused; those of CheapestModel are counted as admitted calls.
# TYPE bursar_enforcer_fallbacks_total counter
bursar_enforcer_fallbacks_total{fallback="Cache",reason="breaker_open"} 0
bursar_enforcer_fallbacks_total{fallback="Cache",reason="budget_exhausted"} 0
bursar_enforcer_fallbacks_total{fallback="CheapestModel",reason="breaker_open"} 1
bursar_enforcer_fallbacks_total{fallback="CheapestModel",reason="budget_exhausted"} 0
bursar_enforcer_fallbacks_total{fallback="Message",reason="breaker_open"} 1
bursar_enforcer_fallbacks_total{fallback="Message",reason="budget_exhausted"} 0
# HELP bursar_enforcer_admissions_total Requests by decision (admitted; refused; shadowed: admitted by Shadow, would be refused under Enforce) and, for refusals, by error code.
# TYPE bursar_enforcer_admissions_total counter
bursar_enforcer_admissions_total{decision="admitted",reason=""} 1
`
	if err := testutil.GatherAndCompare(d.metrics, strings.NewReader(want), "bursar_enforcer_fallbacks_total", "bursar_enforcer_admissions_total"); err != nil {
		t.Error(err)
	}
}
