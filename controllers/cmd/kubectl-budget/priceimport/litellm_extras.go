package priceimport

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// perUse makes of a number that is not a price per token the same number.
const perUse = 1_000_000

// liteProperties are the properties of Anthropic's calls whose factors a row may have, by what
// LiteLLM calls the value.
var liteProperties = map[string]string{"us": "inference_geo", "fast": "speed"}

// addExtras adds to prices what a row of Anthropic's says of factors and of searches, and
// returns what it leaves out.
func addExtras(prices *v1alpha1.Prices, members map[string]json.RawMessage) (leftOut []string) {
	if text(members["litellm_provider"]) != "anthropic" {
		return nil
	}
	var factors, searches map[string]json.RawMessage
	_ = json.Unmarshal(members["provider_specific_entry"], &factors) // anything else has none
	_ = json.Unmarshal(members["search_context_cost_per_query"], &searches)
	for _, value := range slices.Sorted(maps.Keys(factors)) {
		factor, err := toPrice(number(factors[value]), perUse)
		property := liteProperties[value]
		if err != nil || property == "" {
			leftOut = append(leftOut, "provider_specific_entry."+value)
			continue
		}
		prices.Multipliers = append(prices.Multipliers, v1alpha1.PriceMultiplier{Property: property, Value: value, Factor: v1alpha1.Factor(factor)})
	}
	if fee, ok := sameForAll(searches); ok {
		prices.Fees = append(prices.Fees, v1alpha1.Fee{Name: "web_search", Amount: fee})
	} else if len(searches) > 0 {
		leftOut = append(leftOut, "search_context_cost_per_query: it differs by the size of the context")
	}
	return leftOut
}

// sameForAll is the one amount that all members have.
func sameForAll(members map[string]json.RawMessage) (v1alpha1.Amount, bool) {
	var all []v1alpha1.Amount
	for _, raw := range members {
		amount, err := toPrice(number(raw), perUse)
		if err != nil {
			return "", false
		}
		all = append(all, v1alpha1.Amount(amount))
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) != 1 {
		return "", false
	}
	return all[0], true
}
