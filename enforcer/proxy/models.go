package proxy

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/bursar-dev/bursar/enforcer/identity"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// serveModels serves the list of models, in the shape of the protocol that asks at the path.
func (p *Proxy) serveModels(path string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		lister := p.listerFor(path, r.Header)
		if models, ok := p.modelsFor(w, r, lister); ok {
			answer(w, lister.ModelList(path, models))
		}
	}
}

// serveModel serves what there is to say of one model.
func (p *Proxy) serveModel(path string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		lister := p.listerFor(path, r.Header)
		models, ok := p.modelsFor(w, r, lister)
		if !ok {
			return
		}
		name, _ := protocol.MatchPath(protocol.ModelPattern(path), r.URL.Path)
		i := slices.IndexFunc(models, func(m protocol.ListedModel) bool { return m.Name == name })
		describer, describes := lister.(protocol.ModelDescriber)
		if i < 0 || !describes {
			p.refuse(w, p.Calls.UnknownModel(name, models), lister)
			return
		}
		answer(w, describer.ModelDetail(models[i]))
	}
}

// listerFor is the protocol whose client asks at a path: the one whose field the client sends, or
// else the one that has none.
func (p *Proxy) listerFor(path string, header http.Header) (found protocol.ModelLister) {
	for _, spoken := range p.Calls.Protocols {
		lister, ok := spoken.(protocol.ModelLister)
		if !ok || !slices.Contains(lister.ModelsPaths(), path) {
			continue
		}
		field := lister.ModelsField()
		if field != "" && header.Get(field) != "" {
			return lister
		}
		if found == nil || field == "" {
			found = lister
		}
	}
	return found
}

// modelsFor are the models that a client sees, unless it is refused: those that it can call in its
// protocol, and all where that is a common one.
func (p *Proxy) modelsFor(w http.ResponseWriter, r *http.Request, lister protocol.ModelLister) (models []protocol.ListedModel, ok bool) {
	p.hurryRest(w) // nobody reads a body here
	subject, problem := p.Calls.Identify(r.Context(), identity.Request{Protocol: lister, Header: r.Header, Query: r.URL.Query()})
	if problem != nil {
		p.refuse(w, problem, lister)
		return nil, false
	}
	models = p.Calls.Models(subject)
	if lister.ListsAll() {
		return models, true
	}
	return slices.DeleteFunc(models, func(m protocol.ListedModel) bool { return !slices.Contains(m.Protocols, lister.Name()) }), true
}

// answer writes a value as JSON.
func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the client may have gone
}
