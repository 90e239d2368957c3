package priceimport

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

func TestLiteLLMExtras(t *testing.T) {
	const fees = `"search_context_cost_per_query":{"search_context_size_high":0.01,"search_context_size_low":0.01,"search_context_size_medium":0.01}`
	for name, tc := range map[string]struct {
		row     string
		want    v1alpha1.Prices
		leftOut []string
	}{
		"none": {`{"litellm_provider":"anthropic"}`, v1alpha1.Prices{}, nil},
		"another's": {`{"litellm_provider":"openai",` + fees + `}`, v1alpha1.Prices{},
			[]string{"search_context_cost_per_query: the table does not say what is billed, the search or the prompt: if answers count it, add it to fees"}},
		"searches": {`{"litellm_provider":"anthropic",` + fees + `}`, v1alpha1.Prices{Fees: []v1alpha1.Fee{{Name: "web_search", Amount: "0.01"}}}, nil},
		"by their size": {`{"litellm_provider":"anthropic","search_context_cost_per_query":{"a":0.01,"b":0.02}}`, v1alpha1.Prices{},
			[]string{"search_context_cost_per_query: it differs by the size of the context"}},
		"factors": {`{"litellm_provider":"anthropic","provider_specific_entry":{"us":1.1,"fast":6.0,"mars":2}}`, v1alpha1.Prices{Multipliers: []v1alpha1.PriceMultiplier{
			{Property: "speed", Value: "fast", Factor: "6.00"}, {Property: "inference_geo", Value: "us", Factor: "1.10"},
		}}, []string{"provider_specific_entry.mars: it is not known what it multiplies"}},
	} {
		t.Run(name, func(t *testing.T) {
			var members map[string]json.RawMessage
			if err := json.Unmarshal([]byte(tc.row), &members); err != nil {
				t.Fatal(err)
			}
			var got v1alpha1.Prices
			leftOut := addExtras(&got, members)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("prices (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.leftOut, leftOut); diff != "" {
				t.Errorf("left out (-want +got):\n%s", diff)
			}
		})
	}
}
