package proxy

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// modelList is the list of models in OpenAI's shape.
type modelList struct {
	Object string  `json:"object"`
	Data   []model `json:"data"`
}

type model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

// serveModels lists the models that may be asked for, the tenant's virtual ones first.
func (p *Proxy) serveModels(w http.ResponseWriter, r *http.Request) {
	subject, refusal := p.subject(r, limiterv1.OpenAI)
	if refusal != nil {
		p.refuse(w, refusal, limiterv1.OpenAI)
		return
	}
	list := modelList{Object: "list", Data: []model{}}
	virtual := p.virtualModels(subject.Tenant)
	for _, name := range slices.Sorted(maps.Keys(virtual)) {
		list.Data = append(list.Data, model{ID: name, Object: "model", OwnedBy: subject.Tenant})
	}
	for _, route := range p.Config.Routes() {
		if _, hidden := virtual[route.Model.Name]; hidden {
			continue
		}
		list.Data = append(list.Data, model{ID: route.Model.Name, Object: "model", OwnedBy: route.Provider.Name})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(list) // the client may have gone
}

// virtualModels are the models of each virtual one of a tenant, by its name.
func (p *Proxy) virtualModels(name string) map[string][]string {
	tenant, ok := p.Config.Tenant(name)
	if !ok {
		return nil
	}
	return tenant.Document().VirtualModels
}
