package proxy

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// serveModels serves the list of models in the shape of a protocol.
func (p *Proxy) serveModels(lister protocol.ModelLister) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		subject, refusal := p.subject(r, lister)
		if refusal != nil {
			p.refuse(w, refusal, lister)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(lister.ModelList(p.models(subject.Tenant))) // the client may have gone
	}
}

// models are those that a tenant may ask for, its virtual ones first.
func (p *Proxy) models(tenant string) (all []protocol.ListedModel) {
	virtual := p.virtualModels(tenant)
	for _, name := range slices.Sorted(maps.Keys(virtual)) {
		all = append(all, protocol.ListedModel{Name: name, Owner: tenant})
	}
	for _, route := range p.Config.Routes() {
		if _, hidden := virtual[route.Model.Name]; !hidden {
			all = append(all, protocol.ListedModel{Name: route.Model.Name, Owner: route.Provider.Name})
		}
	}
	return all
}

// virtualModels are the models of each virtual one of a tenant, by its name.
func (p *Proxy) virtualModels(name string) map[string][]string {
	tenant, ok := p.Config.Tenant(name)
	if !ok {
		return nil
	}
	return tenant.Document().VirtualModels
}
