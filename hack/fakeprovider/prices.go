package fakeprovider

import (
	_ "embed" // For the price table.
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
)

// model is what the provider knows of one of its models. The test model penny costs
// exactly one cent per output token, its input is free, and it generates one token
// unless more are asked for: a call without a bound costs one cent.
type model struct {
	// Prices in US dollars per million tokens.
	Input       rat `json:"input"`
	CachedInput rat `json:"cachedInput"`
	Output      rat `json:"output"`
	// What is absent is priced as Input.
	CacheWrite   *rat `json:"cacheWrite"`
	CacheWrite1h *rat `json:"cacheWrite1h"`
	AudioInput   *rat `json:"audioInput"`
	// Tiers are the service tiers besides the default, with the factor of each on prices.
	Tiers map[string]rat `json:"tiers"`
	// Geos and Speeds are the places and the speeds of a call, with their factors on prices.
	Geos   map[string]rat `json:"geos"`
	Speeds map[string]rat `json:"speeds"`
	// Search is the fee of a search, in US dollars.
	Search *rat `json:"search"`
	// ImageTokens is what every image counts.
	ImageTokens int64 `json:"imageTokens"`
	// MaxOutput is the most tokens of an answer to a request without a bound;
	// zero means defaultOutput.
	MaxOutput int `json:"maxOutput"`
}

// rat is an exact number that is a decimal string in JSON.
type rat struct{ *big.Rat }

func (r *rat) UnmarshalJSON(raw []byte) error {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	var ok bool
	if r.Rat, ok = new(big.Rat).SetString(s); !ok {
		return fmt.Errorf("price %q is not a number", s)
	}
	return nil
}

//go:embed prices.json
var priceTable []byte

func loadModels() (models map[string]model) {
	if err := json.Unmarshal(priceTable, &models); err != nil {
		panic(fmt.Sprintf("prices.json: %v", err))
	}
	return models
}

func names(models map[string]model) []string { return slices.Sorted(maps.Keys(models)) }

// cost is what the tokens of a call cost in nano-USD, rounded up.
func (m model) cost(call BilledCall) int64 {
	total := new(big.Rat)
	add := func(tokens int64, price *rat) {
		if price == nil {
			price = &m.Input
		}
		total.Add(total, new(big.Rat).Mul(new(big.Rat).SetInt64(tokens), price.Rat))
	}
	plain := call.InputTokens - call.CachedInputTokens - call.CacheWriteTokens - call.CacheWrite1hTokens - call.AudioInputTokens
	add(plain, &m.Input)
	add(call.CachedInputTokens, &m.CachedInput)
	add(call.CacheWriteTokens, m.CacheWrite)
	add(call.CacheWrite1hTokens, m.CacheWrite1h)
	add(call.AudioInputTokens, m.AudioInput)
	add(call.OutputTokens, &m.Output)
	if call.Tier != "" {
		total.Mul(total, m.Tiers[call.Tier].Rat)
	}
	if call.Geo != "" {
		total.Mul(total, m.Geos[call.Geo].Rat)
	}
	if call.Speed != "" {
		total.Mul(total, m.Speeds[call.Speed].Rat)
	}
	if call.Searches > 0 { // as if each were a million tokens
		total.Add(total, new(big.Rat).Mul(new(big.Rat).SetInt64(call.Searches*1_000_000), m.Search.Rat))
	}
	const nanosPerMicro = 1000 // 10^9 nano-USD a dollar, over 10^6 tokens
	total.Mul(total, new(big.Rat).SetInt64(nanosPerMicro))
	whole, rest := new(big.Int).QuoRem(total.Num(), total.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		whole.Add(whole, big.NewInt(1))
	}
	return whole.Int64()
}
