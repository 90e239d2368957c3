package change_test

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/change"
)

// TestPrices: a price change that comes late is told, and one that has been there is not.
func TestPrices(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	provider := func(from ...time.Time) *v1alpha1.ModelProvider {
		model := v1alpha1.Model{Name: "gpt-4o"}
		for _, at := range from {
			model.PriceChanges = append(model.PriceChanges, v1alpha1.PriceChange{EffectiveFrom: metav1.NewTime(at)})
		}
		return &v1alpha1.ModelProvider{Spec: v1alpha1.ModelProviderSpec{Models: []v1alpha1.Model{model}}}
	}
	past, coming := now.AddDate(0, 0, -29), now.AddDate(0, 1, 0)
	for name, tc := range map[string]struct {
		was, is *v1alpha1.ModelProvider
		want    []string
	}{
		"to come":        {provider(), provider(coming), nil},
		"late":           {provider(), provider(past, coming), []string{"spec.models[0].priceChanges[0].effectiveFrom: 2026-11-01T12:00:00Z is in the past: the prices apply from now on, and calls since then keep the cost that they had"}},
		"there before":   {provider(past), provider(past, coming), nil},
		"a new provider": {nil, provider(past), nil},
	} {
		if got := change.Prices(tc.was, tc.is, now); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}
