package limiterv1

import (
	"regexp"
	"slices"
	"time"

	"github.com/bursar-dev/bursar/api/price"
)

// UnknownModel is what becomes of calls for a model that no provider lists.
type UnknownModel string

// PriceAsMostExpensive has them made by a provider that takes such, at the dearest of
// its prices.
const PriceAsMostExpensive UnknownModel = "PriceAsMostExpensive"

// UnlistedModels is what bounds a call of any model that no provider lists.
type UnlistedModels struct {
	// MaxOutputTokens and ContextWindow are as a Model's.
	MaxOutputTokens int64 `json:"maxOutputTokens"`
	ContextWindow   int64 `json:"contextWindow,omitempty"`
}

// Unlisted is any model that no provider lists, as this one takes it, except for its name:
// each kind of token costs what it costs at most of any model that this provider lists,
// at each time. REQUIRES: UnlistedModels is not nil.
//
// It takes as long as there are models and changes of their prices: it is made once
// for the document, and not for a call.
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

// dearest are the models with the dearest prices alone of each of their books. Of many
// models whose prices change at many times, that is much less to look at each time.
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

// modelName is what the API asks of the names of models that are listed.
var modelName = regexp.MustCompile(`^[A-Za-z0-9@~][A-Za-z0-9._:/@~-]{0,127}$`)

// IsModelName reports whether a model that is listed could have the name.
func IsModelName(name string) bool { return modelName.MatchString(name) }
