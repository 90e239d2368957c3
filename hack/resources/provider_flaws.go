package resources

import (
	"fmt"
	"strings"
)

// The kinds of token that every price list of the provider is asked for.
var priceLists = []string{
	"spec.models[*].prices", "spec.models[*].prices.longContext[*]", "spec.models[*].prices.serviceTiers[*]", "spec.models[*].priceChanges[*].prices",
}

var providerFlaws = all(
	is("spec", nil, []any{}),
	is("spec.protocol", "", "openai", "HTTP", 1),
	is("spec.endpoint", nil, "", "api.example.com", "//api.example.com/v1", "ftp://api.example.com", "https://", "https:///v1",
		"https://user:secret@api.example.com/v1", "https://api.example.com/v1?key=secret", "https://api.example.com/v1#x",
		"https://api example.com", "https://api.example.com\r\nX-Evil: 1", "https://api.example.com/v1\n", "http://[::1/v1",
		"https://api.example.com:port/v1", "HTTPS://api.example.com", "https://a/"+strings.Repeat("a", 2048), 1),
	is("spec.credentialFile", "../secret", "a/b", ".hidden", "..", "a b", "a\r\n", "clé", "a\x00", strings.Repeat("f", 254), 1),
	is("spec.neutralUsage", []any{"*", "searches"}, []any{"searches", "searches"}, []any{""}, []any{"two words"}, []any{"details[].pages"}, []any{".pages"}, []any{"pages."},
		[]any{"page*"}, []any{strings.Repeat("u", 257)}, "searches", 1),
	is("spec.costReported", "true", 1),
	is("spec.models", nil, []any{}, "gpt-4o", many(513, aModel)),
	is("spec.models[*]", nil, "gpt-4o"),
	is("spec.models[*].name", append(wrongModels, nil)...),
	again("spec.models", "spec.models[$]", nil),
	is("spec.models[*].upstreamName", "", "two words", "a\r\nX-Evil: 1", "a\x00b", "a\tb", strings.Repeat("u", 129), 1),
	is("spec.models[*].answeredAs", []any{"*", "gpt-4o"}, []any{""}, []any{"two words"}, []any{"a\r\nb"}, []any{strings.Repeat("u", 129)}, many(17, func(i int) any { return fmt.Sprint("gpt-", i) }), "gpt-4o", 1),
	is("spec.models[*].contextWindow", 0, -1, 1_000_000_001, "many", 1.5),
	is("spec.models[*].tokenizer", "", "o200k", 1),
	is("spec.models[*].reasoning", "", "hidden", "None", 1),
	is("spec.onClientGone", "", "drain", "Wait", 1),
	is("spec.checkInterval", "", "59s", "24h1s", "90500ms", "10 m", "10m\r\n", "-10m", "soon", 600, true),
	breaks("spec.models", "spec", aSpec("Anthropic", map[string]any{"tokenizer": "o200k_base"})),
	is("spec.models[*].maxOutputTokens", 0, -1, 10_000_001, "many", 1.5),
	breaks("spec.models[0].maxOutputTokens", "spec.models", []any{aModelOf(map[string]any{"maxOutputTokens": 1}, aPrice("1", nil))}),
	breaks("spec.models[0].maxOutputTokens", "spec.models", []any{aModelOf(nil, aPrice("1", map[string]any{"output": "1"}))}),
	breaks("spec.models[0].priceChanges", "spec.models", []any{aModelOf(map[string]any{"priceChanges": []any{map[string]any{
		"effectiveFrom": "2027-01-01T00:00:00Z", "prices": aPrice("1", map[string]any{"output": "1"}),
	}}}, aPrice("1", nil))}),
	is("spec.unlistedModels", "gpt-9", []any{}),
	is("spec.unlistedModels.maxOutputTokens", nil, 0, -1, 10_000_001, "many", 1.5),
	is("spec.unlistedModels.contextWindow", 0, -1, 1_000_000_001, "many", 1.5),
	breaks("spec.unlistedModels", "spec", map[string]any{
		"endpoint": "https://api.example.com/v1", "models": many(1, aModel), "unlistedModels": map[string]any{"maxOutputTokens": 1},
	}),
	is("spec.models[*].prices", nil, "1.25"),
	ofPrices(),
	breaks("spec.models[0].prices.longContext[0].cacheWrite5m", "spec.models", []any{aModelOf(map[string]any{"maxOutputTokens": 1}, aPrice("1", map[string]any{
		"output": "1", "cacheWrite5m": "2", "longContext": []any{map[string]any{"aboveInputTokens": 1, "input": "1", "output": "1"}},
	}))}),
	breaks("spec.models[0].prices.longContext[0].audioInput", "spec.models", []any{aModelOf(map[string]any{"maxOutputTokens": 1}, aPrice("1", map[string]any{
		"output": "1", "longContext": []any{map[string]any{"aboveInputTokens": 1, "input": "1", "output": "1", "audioInput": "1"}},
	}))}),
	is("spec.models[*].prices.longContext[*].aboveInputTokens", nil, 0, -1, 1_000_000_001, "many", 1.5),
	again("spec.models[0].prices.longContext", "spec.models[0].prices.longContext[$]", nil),
	is("spec.models[*].prices.serviceTiers[*].name", nil, "", "default", "standard", "auto", "Flex", "a-", "a b", "flex\r\n", strings.Repeat("s", 64)),
	again("spec.models[0].prices.serviceTiers", "spec.models[0].prices.serviceTiers[$]", nil),
	is("spec.models[*].prices.multipliers[*].property", nil, "", "Speed", "a-", "a b", "speed\r\n", strings.Repeat("s", 64), 1),
	is("spec.models[*].prices.multipliers[*].value", nil, "", "Fast", "a-", "a b", "fast\r\n", strings.Repeat("s", 64), 1),
	is("spec.models[*].prices.multipliers[*].factor", nil, "", "-1", "1e3", "+5", "5.", ".5", "5\r\n", "0.0000000001", "1000.1", "1001", "00000", 1, 1.1),
	again("spec.models[0].prices.multipliers", "spec.models[0].prices.multipliers[$]", nil),
	is("spec.models[*].prices.fees[*].name", nil, "", "a-", "a b", "search\r\n", strings.Repeat("s", 64), 1),
	is("spec.models[*].prices.fees[*].amount", nil, "", "-1", "1e3", "+5", "5.", ".5", "5\r\n", "0.0000000001", "9000001", 5, 0.5),
	is("spec.models[*].prices.fees[*].usesPerCall", 0, -1, 1001, "3", 1.5),
	again("spec.models[0].prices.fees", "spec.models[0].prices.fees[$]", nil),
	is("spec.models[*].priceChanges[*].effectiveFrom", nil, "", "tomorrow", "2027-01-01", 1),
	breaks("spec.models[0].priceChanges[1]", "spec.models", []any{aModelOf(map[string]any{"priceChanges": []any{
		aChange("2027-01-01T00:00:00Z"), aChange("2027-01-01T00:00:00Z"),
	}}, aPrice("1", nil))}),
	breaks("spec.models[0].priceChanges[1].effectiveFrom", "spec.models", []any{aModelOf(map[string]any{"priceChanges": []any{
		aChange("2027-01-01T00:00:00Z"), aChange("2027-01-01T01:00:00+01:00"),
	}}, aPrice("1", nil))}),
	is("spec.apiKey", "secret"),
	is("spec.models[*].price", "1"),
)

// ofPrices are the flaws of every list of prices.
func ofPrices() []flaw {
	var flaws []flaw
	for _, path := range priceLists {
		for _, kind := range []string{"input", "cachedInput", "cacheWrite5m", "audioInput", "output"} {
			flaws = append(flaws, is(path+"."+kind, wrongPrices...)...)
		}
		flaws = append(flaws, is(path+".input", nil)...)
		// The price from the cache is higher than the other; in the second case by a
		// nano-dollar, which a double cannot represent.
		for _, cheap := range []string{"cachedInput", "cachedAudioInput", "cacheWrite5m"} {
			dear := map[string]string{"cachedInput": "input", "cachedAudioInput": "audioInput", "cacheWrite5m": "cacheWrite1h"}[cheap]
			for _, prices := range [][2]string{{"2", "1"}, {"8999999.000000001", "8999999"}} {
				flaws = append(flaws, dearer(path, cheap, dear, prices))
			}
		}
	}
	return flaws
}

// dearer is a flaw that makes the price that should be lower the higher one.
func dearer(path, cheap, dear string, prices [2]string) flaw {
	return func(m *Maker, object map[string]any) (string, string, bool) {
		field, applies := set(m, object, path+"."+cheap, prices[0])
		if applies {
			field = strings.TrimSuffix(field, "."+cheap)
			_, applies = set(m, object, field+"."+dear, prices[1])
		}
		return field, fmt.Sprintf("%s is %s, %s %s", cheap, prices[0], dear, prices[1]), applies
	}
}

func aModel(i int) any {
	return map[string]any{"name": fmt.Sprint("m", i), "prices": aPrice("1", nil)}
}

func aModelOf(with, prices map[string]any) any {
	model := map[string]any{"name": "m", "prices": prices}
	for key, value := range with {
		model[key] = value
	}
	return model
}

func aSpec(protocol string, with map[string]any) any {
	return map[string]any{"protocol": protocol, "endpoint": "https://api.example.com/v1", "models": []any{aModelOf(with, aPrice("1", nil))}}
}

func aPrice(input string, with map[string]any) map[string]any {
	prices := map[string]any{"input": input}
	for key, value := range with {
		prices[key] = value
	}
	return prices
}

func aChange(from string) any {
	return map[string]any{"effectiveFrom": from, "prices": aPrice("1", nil)}
}
