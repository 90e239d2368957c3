package compile

import (
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/bursar-dev/bursar/api/callers"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// fallbacks compiles the fallbacks of a rung, in their order.
func fallbacks(rung v1alpha1.Rung, path *field.Path) ([]limiterv1.Fallback, field.ErrorList) {
	var errs field.ErrorList
	var compiled []limiterv1.Fallback
	for i, kind := range rung.Fallback {
		fallback := limiterv1.Fallback{Kind: limiterv1.FallbackKind(kind)}
		switch kind {
		case v1alpha1.FallbackCache:
			maxAge, err := maxAge(rung.Cache, path.Child("cache", "maxAge"))
			if err != nil {
				errs = append(errs, err)
			}
			fallback.MaxAge = maxAge
		case v1alpha1.FallbackCheapestModel:
			if cheapest := rung.CheapestModel; cheapest != nil {
				fallback.Models = callers.Sorted(cheapest.Models)
			}
		case v1alpha1.FallbackMessage:
			if fallback.Text = rung.Message; fallback.Text == "" {
				errs = append(errs, field.Required(path.Child("message"), "what the fallback Message answers"))
			}
			if hasControls(rung.Message, "\n\t") {
				errs = append(errs, field.Invalid(path.Child("message"), rung.Message,
					"must not contain control characters other than newlines and tabs"))
			}
		default:
			errs = append(errs, field.NotSupported(path.Child("fallback").Index(i), kind,
				[]v1alpha1.Fallback{v1alpha1.FallbackCache, v1alpha1.FallbackCheapestModel, v1alpha1.FallbackMessage}))
		}
		compiled = append(compiled, fallback)
	}
	return compiled, errs
}

// How old answers of the fallback Cache may be, as in the CRD.
const (
	defaultMaxAge = time.Hour
	leastMaxAge   = time.Second
	mostMaxAge    = 24 * time.Hour
)

func maxAge(cache *v1alpha1.CacheFallback, path *field.Path) (limiterv1.Duration, *field.Error) {
	age := defaultMaxAge
	if cache != nil && cache.MaxAge != "" {
		var err error
		if age, err = time.ParseDuration(cache.MaxAge); err != nil || age < leastMaxAge || age > mostMaxAge {
			return 0, field.Invalid(path, cache.MaxAge, `must be a duration of whole seconds between 1s and 24h, such as "1h"`)
		}
	}
	return limiterv1.Duration(age.Milliseconds()), nil
}
