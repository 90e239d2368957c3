package analysis

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// early is a percentage below which a Trip rung is a typing error: more than half of each limit
// could never be spent.
const early = 50

// ladder finds rungs that are never reached, or that do not do what they are for.
func (f *found) ladder(spec v1alpha1.TenantBudgetSpec, catalogue Catalogue) {
	path := field.NewPath("spec", "ladder")
	trip := slices.IndexFunc(spec.Ladder, func(r v1alpha1.Rung) bool { return r.Action == v1alpha1.ActionTrip })
	for i, rung := range spec.Ladder {
		path := path.Index(i)
		if trip >= 0 && rung.Action == v1alpha1.ActionWarn && rung.AtPercent > spec.Ladder[trip].AtPercent {
			f.noEffect(path.Child("atPercent"), "Warn at %d %% comes after Trip at %d %%, where calls are already refused: lower it",
				rung.AtPercent, spec.Ladder[trip].AtPercent)
		}
		switch rung.Action {
		case v1alpha1.ActionTrip:
			f.trip(rung, catalogue, path)
		case v1alpha1.ActionDowngrade:
			f.downgrade(rung.Models, catalogue, path.Child("models"))
		}
	}
}

func (f *found) trip(rung v1alpha1.Rung, catalogue Catalogue, path *field.Path) {
	if rung.AtPercent < early {
		f.warn(path.Child("atPercent"), "calls are refused from %d %% on: the other %d %% of each limit can never be spent", rung.AtPercent, 100-rung.AtPercent)
	}
	if rung.AtPercent < 100 || !slices.Contains(rung.Fallback, v1alpha1.FallbackCheapestModel) {
		return
	}
	var models []v1alpha1.ModelName
	if rung.CheapestModel != nil {
		models = rung.CheapestModel.Models
	}
	_, paid := catalogue.over(limiterv1.Tenant{}, models, func(usual) bool { return false })
	if all := len(catalogue.selected(models)); all > 0 && paid == all {
		f.noEffect(path.Child("fallback"), "at 100 %% nothing is left to call CheapestModel with: lower atPercent")
	}
}

// downgrade finds replacements that do not make calls cheaper.
func (f *found) downgrade(replacements []v1alpha1.Replacement, catalogue Catalogue, path *field.Path) {
	for i, r := range replacements {
		path := path.Index(i).Child("to")
		from, hasFrom := catalogue.models[string(r.From)]
		to, hasTo := catalogue.models[string(r.To)]
		next := slices.IndexFunc(replacements, func(other v1alpha1.Replacement) bool { return other.From == r.To })
		switch {
		case hasFrom && hasTo && from.protocol != to.protocol && from.protocol != "" && to.protocol != "":
			f.noEffect(path, "%s is of protocol %s, and %s of %s: a call keeps its protocol, so write a model of %s",
				r.To, to.protocol, r.From, from.protocol, from.protocol)
		case hasFrom && hasTo && isDearer(to, from):
			f.warn(path, "a call of %s costs more than one of %s: write a cheaper model", r.To, r.From)
		case next >= 0:
			f.warn(path, "%s is itself replaced by %s, but a call is replaced only once: write %s", r.To, replacements[next].To, replacements[next].To)
		}
	}
}
