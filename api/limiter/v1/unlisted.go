package limiterv1

import (
	"regexp"
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

// Unlisted is a model that no provider lists, as this one takes it at a moment: each
// kind of token costs what it costs at most of any model that this provider lists.
// REQUIRES: UnlistedModels is not nil.
func (p Provider) Unlisted(name string, now time.Time) Model {
	books := make([]price.Book, len(p.Models))
	for i, model := range p.Models {
		books[i] = model.At(now).Prices
	}
	return Model{
		Name: name, UpstreamName: name, Unlisted: true,
		MaxOutputTokens: p.UnlistedModels.MaxOutputTokens, ContextWindow: p.UnlistedModels.ContextWindow,
		Prices: price.MostExpensive(books...),
	}
}

// modelName is what the API asks of the names of models that are listed.
var modelName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$`)

// IsModelName reports whether a model that is listed could have the name.
func IsModelName(name string) bool { return modelName.MatchString(name) }
