package proxy

import (
	"encoding/json"
	"net/http"
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

// serveModels lists the models that may be asked for.
func (p *Proxy) serveModels(w http.ResponseWriter, r *http.Request) {
	if _, refusal := p.subject(r); refusal != nil {
		p.refuse(w, refusal)
		return
	}
	list := modelList{Object: "list", Data: []model{}}
	for _, route := range p.Config.Routes() {
		list.Data = append(list.Data, model{ID: route.Model.Name, Object: "model", OwnedBy: route.Provider.Name})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(list) // the client may have gone
}
