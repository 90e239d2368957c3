package priceimport

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// perMillion is the number of tokens that models.dev states its prices for.
const perMillion = 1_000_000

// devModel is a model of models.dev.
type devModel struct {
	Cost  devCost `json:"cost"`
	Limit struct {
		Context json.Number `json:"context"`
		Output  json.Number `json:"output"`
	} `json:"limit"`
	Modalities struct {
		Output []string `json:"output"`
	} `json:"modalities"`
	Experimental struct {
		Modes map[string]devMode `json:"modes"`
	} `json:"experimental"`
}

// devCost are prices of models.dev by their names, in dollars per million tokens.
type devCost map[string]json.RawMessage

// devMode is another way to call a model, at prices of its own.
type devMode struct {
	Cost     devCost `json:"cost"`
	Provider struct {
		// Body is what the requests of the mode have.
		Body map[string]json.RawMessage `json:"body"`
	} `json:"provider"`
}

// devPrices are the names of models.dev's prices, except for that of reasoning.
var devPrices = map[string]func(*v1alpha1.PriceList) *v1alpha1.Price{
	"input":        func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.Input },
	"output":       func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.Output },
	"cache_read":   func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.CachedInput },
	"cache_write":  func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.CacheWrite5m },
	"input_audio":  func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.AudioInput },
	"output_audio": func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.AudioOutput },
}

// devStructure are the members of a cost that are not prices.
var devStructure = []string{"tiers", "tier", "context_over_200k", "reasoning"}

func readModelsDev(top map[string]json.RawMessage, provider string) ([]row, error) {
	entry, ok := top[provider]
	if !ok {
		return nil, nil
	}
	var listed struct {
		Models map[string]json.RawMessage `json:"models"`
	}
	if err := json.Unmarshal(entry, &listed); err != nil {
		return nil, fmt.Errorf("provider %q: %w", provider, err)
	}
	var rows []row
	for name, raw := range listed.Models {
		r := row{name: name}
		var model devModel
		if r.wrong = json.Unmarshal(raw, &model); r.wrong == nil {
			r.model, r.leftOut, r.wrong = model.compile(name)
		}
		if r.wrong == nil {
			r.leftOut = append(r.leftOut, model.addModes(&r.model.Prices, provider)...)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func (m *devModel) compile(name string) (v1alpha1.Model, []string, error) {
	base, err := m.Cost.list()
	if err != nil {
		return v1alpha1.Model{}, nil, err
	}
	if err := m.otherModalities(base); err != nil {
		return v1alpha1.Model{}, nil, err
	}
	t := tariff{base: base}
	unknown, err := t.addLengths(m.Cost)
	if err != nil {
		return v1alpha1.Model{}, nil, err
	}
	limits := limits{context: m.Limit.Context, output: m.Limit.Output}
	if isFree(base.Output) && strings.Contains(name, "embed") {
		limits.embedding = true
	}
	model, leftOut, err := compiled(name, limits, t)
	return model, append(leftOut, unknown...), err
}

// addLengths adds the prices by the length of input, and returns the unknown parts of the cost.
func (t *tariff) addLengths(cost devCost) (unknown []string, err error) {
	var tiers []devCost
	if err := cost.into("tiers", &tiers); err != nil {
		return nil, err
	}
	var over200k devCost
	if err := cost.into("context_over_200k", &over200k); err != nil {
		return nil, err
	}
	unknown = cost.unknown("")
	if len(tiers) == 0 && over200k != nil {
		return append(unknown, over200k.unknown("above 200000 tokens, ")...), t.addLong(200_000, over200k)
	}
	for _, tier := range tiers {
		var by struct {
			Type string      `json:"type"`
			Size json.Number `json:"size"`
		}
		if err := tier.into("tier", &by); err != nil {
			return nil, err
		}
		if by.Type != "" && by.Type != "context" {
			return nil, fmt.Errorf("it has prices by %s: Bursar has prices by the length of input alone", by.Type)
		}
		above, err := toTokens(by.Size)
		if err == nil {
			err = t.addLong(above, tier)
		}
		if err != nil {
			return nil, err
		}
		unknown = append(unknown, tier.unknown(fmt.Sprintf("above %d tokens, ", above))...)
	}
	return unknown, nil
}

// addLong adds the prices of long input.
func (t *tariff) addLong(above int64, cost devCost) error {
	list, err := cost.list()
	if err != nil {
		return fmt.Errorf("above %d tokens: %w", above, err)
	}
	t.long = append(t.long, v1alpha1.LongContextPrices{AboveInputTokens: above, PriceList: list})
	return nil
}

// unknown are the parts of the cost for kinds of token that Bursar does not have.
func (c devCost) unknown(where string) (leftOut []string) {
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if devPrices[name] == nil && !slices.Contains(devStructure, name) && costs(c[name]) {
			leftOut = append(leftOut, where+"cost."+name+": it is not a price of a kind of token that Bursar knows: if answers count it, add it to fees")
		}
	}
	return leftOut
}

// into reads a member of the cost, if it is there.
func (c devCost) into(name string, value any) error {
	if len(c[name]) == 0 {
		return nil
	}
	if err := json.Unmarshal(c[name], value); err != nil {
		return fmt.Errorf("cost.%s: %w", name, err)
	}
	return nil
}

// otherModalities refuses output other than text that has no price of its own.
func (m *devModel) otherModalities(list v1alpha1.PriceList) error {
	for _, modality := range m.Modalities.Output {
		if modality == "text" || modality == "audio" && list.AudioOutput != "" {
			continue
		}
		return fmt.Errorf("its output includes %s, which has no price of its own", modality)
	}
	if len(m.Modalities.Output) > 0 && !slices.Contains(m.Modalities.Output, "text") {
		return errors.New("its output is not text")
	}
	return nil
}

// list are the prices of the cost.
func (c devCost) list() (list v1alpha1.PriceList, err error) {
	for _, name := range slices.Sorted(maps.Keys(devPrices)) {
		if *devPrices[name](&list), err = c.price(name); err != nil {
			return list, err
		}
	}
	reasoning, err := c.price("reasoning")
	if err != nil {
		return list, err
	}
	if cmp.Or(reasoning, list.Output) != list.Output {
		return list, errors.New("reasoning and output have different prices")
	}
	return list, nil
}

// price is one price of the cost; none if it is not there.
func (c devCost) price(name string) (v1alpha1.Price, error) {
	var n json.Number
	if err := c.into(name, &n); err != nil || n == "" {
		return "", err
	}
	p, err := toPrice(n, perMillion)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}
