package priceimport

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// perMillion is for how many tokens models.dev has its prices.
const perMillion = 1_000_000

// devModel is a model of models.dev.
type devModel struct {
	Cost struct {
		devCost
		Tiers []struct {
			devCost
			Tier struct {
				Size json.Number `json:"size"`
			} `json:"tier"`
		} `json:"tiers"`
		Over200k *devCost `json:"context_over_200k"`
	} `json:"cost"`
	Limit struct {
		Context json.Number `json:"context"`
		Output  json.Number `json:"output"`
	} `json:"limit"`
	Modalities struct {
		Output []string `json:"output"`
	} `json:"modalities"`
}

// devCost are prices of models.dev, in dollars per million tokens.
type devCost struct {
	Input       json.Number `json:"input"`
	Output      json.Number `json:"output"`
	Reasoning   json.Number `json:"reasoning"`
	CacheRead   json.Number `json:"cache_read"`
	CacheWrite  json.Number `json:"cache_write"`
	InputAudio  json.Number `json:"input_audio"`
	OutputAudio json.Number `json:"output_audio"`
}

func readModelsDev(top map[string]json.RawMessage, name string) ([]row, error) {
	entry, ok := top[name]
	if !ok {
		return nil, nil
	}
	var provider struct {
		Models map[string]json.RawMessage `json:"models"`
	}
	if err := json.Unmarshal(entry, &provider); err != nil {
		return nil, fmt.Errorf("provider %q: %w", name, err)
	}
	var rows []row
	for name, raw := range provider.Models {
		r := row{name: name}
		var model devModel
		if r.wrong = json.Unmarshal(raw, &model); r.wrong == nil {
			r.model, r.leftOut, r.wrong = model.compile(name)
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
	if len(m.Cost.Tiers) == 0 && m.Cost.Over200k != nil {
		if err := t.addLong(200_000, m.Cost.Over200k); err != nil {
			return v1alpha1.Model{}, nil, err
		}
	}
	for _, tier := range m.Cost.Tiers {
		above, err := toTokens(tier.Tier.Size)
		if err == nil {
			err = t.addLong(above, &tier.devCost)
		}
		if err != nil {
			return v1alpha1.Model{}, nil, err
		}
	}
	limits := limits{context: m.Limit.Context, output: m.Limit.Output}
	if isFree(base.Output) && strings.Contains(name, "embed") {
		limits.embedding = true
	}
	return compiled(name, limits, t)
}

// addLong adds the prices of long input.
func (t *tariff) addLong(above int64, cost *devCost) error {
	list, err := cost.list()
	if err != nil {
		return fmt.Errorf("above %d tokens: %w", above, err)
	}
	t.long = append(t.long, v1alpha1.LongContextPrices{AboveInputTokens: above, PriceList: list})
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

func (c *devCost) list() (list v1alpha1.PriceList, err error) {
	err = readPrices(perMillion,
		field{"input", c.Input, &list.Input},
		field{"output", c.Output, &list.Output},
		field{"cache_read", c.CacheRead, &list.CachedInput},
		field{"cache_write", c.CacheWrite, &list.CacheWrite5m},
		field{"input_audio", c.InputAudio, &list.AudioInput},
		field{"output_audio", c.OutputAudio, &list.AudioOutput},
	)
	if err != nil {
		return list, err
	}
	var reasoning v1alpha1.Price
	if err := readPrices(perMillion, field{"reasoning", c.Reasoning, &reasoning}); err != nil {
		return list, err
	}
	if cmp.Or(reasoning, list.Output) != list.Output {
		return list, errors.New("reasoning and output have different prices")
	}
	return list, nil
}
