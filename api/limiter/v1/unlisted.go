package limiterv1

import (
	"regexp"
	"slices"
	"time"

	"github.com/bursar-dev/bursar/api/price"
)

// UnknownModel says what happens to calls for a model that no provider lists.
type UnknownModel string

// PriceAsMostExpensive sends them to a provider that takes them, at the dearest of its prices.
const PriceAsMostExpensive UnknownModel = "PriceAsMostExpensive"

// UnlistedModels bounds a call of any model that no provider lists.
type UnlistedModels struct {
	// MaxOutputTokens and ContextWindow are as a Model's.
	MaxOutputTokens int64 `json:"maxOutputTokens"`
	ContextWindow   int64 `json:"contextWindow,omitempty"`
}

// Unlisted is a model that no provider lists, as this provider takes it, without a name:
// each kind of token has, at each time, the dearest price that any listed model of this
// provider has for it. REQUIRES: UnlistedModels is not nil.
//
// It takes time in proportion to the models and their price changes, so it is made once
// for the document, and not for each call.
func (p Provider) Unlisted() Model {
	models := p.dearest()
	unlisted := Model{
		Unlisted:        true,
		MaxOutputTokens: p.UnlistedModels.MaxOutputTokens, ContextWindow: p.UnlistedModels.ContextWindow,
		Prices: mostExpensive(models, time.Time{}),
	}
	for _, from := range changesOf(models) {
		unlisted.PriceChanges = append(unlisted.PriceChanges, PriceChange{from, mostExpensive(models, from)})
	}
	return unlisted
}

// dearest are the models with each of their books reduced to its dearest prices. If the prices of
// many models change at many times, these are much less to look at each time.
func (p Provider) dearest() []Model {
	models := make([]Model, len(p.Models))
	for i, model := range p.Models {
		models[i].Prices = price.MostExpensive(model.Prices)
		for _, change := range model.PriceChanges {
			models[i].PriceChanges = append(models[i].PriceChanges, PriceChange{change.EffectiveFrom, price.MostExpensive(change.Prices)})
		}
	}
	return models
}

// changesOf are the times at which the prices of any of the models change, the earliest first.
func changesOf(models []Model) []time.Time {
	var times []time.Time
	for _, model := range models {
		for _, change := range model.PriceChanges {
			times = append(times, change.EffectiveFrom)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	return slices.CompactFunc(times, time.Time.Equal)
}

func mostExpensive(models []Model, now time.Time) price.Book {
	books := make([]price.Book, len(models))
	for i, model := range models {
		books[i] = model.At(now).Prices
	}
	return price.MostExpensive(books...)
}

// modelName is the pattern of the names of listed models, as in the API.
var modelName = regexp.MustCompile(`^[A-Za-z0-9@~][A-Za-z0-9._:/@~-]{0,127}$`)

// IsModelName reports whether a listed model could have the name.
func IsModelName(name string) bool { return modelName.MatchString(name) }
