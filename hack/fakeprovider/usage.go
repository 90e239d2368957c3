package fakeprovider

import "encoding/json"

// reported is the usage that an answer reports. It need not be true; the bill is.
type reported struct {
	BilledCall
	kind usageKind
}

// usage is what the answer reports, and whether it reports anything.
func (a *answer) usage() (reported, bool) {
	r := reported{a.line.snapshot(), a.directives.usage}
	if r.kind == usageZero {
		r.BilledCall = BilledCall{Tier: r.Tier}
	}
	return r, r.kind != usageNone
}

// out is the number of output tokens, without some of them, as it is reported.
func (r reported) out(without int64) any {
	switch r.kind {
	case usageNegative:
		return -r.OutputTokens
	case usageHuge:
		return json.Number("1000000000000000")
	case usageFractional:
		return json.Number("1.5")
	case usageTrue, usageNone, usageZero:
	}
	return r.OutputTokens - without
}

// in is the number of input tokens as it is reported where there is no output.
func (r reported) in() any {
	switch r.kind {
	case usageNegative:
		return -r.InputTokens
	case usageHuge, usageFractional:
		return r.out(0)
	case usageTrue, usageNone, usageZero:
	}
	return r.InputTokens
}

// tier is the service tier as it is reported.
func (r reported) tier() string {
	if r.Tier == "" {
		return "default"
	}
	return r.Tier
}
