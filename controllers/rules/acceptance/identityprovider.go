package acceptance

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/callers"
	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/precedence"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

// IdentityProvider is what was decided of an IdentityProvider.
type IdentityProvider struct {
	Decision
	// Document tells the enforcers which tokens are valid, without keys that have to be
	// fetched; nil if the provider is to have no effect.
	Document *limiterv1.IdentityProvider
	// Forfeited is set when what the provider programmed before must not stay in force:
	// its issuer is another's.
	Forfeited bool
}

// DecideIdentityProvider decides whether the provider is valid and has its issuer for
// itself, and compiles it if so.
func DecideIdentityProvider(ctx context.Context, reader client.Reader, provider *v1alpha1.IdentityProvider) (IdentityProvider, error) {
	errs, err := issuersOfOthers(ctx, reader, provider)
	if err != nil {
		return IdentityProvider{}, err
	}
	document, invalidErrs := callers.IdentityProvider(provider)
	if len(invalidErrs) == 0 {
		invalidErrs = uncompilable(document)
	}
	switch {
	case len(invalidErrs) > 0:
		return IdentityProvider{Decision: invalid(invalidErrs), Forfeited: len(errs) > 0}, nil
	case len(errs) > 0:
		return IdentityProvider{Decision: rejected(v1alpha1.ReasonConflicted, errs...), Forfeited: true}, nil
	}
	return IdentityProvider{Decision: accepted(), Document: &document}, nil
}

// uncompilable returns what enforcers could not run of a document.
func uncompilable(document limiterv1.IdentityProvider) (errs field.ErrorList) {
	if len(document.Issuers) == 0 {
		document.Issuers = []string{index.ClusterIssuer} // its name is not known before its keys are
	}
	_, err := identity.Compile(document)
	for _, one := range unjoin(err) {
		var wrong *identity.FieldError
		if !errors.As(one, &wrong) {
			errs = append(errs, field.InternalError(field.NewPath("spec"), one))
			continue
		}
		var value any = field.OmitValueType{}
		if wrong.Expression != "" {
			value = wrong.Expression
		}
		errs = append(errs, field.Invalid(field.NewPath("spec", wrong.Field), value, wrong.Err.Error()))
	}
	return errs
}

// unjoin are the errors that one joins.
func unjoin(err error) []error {
	var joined interface{ Unwrap() []error }
	switch {
	case err == nil:
		return nil
	case errors.As(err, &joined):
		return joined.Unwrap()
	}
	return []error{err}
}

// issuersOfOthers are the errors of a provider that names issuers of older ones.
func issuersOfOthers(ctx context.Context, reader client.Reader, provider *v1alpha1.IdentityProvider) (errs field.ErrorList, err error) {
	for i, name := range index.IssuerNames(provider) {
		var rivals v1alpha1.IdentityProviderList
		if err := reader.List(ctx, &rivals, client.MatchingFields{index.IssuerName: name}); err != nil {
			return nil, err
		}
		holder := provider
		for j := range rivals.Items {
			if rival := &rivals.Items[j]; precedence.Compare(rival, holder) < 0 {
				holder = rival
			}
		}
		if holder.Name != provider.Name {
			errs = append(errs, field.Invalid(issuerPath(provider, i), name,
				fmt.Sprintf("already governed by the older IdentityProvider %s: list the audiences of both in one of the two", holder.Name)))
		}
	}
	return errs, nil
}

// issuerPath is the field with one of the provider's names of its issuer.
func issuerPath(provider *v1alpha1.IdentityProvider, i int) *field.Path {
	issuer := field.NewPath("spec", "issuer")
	switch {
	case provider.Spec.Issuer.Cluster:
		return issuer.Child("cluster")
	case i == 0:
		return issuer.Child("url")
	}
	return issuer.Child("aliases").Index(i - 1)
}

// SameIssuer are the other providers that name an issuer of the given one.
func SameIssuer(ctx context.Context, reader client.Reader, provider *v1alpha1.IdentityProvider) ([]*v1alpha1.IdentityProvider, error) {
	var same []*v1alpha1.IdentityProvider
	for _, name := range index.IssuerNames(provider) {
		var rivals v1alpha1.IdentityProviderList
		if err := reader.List(ctx, &rivals, client.MatchingFields{index.IssuerName: name}); err != nil {
			return nil, err
		}
		for i := range rivals.Items {
			if rival := &rivals.Items[i]; rival.Name != provider.Name {
				same = append(same, rival)
			}
		}
	}
	return same, nil
}
