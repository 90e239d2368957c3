package compile

import (
	"cmp"
	"net/url"

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
		prices, priceErrs := prices(model.Prices, spec.Child("models").Index(i).Child("prices"))
		errs = append(errs, priceErrs...)
		compiled.Models = append(compiled.Models, limiterv1.Model{
			Name:            model.Name,
			UpstreamName:    cmp.Or(model.UpstreamName, model.Name),
			MaxOutputTokens: model.MaxOutputTokens,
			Prices:          price.Book{price.Default: {Base: prices}},
		})
	}
	if len(errs) > 0 {
		return limiterv1.Provider{}, errs
	}
	return compiled, nil
}

func prices(prices v1alpha1.Prices, path *field.Path) (price.List, field.ErrorList) {
	list := price.List{}
	var errs field.ErrorList
	parse := func(kind price.Kind, amount v1alpha1.Amount) {
		nanos, err := dollars(amount, path.Child(string(kind)))
		if err != nil {
			errs = append(errs, err)
		}
		list[kind] = nanos
	}
	parse(price.Input, prices.Input)
	parse(price.Output, prices.Output)
	list[price.CachedInput] = list[price.Input]
	if prices.CachedInput != nil {
		parse(price.CachedInput, *prices.CachedInput)
	}
	if len(errs) == 0 && list[price.CachedInput] > list[price.Input] {
		errs = append(errs, field.Invalid(path.Child("cachedInput"), *prices.CachedInput,
			"must not be dearer than input"))
	}
	return list, errs
}
