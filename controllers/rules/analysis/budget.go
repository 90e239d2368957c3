package analysis

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/nearest"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// Around is what the meaning of an object depends on beside the object itself.
type Around struct {
	Catalogue Catalogue
	// Tiers are the tiers of the callers whose calls count against an object's limits.
	Tiers sets.Set[string]
	// Succession is nil for a budget that names no successor.
	Succession *Succession
	// Groups are those that the callers are known to be in.
	Groups Groups
}

// OfTenantBudget finds what is surely not meant in a TenantBudget. The document is what it
// compiles to; nil where it is not accepted.
func OfTenantBudget(budget *v1alpha1.TenantBudget, document *limiterv1.Tenant, around Around) []Warning {
	var f found
	spec := budget.Spec
	f.modelsOf(spec, around.Catalogue)
	f.tiersOf(spec, around.Tiers)
	f.groupsOf(spec, around.Groups)
	f.amounts(spec, field.NewPath("spec", "limits"))
	if document != nil {
		f.neverFits(*document, spec, around.Catalogue)
	}
	f.neverReached(spec, field.NewPath("spec", "limits"))
	if document != nil {
		f.neverReachedBelow(*document, spec, field.NewPath("spec", "limits"))
	}
	f.ladder(spec, around.Catalogue)
	f.virtualModels(spec.VirtualModels, around.Catalogue)
	f.output(spec, around.Catalogue)
	f.unlisted(spec, around.Catalogue)
	f.filters(spec)
	f.successor(budget, around.Succession)
	if document != nil {
		f.unreserved(*document)
	}
	return f
}

// filters finds limits that a filter of alerts names but the budget does not have.
func (f *found) filters(spec v1alpha1.TenantBudgetSpec) {
	if spec.Alerts == nil {
		return
	}
	var names []string
	for _, limit := range spec.Limits {
		names = append(names, limit.Name)
	}
	path := field.NewPath("spec", "alerts", "filters")
	for i, filter := range spec.Alerts.Filters {
		for j, limit := range filter.Limits {
			if !slices.Contains(names, limit) {
				f.noEffect(path.Index(i).Child("limits").Index(j), "the budget has no limit %q%s", limit, verdict.DidYouMeanOr(": it has ", limit, names))
			}
		}
	}
}

// unlistedModels adds a warning of each model at the path that no ModelProvider lists.
func (f *found) unlistedModels(path *field.Path, models []v1alpha1.ModelName, catalogue Catalogue) {
	for i, model := range models {
		f.unlistedModel(path.Index(i), model, catalogue)
	}
}

func (f *found) unlistedModel(path *field.Path, model v1alpha1.ModelName, catalogue Catalogue) {
	if !catalogue.has(string(model)) {
		f.noEffect(path, "no ModelProvider lists model %q%s", model, nearest.DidYouMean(string(model), catalogue.names))
	}
}

// modelsOf finds models that a budget names and no ModelProvider lists: mostly typing errors,
// because of which a limit counts nothing. A model to downgrade from may also be a virtual one.
func (f *found) modelsOf(spec v1alpha1.TenantBudgetSpec, catalogue Catalogue) {
	path := field.NewPath("spec")
	for i, limit := range spec.Limits {
		f.unlistedModels(path.Child("limits").Index(i).Child("models"), limit.Models, catalogue)
	}
	isVirtual := func(name v1alpha1.ModelName) bool {
		return slices.ContainsFunc(spec.VirtualModels, func(v v1alpha1.VirtualModel) bool { return v.Name == name })
	}
	asksForAny := spec.UnknownModel == v1alpha1.UnknownModelPriceAsMostExpensive
	for i, rung := range spec.Ladder {
		path := path.Child("ladder").Index(i)
		for j, replacement := range rung.Models {
			path := path.Child("models").Index(j)
			if !isVirtual(replacement.From) && !asksForAny {
				f.unlistedModel(path.Child("from"), replacement.From, catalogue)
			}
			f.unlistedModel(path.Child("to"), replacement.To, catalogue)
		}
		if rung.CheapestModel != nil {
			f.unlistedModels(path.Child("cheapestModel", "models"), rung.CheapestModel.Models, catalogue)
		}
	}
	for i, c := range spec.OutputCaps {
		f.unlistedModels(path.Child("outputCaps").Index(i).Child("models"), c.Models, catalogue)
	}
	for i, virtual := range spec.VirtualModels {
		f.unlistedModels(path.Child("virtualModels").Index(i).Child("models"), virtual.Models, catalogue)
	}
}

// NamesModels reports whether a budget says something about some models only.
func NamesModels(spec v1alpha1.TenantBudgetSpec) bool {
	return len(spec.VirtualModels) > 0 ||
		slices.ContainsFunc(spec.Limits, func(l v1alpha1.MoneyLimit) bool { return len(l.Models) > 0 }) ||
		slices.ContainsFunc(spec.OutputCaps, func(c v1alpha1.OutputCap) bool { return len(c.Models) > 0 }) ||
		slices.ContainsFunc(spec.Ladder, func(r v1alpha1.Rung) bool { return len(r.Models) > 0 || r.CheapestModel != nil })
}

// NamesCallers reports whether a budget says something about users of some tiers or groups only.
func NamesCallers(spec v1alpha1.TenantBudgetSpec) bool {
	return slices.ContainsFunc(spec.Limits, func(l v1alpha1.MoneyLimit) bool { return len(l.Tiers) > 0 || len(l.Groups) > 0 }) ||
		slices.ContainsFunc(spec.OutputCaps, func(c v1alpha1.OutputCap) bool { return len(c.Tiers) > 0 || len(c.Groups) > 0 })
}

// tiersOf finds tiers that a budget names and no key has.
func (f *found) tiersOf(spec v1alpha1.TenantBudgetSpec, known sets.Set[string]) {
	path := field.NewPath("spec")
	for i, limit := range spec.Limits {
		f.unknownTiers(path.Child("limits").Index(i).Child("tiers"), limit.Tiers, known)
	}
	for i, c := range spec.OutputCaps {
		f.unknownTiers(path.Child("outputCaps").Index(i).Child("tiers"), c.Tiers, known)
	}
}

// unknownTiers finds tiers that none of the keys has. Without keys, nothing is known.
func (f *found) unknownTiers(path *field.Path, tiers []v1alpha1.Tier, known sets.Set[string]) {
	if known.Len() == 0 {
		return
	}
	names := sets.List(known)
	for i, tier := range tiers {
		if !known.Has(string(tier)) {
			f.warn(path.Index(i), "no APIKey or member whose calls count here has tier %q%s", tier, verdict.DidYouMeanOr(": they have ", string(tier), names))
		}
	}
}

// output finds caps, assumed outputs and fits that void each other, or change nothing.
func (f *found) output(spec v1alpha1.TenantBudgetSpec, catalogue Catalogue) {
	path := field.NewPath("spec")
	most := catalogue.mostOutput(nil)
	if tokens := ptr.Deref(spec.AssumedOutputTokens, 0); tokens > 0 && most > 0 && tokens >= most {
		f.noEffect(path.Child("assumedOutputTokens"), "no model has that many output tokens: the most is %d", most)
	}
	for i, c := range spec.OutputCaps {
		of := catalogue.mostOutput(c.Models)
		if of > 0 && c.MaxOutputTokens >= of {
			f.noEffect(path.Child("outputCaps").Index(i).Child("maxOutputTokens"),
				"no model that it caps has more output tokens than %d: lower it, or leave the cap out", of)
		}
	}
	if spec.Fit != nil {
		f.fit(*spec.Fit, spec.OutputCaps, most, path.Child("fit", "minOutputTokens"))
	}
}

func (f *found) fit(fit v1alpha1.Fit, caps []v1alpha1.OutputCap, most int64, path *field.Path) {
	least := fit.MinOutputTokens
	switch {
	case least == 0, least == compile.DefaultFit: // which the API server writes, too
		return
	case fit.Mode == v1alpha1.FitRefuse:
		f.noEffect(path, "mode Refuse lowers no output: write mode LowerOutput, or leave it out")
		return
	case most > 0 && least >= most:
		f.noEffect(path, "no model has more output tokens than %d, so no call is ever lowered: write less", most)
		return
	}
	for i, c := range caps {
		if least >= c.MaxOutputTokens {
			f.warn(path, "%d is not below the cap of %d in spec.outputCaps[%d], so no capped call is ever lowered: write less",
				least, c.MaxOutputTokens, i)
			return
		}
	}
}

// mostOutput is the most output that any of the models has, or any at all where none is named.
func (c Catalogue) mostOutput(models []v1alpha1.ModelName) (most int64) {
	for _, model := range c.selected(models) {
		most = max(most, model.MaxOutputTokens)
	}
	return most
}

// selected are the listed ones among models, or all if none is named, in the order of their
// names.
func (c Catalogue) selected(models []v1alpha1.ModelName) []listed {
	names := c.names
	if len(models) > 0 {
		names = nil
		for _, model := range models {
			names = append(names, string(model))
		}
	}
	var all []listed
	for _, name := range names {
		if model, found := c.models[name]; found {
			all = append(all, model)
		}
	}
	return all
}

// unlisted finds limits and rungs that do not count calls of unlisted models, although the budget
// lets these through.
func (f *found) unlisted(spec v1alpha1.TenantBudgetSpec, catalogue Catalogue) {
	if spec.UnknownModel != v1alpha1.UnknownModelPriceAsMostExpensive {
		return
	}
	path := field.NewPath("spec")
	if !catalogue.takesUnlisted {
		f.noEffect(path.Child("unknownModel"), "no ModelProvider sets unlistedModels: unlisted models are refused until one does")
		return
	}
	const around = "does not count calls to these models under unlisted names, which spec.unknownModel allows"
	for i, limit := range spec.Limits {
		if len(limit.Models) > 0 {
			f.warn(path.Child("limits").Index(i).Child("models"), around)
		}
	}
	for i, rung := range spec.Ladder {
		if len(rung.Models) > 0 {
			f.warn(path.Child("ladder").Index(i).Child("models"), around)
		}
	}
}

// unreserved finds that calls are to be admitted while Redis is unreachable, below an ancestor
// that does not allow that.
func (f *found) unreserved(document limiterv1.Tenant) {
	if document.StoreLossPercent == 0 {
		return
	}
	for _, ancestor := range document.Ancestors {
		if ancestor.StoreLossPercent == 0 {
			f.noEffect(field.NewPath("spec", "onStoreLoss"),
				"AllowBounded has no effect below tenant %s: set onStoreLoss: AllowBounded there, too", ancestor.Tenant)
			return
		}
	}
}

// virtualModels finds models of a virtual model that are never called, because their calls cost
// more than those of a model before them.
func (f *found) virtualModels(virtual []v1alpha1.VirtualModel, catalogue Catalogue) {
	for i, v := range virtual {
		path := field.NewPath("spec", "virtualModels").Index(i)
		if catalogue.has(string(v.Name)) && !slices.Contains(v.Models, v.Name) {
			f.warn(path.Child("name"), "hides the model of that name: choose another name, or add the model to models")
		}
		f.dearerLater(path.Child("models"), v.Models, catalogue)
	}
}

func (f *found) dearerLater(path *field.Path, models []v1alpha1.ModelName, catalogue Catalogue) {
	for j := 1; j < len(models); j++ {
		before, hasBefore := catalogue.models[string(models[j-1])]
		model, has := catalogue.models[string(models[j])]
		if hasBefore && has && before.protocol == model.protocol && isDearer(model, before) {
			f.noEffect(path.Index(j), "a call of %s costs more than one of %s, which is tried before it: list the more expensive one first", models[j], models[j-1])
		}
	}
}

// isDearer reports whether a call of a model costs more than a call of another with the same
// input and output.
func isDearer(model, other listed) bool {
	output := min(model.MaxOutputTokens, other.MaxOutputTokens)
	one, ok := model.usualCall(output)
	two, okToo := other.usualCall(output)
	return ok && okToo && one.cost > two.cost
}

func tokens(call usual) string {
	return fmt.Sprintf("%d tokens of input, %d of output", call.tokens-call.output, call.output)
}

// tiersOf are the tiers of callers; none if the tier of one comes with a token, and may be any.
func tiersOf(callers []Caller) sets.Set[string] {
	tiers := sets.New[string]()
	for _, caller := range callers {
		if caller.Tier == "" {
			return nil
		}
		tiers.Insert(caller.Tier)
	}
	return tiers
}
