package priceimport

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

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

// liteCompared are prices that are those of a kind of token, or else refused.
var liteCompared = map[string]bool{"output_cost_per_reasoning_token": true, "input_cost_per_image_token": true}

// liteLeftOut are the members of a row that say that something costs more than its tokens, and
// that nothing else reads.
func liteLeftOut(members map[string]json.RawMessage) (leftOut []string) {
	anthropic := text(members["litellm_provider"]) == "anthropic"
	for _, key := range slices.Sorted(maps.Keys(members)) {
		isPrice := strings.HasSuffix(key, "_batches") // which no call through Bursar is in
		if parts := liteSuffix.FindStringSubmatch(key); parts != nil && !isPrice {
			_, isPrice = litePrices[parts[1]]
		}
		isExtra := key == "provider_specific_entry" || key == "search_context_cost_per_query"
		switch {
		case isPrice || liteCompared[key] || isNothing(members[key]):
		case isExtra && anthropic: // which addExtras reads
		case isExtra || strings.Contains(key, "cost") || strings.Contains(key, "multiplier"):
			leftOut = append(leftOut, key+": it is no price of a token")
		}
	}
	return leftOut
}

// isNothing is whether a value is absent, null, empty or zero.
func isNothing(raw json.RawMessage) bool {
	switch value := strings.TrimSpace(string(raw)); value {
	case "", "null", "[]", "{}", `""`, "false":
		return true
	default:
		zero, err := strconv.ParseFloat(value, 64)
		return err == nil && zero == 0
	}
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
