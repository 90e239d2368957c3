package config

import (
	"maps"
	"slices"
	"strings"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// Route is a model and the provider that serves it.
type Route struct {
	Provider limiterv1.Provider
	Model    limiterv1.Model
}

// source is a provider's document, and what is made of it once.
type source struct {
	limiterv1.Provider
	// unlisted stands for any model that no provider lists, if this provider takes such models.
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
	// unlisted are the routes to models that no provider lists.
	unlisted map[limiterv1.Protocol]Route
}

// newRoutes are the routes to the models of providers. A model has one provider, except
// while it moves from one to another: then it is routed to the first by name, so that all
// enforcers agree. Likewise, models that no provider lists are routed to the first by name
// of the providers that take them.
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
