package priceimport_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/cmd/kubectl-budget/priceimport"
)

// TestNoise: what floating-point arithmetic adds to a price is taken away; what it cannot have
// added stays, and is refused where it is too fine.
func TestNoise(t *testing.T) {
	for number, want := range map[string]v1alpha1.Price{
		"0.30000000000000004": "0.30", "0.09999999999999999": "0.10", "0.024999999999999998": "0.025", "0.39999999999999997": "0.40",
		"14.993999999999998": "14.994", "30.004999999999995": "30.005", "2.9999999999999996": "3.00", "3.0000000000000004e-1": "0.30",
		"0.08333333333333334": "", "0.123456789123": "", "0.300000000000000044": "", "0.3000000000001": "",
	} {
		models, problems := read(t, dev(`"cost": {"input": `+number+`, "output": 50}, "limit": {"output": 10}`))
		if want == "" {
			if len(models) > 0 || len(problems) != 1 || !strings.Contains(problems[0].Reason, "more than 9 digits") {
				t.Errorf("%s: models %v, problems %v; want it refused", number, models, problems)
			}
		} else if len(models) != 1 || models[0].Prices.Input != want {
			t.Errorf("%s: models %v, problems %v; want %s", number, models, problems, want)
		}
	}
}

// TestLeftOutParts: no part of a row's price is left out without a word.
func TestLeftOutParts(t *testing.T) {
	const tokens = `"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06, "max_output_tokens": 10, `
	for name, tc := range map[string]struct{ table, want string }{
		"a search":              {lite(tokens + `"search_context_cost_per_query": {"search_context_size_low": 0.006}`), "search_context_cost_per_query"},
		"a citation":            {lite(tokens + `"citation_cost_per_token": 2e-06`), "citation_cost_per_token"},
		"an image":              {lite(tokens + `"input_cost_per_image": 0.01`), "input_cost_per_image"},
		"a second":              {lite(tokens + `"output_cost_per_second": 0.01`), "output_cost_per_second"},
		"a session":             {lite(tokens + `"code_interpreter_cost_per_session": 0.03`), "code_interpreter_cost_per_session"},
		"a file":                {lite(tokens + `"file_search_cost_per_gb_per_day": 0.1`), "file_search_cost_per_gb_per_day"},
		"a region":              {lite(tokens + `"regional_processing_uplift_multiplier_eu": 1.1`), "regional_processing_uplift_multiplier_eu"},
		"a property":            {lite(tokens + `"provider_specific_entry": {"us": 1.1}`), "provider_specific_entry.us"},
		"a tier unknown to us":  {lite(tokens + `"input_cost_per_token_turbo": 5e-06`), "input_cost_per_token_turbo"},
		"a batch":               {lite(tokens + `"input_cost_per_token_batches": 5e-07, "output_cost_per_token_batches": 1e-06`), "input_cost_per_token_batches, output_cost_per_token_batches: calls in batches"},
		"a free cache":          {lite(tokens + `"cache_read_input_token_cost": 0.0`), "cachedInput: a price of 0"},
		"writes for nothing":    {lite(tokens + `"cache_creation_input_token_cost": 0`), "cacheWrite5m: a price of 0"},
		"models.dev: a request": {dev(`"cost": {"input": 1, "output": 2, "request": 5}, "limit": {"output": 10}`), "cost.request"},
		"models.dev: by length": {dev(`"cost": {"input": 1, "output": 2, "tiers": [{"tier": {"size": 5}, "input": 1, "output": 2, "image": 3}]}, "limit": {"output": 10}`), "above 5 tokens, cost.image"},
		"models.dev: a mode": {dev(`"cost": {"input": 1, "output": 2}, "limit": {"output": 10}, "experimental": {"modes": {"turbo": {"cost": {"input": 9}, "provider": {"body": {"turbo": true}}}}}`),
			"experimental.modes.turbo"},
	} {
		t.Run(name, func(t *testing.T) {
			models, problems := read(t, tc.table)
			if len(models) != 1 || len(problems) != 1 || problems[0].Refused || !strings.HasPrefix(problems[0].Reason, tc.want) {
				t.Errorf("models %v, problems %v; want one model, and %q left out", models, problems, tc.want)
			}
		})
	}
	free := lite(tokens + `"input_cost_per_image": 0, "search_context_cost_per_query": {"search_context_size_low": 0.0}, "provider_specific_entry": {"schema": "v2"}`)
	if models, problems := read(t, free); len(models) != 1 || len(problems) > 0 {
		t.Errorf("models %v, problems %v; want what costs nothing not told", models, problems)
	}
}

// TestMappedParts: what is no price per token of the default tier, and has a place in the API.
func TestMappedParts(t *testing.T) {
	const limit = `, "max_output_tokens": 10`
	for name, tc := range map[string]struct {
		table string
		want  v1alpha1.Prices
	}{
		"a request": {
			lite(`"input_cost_per_token": 0, "output_cost_per_token": 0, "input_cost_per_request": 0.005` + limit),
			v1alpha1.Prices{PriceList: list("0.00", "0.00"), Fees: []v1alpha1.Fee{{Name: "call", Amount: "0.005"}}},
		},
		"cache hits": {
			lite(`"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06, "input_cost_per_token_cache_hit": 1e-07` + limit),
			v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "1.00", CachedInput: "0.10", Output: "2.00"}},
		},
		"ranges of input": {
			lite(`"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06, "tiered_pricing": [
				{"range": [0, 32000.0], "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06},
				{"range": [32000.0, 100000.0], "input_cost_per_token": 3e-06, "output_cost_per_token": 6e-06}]` + limit),
			v1alpha1.Prices{PriceList: list("1.00", "2.00"), LongContext: []v1alpha1.LongContextPrices{{AboveInputTokens: 32_000, PriceList: list("3.00", "6.00")}}},
		},
		"models.dev: a service tier": {
			dev(`"cost": {"input": 1, "output": 2}, "limit": {"output": 10}, "experimental": {"modes": {"fast": {"cost": {"input": 2, "output": 4}, "provider": {"body": {"service_tier": "priority"}}}}}`),
			v1alpha1.Prices{PriceList: list("1.00", "2.00"), ServiceTiers: []v1alpha1.ServiceTierPrices{{Name: "priority", PriceList: list("2.00", "4.00")}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			models, problems := read(t, tc.table)
			if len(models) != 1 || len(problems) > 0 {
				t.Fatalf("models %v, problems %v", models, problems)
			}
			if diff := cmp.Diff(tc.want, models[0].Prices); diff != "" {
				t.Errorf("prices (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusedParts(t *testing.T) {
	const tokens = `"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06, "max_output_tokens": 10, `
	for name, tc := range map[string]struct{ table, want string }{
		"two prices of cached input": {lite(tokens + `"cache_read_input_token_cost": 1e-07, "input_cost_per_token_cache_hit": 2e-07`), "two prices for the same kind of token"},
		"ranges that differ":         {lite(tokens + `"tiered_pricing": [{"range": [0, 10], "input_cost_per_token": 2e-06}]`), "two prices for the same kind of token"},
		"ranges of something else":   {lite(tokens + `"tiered_pricing": [{"max_results_range": [0, 25], "input_cost_per_query": 0.005}]`), "without a range of input tokens"},
		"a fee in a range":           {lite(tokens + `"tiered_pricing": [{"range": [0, 10], "input_cost_per_query": 0.005}]`), "input_cost_per_query: it is not a price per token"},
		"models.dev: by the hour":    {dev(`"cost": {"input": 1, "output": 2, "tiers": [{"tier": {"type": "hour", "size": 5}, "input": 1, "output": 2}]}, "limit": {"output": 10}`), "it has prices by hour"},
	} {
		t.Run(name, func(t *testing.T) {
			models, problems := read(t, tc.table)
			if len(models) > 0 || len(problems) != 1 || !problems[0].Refused || !strings.Contains(problems[0].Reason, tc.want) {
				t.Errorf("models %v, problems %v; want a refusal for %q", models, problems, tc.want)
			}
		})
	}
}

// TestSpeed: a mode of Anthropic's is a factor, if it is one for all prices.
func TestSpeed(t *testing.T) {
	table := func(output string) string {
		return `{"anthropic": {"models": {"claude": {"cost": {"input": 5, "output": 25, "cache_read": 0.5}, "limit": {"output": 10},
			"experimental": {"modes": {"fast": {"cost": {"input": 30, "output": ` + output + `, "cache_read": 3}, "provider": {"body": {"speed": "fast"}}}}}}}}}`
	}
	importOf := func(table string) (v1alpha1.Model, []priceimport.Problem) {
		provider, problems, err := priceimport.Read(strings.NewReader(table), priceimport.Options{Provider: "anthropic"})
		if err != nil || len(provider.Spec.Models) != 1 {
			t.Fatalf("%v, %v", problems, err)
		}
		return provider.Spec.Models[0], problems
	}
	model, problems := importOf(table("150"))
	if diff := cmp.Diff([]v1alpha1.PriceMultiplier{{Property: "speed", Value: "fast", Factor: "6.00"}}, model.Prices.Multipliers); diff != "" || len(problems) > 0 {
		t.Errorf("problems %v, multipliers (-want +got):\n%s", problems, diff)
	}
	if model, problems = importOf(table("151")); len(model.Prices.Multipliers) > 0 || len(problems) != 1 {
		t.Errorf("%v, %v; want the mode left out", model.Prices.Multipliers, problems)
	}
}

// TestNamesOfGateways: names as gateways have them.
func TestNamesOfGateways(t *testing.T) {
	const row = `{"cost": {"input": 1, "output": 2}, "limit": {"output": 10}}`
	provider, problems, err := priceimport.Read(strings.NewReader(`{"vercel": {"models": {"openai/gpt-5": `+row+`, "@cf/qwen/qwq-32b": `+row+`, "~openai/gpt-latest": `+row+`}}}`),
		priceimport.Options{Provider: "vercel"})
	if err != nil || len(problems) > 0 || len(provider.Spec.Models) != 3 {
		t.Fatalf("%v, %v, %v", provider, problems, err)
	}
	if provider.Spec.Endpoint != "https://ai-gateway.vercel.sh" || provider.Spec.Protocol != "VercelAIGateway" || !provider.Spec.CostReported || provider.Name != "vercel" {
		t.Errorf("the provider is %s, %+v", provider.Name, provider.Spec)
	}
}
