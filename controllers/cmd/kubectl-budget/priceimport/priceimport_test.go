package priceimport_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/cmd/kubectl-budget/priceimport"
)

// lite is a table of LiteLLM's shape with one row.
func lite(members string) string {
	return `{"sample_spec": {"mode": "one of: chat"}, "m": {"litellm_provider": "openai", "mode": "chat", ` + members + `}}`
}

// dev is a table of models.dev's shape with one row.
func dev(members string) string {
	return `{"openai": {"id": "openai", "models": {"m": {"id": "m", ` + members + `}}}}`
}

func read(t *testing.T, table string) ([]v1alpha1.Model, []priceimport.Problem) {
	t.Helper()
	provider, problems, err := priceimport.Read(strings.NewReader(table), priceimport.Options{Provider: "openai"})
	if err != nil {
		t.Fatalf("%s: %v", table, err)
	}
	return provider.Spec.Models, problems
}

func list(input, output v1alpha1.Price) v1alpha1.PriceList {
	return v1alpha1.PriceList{Input: input, Output: output}
}

func TestRows(t *testing.T) {
	cached := func(input, cached, output v1alpha1.Price) v1alpha1.PriceList {
		return v1alpha1.PriceList{Input: input, CachedInput: cached, Output: output}
	}
	for name, tc := range map[string]struct {
		table string
		want  v1alpha1.Model
		left  []string // what is left out, in words of the problem
	}{
		"litellm: a price per token": {
			lite(`"input_cost_per_token": 1.5e-07, "cache_read_input_token_cost": 7.5e-08, "output_cost_per_token": 6e-07, "max_input_tokens": 128000, "max_output_tokens": 16384`),
			v1alpha1.Model{ContextWindow: 128_000, MaxOutputTokens: 16_384, Prices: v1alpha1.Prices{PriceList: cached("0.15", "0.075", "0.60")}}, nil,
		},
		"litellm: every kind": {
			lite(`"input_cost_per_token": 3e-06, "cache_read_input_token_cost": 3e-07, "cache_creation_input_token_cost": 3.75e-06,
				"cache_creation_input_token_cost_above_1hr": 6e-06, "input_cost_per_audio_token": 0.00001, "cache_read_input_audio_token_cost": 4e-7,
				"output_cost_per_token": 0.000015, "output_cost_per_audio_token": 2e-05, "output_cost_per_image_token": 3e-05,
				"output_cost_per_reasoning_token": 1.5e-05, "search_context_cost_per_query": {"search_context_size_low": 0.01},
				"input_cost_per_token_batches": 1.5e-06, "max_output_tokens": 64000`),
			v1alpha1.Model{MaxOutputTokens: 64_000, Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{
				Input: "3.00", CachedInput: "0.30", CacheWrite5m: "3.75", CacheWrite1h: "6.00", AudioInput: "10.00", CachedAudioInput: "0.40",
				Output: "15.00", AudioOutput: "20.00", ImageOutput: "30.00",
			}}}, []string{
				"input_cost_per_token_batches: calls in batches are not supported",
				"search_context_cost_per_query: the table does not say what is billed, the search or the prompt: if answers count it, add it to fees",
			},
		},
		"litellm: long input and service tiers": {
			lite(`"input_cost_per_token": 2e-06, "output_cost_per_token": 1.2e-05, "max_output_tokens": 10,
				"input_cost_per_token_above_200k_tokens": 4e-06, "output_cost_per_token_above_200k_tokens": 1.8e-05, "cache_creation_input_token_cost_above_200k_tokens": 2.5e-07,
				"input_cost_per_token_priority": 3.6e-06, "output_cost_per_token_priority": 2.16e-05,
				"input_cost_per_token_above_200k_tokens_priority": 7.2e-06, "output_cost_per_token_above_200k_tokens_priority": 3.24e-05,
				"input_cost_per_token_flex": 1e-06, "output_cost_per_token_flex": 6e-06`),
			v1alpha1.Model{MaxOutputTokens: 10, Prices: v1alpha1.Prices{
				PriceList:   list("2.00", "12.00"),
				LongContext: []v1alpha1.LongContextPrices{{AboveInputTokens: 200_000, PriceList: list("4.00", "18.00")}},
				ServiceTiers: []v1alpha1.ServiceTierPrices{{
					Name: "priority", PriceList: list("3.60", "21.60"),
					LongContext: []v1alpha1.LongContextPrices{{AboveInputTokens: 200_000, PriceList: list("7.20", "32.40")}},
				}},
			}},
			[]string{"cacheWrite5m: it has no price for input of every length", "service tier flex: it has no prices for long input"},
		},
		"litellm: half a service tier": {
			lite(`"input_cost_per_token": 5e-08, "output_cost_per_token": 4e-07, "max_output_tokens": 10, "input_cost_per_token_priority": 2.5e-06`),
			v1alpha1.Model{MaxOutputTokens: 10, Prices: v1alpha1.Prices{PriceList: list("0.05", "0.40")}},
			[]string{"service tier priority: it has no price for input or output"},
		},
		"litellm: prices beyond the window": {
			lite(`"input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05, "max_input_tokens": 200000, "max_output_tokens": 10,
				"input_cost_per_token_above_200k_tokens": 6e-06, "output_cost_per_token_above_200k_tokens": 2.25e-05`),
			v1alpha1.Model{MaxOutputTokens: 10, Prices: v1alpha1.Prices{
				PriceList:   list("3.00", "15.00"),
				LongContext: []v1alpha1.LongContextPrices{{AboveInputTokens: 200_000, PriceList: list("6.00", "22.50")}},
			}},
			[]string{"contextWindow: the table has prices for longer input"},
		},
		"litellm: embeddings": {
			`{"openai/m": {"litellm_provider": "openai", "mode": "embedding", "input_cost_per_token": 2e-08, "output_cost_per_token": 0, "max_input_tokens": 8191}}`,
			v1alpha1.Model{ContextWindow: 8191, Prices: v1alpha1.Prices{PriceList: list("0.02", "")}}, nil,
		},
		"models.dev: a price per million tokens": {
			dev(`"cost": {"input": 0.15, "output": 0.6, "cache_read": 0.075}, "limit": {"context": 128000, "output": 16384}, "modalities": {"output": ["text"]}`),
			v1alpha1.Model{ContextWindow: 128_000, MaxOutputTokens: 16_384, Prices: v1alpha1.Prices{PriceList: cached("0.15", "0.075", "0.60")}}, nil,
		},
		"models.dev: every kind": {
			dev(`"cost": {"input": 1, "output": 5, "reasoning": 5.0, "cache_read": 0.1, "cache_write": 1.25, "input_audio": 3, "output_audio": 6}, "limit": {"context": 200000, "output": 64000}, "modalities": {"output": ["text", "audio"]}`),
			v1alpha1.Model{ContextWindow: 200_000, MaxOutputTokens: 64_000, Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{
				Input: "1.00", CachedInput: "0.10", CacheWrite5m: "1.25", AudioInput: "3.00", Output: "5.00", AudioOutput: "6.00",
			}}}, nil,
		},
		"models.dev: long input": {
			dev(`"cost": {"input": 1.25, "output": 10, "tiers": [{"tier": {"type": "context", "size": 200000}, "input": 2.5, "output": 15, "cache_read": 0.25}],
				"context_over_200k": {"input": 2.5, "output": 15}}, "limit": {"context": 1048576, "output": 65536}`),
			v1alpha1.Model{ContextWindow: 1_048_576, MaxOutputTokens: 65_536, Prices: v1alpha1.Prices{
				PriceList:   list("1.25", "10.00"),
				LongContext: []v1alpha1.LongContextPrices{{AboveInputTokens: 200_000, PriceList: cached("2.50", "0.25", "15.00")}},
			}}, nil,
		},
		"models.dev: long input, as it was written before": {
			dev(`"cost": {"input": 1.25, "output": 10, "context_over_200k": {"input": 2.5, "output": 15}}, "limit": {"output": 65536}`),
			v1alpha1.Model{MaxOutputTokens: 65_536, Prices: v1alpha1.Prices{
				PriceList:   list("1.25", "10.00"),
				LongContext: []v1alpha1.LongContextPrices{{AboveInputTokens: 200_000, PriceList: list("2.50", "15.00")}},
			}}, nil,
		},
		"models.dev: embeddings": {
			strings.ReplaceAll(dev(`"cost": {"input": 0.02, "output": 0}, "limit": {"context": 8191, "output": 1536}`), `"m"`, `"embed-m"`),
			v1alpha1.Model{Name: "embed-m", ContextWindow: 8191, Prices: v1alpha1.Prices{PriceList: list("0.02", "")}}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, problems := read(t, tc.table)
			if tc.want.Name == "" {
				tc.want.Name = "m"
			}
			if diff := cmp.Diff([]v1alpha1.Model{tc.want}, got); diff != "" {
				t.Errorf("models (-want +got):\n%s", diff)
			}
			var left []string
			for _, problem := range problems {
				if problem.Refused {
					t.Errorf("%s", problem)
				}
				left = append(left, problem.Reason)
			}
			if diff := cmp.Diff(tc.left, left); diff != "" {
				t.Errorf("left out (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusedRows(t *testing.T) {
	const limits = `, "max_output_tokens": 10`
	for name, tc := range map[string]struct{ table, reason string }{
		"cache dearer than input":  {lite(`"input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06, "cache_read_input_token_cost": 1.0001e-06` + limits), "must not be more expensive than input"},
		"in a service tier":        {lite(`"input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06, "input_cost_per_token_flex": 1e-06, "output_cost_per_token_flex": 1e-06, "cache_read_input_token_cost_flex": 2e-06` + limits), "serviceTiers[0].cachedInput"},
		"an hour cheaper":          {lite(`"input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06, "cache_creation_input_token_cost": 2e-06, "cache_creation_input_token_cost_above_1hr": 1e-06` + limits), "must not be more expensive than cacheWrite1h"},
		"negative":                 {lite(`"input_cost_per_token": -1e-06, "output_cost_per_token": 1e-06` + limits), "-1e-06 is negative"},
		"too fine":                 {lite(`"input_cost_per_token": 1.50000000000000002e-07, "output_cost_per_token": 1e-06` + limits), "more than 9 digits after the point"},
		"absurd":                   {lite(`"input_cost_per_token": 2.5, "output_cost_per_token": 10` + limits), "too high for a price"},
		"beyond all numbers":       {lite(`"input_cost_per_token": 1e999999999, "output_cost_per_token": 10` + limits), "is not a price"},
		"no number":                {lite(`"input_cost_per_token": true, "output_cost_per_token": 1e-06` + limits), "input_cost_per_token: is not a number"},
		"no price for input":       {lite(`"output_cost_per_token": 1e-06` + limits), "no price for input"},
		"no price for output":      {lite(`"input_cost_per_token": 1e-06` + limits), "no price for output"},
		"no limit of output":       {lite(`"input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06`), "no limit on its output"},
		"half a token of output":   {lite(`"input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06, "max_output_tokens": 0.5`), "0.5 is not a number of tokens"},
		"free":                     {lite(`"input_cost_per_token": 0, "output_cost_per_token": 0.0` + limits), "it costs nothing"},
		"no price of long output":  {lite(`"input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06, "input_cost_per_token_above_128k_tokens": 2e-06` + limits), "prices.longContext[0].output"},
		"reasoning priced apart":   {lite(`"input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06, "output_cost_per_reasoning_token": 2e-06` + limits), "output_cost_per_reasoning_token is a price for which Bursar has no kind of token"},
		"pictures priced apart":    {lite(`"input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06, "input_cost_per_image_token": 2e-06` + limits), "input_cost_per_image_token is a price for which Bursar has no kind of token"},
		"no calls for it":          {strings.Replace(lite(`"input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06`+limits), `"chat", `, `"audio_speech", `, 1), `calls of its mode "audio_speech"`},
		"a name with blanks":       {strings.Replace(lite(`"input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06`+limits), `"m":`, `"m n":`, 1), "its name is not a model name"},
		"models.dev: cache dearer": {dev(`"cost": {"input": 1, "output": 5, "cache_read": 1.01}, "limit": {"output": 10}`), "must not be more expensive than input"},
		"models.dev: no limit":     {dev(`"cost": {"input": 1, "output": 5}, "limit": {"context": 10}`), "no limit on its output"},
		"models.dev: reasoning":    {dev(`"cost": {"input": 1, "output": 5, "reasoning": 6}, "limit": {"output": 10}`), "reasoning and output have different prices"},
		"models.dev: pictures":     {dev(`"cost": {"input": 1, "output": 5}, "limit": {"output": 10}, "modalities": {"output": ["text", "image"]}`), "its output includes image"},
		"models.dev: words":        {dev(`"cost": {"input": "a lot", "output": 5}, "limit": {"output": 10}`), "invalid number literal"},
		"models.dev: many lengths": {dev(`"cost": {"input": 1, "output": 5, "tiers": [{"tier": {"size": 1}, "input": 1, "output": 5}, {"tier": {"size": 2}, "input": 1, "output": 5}, {"tier": {"size": 3}, "input": 1, "output": 5}]}, "limit": {"output": 10}`), "3 lengths of long input"},
		"models.dev: no prices":    {dev(`"limit": {"output": 10}`), "no price for input"},
	} {
		t.Run(name, func(t *testing.T) {
			models, problems := read(t, tc.table)
			if len(models) > 0 || len(problems) != 1 || !problems[0].Refused || !strings.Contains(problems[0].Reason, tc.reason) {
				t.Errorf("models %+v, problems %v; want none, and a refusal for %q", models, problems, tc.reason)
			}
		})
	}
}

func TestTwoRowsOfOneName(t *testing.T) {
	row := func(price string) string {
		return `{"litellm_provider": "openai", "mode": "chat", "max_output_tokens": 10, "input_cost_per_token": ` + price + `, "output_cost_per_token": 1e-06}`
	}
	models, problems := read(t, `{"openai/m": `+row("2e-06")+`, "m": `+row("1e-06")+`}`)
	if len(models) != 1 || models[0].Prices.Input != "1.00" || len(problems) != 1 || problems[0].Row != "openai/m" {
		t.Errorf("models %+v, problems %v; want the row m, and openai/m refused", models, problems)
	}
}

func TestWrongTables(t *testing.T) {
	row := lite(`"input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06, "max_output_tokens": 10`)
	for name, tc := range map[string]struct {
		table   string
		options priceimport.Options
		want    string
	}{
		"not JSON":         {"<html>", priceimport.Options{Provider: "openai"}, "not a JSON object"},
		"another provider": {row, priceimport.Options{Provider: "anthropic"}, `no models of provider "anthropic"`},
		"another format":   {row, priceimport.Options{Provider: "openai", Format: "csv"}, `unknown format "csv"`},
		"no endpoint": {strings.ReplaceAll(row, `"openai"`, `"someone"`), priceimport.Options{Provider: "someone"},
			"set --endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := priceimport.Read(strings.NewReader(tc.table), tc.options); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

// TestPricesAreExact: whatever is imported is what stood there, to the last digit.
func TestPricesAreExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		digits := rapid.Int64Range(1, 999_999).Draw(rt, "digits")
		exponent := rapid.IntRange(-15, -7).Draw(rt, "exponent")
		number := fmt.Sprintf("%de%d", digits, exponent)
		models, problems := read(t, lite(`"input_cost_per_token": `+number+`, "output_cost_per_token": 1e-06, "max_output_tokens": 10`))
		want, _ := new(big.Rat).SetString(number)
		want.Mul(want, big.NewRat(1_000_000, 1))
		if len(models) == 0 {
			if want.Cmp(big.NewRat(10_000, 1)) <= 0 {
				rt.Fatalf("%s was refused: %v", number, problems)
			}
			return
		}
		got, ok := new(big.Rat).SetString(string(models[0].Prices.Input))
		if !ok || got.Cmp(want) != 0 {
			rt.Errorf("%s per token became %s per million, want %s", number, models[0].Prices.Input, want.FloatString(9))
		}
	})
}
