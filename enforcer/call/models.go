package call

import (
	"maps"
	"slices"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// Models are those that a caller may ask for, the virtual ones of its tenant first.
func (calls *Calls) Models(caller admission.Subject) (all []protocol.ListedModel) {
	virtual := calls.virtualModels(caller.Tenant)
	for _, name := range slices.Sorted(maps.Keys(virtual)) {
		all = append(all, protocol.ListedModel{Name: name, Owner: caller.Tenant, Protocols: calls.protocolsOf(virtual[name])})
	}
	for _, route := range calls.Config.Routes() {
		if _, hidden := virtual[route.Model.Name]; !hidden {
			all = append(all, protocol.ListedModel{
				Name: route.Model.Name, Owner: route.Provider.Name, Protocols: []limiterv1.Protocol{route.Provider.Protocol},
				ContextWindow: route.Model.ContextWindow, MaxOutputTokens: route.Model.MaxOutputTokens,
			})
		}
	}
	return slices.DeleteFunc(all, func(m protocol.ListedModel) bool { return !mayAskFor(caller, m.Name) })
}

// mayAskFor reports whether a caller's credential lets it ask for a model by a name. Which
// model is called in its place is up to the tenant's configuration.
func mayAskFor(caller admission.Subject, model string) bool {
	return len(caller.Models) == 0 || limiterv1.Matches(caller.Models, model)
}

// protocolsOf are the protocols in which the models are served.
func (calls *Calls) protocolsOf(models []string) (all []limiterv1.Protocol) {
	for _, model := range models {
		if route, ok := calls.Config.Route(model); ok && !slices.Contains(all, route.Provider.Protocol) {
			all = append(all, route.Provider.Protocol)
		}
	}
	return all
}

// UnknownModel is the refusal of a request about a model that is none of those available.
func (calls *Calls) UnknownModel(name string, available []protocol.ListedModel) *Problem {
	var names []string
	for _, listed := range available {
		names = append(names, listed.Name)
	}
	return calls.absent(unknownModel(name, names))
}

// virtualModels are the models of each virtual one of a tenant, by its name.
func (calls *Calls) virtualModels(name string) map[string][]string {
	tenant, ok := calls.Config.Tenant(name)
	if !ok {
		return nil
	}
	return tenant.Document().VirtualModels
}
