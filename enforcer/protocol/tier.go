package protocol

import (
	"maps"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// serviceTier is the service tier that a request asks for.
//
// A provider may serve a call in another tier than was asked for, and says in which
// it did. That one is billed; where it says nothing, the one that was asked for.
type serviceTier struct {
	asked price.ServiceTier
	// open is whether the provider is left to choose, by what the account or its project
	// has set there: any tier may be billed.
	open bool
}

// readTier reads the member with which a request asks for a service tier.
func readTier(m *member) (serviceTier, *RequestError) {
	switch {
	case !m.given():
		return serviceTier{asked: price.Default, open: true}, nil
	case m.value.Type != gjson.String:
		return serviceTier{}, wrong(m.name, "must be a string")
	}
	return tierAsked(m.value.Str), nil
}

// tierAsked is the service tier of a request that asks for one by that name.
func tierAsked(name string) serviceTier {
	return serviceTier{asked: tierNamed(name), open: leftOpen(name)}
}

// leftOpen reports whether the name is not that of a tier, but leaves the choice to the provider.
func leftOpen(name string) bool { return name == "" || name == "auto" || name == "unspecified" }

// tierNamed is the service tier by one of the names that providers have for it.
func tierNamed(name string) price.ServiceTier {
	switch name {
	case "", "auto", "default", "standard", "standard_only", "on_demand", "unspecified":
		return price.Default
	}
	return price.ServiceTier(strings.Clone(name)) // it outlives the request
}

// possible are the tiers of the model in which the call may be served.
func (t serviceTier) possible(model limiterv1.Model) []price.ServiceTier {
	switch {
	case t.open && len(model.Prices) > 1:
		return slices.Sorted(maps.Keys(model.Prices))
	case t.asked == price.Default:
		return []price.ServiceTier{price.Default}
	}
	return []price.ServiceTier{t.asked, price.Default}
}

// oneTier is the name of the tier that an answer has in one of several places. Where two of them
// name two tiers, nobody knows which one is billed.
func (n *numbers) oneTier(places ...gjson.Result) (said gjson.Result) {
	for _, place := range places {
		switch {
		case place.Type == gjson.Null:
		case said.Type == gjson.Null, said.Type == gjson.String && leftOpen(said.Str):
			said = place
		case place.Type == gjson.String && leftOpen(place.Str):
		case said.Type != gjson.String || place.Type != gjson.String || tierNamed(said.Str) != tierNamed(place.Str):
			n.doubtOf("the answer names two service tiers: %s and %s", clipped(said.Raw), clipped(place.Raw))
		}
	}
	return said
}

// served is the tier in which the call was served, by the provider's word. Default
// is the empty tier.
func (t serviceTier) served(answered gjson.Result) price.ServiceTier {
	tier := t.asked
	switch {
	case answered.Type == gjson.Null:
	case answered.Type != gjson.String:
		return price.ServiceTier(clipped(answered.Raw)) // which has no price
	case !leftOpen(answered.Str):
		tier = tierNamed(answered.Str)
	}
	if tier == price.Default {
		return ""
	}
	return tier
}
