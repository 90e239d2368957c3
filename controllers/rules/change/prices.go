package change

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Prices are the warnings about new price changes of a model that lie in the past: no call that was
// made since then is priced again.
func Prices(was, is *v1alpha1.ModelProvider, now time.Time) (warnings []string) {
	if was == nil {
		return nil
	}
	for i, model := range is.Spec.Models {
		before := slices.IndexFunc(was.Spec.Models, func(m v1alpha1.Model) bool { return m.Name == model.Name })
		if before < 0 {
			continue
		}
		for j, change := range model.PriceChanges {
			isKnown := slices.ContainsFunc(was.Spec.Models[before].PriceChanges, func(c v1alpha1.PriceChange) bool {
				return c.EffectiveFrom.Equal(&change.EffectiveFrom)
			})
			if !isKnown && change.EffectiveFrom.Time.Before(now) {
				warnings = append(warnings, fmt.Sprintf("%s: %s is in the past: the prices apply from now on, and calls since then keep the cost that they had",
					field.NewPath("spec", "models").Index(i).Child("priceChanges").Index(j).Child("effectiveFrom"),
					change.EffectiveFrom.UTC().Format(time.RFC3339)))
			}
		}
	}
	return warnings
}
