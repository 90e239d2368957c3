package priceimport

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// perUse, as a number of tokens, makes toPrice return a number as it is.
const perUse = 1_000_000

// liteProperties are the properties of Anthropic's calls whose factors a row may have, by what
// LiteLLM calls the value.
var liteProperties = map[string]string{"us": "inference_geo", "fast": "speed"}

// addExtras adds a row's factors and fees to prices, and returns which parts of its prices are left
// out.
func addExtras(prices *v1alpha1.Prices, members map[string]json.RawMessage) []string {
	var leftOut leftOuts
	for _, key := range slices.Sorted(maps.Keys(members)) {
		raw := members[key]
		if !isPricePart(key, raw) {
			continue
		}
		switch key {
		case "input_cost_per_request":
			leftOut.note(key, addFee(prices, "call", number(raw)))
		case "provider_specific_entry":
			addFactors(prices, &leftOut, members)
		case "search_context_cost_per_query":
			leftOut.note(key, addSearches(prices, members))
		default:
			leftOut.note(key, errors.New(reasonFor(key)))
		}
	}
	return leftOut.lines()
}

// pricePart are the names of members that may be about money.
var pricePart = regexp.MustCompile(`cost|price|pricing|multiplier|uplift|fee|surcharge|provider_specific_entry`)

// readElsewhere are members about money that are read, or refused, elsewhere.
var readElsewhere = []string{"tiered_pricing", "output_cost_per_reasoning_token", "input_cost_per_image_token"}

// isPricePart reports whether a member is a part of the price other than a price per token. A zero
// costs nothing, and is none.
func isPricePart(key string, raw json.RawMessage) bool {
	if priceOf, _, _ := litePrice(key); priceOf != nil || slices.Contains(readElsewhere, key) {
		return false
	}
	return pricePart.MatchString(key) && costs(raw)
}

// costs reports whether JSON has a number other than zero.
func costs(raw json.RawMessage) bool {
	if n := number(raw); n != "" {
		value, ok := new(big.Float).SetString(n.String())
		return !ok || value.Sign() != 0
	}
	var members map[string]json.RawMessage
	var elements []json.RawMessage
	_ = json.Unmarshal(raw, &members) // anything else has no members
	_ = json.Unmarshal(raw, &elements)
	return slices.ContainsFunc(slices.Concat(elements, slices.Collect(maps.Values(members))), costs)
}

// liteReasons say why a part of the price is left out, by what its name contains; the first match
// counts.
var liteReasons = []struct{ in, reason string }{
	{"_batches", "calls in batches are not supported"},
	{"regional_processing_uplift", "the endpoint is the provider's global one: for that of a region, set prices of its own"},
	{"_dbu_", "the provider's own unit; the prices in dollars are imported"},
	{"per_second", "a price by the second is not a price of a call"},
	{"per_character", "a price by the character is not a price of a call"},
	{"per_pixel", "a price by the pixel is not a price of a call"},
	{"per_image", "a price by the image is not a price of a call"},
	{"audio_token", "Bursar has no such kind of token"},
	{"video_token", "Bursar has no such kind of token"},
	{"image_token", "Bursar has no such kind of token"},
}

// reasonFor says why a part of the price is left out.
func reasonFor(key string) string {
	for _, r := range liteReasons {
		if strings.Contains(key, r.in) {
			return r.reason
		}
	}
	return "it is not a price per token: if answers count it, add it to fees"
}

// leftOuts are the parts of a row that are left out, by the reason.
type leftOuts struct {
	reasons []string
	parts   map[string][]string
}

// note notes that a part is left out, unless there is no reason.
func (l *leftOuts) note(part string, reason error) {
	if reason == nil {
		return
	}
	why := reason.Error()
	if l.parts == nil {
		l.parts = map[string][]string{}
	}
	if l.parts[why] == nil {
		l.reasons = append(l.reasons, why)
	}
	l.parts[why] = append(l.parts[why], part)
}

// lines are the parts of each reason, and the reason.
func (l *leftOuts) lines() (lines []string) {
	for _, why := range l.reasons {
		lines = append(lines, strings.Join(l.parts[why], ", ")+": "+why)
	}
	return lines
}

// addFee adds a fee of so many dollars a use.
func addFee(prices *v1alpha1.Prices, name string, dollars json.Number) error {
	amount, err := toPrice(dollars, perUse)
	if err != nil {
		return fmt.Errorf("%s is not an amount of money", dollars)
	}
	prices.Fees = append(prices.Fees, v1alpha1.Fee{Name: name, Amount: v1alpha1.Amount(amount)})
	return nil
}

// addFactors adds what Anthropic's tokens are multiplied by.
func addFactors(prices *v1alpha1.Prices, leftOut *leftOuts, members map[string]json.RawMessage) {
	var factors map[string]json.RawMessage
	_ = json.Unmarshal(members["provider_specific_entry"], &factors) // anything else has no factors
	for _, value := range slices.Sorted(maps.Keys(factors)) {
		if !costs(factors[value]) {
			continue
		}
		part := "provider_specific_entry." + value
		factor, err := toPrice(number(factors[value]), perUse)
		property := liteProperties[value]
		switch {
		case err != nil || property == "":
			leftOut.note(part, errors.New("it is not known what it multiplies"))
		case text(members["litellm_provider"]) != "anthropic":
			leftOut.note(part, errors.New("multipliers are imported for Anthropic alone"))
		default:
			prices.Multipliers = append(prices.Multipliers, v1alpha1.PriceMultiplier{Property: property, Value: value, Factor: v1alpha1.Factor(factor)})
		}
	}
}

// addSearches adds the fee of Anthropic's web searches.
func addSearches(prices *v1alpha1.Prices, members map[string]json.RawMessage) error {
	if text(members["litellm_provider"]) != "anthropic" {
		return errors.New("the table does not say what is billed, the search or the prompt: if answers count it, add it to fees")
	}
	var searches map[string]json.RawMessage
	_ = json.Unmarshal(members["search_context_cost_per_query"], &searches)
	fee, ok := sameForAll(searches)
	if !ok {
		return errors.New("it differs by the size of the context")
	}
	prices.Fees = append(prices.Fees, v1alpha1.Fee{Name: "web_search", Amount: fee})
	return nil
}

// sameForAll is the amount that all members have, if it is the same.
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
