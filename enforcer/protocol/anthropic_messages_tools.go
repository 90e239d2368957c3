package protocol

import (
	"fmt"
	"maps"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// providerTool is a tool of a request that the provider runs for a fee.
type providerTool struct {
	fee string
	// begins is where the tool begins in the body, uses the member of it that says how often it
	// may be used, and most what that says; 0 when it is not there.
	begins int
	uses   member
	most   int64
}

// usesFor is how often the tool may be used: as often as the request says, or else as the
// model's fee does. 0 is what has no fee or no bound, and was passed on.
func (t *providerTool) usesFor(model limiterv1.Model) int64 {
	switch {
	case !model.Prices.Charges(t.fee):
		return 0
	case t.most > 0:
		return t.most
	}
	return model.Prices.MostUses(t.fee)
}

// bindTo holds the provider to the uses that the request does not bound.
func (t *providerTool) bindTo(model limiterv1.Model, body *rewrite) {
	if uses := t.usesFor(model); t.most == 0 && uses > 0 {
		body.setWithin(t.begins, &t.uses, fmt.Append(nil, uses))
	}
}

// usesFor are how often tools may be used that the provider runs, by their fees.
func (r *messagesRequest) usesFor(model limiterv1.Model) map[string]int64 {
	uses := map[string]int64{}
	for _, tool := range r.run {
		if n := tool.usesFor(model); n > 0 {
			uses[tool.fee] = min(uses[tool.fee]+n, price.MaxTokens)
		}
	}
	return uses
}

// boundedUses are the uses of a bound. A fee that says how often a tool may be used in a call
// says it of calls that have the tool, and of no other.
func boundedUses(uses map[string]int64, model limiterv1.Model) price.Uses {
	bounded := maps.Clone(uses)
	for _, fee := range []string{webSearchFee, webFetchFee} {
		if model.Prices.MostUses(fee) > 0 {
			bounded[fee] = uses[fee]
		}
	}
	return price.AtMost(bounded)
}
