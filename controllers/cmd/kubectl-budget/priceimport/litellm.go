package priceimport

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// litePrices are LiteLLM's names of prices per token, without the suffix for input above so many
// tokens or for a service tier.
var litePrices = map[string]func(*v1alpha1.PriceList) *v1alpha1.Price{
	"input_cost_per_token":                        func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.Input },
	"cache_read_input_token_cost":                 func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.CachedInput },
	"cache_creation_input_token_cost":             func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.CacheWrite5m },
	"cache_creation_input_token_cost_above_1hr":   func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.CacheWrite1h },
	"input_cost_per_token_cache_hit":              func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.CachedInput },
	"input_cost_per_audio_token":                  func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.AudioInput },
	"cache_read_input_audio_token_cost":           func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.CachedAudioInput },
	"cache_read_input_token_cost_per_audio_token": func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.CachedAudioInput },
	"output_cost_per_token":                       func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.Output },
	"output_cost_per_audio_token":                 func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.AudioOutput },
	"output_cost_per_image_token":                 func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.ImageOutput },
}

// liteSuffix is what may follow the name of a price.
var liteSuffix = regexp.MustCompile(`^(.*?)(?:_above_([0-9]+)k_tokens)?(?:_(flex|priority))?$`)

// liteModes are the kinds of models that can be called, and whether each has output.
var liteModes = map[string]bool{"chat": true, "completion": true, "responses": true, "embedding": false}

// liteTariffs are the prices of a row by service tier, "" being the default.
type liteTariffs map[string]*tariff

func readLiteLLM(top map[string]json.RawMessage, provider string) ([]row, error) {
	var rows []row
	for name, raw := range top {
		var members map[string]json.RawMessage
		if json.Unmarshal(raw, &members) != nil || text(members["litellm_provider"]) != provider {
			continue
		}
		r := row{name: name}
		r.model, r.leftOut, r.wrong = readLiteRow(strings.TrimPrefix(name, provider+"/"), members)
		rows = append(rows, r)
	}
	return rows, nil
}

func readLiteRow(name string, members map[string]json.RawMessage) (v1alpha1.Model, []string, error) {
	hasOutput, ok := liteModes[text(members["mode"])]
	switch mode := text(members["mode"]); {
	case mode == "":
		return v1alpha1.Model{}, nil, errors.New(`it does not say what calls it has: give it a mode, such as "chat"`)
	case !ok:
		return v1alpha1.Model{}, nil, fmt.Errorf("calls of its mode %q are not supported", mode)
	}
	tariffs := liteTariffs{"": {}}
	for _, key := range slices.Sorted(maps.Keys(members)) {
		if err := tariffs.read(key, members[key]); err != nil {
			return v1alpha1.Model{}, nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	base := tariffs[""]
	if err := base.readRanges(members["tiered_pricing"]); err != nil {
		return v1alpha1.Model{}, nil, fmt.Errorf("tiered_pricing: %w", err)
	}
	if err := sameAs(members, "output_cost_per_reasoning_token", base.base.Output); err != nil {
		return v1alpha1.Model{}, nil, err
	}
	if err := sameAs(members, "input_cost_per_image_token", base.base.Input); err != nil {
		return v1alpha1.Model{}, nil, err
	}
	model, leftOut, err := compiled(name, limits{
		context: number(members["max_input_tokens"]), output: number(members["max_output_tokens"]), embedding: !hasOutput,
	}, *base)
	if err != nil {
		return v1alpha1.Model{}, nil, err
	}
	tiers, more := tariffs.serviceTiers(hasOutput)
	model.Prices.ServiceTiers = tiers
	leftOut = slices.Concat(leftOut, more, addExtras(&model.Prices, members))
	return model, leftOut, nil
}

// litePrice is the price that a member of a row has, of which service tier, and above how many
// thousands of tokens. It is nil for anything but a price per token of a kind that Bursar knows.
func litePrice(key string) (of func(*v1alpha1.PriceList) *v1alpha1.Price, tier, thousands string) {
	parts := liteSuffix.FindStringSubmatch(key)
	if parts == nil {
		return nil, "", ""
	}
	return litePrices[parts[1]], parts[3], parts[2]
}

// read reads a member of a row, if it is a price per token.
func (t liteTariffs) read(key string, raw json.RawMessage) error {
	priceOf, tierName, above := litePrice(key)
	if priceOf == nil || string(raw) == "null" {
		return nil
	}
	if number(raw) == "" {
		return errors.New("is not a number")
	}
	p, err := toPrice(number(raw), 1)
	if err != nil {
		return err
	}
	tier := t[tierName]
	if tier == nil {
		tier = &tariff{}
		t[tierName] = tier
	}
	list := &tier.base
	if above != "" {
		thousands, err := strconv.ParseInt(above, 10, 32)
		if err != nil {
			return err
		}
		list = tier.longer(thousands * 1000)
	}
	return setOnce(priceOf(list), p)
}

// setOnce sets a price, unless it has another value already, under another name.
func setOnce(into *v1alpha1.Price, p v1alpha1.Price) error {
	if *into != "" && *into != p {
		return fmt.Errorf("%s and %s are two prices for the same kind of token", *into, p)
	}
	*into = p
	return nil
}

// readRanges reads prices by ranges of input. Such a provider bills a whole call at the prices
// of the range that its input is in.
func (t *tariff) readRanges(raw json.RawMessage) error {
	var ranges []map[string]json.RawMessage
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	if err := json.Unmarshal(raw, &ranges); err != nil {
		return errors.New("is not a list of prices by ranges of input")
	}
	for _, members := range ranges {
		list, err := t.listOfRange(members["range"])
		if err != nil {
			return err
		}
		for _, key := range slices.Sorted(maps.Keys(members)) {
			priceOf := litePrices[key]
			if priceOf == nil {
				if isPricePart(key, members[key]) {
					return fmt.Errorf("%s: %s", key, reasonFor(key))
				}
				continue
			}
			p, err := toPrice(number(members[key]), 1)
			if err == nil {
				err = setOnce(priceOf(list), p)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		if err := sameAs(members, "output_cost_per_reasoning_token", list.Output); err != nil {
			return err
		}
	}
	return nil
}

// listOfRange is the list of the prices for input in a range, from so many tokens to so many.
func (t *tariff) listOfRange(raw json.RawMessage) (*v1alpha1.PriceList, error) {
	var bounds []json.Number
	if json.Unmarshal(raw, &bounds) != nil || len(bounds) == 0 {
		return nil, errors.New("it has prices without a range of input tokens")
	}
	above, err := toTokens(bounds[0])
	if err != nil {
		return nil, err
	}
	if above == 0 {
		return &t.base, nil
	}
	return t.longer(above), nil
}

// longer is the list of prices for input above so many tokens.
func (t *tariff) longer(above int64) *v1alpha1.PriceList {
	for i := range t.long {
		if t.long[i].AboveInputTokens == above {
			return &t.long[i].PriceList
		}
	}
	t.long = append(t.long, v1alpha1.LongContextPrices{AboveInputTokens: above})
	return &t.long[len(t.long)-1].PriceList
}

// serviceTiers are the tiers with a full list of prices; leftOut reports the others.
func (t liteTariffs) serviceTiers(hasOutput bool) (tiers []v1alpha1.ServiceTierPrices, leftOut []string) {
	for _, name := range slices.Sorted(maps.Keys(t)) {
		tier := t[name]
		switch {
		case name == "":
			continue
		case tier.base.Input == "" || hasOutput && tier.base.Output == "":
			leftOut = append(leftOut, "service tier "+name+": it has no price for input or output")
			continue
		case len(tier.long) < len(t[""].long):
			leftOut = append(leftOut, "service tier "+name+": it has no prices for long input")
			continue
		}
		for _, kind := range append(tier.dropFree(), tier.align()...) {
			leftOut = append(leftOut, "service tier "+name+", "+kind)
		}
		tiers = append(tiers, v1alpha1.ServiceTierPrices{Name: name, PriceList: tier.base, LongContext: tier.long})
	}
	return tiers, leftOut
}

// sameAs refuses a price that differs from want, because there is no kind of price for it.
func sameAs(members map[string]json.RawMessage, key string, want v1alpha1.Price) error {
	if number(members[key]) == "" {
		return nil
	}
	p, err := toPrice(number(members[key]), 1)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	if p != want {
		return errors.New(key + " is a price for which Bursar has no kind of token")
	}
	return nil
}

// text is a string in JSON, or nothing.
func text(raw json.RawMessage) (s string) {
	_ = json.Unmarshal(raw, &s) // anything else is no string
	return s
}

// number is a number in JSON as it stands there, or nothing.
func number(raw json.RawMessage) (n json.Number) {
	_ = json.Unmarshal(raw, &n) // anything else is no number
	return n
}

// LiteLLMModel is the model of a row of LiteLLM's table, or of the same members in its
// configuration, and which parts of it are not in the model.
func LiteLLMModel(name string, members map[string]json.RawMessage) (v1alpha1.Model, []string, error) {
	return readLiteRow(name, members)
}

// IsLiteLLMPrice reports whether a member of a row is about prices.
func IsLiteLLMPrice(member string) bool {
	of, _, _ := litePrice(member)
	return of != nil || strings.Contains(member, "cost") || member == "tiered_pricing"
}
