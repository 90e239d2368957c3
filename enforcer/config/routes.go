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

// source is a provider's document, and what is made of it once.
type source struct {
	limiterv1.Provider
	// unlisted is any model that no provider lists, where this one takes such.
	unlisted limiterv1.Model
}

func newSource(provider limiterv1.Provider) source {
	s := source{Provider: provider}
	if provider.UnlistedModels != nil {
		s.unlisted = provider.Unlisted()
	}
	return s
}

// routes are all models of all providers. They are made anew when a provider
// changes: providers are few, unlike tenants and credentials, and change rarely.
type routes struct {
	byModel map[string]*Route
	sorted  []*Route
	// unlisted are the providers that take models that none lists, and any such model.
	unlisted map[limiterv1.Protocol]Route
}

// newRoutes are the routes to the models of providers. A model has one provider,
// except while it moves from one to another: then the first by name has it, so
// that all enforcers agree. So does the first of those that take models none lists.
func newRoutes(providers map[string]source) *routes {
	r := &routes{byModel: map[string]*Route{}, unlisted: map[limiterv1.Protocol]Route{}}
	for _, name := range slices.Sorted(maps.Keys(providers)) {
		provider := providers[name]
		if _, taken := r.unlisted[provider.Protocol]; !taken && provider.UnlistedModels != nil {
			r.unlisted[provider.Protocol] = Route{Provider: provider.Provider, Model: provider.unlisted}
		}
		for _, model := range provider.Models {
			if _, taken := r.byModel[model.Name]; !taken {
				r.byModel[model.Name] = &Route{Provider: provider.Provider, Model: model}
			}
		}
	}
	r.sorted = slices.SortedFunc(maps.Values(r.byModel), func(a, b *Route) int {
		return strings.Compare(a.Model.Name, b.Model.Name)
	})
	return r
}
