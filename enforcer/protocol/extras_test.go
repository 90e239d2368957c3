package protocol

import (
	"maps"
	"slices"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// TestExtrasAreThoseOfTheContract: the properties and fees that requests ask for are those that
// the control plane takes multipliers and fees to be of.
func TestExtrasAreThoseOfTheContract(t *testing.T) {
	for protocol, members := range map[limiterv1.Protocol][]allowed{
		limiterv1.OpenAI:          {chatAllowed, chatMessageAllowed, responsesAllowed, embeddingsAllowed, moderationAllowed},
		limiterv1.AzureOpenAI:     {chatAllowed, chatMessageAllowed, embeddingsAllowed},
		limiterv1.Anthropic:       {messagesAllowed},
		limiterv1.Gemini:          {generateAllowed},
		limiterv1.VercelAIGateway: {vercelAllowed, vercelMessageAllowed, vercelEmbeddingAllowed},
	} {
		properties, fees := map[string][]string{}, map[string]bool{}
		for _, members := range members {
			gather(object(members), properties, fees)
		}
		if want := limiterv1.UsualValues(protocol); !maps.EqualFunc(properties, want, slices.Equal[[]string]) {
			t.Errorf("%s has the properties %v, want %v: change limiterv1.UsualValues", protocol, properties, want)
		}
		if got, want := slices.Sorted(maps.Keys(fees)), limiterv1.AskedFees(protocol); !slices.Equal(got, want) {
			t.Errorf("%s has the fees %v, want %v: change limiterv1.AskedFees", protocol, got, want)
		}
	}
}

// gather finds the properties and fees in a rule, and in the rules of its members.
func gather(r rule, properties map[string][]string, fees map[string]bool) {
	if r.property != "" {
		properties[r.property] = r.values
	}
	if r.fee != "" {
		fees[r.fee] = true
	}
	for _, member := range r.object {
		gather(member, properties, fees)
	}
	for _, of := range r.byType {
		gather(of, properties, fees)
	}
}
