package callers

import (
	"encoding/json"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// leeway is how far the clocks of issuers and enforcers may differ.
const leeway = time.Minute

// defaultAlgorithms are those of an IdentityProvider that names none.
var defaultAlgorithms = []v1alpha1.SignatureAlgorithm{"RS256", "ES256"}

// IdentityProvider compiles an IdentityProvider, without keys that have to be fetched
// and, if the issuer is the cluster, without the issuer's name.
func IdentityProvider(provider *v1alpha1.IdentityProvider) (limiterv1.IdentityProvider, field.ErrorList) {
	spec := provider.Spec
	compiled := limiterv1.IdentityProvider{
		Sources:   []limiterv1.Source{Source(kindIdentityProvider, provider)},
		Name:      provider.Name,
		Issuers:   IssuerNames(spec.Issuer),
		Audiences: spec.Issuer.Audiences,
		Leeway:    limiterv1.Duration(leeway.Milliseconds()),
		Mappings:  claimMappings(spec.ClaimMappings),
	}
	for _, algorithm := range spec.Algorithms {
		compiled.Algorithms = append(compiled.Algorithms, string(algorithm))
	}
	if len(spec.Algorithms) == 0 {
		for _, algorithm := range defaultAlgorithms {
			compiled.Algorithms = append(compiled.Algorithms, string(algorithm))
		}
	}
	for _, rule := range spec.ClaimValidationRules {
		compiled.ClaimRules = append(compiled.ClaimRules, limiterv1.ClaimRule{
			Claim: rule.Claim, RequiredValue: ptr.Deref(rule.RequiredValue, ""), Expression: string(rule.Expression), Message: rule.Message,
		})
	}
	for _, rule := range spec.UserValidationRules {
		compiled.UserRules = append(compiled.UserRules, limiterv1.ClaimRule{Expression: string(rule.Expression), Message: rule.Message})
	}
	compiled.AllTenants = slices.Contains(spec.Tenants, "*")
	if !compiled.AllTenants {
		compiled.Tenants = spec.Tenants
	}
	if spec.Issuer.JWKS == "" {
		return compiled, nil
	}
	var err error
	if compiled.Keys, err = publicKeys([]byte(spec.Issuer.JWKS)); err != nil {
		return limiterv1.IdentityProvider{}, field.ErrorList{
			field.Invalid(field.NewPath("spec", "issuer", "jwks"), field.OmitValueType{}, err.Error()),
		}
	}
	return compiled, nil
}

// publicKeys are the keys of a JWK set, reduced to what verifies signatures.
func publicKeys(set []byte) (json.RawMessage, error) {
	keys, err := identity.ParseKeys(set)
	if err != nil {
		return nil, err
	}
	return keys.Public()
}

// IssuerNames are what the claim iss of a token may be; none if the issuer is the
// cluster, which only names itself at run time.
func IssuerNames(issuer v1alpha1.Issuer) []string {
	if issuer.Cluster {
		return nil
	}
	return append([]string{issuer.URL}, issuer.Aliases...)
}

func claimMappings(mappings v1alpha1.ClaimMappings) limiterv1.ClaimMappings {
	return limiterv1.ClaimMappings{
		User:   claimMapping(&mappings.User),
		Tenant: claimMapping(mappings.Tenant),
		Tier:   claimMapping(mappings.Tier),
		Admin:  claimMapping(mappings.Admin),
		Groups: claimMapping(mappings.Groups),
		Labels: labelMappings(mappings.Labels),
	}
}

func labelMappings(labels map[string]v1alpha1.ClaimMapping) map[string]limiterv1.ClaimMapping {
	if len(labels) == 0 {
		return nil
	}
	compiled := make(map[string]limiterv1.ClaimMapping, len(labels))
	for name, mapping := range labels {
		compiled[name] = claimMapping(&mapping)
	}
	return compiled
}

func claimMapping(mapping *v1alpha1.ClaimMapping) limiterv1.ClaimMapping {
	if mapping == nil {
		return limiterv1.ClaimMapping{}
	}
	return limiterv1.ClaimMapping{Claim: mapping.Claim, Expression: string(mapping.Expression)}
}
