package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/call"
)

// room is how much there is left of a day's dollar, of a user's month, and of the tokens.
type room struct {
	spent, held, user money.Nanos
	tokens            int64
}

// wide is room for anything.
var wide = room{user: money.USD / 2, tokens: 200_000}

// decide refuses as the script does.
func (r room) decide(asked admission.AdmitRequest) *admission.AdmitReply {
	reply := &admission.AdmitReply{Verdict: admission.Refused, Now: admittedAt, Spent: r.spent, Held: r.held}
	number := 0
	for _, a := range asked.Accounts {
		for _, check := range a.Money {
			number++
			left := check.Limit.Amount - r.spent - r.held
			if a.Owner.User != "" {
				left = r.user
			}
			if reply.Refusing == 0 && asked.Bound > left {
				reply.Refusing = number
				if a.Owner.User != "" {
					reply.Spent, reply.Held = 0, check.Limit.Amount-left
				}
			}
		}
	}
	for _, check := range bucketsOf(asked.Accounts) {
		number++
		bucket, debt := check.Limit.Bucket(), int64(0)
		if check.Limit.Unit == limiterv1.Tokens {
			debt = max(0, bucket.Points(check.Limit.Burst-r.tokens))
		}
		if reply.Refusing == 0 && !bucket.Fits(debt, bucket.Points(check.Need)) {
			reply.Refusing = number
		}
		reply.Debts = append(reply.Debts, debt)
	}
	if reply.Refusing == 0 {
		return nil
	}
	return reply
}

// wanted is what becomes of a call: what is asked of the provider, or what the refusal
// says.
type wanted struct {
	output    int64
	lowered   string
	status    int
	says      string
	questions int
}

func checkOutput(t *testing.T, d *door, asked *upstreamBody, body string, want wanted) {
	t.Helper()
	got := d.call(body)
	if want.status != 0 {
		if got.status != want.status || asked.Model != "" || !strings.Contains(got.body, want.says) {
			t.Errorf("status %d, and the provider was asked for %q; want %d that says %q\n%s", got.status, asked.Model, want.status, want.says, got.body)
		}
		if headers := got.header.Get(call.MaxOutputHeader) + got.header.Get(call.LoweredByHeader); headers != "" {
			t.Errorf("a refusal says %s", headers)
		}
	} else {
		told := ""
		if want.lowered != "" {
			told = fmt.Sprint(want.output)
		}
		if output := asked.MaxCompletionTokens + asked.MaxTokens; got.status != http.StatusOK || output != want.output ||
			got.header.Get(call.MaxOutputHeader) != told || got.header.Get(call.LoweredByHeader) != want.lowered {
			t.Errorf("status %d, the provider was asked for %d tokens, and the headers say %q by %q; want %d by %q\n%s", got.status, output,
				got.header.Get(call.MaxOutputHeader), got.header.Get(call.LoweredByHeader), want.output, want.lowered, got.body)
		}
		if entry, _ := d.ending(); string(entry.OutputLoweredBy) != want.lowered || want.lowered != "" && entry.MaxOutputTokens != want.output {
			t.Errorf("the ledger says %d by %q, want %d by %q", entry.MaxOutputTokens, entry.OutputLoweredBy, want.output, want.lowered)
		}
	}
	if n := d.store.questions(); want.questions != 0 && n != want.questions {
		t.Errorf("the store was asked %d times, want %d", n, want.questions)
	}
}

func TestFit(t *testing.T) {
	const named = `{"model":"mini","messages":[{"role":"user","content":"hi"}],"max_tokens":50}`
	const two = `{"model":"mini","messages":[{"role":"user","content":"hi"}],"n":2}`
	cost := func(body string, output int64) money.Nanos { return money.Nanos(int64(len(body))*1000 + output*10_000) }
	length := func(body string) int64 { return int64(len(body)) }
	left := func(cost money.Nanos) room {
		return room{spent: 10 * money.Cent, held: 90*money.Cent - cost, user: money.USD / 2, tokens: 200_000}
	}
	ofUser := func(cost money.Nanos) room { return room{user: cost, tokens: 200_000} }
	tokens := func(n int64) room { return room{user: money.USD / 2, tokens: n} }
	for name, tc := range map[string]struct {
		body   string
		room   room
		change func(*limiterv1.Tenant)
		want   wanted
	}{
		"a call with room":                       {chat, wide, asIs, wanted{output: 100, questions: 1}},
		"with just enough room":                  {chat, left(cost(chat, 100)), asIs, wanted{output: 100, questions: 1}},
		"with a nano-dollar less":                {chat, left(cost(chat, 100) - 1), asIs, wanted{output: 99, lowered: "Fit", questions: 2}},
		"with room for less":                     {chat, left(cost(chat, 40) + 1), asIs, wanted{output: 40, lowered: "Fit", questions: 2}},
		"with room for the least":                {chat, left(cost(chat, 10)), asIs, wanted{output: 10, lowered: "Fit", questions: 2}},
		"that bounds its output":                 {named, left(cost(named, 30) + 1), asIs, wanted{output: 30, lowered: "Fit", questions: 2}},
		"of several answers":                     {two, left(cost(two, 2*30) + 1), asIs, wanted{output: 30, lowered: "Fit", questions: 2}},
		"with too little left of a user's limit": {chat, ofUser(cost(chat, 40) + 1), asIs, wanted{output: 40, lowered: "Fit", questions: 2}},
		"with too little left of two limits": {
			chat, room{held: money.USD - cost(chat, 60), user: cost(chat, 40) + 1, tokens: length(chat) + 20}, asIs, wanted{output: 20, lowered: "Fit", questions: 4},
		},
		"with too few tokens":      {chat, tokens(length(chat) + 40), asIs, wanted{output: 40, lowered: "Fit", questions: 2}},
		"above a cap":              {chat, wide, capAt(30), wanted{output: 30, lowered: "OutputCaps", questions: 1}},
		"below a cap":              {named, wide, capAt(50), wanted{output: 50, questions: 1}},
		"above a cap without room": {chat, left(cost(chat, 20) + 1), capAt(30), wanted{output: 20, lowered: "Fit", questions: 2}},
		"above a parent's cap": {chat, wide, func(tenant *limiterv1.Tenant) {
			tenant.Ancestors = []limiterv1.Level{{Tenant: "group", TimeZone: "UTC", OutputCaps: []limiterv1.OutputCap{{MaxOutputTokens: 25}}}}
		}, wanted{output: 25, lowered: "OutputCaps"}},
		"above a cap of others": {chat, wide, func(tenant *limiterv1.Tenant) {
			tenant.OutputCaps = []limiterv1.OutputCap{
				{Selector: limiterv1.Selector{Tiers: []string{"empleado"}}, MaxOutputTokens: 20},
				{Selector: limiterv1.Selector{Models: []string{"maxi"}}, MaxOutputTokens: 20},
			}
		}, wanted{output: 100}},

		"with room for less than the least": {chat, left(cost(chat, 9) + 1), asIs, wanted{status: 429, questions: 1,
			says: "$0.10 spent, $0.899849999 held for calls in flight, $0.000150001 left of $1.00 per day. " +
				"Ask for at most 9 output tokens (max_completion_tokens, or assumedOutputTokens in the TenantBudget), or wait until calls in flight end. The limit resets at "}},
		"that wants less than the least": {`{"model":"mini","messages":[],"max_tokens":9}`, left(55_001), asIs,
			wanted{status: 429, questions: 1, says: "Ask for at most 1 output tokens (max_tokens), or wait until"}},
		"where nothing is to be lowered": {chat, left(cost(chat, 40) + 1), off, wanted{status: 429, questions: 1, says: "Ask for at most 40 output tokens (max_completion_tokens, or"}},
		"with no room for its input":     {chat, left(cost(chat, 0)), asIs, wanted{status: 429, questions: 1, says: "per day. Wait until calls in flight end. The limit resets at "}},
		"with nothing left":              {chat, room{spent: money.USD, user: money.USD, tokens: 200_000}, asIs, wanted{status: 429, questions: 1, says: "of $1.00 per day. Paid calls that count against it are refused until it resets at "}},

		"larger than a limit": {chat, wide, dayOf(cost(chat, 40) + 1), wanted{output: 40, lowered: "Fit", questions: 2}},
		"larger than a limit, which is held": {chat, room{held: 1, user: money.USD, tokens: 200_000}, dayOf(cost(chat, 10)), wanted{
			status: 429, questions: 2, says: "The call may cost $0.00016, more than is left of the limit \\\"daily\\\" of tenant acme: $0.00 spent, $0.000000001 held",
		}},
		"larger than a limit ever fits": {chat, wide, dayOf(cost(chat, 9) + 1), wanted{status: 429, questions: 1,
			says: "The call may cost $0.00106, more than the whole of the limit \\\"daily\\\" of tenant acme: $0.000150001 per day. Ask for at most 9 output tokens (max_completion_tokens, or assumedOutputTokens in the TenantBudget)."}},
		"larger than a limit by its input": {chat, wide, dayOf(1), wanted{status: 429, questions: 1, says: "per day. Send less input, or have the limit raised."}},

		"larger than a bucket": {chat, tokens(1000), bucketOf(length(chat) + 40), wanted{output: 40, lowered: "Fit", questions: 2}},
		"larger than a bucket, which is empty": {chat, tokens(0), bucketOf(length(chat) + 40), wanted{status: 429, questions: 2,
			says: "has too little left for this call; try again in "}},
		"larger than a bucket ever fits": {chat, tokens(1000), bucketOf(length(chat) + 9), wanted{status: 400, questions: 1,
			says: "The call may use 160 tokens, more than the rate limit \\\"org/tokens\\\" per tenant allows at once: 69. Ask for at most 9 output tokens (max_completion_tokens, or assumedOutputTokens in the TenantBudget)."}},
	} {
		t.Run(name, func(t *testing.T) {
			document := dollarADay
			document.FitOutputTokens = 10
			tc.change(&document)
			d, asked := newLadderDoor(t, document)
			d.store.decide = tc.room.decide
			checkOutput(t, d, asked, tc.body, tc.want)
		})
	}
}

func capAt(most int64) func(*limiterv1.Tenant) {
	return func(tenant *limiterv1.Tenant) { tenant.OutputCaps = []limiterv1.OutputCap{{MaxOutputTokens: most}} }
}

func off(tenant *limiterv1.Tenant) { tenant.FitOutputTokens = 0 }

// dayOf makes the day's budget another.
func dayOf(amount money.Nanos) func(*limiterv1.Tenant) {
	return func(tenant *limiterv1.Tenant) {
		tenant.Money = append([]limiterv1.MoneyLimit(nil), tenant.Money...)
		tenant.Money[0].Amount = amount
	}
}

// bucketOf makes the bucket of tokens another.
func bucketOf(tokens int64) func(*limiterv1.Tenant) {
	return func(tenant *limiterv1.Tenant) {
		tenant.Rates = append([]limiterv1.RateLimit(nil), tenant.Rates...)
		tenant.Rates[0].Count, tenant.Rates[0].Burst = tokens, tokens
	}
}

// TestFitOfVirtualModel: a model that has room for the whole output goes before one that
// has to be lowered, and that before a fallback.
func TestFitOfVirtualModel(t *testing.T) {
	const auto = `{"model":"auto","messages":[],"max_tokens":50}`
	cost := func(price, output int64) money.Nanos {
		return money.Nanos(price * (int64(len(auto))*1000 + output*10_000))
	}
	for name, tc := range map[string]struct {
		left      money.Nanos
		wantModel string // empty where the fallback answers
		wantTold  string
		questions int
	}{
		"the first, whole":                 {cost(2, 50), "maxi", "", 1},
		"the next, whole":                  {cost(2, 50) - 1, "mini", "", 2},
		"the first, lowered":               {cost(1, 50) - 1, "maxi", "22", 3},
		"the next, lowered, or a fallback": {cost(1, 10) + 1, "mini", "10", 3},
		"a fallback":                       {cost(1, 10) - 1, "", "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			d, asked := newVirtualDoor(t, func(tenant *limiterv1.Tenant) {
				tenant.FitOutputTokens = 10
				tenant.Ladder = []limiterv1.Rung{{AtPercent: 90, Action: limiterv1.Trip, Fallbacks: []limiterv1.Fallback{{Kind: limiterv1.Message, Text: "later"}}}}
			})
			leaves(d, tc.left)
			got := d.call(auto)
			if got.status != http.StatusOK || strings.TrimSuffix(asked.Model, "-2026") != tc.wantModel ||
				got.header.Get(call.MaxOutputHeader) != tc.wantTold || (got.header.Get(call.FallbackHeader) == "Message") != (tc.wantModel == "") {
				t.Errorf("status %d, the provider was asked for %q, the headers are %v; want %q lowered to %q", got.status, asked.Model, got.header, tc.wantModel, tc.wantTold)
			}
			if n := d.store.questions(); n != tc.questions {
				t.Errorf("the store was asked %d times, want %d", n, tc.questions)
			}
		})
	}
}

// TestBreakerIsNotFitted: an open breaker refuses calls whatever they ask for.
func TestBreakerIsNotFitted(t *testing.T) {
	document := dollarADay
	document.FitOutputTokens = 10
	d, asked := newLadderDoor(t, document)
	d.store.decide = func(admission.AdmitRequest) *admission.AdmitReply {
		return &admission.AdmitReply{Verdict: admission.Refused, Refusing: 1, Now: admittedAt, Spent: 90 * money.Cent, Debts: left(200_000, 20)}
	}
	checkOutput(t, d, asked, chat, wanted{status: 429, says: "breaker_open", questions: 1})
}

// TestLoweredAnswersAreNotKept: the fallback Cache does not give a shorter answer to those
// who may have the whole.
func TestLoweredAnswersAreNotKept(t *testing.T) {
	document := withFallbacks(fromCache)
	document.FitOutputTokens = 10
	d := newFallbackDoor(t, document)
	const long = `{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}],"max_tokens":1000}`
	d.spent = 899 * money.Cent / 10
	d.config.routes[1].Model.Prices = flat(map[price.Kind]price.PerMillion{price.Input: 0, price.CachedInput: 0, price.Output: 200 * money.USD})
	if got := d.call(long); got.status != http.StatusOK || got.header.Get(call.LoweredByHeader) != "Fit" {
		t.Fatalf("status %d %s, %v; want it lowered", got.status, got.body, got.header)
	}
	d.ending()
	d.spent = money.USD
	if got := d.call(long); got.status != http.StatusTooManyRequests {
		t.Errorf("status %d %s; want no answer that was made shorter", got.status, got.body)
	}
}
