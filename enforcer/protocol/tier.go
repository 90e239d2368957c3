package protocol

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/bursar-dev/bursar/api/price"
)

// serviceTier is the service tier that a request asks for.
//
// A provider may serve a call in another tier than was asked for, and says in which
// it did. That one is billed; where it says nothing, the one that was asked for.
type serviceTier struct{ asked price.ServiceTier }

// readTier reads the member with which a request asks for a service tier.
func readTier(m *member) (serviceTier, *RequestError) {
	switch {
	case !m.given():
		return serviceTier{price.Default}, nil
	case m.value.Type != gjson.String:
		return serviceTier{}, wrong(m.name, "must be a string")
	}
	return serviceTier{tierNamed(m.value.Str)}, nil
}

// tierNamed is the service tier by one of the names that providers have for it.
func tierNamed(name string) price.ServiceTier {
	switch name {
	case "", "auto", "default", "standard", "standard_only", "on_demand", "unspecified":
		return price.Default
	}
	return price.ServiceTier(strings.Clone(name)) // it outlives the request
}

// possible are the tiers in which the call may be served.
func (t serviceTier) possible() []price.ServiceTier {
	if t.asked == price.Default {
		return []price.ServiceTier{price.Default}
	}
	return []price.ServiceTier{t.asked, price.Default}
}

// served is the tier in which the call was served, by the provider's word. Default
// is the empty tier.
func (t serviceTier) served(answered gjson.Result) price.ServiceTier {
	tier := t.asked
	if answered.Type == gjson.String {
		tier = tierNamed(answered.Str)
	}
	if tier == price.Default {
		return ""
	}
	return tier
}
