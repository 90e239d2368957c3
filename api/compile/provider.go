package compile

import (
	"cmp"
	"net/url"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Provider compiles a ModelProvider.
func Provider(provider *v1alpha1.ModelProvider) (limiterv1.Provider, field.ErrorList) {
	spec := field.NewPath("spec")
	var errs field.ErrorList
	if endpoint, err := url.Parse(provider.Spec.Endpoint); err != nil || endpoint.Host == "" {
		errs = append(errs, field.Invalid(spec.Child("endpoint"), provider.Spec.Endpoint,
			`must be an http or https URL, such as "https://api.openai.com/v1"`))
	}
	compiled := limiterv1.Provider{
		Sources:        []limiterv1.Source{source(kindModelProvider, provider)},
		Name:           provider.Name,
		Protocol:       limiterv1.Protocol(cmp.Or(provider.Spec.Protocol, string(limiterv1.OpenAI))),
		Endpoint:       provider.Spec.Endpoint,
		CredentialFile: provider.Spec.CredentialFile,
		Models:         make([]limiterv1.Model, 0, len(provider.Spec.Models)),
	}
	for i, model := range provider.Spec.Models {
		compiledModel, modelErrs := compileModel(model, spec.Child("models").Index(i))
		errs = append(errs, modelErrs...)
		compiled.Models = append(compiled.Models, compiledModel)
	}
	unlisted, err := unlistedModels(provider.Spec.UnlistedModels, compiled.Models, spec.Child("unlistedModels"))
	if err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return limiterv1.Provider{}, errs
	}
	compiled.UnlistedModels = unlisted
	compiled.PassFields = provider.Spec.PassFields
	compiled.NeutralUsage, compiled.CostReported = provider.Spec.NeutralUsage, provider.Spec.CostReported
	compiled.OnClientGone = limiterv1.OnClientGone(provider.Spec.OnClientGone)
	checkInterval, _ := time.ParseDuration(provider.Spec.CheckInterval) // the API server has checked it
	compiled.CheckSeconds = int64(checkInterval / time.Second)
	return compiled, nil
}

// unlistedModels compiles the bounds of unlisted models. They need a listed model
// with a price of output, because its prices are theirs.
func unlistedModels(bounds *v1alpha1.UnlistedModels, listed []limiterv1.Model, path *field.Path) (*limiterv1.UnlistedModels, *field.Error) {
	if bounds == nil {
		return nil, nil
	}
	if !slices.ContainsFunc(listed, func(m limiterv1.Model) bool { return m.Prices.Offers(price.Output) }) {
		return nil, field.Forbidden(path,
			"requires a model with prices.output in spec.models: unlisted models are priced by the listed ones")
	}
	return &limiterv1.UnlistedModels{MaxOutputTokens: bounds.MaxOutputTokens, ContextWindow: bounds.ContextWindow}, nil
}

func compileModel(model v1alpha1.Model, path *field.Path) (limiterv1.Model, field.ErrorList) {
	prices, errs := book(model.Prices, path.Child("prices"))
	changes, changeErrs := priceChanges(model.PriceChanges, path.Child("priceChanges"))
	errs = append(errs, changeErrs...)
	compiled := limiterv1.Model{
		Name:            model.Name,
		UpstreamName:    cmp.Or(model.UpstreamName, model.Name),
		AnsweredAs:      model.AnsweredAs,
		ContextWindow:   model.ContextWindow,
		Tokenizer:       limiterv1.Tokenizer(model.Tokenizer),
		Reasoning:       limiterv1.Reasoning(model.Reasoning),
		MaxOutputTokens: model.MaxOutputTokens,
		Prices:          prices,
		PriceChanges:    changes,
	}
	if !boundsItsOutput(compiled) {
		errs = append(errs, field.Invalid(path.Child("maxOutputTokens"), model.MaxOutputTokens,
			"must be set together with a price for output, at all times: a model without output, such as one for embeddings only, has neither"))
	}
	return compiled, errs
}

// boundsItsOutput reports whether the model has a bound of its output if, and
// only if, it has a price for output, at all times.
func boundsItsOutput(model limiterv1.Model) bool {
	bounded := model.MaxOutputTokens > 0
	for _, change := range model.PriceChanges {
		if change.Prices.Offers(price.Output) != bounded {
			return false
		}
	}
	return model.Prices.Offers(price.Output) == bounded
}
