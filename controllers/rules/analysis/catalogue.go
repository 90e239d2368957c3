package analysis

import (
	"slices"
	"time"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Catalogue is the models that ModelProviders list, at the prices of one moment.
type Catalogue struct {
	models map[string]listed
	// names are those of the models, in order.
	names []string
	// takesUnlisted is whether a provider accepts models that none lists.
	takesUnlisted bool
}

// listed is a model with the protocol of its provider. It has no prices if its provider has
// errors.
type listed struct {
	limiterv1.Model
	protocol limiterv1.Protocol
}

// NewCatalogue is the models of the providers, except of those that are being deleted.
func NewCatalogue(providers []v1alpha1.ModelProvider, now time.Time) Catalogue {
	c := Catalogue{models: map[string]listed{}}
	for i := range providers {
		provider := &providers[i]
		if !provider.DeletionTimestamp.IsZero() {
			continue
		}
		c.takesUnlisted = c.takesUnlisted || provider.Spec.UnlistedModels != nil
		for _, model := range provider.Spec.Models {
			c.models[model.Name] = listed{Model: limiterv1.Model{Name: model.Name}}
		}
		compiled, errs := compile.Provider(provider)
		if len(errs) > 0 {
			continue
		}
		for _, model := range compiled.Models {
			c.models[model.Name] = listed{model.At(now), compiled.Protocol}
		}
	}
	for name := range c.models {
		c.names = append(c.names, name)
	}
	slices.Sort(c.names)
	return c
}

// has is whether a provider lists the model.
func (c Catalogue) has(name string) bool {
	_, found := c.models[name]
	return found
}

// usualInput is how many tokens of input a usual call has, at least.
const usualInput = 1000

// usual is a usual call of a model: what it may cost, and how many tokens it may use.
type usual struct {
	model  string
	output int64
	tokens int64
	cost   money.Nanos
}

// usualCall is a call of the model with usual input and so many tokens of output. It is not ok
// where the model has no prices, or costs nothing.
func (m listed) usualCall(output int64) (call usual, ok bool) {
	usage := price.Usage{Input: m.BoundInput(usualInput)}
	if m.Prices.Offers(price.Output) {
		usage.Output = output
	}
	cost, err := m.Prices.Dearest(usage)
	return usual{m.Name, usage.Output, usage.Total(), cost}, err == nil
}
