package protocol

import (
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
)

func TestUnknownUsage(t *testing.T) {
	list := knownMembers{"in": counted, "total": neutral, "details": {"cached": counted, "parts": {"n": counted}}}
	for name, tc := range map[string]struct {
		usage   string
		neutral []string
		want    string
	}{
		"what is known":            {`{"in":5,"total":9,"details":{"cached":1,"parts":[{"n":1}]}}`, nil, ""},
		"anything in neutral":      {`{"total":{"a":{"b":7}}}`, nil, ""},
		"one more":                 {`{"in":5,"searches":3}`, nil, "searches"},
		"one more, and none of it": {`{"in":5,"searches":0,"pages":0.0,"a":null,"b":"0","b2":" ","c":false,"e":[],"f":{"g":0},"h":[0,{"i":0}]}`, nil, ""},
		"a number in a string":     {`{"in":5,"searches":"3"}`, nil, "searches"},
		"a word":                   {`{"in":5,"size":"7s"}`, nil, "size"},
		"true":                     {`{"in":5,"fast":true}`, nil, "fast"},
		"a word that is declared":  {`{"in":5,"size":"7s"}`, []string{"size"}, ""},
		"a huge one in a string":   {`{"in":5,"searches":"1e999"}`, nil, "searches"},
		"a part of one":            {`{"searches":{"free":0,"fee":0.005}}`, nil, "searches.fee"},
		"one more within":          {`{"details":{"cached":1,"video":2}}`, nil, "details.video"},
		"in an array":              {`{"details":{"parts":[{"n":1},{"n":2,"fee":1}]}}`, nil, "details.parts.fee"},
		"in an unknown array":      {`{"fees":[0,[0,2]]}`, nil, "fees"},
		"a negative one":           {`{"credit":-1}`, nil, "credit"},
		"a tiny one":               {`{"fee":1e-9}`, nil, "fee"},
		"not an object there":      {`{"details":7}`, nil, "details"},
		"declared":                 {`{"searches":3}`, []string{"searches"}, ""},
		"declared with its parts":  {`{"searches":{"a":{"b":1}}}`, []string{"searches"}, ""},
		"a part declared":          {`{"searches":{"a":1,"b":1}}`, []string{"searches.a"}, "searches.b"},
		"one alike declared":       {`{"searches_more":1}`, []string{"searches"}, "searches_more"},
		"all declared":             {`{"searches":3,"x":{"y":1}}`, []string{"*"}, ""},
		"no object":                {`null`, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			provider := limiterv1.Provider{NeutralUsage: tc.neutral}
			if got := list.unknown(gjson.Parse(tc.usage), provider.Billing(time.Time{})); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestReportedCost(t *testing.T) {
	for name, tc := range map[string]struct {
		usage       string
		least, most money.Nanos // both -1: nothing is reported
		doubt       string
	}{
		"none":                      {`{}`, -1, -1, ""},
		"null":                      {`{"cost":null}`, -1, -1, ""},
		"a number":                  {`{"cost":0.000147}`, 147_000, 147_000, ""},
		"a string":                  {`{"cost":"0.000147"}`, 147_000, 147_000, ""},
		"with an exponent":          {`{"cost":1.47e-05}`, 14_700, 14_700, ""},
		"with the noise of a float": {`{"cost":0.30000000000000004}`, 300_000_000, 300_000_001, ""},
		"less than a nano-dollar":   {`{"cost":1e-12}`, 0, 1, ""},
		"nothing":                   {`{"cost":0}`, 0, 0, ""},
		"with another's bill":       {`{"cost":0.001,"is_byok":true,"cost_details":{"upstream_inference_cost":0.02}}`, 21_000_000, 21_000_000, ""},
		"by our key":                {`{"cost":0.001,"is_byok":false,"cost_details":{"upstream_inference_cost":0.001}}`, 1_000_000, 1_000_000, ""},
		"another's bill unsaid":     {`{"cost":0.001,"is_byok":true,"cost_details":{}}`, 0, 0, "its cost is no amount"},
		"a total":                   {`{"cost":{"request_cost":0.005,"total_cost":0.006}}`, 6_000_000, 6_000_000, ""},
		"no total":                  {`{"cost":{"request_cost":0.005}}`, 0, 0, "its cost has no total"},
		"ticks":                     {`{"cost_in_usd_ticks":37756001}`, 3_775_600, 3_775_601, ""},
		"an estimate":               {`{"estimated_cost":2.5e-06}`, 2_500, 2_500, ""},
		"negative":                  {`{"cost":-0.1}`, 0, 0, "its cost is no amount"},
		"more than a call can cost": {`{"cost":9000001}`, 0, 0, "its cost is no amount"},
		"beyond all numbers":        {`{"cost":1e999999999}`, 0, 0, "its cost is no amount"},
		"a fraction":                {`{"cost":"1/3"}`, 0, 0, "its cost is no amount"},
		"hexadecimal":               {`{"cost":"0x10"}`, 0, 0, "its cost is no amount"},
		"a word":                    {`{"cost":"free"}`, 0, 0, "its cost is no amount"},
		"many digits":               {`{"cost":0.` + strings.Repeat("1", 100) + `}`, 0, 0, "its cost is no amount"},
	} {
		t.Run(name, func(t *testing.T) {
			cost, doubt := reportedCost(gjson.Parse(tc.usage))
			if (doubt == "") != (tc.doubt == "") || !strings.HasPrefix(doubt, tc.doubt) {
				t.Fatalf("doubt %q, want %q", doubt, tc.doubt)
			}
			if none := tc.doubt != "" || tc.most < 0; none != (cost == nil) {
				t.Fatalf("got %+v, want one: %t", cost, !none)
			}
			if cost != nil && (cost.least != tc.least || cost.most != tc.most) {
				t.Errorf("got %d to %d nano-dollars, want %d to %d", cost.least, cost.most, tc.least, tc.most)
			}
		})
	}
}

func TestSameModel(t *testing.T) {
	for _, tc := range []struct {
		asked, answered string
		want            bool
	}{
		{"gpt-4o", "gpt-4o", true}, {"gpt-4o", "GPT-4o", true},
		{"gpt-4o", "gpt-4o-2024-08-06", true}, {"gpt-4o-2024-08-06", "gpt-4o", true},
		{"gpt-4o-2024-05-13", "gpt-4o-2024-08-06", false},
		{"gpt-4o", "gpt-4o-mini", false}, {"gpt-4o-mini", "gpt-4o", false}, {"gpt-4o", "gpt-4o-mini-2024-07-18", false},
		{"gpt-4", "gpt-4.1", false}, {"gpt-4", "gpt-4-32k", false}, {"gpt-4", "gpt-4-0613", true}, {"gpt-5", "gpt-5-pro", false},
		{"claude-haiku-4.5", "claude-haiku-4-5-20251001", true}, {"claude-sonnet-4-5@20250929", "claude-sonnet-4-5-20250929", true},
		{"mistral-large-latest", "mistral-large-2411", true}, {"mistral-large", "mistral-large-latest", true},
		{"gemini-2.5-flash", "gemini-2.5-flash-preview-09-2025", true}, {"gemini-2.5-flash", "gemini-2.5-flash-lite", false},
		{"command-r", "command-r-08-2024", true}, {"command-r", "command-r-plus", false},
		{"openai/gpt-4o", "gpt-4o-2024-08-06", true}, {"gpt-4o", "openai/gpt-4o", true},
		{"@cf/meta/llama-3.2-1b-instruct", "llama-3.2-1b-instruct", true},
		{"meta-llama/llama-3.3-70b:nitro", "meta-llama/llama-3.3-70b", true}, {"llama3.2", "llama3.2:latest", true}, {"llama3.2:1b", "llama3.2:70b", false},
		{"openrouter/auto", "openai/gpt-5", false}, {"text-embedding-ada-002", "text-embedding-ada-002-v2", true},
		{"a/", "b/", false},
	} {
		if got := sameModel(tc.asked, tc.answered); got != tc.want {
			t.Errorf("asked %s, answered %s: the same %t, want %t", tc.asked, tc.answered, got, tc.want)
		}
	}
}

// TestJudge: what an answer says is believed, or else there is a reason.
func TestJudge(t *testing.T) {
	list := knownMembers{"in": counted, "out": counted}.plus(costKnown)
	used := price.Usage{Input: 10, Output: 2} // 10 + 20 nano-dollars
	for name, tc := range map[string]struct {
		change func(*limiterv1.Provider, *limiterv1.Model)
		usage  string
		says   statement
		billed money.Nanos
		doubt  string
	}{
		"a usage":                        {nil, `{"in":10,"out":2}`, statement{used: used}, 0, ""},
		"of nothing":                     {nil, `{}`, statement{}, 0, "no input"},
		"of nothing, for nothing":        {nil, `{}`, statement{nothing: true}, 0, ""},
		"of output alone":                {nil, `{}`, statement{used: price.Usage{Output: 1}, nothing: true}, 0, "no input"},
		"without output":                 {nil, `{}`, statement{used: price.Usage{Input: 1}}, 0, ""},
		"without output that is seen":    {nil, `{}`, statement{used: price.Usage{Input: 1}, spoke: true}, 0, "no tokens of output"},
		"more cached than there is":      {nil, `{}`, statement{used: price.Usage{Input: -1, CachedInput: 5}}, 0, "out of range"},
		"something beside":               {nil, `{"searches":1}`, statement{used: used}, 0, "its searches is not known"},
		"something with a fee":           {feeFor("searches"), `{"searches":3}`, statement{used: used}, 0, ""},
		"a part with a fee":              {feeFor("a.b"), `{"a":{"b":3,"c":1}}`, statement{used: used}, 0, "its a.c is not known"},
		"half of something with a fee":   {feeFor("searches"), `{"searches":0.5}`, statement{used: used}, 0, "its searches is no number"},
		"something neutral":              {neutralFor("searches"), `{"searches":1}`, statement{used: used}, 0, ""},
		"a cost":                         {nil, `{"cost":3e-8}`, statement{used: used}, 0, ""},
		"a lower cost":                   {nil, `{"cost":1e-8}`, statement{used: used}, 0, ""},
		"a higher cost":                  {nil, `{"cost":3.1e-8}`, statement{used: used}, 0, "more than the 0.00000003 of its tokens"},
		"a cost that counts":             {costReported, `{"cost":3.11e-8,"searches":1}`, statement{used: used, model: gjson.Parse(`"x"`)}, 32, ""},
		"no cost that counts":            {costReported, `{}`, statement{used: used}, 0, "does not say what the call costs"},
		"a cost of nothing":              {costReported, `{"cost":0}`, statement{used: used}, 0, "costs nothing"},
		"a cost of nothing, for nothing": {costReported, `{"cost":0}`, statement{nothing: true}, 0, ""},
		"a cost of no input":             {costReported, `{"cost":1}`, statement{}, 0, "no input"},
		"the model":                      {nil, `{}`, statement{used: used, model: gjson.Parse(`"up-2026-01-02"`)}, 0, ""},
		"another model":                  {nil, `{}`, statement{used: used, model: gjson.Parse(`"other"`)}, 90, ""},
		"another model that is free":     {nil, `{}`, statement{used: used, model: gjson.Parse(`"gift"`)}, 0, `model "gift", which costs nothing`},
		"a cheaper model":                {nil, `{}`, statement{used: used, model: gjson.Parse(`"bargain"`)}, 21, ""},
		"a snapshot with a price":        {nil, `{}`, statement{used: used, model: gjson.Parse(`"up-2025-01-02"`)}, 60, ""},
		"a model without a price":        {nil, `{}`, statement{used: used, model: gjson.Parse(`"unheard-of"`)}, 0, `model "unheard-of", which`},
		"no name":                        {nil, `{}`, statement{used: used, model: gjson.Parse(`7`)}, 0, ""},
		"a name that is declared":        {answeredAs("unheard-of"), `{}`, statement{used: used, model: gjson.Parse(`"unheard-of"`)}, 0, ""},
		"any name":                       {answeredAs("*"), `{}`, statement{used: used, model: gjson.Parse(`"unheard-of"`)}, 0, ""},
		"any name of an unlisted model":  {unlisted, `{}`, statement{used: used, model: gjson.Parse(`"unheard-of"`)}, 0, ""},
		"a kind without a price":         {nil, `{}`, statement{used: price.Usage{Input: 1, CacheWrite5m: 1}}, 0, "no price for tokens of kind cacheWrite5m"},
		"a tier without a price":         {nil, `{}`, statement{used: price.Usage{Input: 1, ServiceTier: "scale"}}, 0, `no price for service tier "scale"`},
	} {
		t.Run(name, func(t *testing.T) {
			provider := limiterv1.Provider{Models: []limiterv1.Model{selling("up", 1), selling("other", 3), selling("up-2025-01-02", 2), selling("gift", 0), selling("bargain", 1)}}
			provider.Models[4].Prices[price.Default].Base[price.Input] = 1
			model := provider.Models[0]
			if tc.change != nil {
				tc.change(&provider, &model)
			}
			model.Billing = provider.Billing(time.Time{})
			tc.says.usage, tc.says.known = gjson.Parse(tc.usage), list
			got := newBill(model, serviceTier{}).judge(&numbers{}, tc.says)
			if (got.doubt == "") != (tc.doubt == "") || !strings.Contains(got.doubt, tc.doubt) {
				t.Fatalf("doubt %q, want %q", got.doubt, tc.doubt)
			}
			if got.doubt == "" && got.used.Billed != tc.billed {
				t.Errorf("billed %d, want %d", got.used.Billed, tc.billed)
			}
		})
	}
}

// selling is a model that sells a million tokens of input for so many thousandths of a
// dollar, and of output for ten times as much.
func selling(name string, thousandths money.Nanos) limiterv1.Model {
	list := price.List{price.Input: thousandths * money.USD / 1000, price.Output: thousandths * money.USD / 100}
	return limiterv1.Model{Name: name, UpstreamName: name, Prices: price.Book{price.Default: {Base: list}}}
}

func neutralFor(paths ...string) func(*limiterv1.Provider, *limiterv1.Model) {
	return func(p *limiterv1.Provider, _ *limiterv1.Model) { p.NeutralUsage = paths }
}

func feeFor(name string) func(*limiterv1.Provider, *limiterv1.Model) {
	return func(_ *limiterv1.Provider, m *limiterv1.Model) {
		m.Prices = price.Book{price.Default: {Base: m.Prices[price.Default].Base, Fees: price.Fees{name: 5}}}
	}
}

func costReported(p *limiterv1.Provider, _ *limiterv1.Model) { p.CostReported = true }

func answeredAs(names ...string) func(*limiterv1.Provider, *limiterv1.Model) {
	return func(_ *limiterv1.Provider, m *limiterv1.Model) { m.AnsweredAs = names }
}

// TestChargedMembers: what a usage counts that the model has a fee for is a use of it.
func TestChargedMembers(t *testing.T) {
	model := selling("up", 1)
	feeFor("details.pages")(nil, &model)
	s := statement{usage: gjson.Parse(`{"in":10,"details":{"pages":3}}`), known: knownMembers{"in": counted}, used: price.Usage{Input: 10, Uses: "x=1"}}
	model.Prices[price.Default].Fees["x"] = 7
	got := newBill(model, serviceTier{}).judge(&numbers{}, s)
	if got.doubt != "" || got.used.Uses != "details.pages=3&x=1" {
		t.Errorf("got %+v", got)
	}
	if cost, err := model.Prices.Cost(got.used); err != nil || cost != 10+15+7 {
		t.Errorf("it costs %d, %v", cost, err)
	}
}

func unlisted(_ *limiterv1.Provider, m *limiterv1.Model) { m.Unlisted = true }
