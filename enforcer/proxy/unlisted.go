package proxy

import (
	"fmt"
	"net/http"
	"strings"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/enforcer/ledger"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// PricedAsHeader is the field of an answer to a call of a model that no provider lists,
// which says how it is priced.
const PricedAsHeader = "X-Bursar-Priced-As"

// routeTo is where the call can be made of a model.
func (p *Proxy) routeTo(c *call, model string) (*config.Route, *refusal) {
	route, listed := p.Config.Route(model)
	switch {
	case listed && route.Provider.Protocol == c.endpoint.Protocol().Name():
		return route, nil
	case listed || !c.asksFor(model):
		return nil, unknownModel(model)
	}
	return p.routeToUnlisted(c, model)
}

// asksFor is whether the model is the one that the caller named, rather than one that
// the tenant's configuration did: a slip of the pen there is none of a price's business.
func (c *call) asksFor(model string) bool {
	_, virtual := c.tenant.Document().VirtualModels[model]
	return model == c.request.Model() && !virtual
}

// routeToUnlisted is where the call can be made of a model that no provider lists, if
// both the tenant and a provider say that it may.
func (p *Proxy) routeToUnlisted(c *call, model string) (*config.Route, *refusal) {
	if c.tenant.Document().UnknownModel != limiterv1.PriceAsMostExpensive {
		return nil, denied(model)
	}
	if !mayBeUnlisted(c.endpoint, model) {
		return nil, noModelName(model)
	}
	route, ok := p.Config.RouteUnlisted(c.endpoint.Protocol().Name(), model)
	if !ok {
		return nil, untaken(model, c.endpoint.Protocol().Name())
	}
	return route, nil
}

// mayBeUnlisted is whether a provider may be asked for a model by a name that nobody
// but a caller has seen. It must not lead to another path than that of the model.
func mayBeUnlisted(endpoint protocol.Endpoint, name string) bool {
	if protocol.PathNamesModel(endpoint) && strings.ContainsAny(name, "/:@") {
		return false
	}
	return limiterv1.IsModelName(name)
}

// pricing is whose prices the call is held and settled at; empty for its own model's.
func (c *call) pricing() ledger.Pricing {
	if c.model.Unlisted {
		return ledger.MostExpensive
	}
	return ""
}

// denied is the refusal of a call for a model that no provider lists.
func denied(model string) *refusal {
	r := unknownModel(model)
	r.message += " A TenantBudget allows others with unknownModel: PriceAsMostExpensive."
	return r
}

// untaken is the refusal of a call for a model that no provider lists, and none takes.
func untaken(model string, protocol limiterv1.Protocol) *refusal {
	r := unknownModel(model)
	r.message += fmt.Sprintf(" No ModelProvider of protocol %s takes others: that is spec.unlistedModels.", protocol)
	return r
}

func noModelName(name string) *refusal {
	return &refusal{
		status: http.StatusNotFound, kind: protocol.InvalidRequest, code: "model_not_found", param: "model",
		title: "Model not found", message: fmt.Sprintf("%q is no name that a model may have here.", name),
	}
}
