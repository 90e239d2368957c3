package call

import (
	"maps"
	"slices"

	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// Models are those that a tenant may ask for, its virtual ones first.
func (calls *Calls) Models(tenant string) (all []protocol.ListedModel) {
	virtual := calls.virtualModels(tenant)
	for _, name := range slices.Sorted(maps.Keys(virtual)) {
		all = append(all, protocol.ListedModel{Name: name, Owner: tenant})
	}
	for _, route := range calls.Config.Routes() {
		if _, hidden := virtual[route.Model.Name]; !hidden {
			all = append(all, protocol.ListedModel{Name: route.Model.Name, Owner: route.Provider.Name})
		}
	}
	return all
}

// virtualModels are the models of each virtual one of a tenant, by its name.
func (calls *Calls) virtualModels(name string) map[string][]string {
	tenant, ok := calls.Config.Tenant(name)
	if !ok {
		return nil
	}
	return tenant.Document().VirtualModels
}
