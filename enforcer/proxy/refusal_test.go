package proxy_test

import (
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/enforcer/config"
)

// full is what is told of dollarADay's rate limits while nothing is taken from them.
var full = http.Header{
	"X-Ratelimit-Limit-Requests": {"20"}, "X-Ratelimit-Remaining-Requests": {"20"}, "X-Ratelimit-Reset-Requests": {"0s"},
	"X-Ratelimit-Limit-Tokens": {"200000"}, "X-Ratelimit-Remaining-Tokens": {"200000"}, "X-Ratelimit-Reset-Tokens": {"0s"},
}

// levels are those of dollarADay's buckets, tokens first.
func left(tokens, requests int64) []int64 {
	return []int64{(200_000 - tokens) * 60_000, (20 - requests) * 60_000}
}

// TestRefusals checks every field of every refusal that a client can be given
// before its call is made.
func TestRefusals(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		method, path, key, body string
		change                  func(*door)
		wantStatus              int
		wantHeader              http.Header
		wantBody                string
	}{
		"unknown path": {
			path: "/v1/completions", wantStatus: 404, wantHeader: http.Header{},
			wantBody: `{"error":{"message":"Bursar serves no endpoint at /v1/completions: check the client's base URL, or call another endpoint.","type":"invalid_request_error","param":null,"code":"unknown_url"},` +
				`"type":"urn:bursar:problem:unknown-url","title":"Unknown URL","status":404,"detail":"Bursar serves no endpoint at /v1/completions: check the client's base URL, or call another endpoint."}`,
		},
		"wrong method": {
			method: "GET", wantStatus: 405, wantHeader: http.Header{"Allow": {"POST"}},
			wantBody: `{"error":{"message":"/v1/chat/completions supports POST, not GET.","type":"invalid_request_error","param":null,"code":"method_not_allowed"},` +
				`"type":"urn:bursar:problem:method-not-allowed","title":"Method not allowed","status":405,"detail":"/v1/chat/completions supports POST, not GET."}`,
		},
		"no key": {
			key: "-", wantStatus: 401, wantHeader: http.Header{"Www-Authenticate": {`Bearer realm="bursar"`}},
			wantBody: `{"error":{"message":"No API key or token: send one header \"Authorization: Bearer KEY\".","type":"invalid_request_error","param":null,"code":"invalid_api_key"},` +
				`"type":"urn:bursar:problem:invalid-api-key","title":"Invalid API key","status":401,"detail":"No API key or token: send one header \"Authorization: Bearer KEY\"."}`,
		},
		"unknown key": {
			key: "guess", wantStatus: 401, wantHeader: http.Header{"Www-Authenticate": {`Bearer realm="bursar", error="invalid_token", error_description="the API key is unknown: send a key of Bursar's, not the provider's"`}},
			wantBody: `{"error":{"message":"The API key is unknown: send a key of Bursar's, not the provider's.","type":"invalid_request_error","param":null,"code":"invalid_api_key"},` +
				`"type":"urn:bursar:problem:invalid-api-key","title":"Invalid API key","status":401,"detail":"The API key is unknown: send a key of Bursar's, not the provider's."}`,
		},
		"expired key": {
			key: "key-that-expired", wantStatus: 401, wantHeader: http.Header{"Www-Authenticate": {`Bearer realm="bursar", error="invalid_token", error_description="the API key expired at 1970-01-01T00:00:01Z: ask for a new one"`}},
			wantBody: `{"error":{"message":"The API key expired at 1970-01-01T00:00:01Z: ask for a new one.","type":"invalid_request_error","param":null,"code":"invalid_api_key"},` +
				`"type":"urn:bursar:problem:invalid-api-key","title":"Invalid API key","status":401,"detail":"The API key expired at 1970-01-01T00:00:01Z: ask for a new one."}`,
		},
		"unknown key before there is a configuration": {
			key: "guess", change: func(d *door) { d.config.running = config.Running{} },
			wantStatus: 503, wantHeader: http.Header{"Retry-After": {"1"}},
			wantBody: `{"error":{"message":"Bursar's configuration is not complete yet, so the call was not made. Try again later.","type":"server_error","param":null,"code":"limiter_unavailable"},` +
				`"type":"urn:bursar:problem:limiter-unavailable","title":"Limiter unavailable","status":503,"detail":"Bursar's configuration is not complete yet, so the call was not made. Try again later."}`,
		},
		"no budget while the configuration is incomplete": {
			key: "key-without-budget", change: func(d *door) { d.config.running = config.Running{} },
			wantStatus: 503, wantHeader: http.Header{"Retry-After": {"1"}},
			wantBody: `{"error":{"message":"Bursar's configuration is not complete yet, so the call was not made. Try again later.","type":"server_error","param":null,"code":"limiter_unavailable"},` +
				`"type":"urn:bursar:problem:limiter-unavailable","title":"Limiter unavailable","status":503,"detail":"Bursar's configuration is not complete yet, so the call was not made. Try again later."}`,
		},
		"unknown model while the configuration is incomplete": {
			body: `{"model":"of-nobody","messages":[]}`, change: func(d *door) { d.config.running = config.Running{} },
			wantStatus: 503, wantHeader: http.Header{"Retry-After": {"1"}},
			wantBody: `{"error":{"message":"Bursar's configuration is not complete yet, so the call was not made. Try again later.","type":"server_error","param":null,"code":"limiter_unavailable"},` +
				`"type":"urn:bursar:problem:limiter-unavailable","title":"Limiter unavailable","status":503,"detail":"Bursar's configuration is not complete yet, so the call was not made. Try again later."}`,
		},
		"no budget": {
			key: "key-without-budget", wantStatus: 403, wantHeader: http.Header{},
			wantBody: `{"error":{"message":"Tenant poor has no budget in force, so its calls are refused. Your request did not cause this: whoever manages the TenantBudget can correct it.","type":"permission_error","param":null,"code":"no_budget"},` +
				`"type":"urn:bursar:problem:no-budget","title":"No budget","status":403,"detail":"Tenant poor has no budget in force, so its calls are refused. Your request did not cause this: whoever manages the TenantBudget can correct it."}`,
		},
		"a tier that is not limited": {
			change: func(d *door) {
				limited := dollarADay
				limited.LimitedTiers = []limiterv1.LimitedTiers{{Policy: "tiers", Tiers: []string{"empleado"}}}
				d.config.tenant = newTenant(d.t, limited)
			},
			wantStatus: 403, wantHeader: http.Header{"X-Should-Retry": {"false"}},
			wantBody: `{"error":{"message":"RateLimitPolicy tiers refuses users of tier \"gerente\", because none of its limits selects them. Your request did not cause this: whoever manages the budget can correct your tier, or add a limit.","type":"permission_error","param":null,"code":"tier_not_limited"},` +
				`"type":"urn:bursar:problem:tier-not-limited","title":"Tier not limited","status":403,"detail":"RateLimitPolicy tiers refuses users of tier \"gerente\", because none of its limits selects them. Your request did not cause this: whoever manages the budget can correct your tier, or add a limit."}`,
		},
		"too large a body": {
			body: strings.Repeat(" ", 2<<20), wantStatus: 413, wantHeader: http.Header{},
			wantBody: `{"error":{"message":"The request body is larger than 1048576 bytes.","type":"invalid_request_error","param":null,"code":"request_too_large"},` +
				`"type":"urn:bursar:problem:request-too-large","title":"Request too large","status":413,"detail":"The request body is larger than 1048576 bytes."}`,
		},
		"a wrong parameter": {
			body: `{"model":"mini","messages":[],"n":0}`, wantStatus: 400, wantHeader: http.Header{},
			wantBody: `{"error":{"message":"n must be a whole number between 1 and 128.","type":"invalid_request_error","param":"n","code":"invalid_request"},` +
				`"type":"urn:bursar:problem:invalid-request","title":"Invalid request","status":400,"detail":"n must be a whole number between 1 and 128."}`,
		},
		"an unsupported parameter": {
			body: `{"model":"mini","messages":[],"plugins":[{}]}`, wantStatus: 400, wantHeader: http.Header{},
			wantBody: `{"error":{"message":"plugins is not supported: it is billed separately. To allow it, add \"plugins\" to spec.passFields of ModelProvider fake. Bursar then does not count what it costs beyond tokens.","type":"invalid_request_error","param":"plugins","code":"unsupported_parameter"},` +
				`"type":"urn:bursar:problem:unsupported-parameter","title":"Unsupported parameter","status":400,"detail":"plugins is not supported: it is billed separately. To allow it, add \"plugins\" to spec.passFields of ModelProvider fake. Bursar then does not count what it costs beyond tokens."}`,
		},
		"a bound above the model's": {
			body: `{"model":"mini","messages":[],"max_tokens":101}`, wantStatus: 400, wantHeader: http.Header{},
			wantBody: `{"error":{"message":"max_tokens exceeds the maximum of 100 output tokens of mini.","type":"invalid_request_error","param":"max_tokens","code":"invalid_request"},` +
				`"type":"urn:bursar:problem:invalid-request","title":"Invalid request","status":400,"detail":"max_tokens exceeds the maximum of 100 output tokens of mini."}`,
		},
		"an unknown model": {
			body: `{"model":"maxi","messages":[]}`, wantStatus: 404, wantHeader: http.Header{},
			wantBody: `{"error":{"message":"There is no model \"maxi\"; GET /v1/models lists the available models. To allow models that are not listed, set unknownModel: PriceAsMostExpensive in the TenantBudget.","type":"invalid_request_error","param":"model","code":"model_not_found"},` +
				`"type":"urn:bursar:problem:model-not-found","title":"Model not found","status":404,"detail":"There is no model \"maxi\"; GET /v1/models lists the available models. To allow models that are not listed, set unknownModel: PriceAsMostExpensive in the TenantBudget."}`,
		},
		"the store is lost": {
			change:     func(d *door) { d.store.err = errLost },
			wantStatus: 503, wantHeader: http.Header{"Retry-After": {"1"}},
			wantBody: `{"error":{"message":"The limiter is unavailable, so the call was not made. Try again later.","type":"server_error","param":null,"code":"limiter_unavailable"},` +
				`"type":"urn:bursar:problem:limiter-unavailable","title":"Limiter unavailable","status":503,"detail":"The limiter is unavailable, so the call was not made. Try again later."}`,
		},
		"budget exhausted": {
			change: refusing(admission.AdmitReply{Refusing: 1, Spent: 80 * money.Cent, Held: 20 * money.Cent, Debts: left(200_000, 20)}), wantStatus: 429,
			wantHeader: merge(full, http.Header{"X-Should-Retry": {"false"}}),
			wantBody: `{"error":{"message":"The call may cost $0.00106, more than is left of the limit \"daily\" of tenant acme: $0.80 spent, $0.20 held for calls in flight, $0.00 left of $1.00 per day. Wait until calls in flight end. The limit resets at RESET.","type":"insufficient_quota","param":null,"code":"budget_exhausted"},` +
				`"type":"urn:bursar:problem:budget-exhausted","title":"Budget exhausted","status":429,"detail":"The call may cost $0.00106, more than is left of the limit \"daily\" of tenant acme: $0.80 spent, $0.20 held for calls in flight, $0.00 left of $1.00 per day. Wait until calls in flight end. The limit resets at RESET.",` +
				`"limit":"daily","per":"Tenant","period":"Day","resetsAt":"RESET","amount":"1.00","spent":"0.80","held":"0.20"}`,
		},
		"breaker open": {
			change: refusing(admission.AdmitReply{Refusing: 2, Spent: 46 * money.Cent, Debts: left(200_000, 20)}), wantStatus: 429,
			wantHeader: merge(full, http.Header{"X-Should-Retry": {"false"}}),
			wantBody: `{"error":{"message":"The limit \"each-user\" of user gerente-1 has tripped: $0.46 spent and $0.00 held of $0.50 per month. Paid calls that count against it are refused until it resets at RESET.","type":"insufficient_quota","param":null,"code":"breaker_open"},` +
				`"type":"urn:bursar:problem:breaker-open","title":"Breaker open","status":429,"detail":"The limit \"each-user\" of user gerente-1 has tripped: $0.46 spent and $0.00 held of $0.50 per month. Paid calls that count against it are refused until it resets at RESET.",` +
				`"limit":"each-user","per":"User","period":"Month","resetsAt":"RESET","amount":"0.50","spent":"0.46","held":"0.00"}`,
		},
		"rate limited": {
			change: refusing(admission.AdmitReply{Refusing: 4, Debts: []int64{50_000 * 60_000, 20*60_000 - 15_000}}), wantStatus: 429,
			wantHeader: http.Header{
				"X-Ratelimit-Limit-Requests": {"20"}, "X-Ratelimit-Remaining-Requests": {"0"}, "X-Ratelimit-Reset-Requests": {"59.25s"},
				"X-Ratelimit-Limit-Tokens": {"200000"}, "X-Ratelimit-Remaining-Tokens": {"150000"}, "X-Ratelimit-Reset-Tokens": {"15s"},
				"Retry-After": {"3"},
			},
			wantBody: `{"error":{"message":"The rate limit \"tiers/gerente\" of requests per user has too little left for this call; try again in 2.25s.","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"},` +
				`"type":"urn:bursar:problem:rate-limit-exceeded","title":"Rate limit exceeded","status":429,"detail":"The rate limit \"tiers/gerente\" of requests per user has too little left for this call; try again in 2.25s.",` +
				`"limit":"tiers/gerente","per":"User"}`,
		},
		"too many in flight": {
			change: func(d *door) {
				document := dollarADay
				document.Rates = []limiterv1.RateLimit{{Name: "tiers/in-flight", Per: limiterv1.PerUser, Unit: limiterv1.InFlight, Burst: 2}}
				d.config.tenant = newTenant(d.t, document)
				refusing(admission.AdmitReply{Refusing: 3, Debts: []int64{2}})(d)
			},
			wantStatus: 429, wantHeader: http.Header{"Retry-After": {"1"}},
			wantBody: `{"error":{"message":"The rate limit \"tiers/in-flight\" per user allows no more calls in flight; wait until one ends.","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"},` +
				`"type":"urn:bursar:problem:rate-limit-exceeded","title":"Rate limit exceeded","status":429,"detail":"The rate limit \"tiers/in-flight\" per user allows no more calls in flight; wait until one ends.",` +
				`"limit":"tiers/in-flight","per":"User"}`,
		},
		"a parent's breaker is forced open": {
			change: func(d *door) {
				document := dollarADay
				document.Ancestors = []limiterv1.Level{{Tenant: "group", TimeZone: "UTC", Forced: limiterv1.BreakerOpen}}
				d.config.tenant = newTenant(d.t, document)
			},
			wantStatus: 429, wantHeader: http.Header{"X-Should-Retry": {"false"}},
			wantBody: `{"error":{"message":"The breaker of the budget of tenant group is forced open: paid calls are refused until its owner releases it.","type":"insufficient_quota","param":null,"code":"breaker_open"},` +
				`"type":"urn:bursar:problem:breaker-open","title":"Breaker open","status":429,"detail":"The breaker of the budget of tenant group is forced open: paid calls are refused until its owner releases it."}`,
		},
		"a parent's breaker is forced open, and its owner says why and whom to ask": {
			change: func(d *door) {
				document := dollarADay
				document.Contact = "the team"
				document.Ancestors = []limiterv1.Level{{Tenant: "group", TimeZone: "UTC", Forced: limiterv1.BreakerOpen,
					ForcedReason: "A key was leaked.", Contact: "ai-platform@example.com"}}
				d.config.tenant = newTenant(d.t, document)
			},
			wantStatus: 429, wantHeader: http.Header{"X-Should-Retry": {"false"}},
			wantBody: `{"error":{"message":"The breaker of the budget of tenant group is forced open: paid calls are refused until its owner releases it. Reason: A key was leaked. Contact: ai-platform@example.com.","type":"insufficient_quota","param":null,"code":"breaker_open"},` +
				`"type":"urn:bursar:problem:breaker-open","title":"Breaker open","status":429,"detail":"The breaker of the budget of tenant group is forced open: paid calls are refused until its owner releases it. Reason: A key was leaked. Contact: ai-platform@example.com."}`,
		},
		"budget exhausted, of which somebody can be asked": {
			change: func(d *door) {
				document := dollarADay
				document.Contact = "#ai-budgets"
				d.config.tenant = newTenant(d.t, document)
				refusing(admission.AdmitReply{Refusing: 1, Spent: 80 * money.Cent, Held: 20 * money.Cent, Debts: left(200_000, 20)})(d)
			}, wantStatus: 429,
			wantHeader: merge(full, http.Header{"X-Should-Retry": {"false"}}),
			wantBody: `{"error":{"message":"The call may cost $0.00106, more than is left of the limit \"daily\" of tenant acme: $0.80 spent, $0.20 held for calls in flight, $0.00 left of $1.00 per day. Wait until calls in flight end. The limit resets at RESET. Contact: #ai-budgets.","type":"insufficient_quota","param":null,"code":"budget_exhausted"},` +
				`"type":"urn:bursar:problem:budget-exhausted","title":"Budget exhausted","status":429,"detail":"The call may cost $0.00106, more than is left of the limit \"daily\" of tenant acme: $0.80 spent, $0.20 held for calls in flight, $0.00 left of $1.00 per day. Wait until calls in flight end. The limit resets at RESET. Contact: #ai-budgets.",` +
				`"limit":"daily","per":"Tenant","period":"Day","resetsAt":"RESET","amount":"1.00","spent":"0.80","held":"0.20"}`,
		},
		"larger than a bucket": {
			body:       `{"model":"mini","messages":[],"n":100,"max_tokens":100,"user":"` + strings.Repeat("x", 200_000) + `"}`,
			change:     refusing(admission.AdmitReply{Refusing: 3, Debts: left(200_000, 20)}),
			wantStatus: 400, wantHeader: merge(full, http.Header{"X-Should-Retry": {"false"}}),
			wantBody: `{"error":{"message":"The call may use 210065 tokens, more than the rate limit \"org/tokens\" per tenant allows at once: 200000. Send less input, or have the limit raised.","type":"invalid_request_error","param":null,"code":"request_too_large"},` +
				`"type":"urn:bursar:problem:request-too-large","title":"Request too large","status":400,"detail":"The call may use 210065 tokens, more than the rate limit \"org/tokens\" per tenant allows at once: 200000. Send less input, or have the limit raised.",` +
				`"limit":"org/tokens","per":"Tenant"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, func(http.ResponseWriter, *http.Request) { t.Error("the provider was asked") })
			if tc.change != nil {
				tc.change(d)
			}
			request := d.request(or(tc.method, "POST"), or(tc.path, "/v1/chat/completions"), or(tc.body, chat))
			if tc.key != "" {
				request.Header.Set("Authorization", "Bearer "+strings.TrimPrefix(tc.key, "-"))
			}
			before := time.Now()
			got := d.do(request)
			if got.err != nil {
				t.Fatal(got.err)
			}
			if got.status != tc.wantStatus {
				t.Errorf("status %d, want %d", got.status, tc.wantStatus)
			}
			for _, reset := range resets(before, noon) {
				got.body = strings.ReplaceAll(got.body, reset, "RESET")
			}
			if got.body != tc.wantBody+"\n" {
				t.Errorf("body:\n got %swant %s", got.body, tc.wantBody)
			}
			named := strings.HasPrefix(or(tc.path, "/v1/chat/completions"), "/v1/chat") && tc.method == ""
			if id := got.header.Get(call.CallIDHeader); (id != "") != named {
				t.Errorf("call id %q", id)
			}
			for _, name := range []string{call.CallIDHeader, "Date", "Content-Length"} {
				got.header.Del(name)
			}
			want := merge(tc.wantHeader, http.Header{"Content-Type": {"application/json"}})
			if !reflect.DeepEqual(got.header, want) {
				t.Errorf("header:\n got %v\nwant %v", got.header, want)
			}
			if d.store.held() != len(d.store.admits) || len(d.ledger.all()) > 0 {
				t.Error("a refused call was settled")
			}
		})
	}
}

// TestRefusedAgain: refusals are built once for all calls that are told the same. Whatever is
// different of a call, of the limit or of its tenant, is said.
func TestRefusedAgain(t *testing.T) {
	d := newDoor(t, func(http.ResponseWriter, *http.Request) { t.Error("the provider was asked") })
	stands := func(spent, held money.Nanos) {
		refusing(admission.AdmitReply{Refusing: 1, Spent: spent, Held: held, Debts: left(200_000, 20)})(d)
	}
	larger := strings.Replace(chat, "hi", "hi, my friend", 1)
	stands(80*money.Cent, 20*money.Cent)
	d.call(chat) // from then on, the store's time is known
	first, again := d.call(chat), d.call(chat)
	if again.body != first.body || again.status != first.status || !strings.Contains(first.body, "may cost $"+boundOf(chat).String()) {
		t.Errorf("the same call gets\n%s\nand then\n%s", first.body, again.body)
	}
	if id := again.header.Get(call.CallIDHeader); id == "" || id == first.header.Get(call.CallIDHeader) {
		t.Errorf("two calls have the name %q", id)
	}
	for _, step := range []struct {
		name   string
		change func()
		body   string
		want   []string
	}{
		{"a larger call", func() {}, larger, []string{"may cost $" + boundOf(larger).String(), `"budget_exhausted"`}},
		{"more is spent", func() { stands(85*money.Cent, 15*money.Cent) }, chat, []string{"$0.85 spent", `"spent":"0.85"`}},
		{"the breaker opens", func() { stands(91*money.Cent, 0) }, chat, []string{`"breaker_open"`, "$0.91 spent"}},
		{"its owner has a word for callers", func() {
			document := dollarADay
			document.Contact = "#ai-budgets"
			d.config.tenant = newTenant(t, document)
		}, chat, []string{`"breaker_open"`, "Contact: #ai-budgets."}},
	} {
		step.change()
		got := d.call(step.body)
		for _, want := range step.want {
			if !strings.Contains(got.body, want) {
				t.Errorf("%s: got %s, want %s", step.name, got.body, want)
			}
		}
	}
	d.config.routes[0].Provider.Protocol, d.config.routes[0].Model.Name = limiterv1.Anthropic, "claude"
	ofAnthropic := d.request(http.MethodPost, "/v1/messages", `{"model":"claude","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}`)
	if got := d.do(ofAnthropic); !strings.Contains(got.body, `"error":{"type":"billing_error"`) || !strings.Contains(got.body, "$0.91 spent") {
		t.Errorf("in another protocol: got %s", got.body)
	}
}

// TestChildrenDoNotCloseTheirParentsBreaker: a parent's breaker that is forced open refuses the
// calls of a child, whatever the child's own budget says of itself.
func TestChildrenDoNotCloseTheirParentsBreaker(t *testing.T) {
	for name, change := range map[string]func(*limiterv1.Tenant){
		"the child forces its own closed": func(d *limiterv1.Tenant) { d.Forced = limiterv1.BreakerClosed },
		"the child is in shadow":          func(d *limiterv1.Tenant) { d.Enforcement = limiterv1.Shadow },
		"the child has a share":           func(d *limiterv1.Tenant) { d.StoreLossPercent = 50 },
		"all of that": func(d *limiterv1.Tenant) {
			d.Forced, d.Enforcement, d.StoreLossPercent = limiterv1.BreakerClosed, limiterv1.Shadow, 50
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, func(http.ResponseWriter, *http.Request) { t.Error("the provider was asked") })
			document := dollarADay
			document.Ancestors = []limiterv1.Level{{Tenant: "group", TimeZone: "UTC", Forced: limiterv1.BreakerOpen}}
			change(&document)
			d.config.tenant = newTenant(t, document)
			if got := d.call(chat); got.status != http.StatusTooManyRequests || !strings.Contains(got.body, "The breaker of the budget of tenant group is forced open: paid calls are refused until its owner releases it.") {
				t.Errorf("got %d %s", got.status, got.body)
			}
		})
	}
}

// TestBudgetRefusalStatus: a tenant may have refusals for money answered with 402,
// whosever limit it is, in the shape of every protocol; and no others.
func TestBudgetRefusalStatus(t *testing.T) {
	const gemini = "/v1beta/models/gemini-2.5-flash:generateContent"
	spent := refusing(admission.AdmitReply{Refusing: 1, Spent: 95 * money.Cent, Debts: left(200_000, 20)})
	for name, tc := range map[string]struct {
		forced limiterv1.BreakerState // of the parent
		reply  func(*door)
		want   int
		code   string
	}{
		"budget exhausted": {
			reply: refusing(admission.AdmitReply{Refusing: 1, Spent: 80 * money.Cent, Held: 20 * money.Cent, Debts: left(200_000, 20)}),
			want:  402, code: "budget_exhausted",
		},
		"breaker open":                      {reply: spent, want: 402, code: "breaker_open"},
		"a parent's limit":                  {reply: refusing(admission.AdmitReply{Refusing: 3, Spent: money.USD, Debts: left(200_000, 20)}), want: 402, code: "budget_exhausted"},
		"a parent's breaker is forced open": {forced: limiterv1.BreakerOpen, want: 402, code: "breaker_open"},
		"rate limited":                      {reply: refusing(admission.AdmitReply{Refusing: 5, Debts: []int64{0, 20 * 60_000}}), want: 429, code: "rate_limit_exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, func(http.ResponseWriter, *http.Request) { t.Error("the provider was asked") })
			document := dollarADay
			document.BudgetRefusalStatus = 402
			document.Ancestors = []limiterv1.Level{{Tenant: "group", TimeZone: "UTC", Forced: tc.forced, Money: dollarADay.Money[:1]}}
			d.config.tenant = newTenant(t, document)
			if tc.reply != nil {
				tc.reply(d)
			}
			got := d.call(chat)
			if got.status != tc.want || !strings.Contains(got.body, `"code":"`+tc.code+`"`) || !strings.Contains(got.body, `"status":`+strconv.Itoa(tc.want)) {
				t.Errorf("got %d %s, want %d %s", got.status, got.body, tc.want, tc.code)
			}
		})
	}
	for name, tc := range map[string]struct {
		protocol          limiterv1.Protocol
		path, model, want string
	}{
		"Anthropic": {limiterv1.Anthropic, "/v1/messages", "claude", `"error":{"type":"billing_error"`},
		"Gemini":    {limiterv1.Gemini, gemini, "gemini-2.5-flash", `"code":402,`},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, nil)
			document := dollarADay
			document.BudgetRefusalStatus = 402
			d.config.tenant = newTenant(t, document)
			d.config.routes[0].Provider.Protocol, d.config.routes[0].Model.Name = tc.protocol, tc.model
			spent(d)
			body := `{"model":"claude","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}`
			if tc.protocol == limiterv1.Gemini {
				body = `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`
			}
			if got := d.do(d.request(http.MethodPost, tc.path, body)); got.status != 402 || !strings.Contains(got.body, tc.want) {
				t.Errorf("got %d %s, want 402 and %s", got.status, got.body, tc.want)
			}
		})
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func merge(headers ...http.Header) http.Header {
	merged := http.Header{}
	for _, h := range headers {
		for name, values := range h {
			merged[name] = values
		}
	}
	return merged
}

// refusing makes the store refuse.
func refusing(reply admission.AdmitReply) func(*door) {
	reply.Verdict, reply.Now = admission.Refused, admittedAt
	return func(d *door) { d.store.reply = &reply }
}

// resets are when dollarADay's periods turn, as seen from some moments: midnight in
// Buenos Aires, which is at 03:00 UTC all year.
func resets(moments ...time.Time) (resets []string) {
	for _, m := range moments {
		zone := time.FixedZone("-03", -3*60*60)
		y, month, d := m.In(zone).Date()
		for _, reset := range []time.Time{
			time.Date(y, month, d+1, 0, 0, 0, 0, zone), time.Date(y, month, d+2, 0, 0, 0, 0, zone), // should it turn midnight just now
			time.Date(y, month+1, 1, 0, 0, 0, 0, zone), time.Date(y, month+2, 1, 0, 0, 0, 0, zone),
		} {
			resets = append(resets, reset.UTC().Format(time.RFC3339))
		}
	}
	return resets
}

// TestTightest: of several rate limits of a unit, the headers tell of the one with
// the least left.
func TestTightest(t *testing.T) {
	d := newDoor(t, func(http.ResponseWriter, *http.Request) {})
	document := dollarADay
	document.Rates = append([]limiterv1.RateLimit{
		{Name: "org/requests", Per: limiterv1.PerTenant, Unit: limiterv1.Requests, Count: 100, Burst: 150, Window: 1000},
		{Name: "org/slow", Per: limiterv1.PerTenant, Unit: limiterv1.Requests, Count: 1, Burst: 150, Window: 1000},
		{Name: "others", Per: limiterv1.PerUser, Selector: limiterv1.Selector{Tiers: []string{"empleado"}}, Unit: limiterv1.Requests, Count: 1, Burst: 1, Window: 1000},
	}, document.Rates[1])
	var err error
	if d.config.tenant, err = admission.NewTenant(document); err != nil {
		t.Fatal(err)
	}
	d.store.reply = &admission.AdmitReply{Now: admittedAt, Debts: []int64{142_500, 142_500, 5 * 60_000}}
	got := d.call(chat).header
	for name, want := range map[string]string{"Limit": "150", "Remaining": "7", "Reset": "2m22.5s"} {
		if value := got.Get("X-Ratelimit-" + name + "-Requests"); value != want {
			t.Errorf("%s: got %q, want %q", name, value, want)
		}
		if value, ok := got["X-Ratelimit-"+name+"-Tokens"]; ok {
			t.Errorf("%s of tokens, of which there is no limit: %q", name, value)
		}
	}
}
