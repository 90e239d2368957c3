package config

import (
	"maps"
	"slices"
	"strings"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// Route is where a model is to be had.
type Route struct {
	Provider limiterv1.Provider
	Model    limiterv1.Model
}

// routes are all models of all providers. They are made anew when a provider
// changes: providers are few, unlike tenants and credentials, and change rarely.
type routes struct {
	byModel map[string]*Route
	sorted  []*Route
	// takers are the providers that take models that none lists.
	takers map[limiterv1.Protocol]limiterv1.Provider
}

// newRoutes are the routes to the models of providers. A model has one provider,
// except while it moves from one to another: then the first by name has it, so
// that all enforcers agree. So does the first of those that take models none lists.
func newRoutes(providers map[string]limiterv1.Provider) *routes {
	r := &routes{byModel: map[string]*Route{}, takers: map[limiterv1.Protocol]limiterv1.Provider{}}
	for _, name := range slices.Sorted(maps.Keys(providers)) {
		provider := providers[name]
		if _, taken := r.takers[provider.Protocol]; !taken && provider.UnlistedModels != nil {
			r.takers[provider.Protocol] = provider
		}
		for _, model := range provider.Models {
			if _, taken := r.byModel[model.Name]; !taken {
				r.byModel[model.Name] = &Route{Provider: provider, Model: model}
			}
		}
	}
	r.sorted = slices.SortedFunc(maps.Values(r.byModel), func(a, b *Route) int {
		return strings.Compare(a.Model.Name, b.Model.Name)
	})
	return r
}
