package call

import (
	"fmt"
	"slices"
	"strings"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// routeTo is the route to a model for the call.
func (c *Call) routeTo(model string) (*config.Route, *Problem) {
	route, listed := c.calls.Config.Route(model)
	switch {
	case listed && c.speaksTo(route):
		return route, nil
	case listed:
		return nil, c.unknown(model)
	case !c.asksFor(model):
		return nil, c.calls.absent(c.unknown(model))
	}
	route, refusal := c.routeToUnlisted(model)
	if refusal != nil {
		return nil, c.calls.absent(refusal)
	}
	return route, nil
}

// speaksTo is whether the route's provider has the protocol that the caller speaks.
func (c *Call) speaksTo(route *config.Route) bool {
	return route.Provider.Protocol == c.Endpoint.Protocol().Name()
}

// asksFor is whether the caller itself named the model, rather than the tenant's
// configuration: a typing error there must not be priced as an unlisted model.
func (c *Call) asksFor(model string) bool {
	_, virtual := c.tenant.Document().VirtualModels[model]
	return model == c.asked.model && !virtual
}

// routeToUnlisted is the route to a model that no provider lists, if both the tenant and
// a provider allow such calls.
func (c *Call) routeToUnlisted(model string) (*config.Route, *Problem) {
	if c.tenant.Document().UnknownModel != limiterv1.PriceAsMostExpensive {
		return nil, c.denied(model)
	}
	if !mayBeUnlisted(c.Endpoint, model) {
		return nil, noModelName(model)
	}
	speaks := c.Endpoint.Protocol().Name()
	route, ok := c.calls.Config.RouteUnlisted(speaks, model)
	if !ok {
		return nil, c.untaken(model, speaks)
	}
	return route, nil
}

// mayBeUnlisted is whether a provider may be asked for a model by a name that comes from a
// caller alone. It must not lead to another path than that of the model.
func mayBeUnlisted(endpoint protocol.Endpoint, name string) bool {
	if protocol.PathNamesModel(endpoint) && strings.ContainsAny(name, "/:@") {
		return false
	}
	return limiterv1.IsModelName(name)
}

// pricing says by which prices the call is held and settled; empty for those of its own model.
func (c *Call) pricing() ledgerv1.Pricing {
	if c.model.Unlisted {
		return ledgerv1.MostExpensive
	}
	return ""
}

// unknown is the refusal of a call for a model that does not exist in its protocol.
func (c *Call) unknown(model string) *Problem {
	if !c.asksFor(model) {
		return unknownModel(model, nil)
	}
	return unknownModel(model, c.availableModels())
}

// availableModels are the models that the caller may ask for in the protocol that it speaks.
func (c *Call) availableModels() (names []string) {
	for _, listed := range c.calls.Models(c.subject) {
		if slices.Contains(listed.Protocols, c.Endpoint.Protocol().Name()) {
			names = append(names, listed.Name)
		}
	}
	return names
}

// denied is the refusal of a call for a model that no provider lists.
func (c *Call) denied(model string) *Problem {
	r := c.unknown(model)
	r.Message += " To allow models that are not listed, set unknownModel: PriceAsMostExpensive in the TenantBudget."
	return r
}

// untaken is the refusal of a call for a model that no provider lists, and none takes.
func (c *Call) untaken(model string, speaks limiterv1.Protocol) *Problem {
	r := c.unknown(model)
	r.Message += fmt.Sprintf(" No ModelProvider of protocol %s accepts models that it does not list: set its spec.unlistedModels.", speaks)
	return r
}

func noModelName(name string) *Problem {
	r := unknownModel(name, nil)
	r.Message = fmt.Sprintf("%q is not a valid model name.", name)
	return r
}
