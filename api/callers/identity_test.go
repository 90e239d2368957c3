package callers_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/callers"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

func TestIdentityProvider(t *testing.T) {
	provider := &v1alpha1.IdentityProvider{
		ObjectMeta: metav1.ObjectMeta{Name: "company", UID: "uid-company", Generation: 5},
		Spec: v1alpha1.IdentityProviderSpec{
			Issuer: v1alpha1.Issuer{
				URL: "https://login.example.com", Aliases: []string{"login.example.com"}, Audiences: []string{"bursar"},
				JWKS: `{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x5u": "https://evil.example",
					"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
			},
			Algorithms: []v1alpha1.SignatureAlgorithm{"EdDSA"},
			ClaimValidationRules: []v1alpha1.ClaimValidationRule{
				{Claim: "hd", RequiredValue: ptr.To("acme.example")}, {Expression: "claims.a", Message: "a"},
			},
			UserValidationRules: []v1alpha1.UserValidationRule{{Expression: "user.admin", Message: "no"}},
			ClaimMappings: v1alpha1.ClaimMappings{
				User: v1alpha1.ClaimMapping{Claim: "email"}, Tenant: &v1alpha1.ClaimMapping{Claim: "tenant"}, Tier: &v1alpha1.ClaimMapping{Expression: "'a'"},
				Admin: &v1alpha1.ClaimMapping{Claim: "admin"}, Groups: &v1alpha1.ClaimMapping{Claim: "groups"},
			},
			Tenants: []string{"acme", "emea"},
		},
	}
	want := limiterv1.IdentityProvider{
		Sources: []limiterv1.Source{{Kind: "IdentityProvider", Name: "company", UID: "uid-company", Generation: 5}},
		Name:    "company", Issuers: []string{"https://login.example.com", "login.example.com"}, Audiences: []string{"bursar"},
		Algorithms: []string{"EdDSA"}, Leeway: 60_000,
		Keys:       json.RawMessage(`{"keys":[{"kty":"OKP","kid":"k","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`),
		ClaimRules: []limiterv1.ClaimRule{{Claim: "hd", RequiredValue: "acme.example"}, {Expression: "claims.a", Message: "a"}},
		UserRules:  []limiterv1.ClaimRule{{Expression: "user.admin", Message: "no"}},
		Mappings: limiterv1.ClaimMappings{
			User: limiterv1.ClaimMapping{Claim: "email"}, Tenant: limiterv1.ClaimMapping{Claim: "tenant"}, Tier: limiterv1.ClaimMapping{Expression: "'a'"},
			Admin: limiterv1.ClaimMapping{Claim: "admin"}, Groups: limiterv1.ClaimMapping{Claim: "groups"},
		},
		Tenants: []string{"acme", "emea"},
	}
	got, errs := callers.IdentityProvider(provider)
	if diff := cmp.Diff(want, got); diff != "" || len(errs) > 0 {
		t.Errorf("%v, document (-want +got):\n%s", errs, diff)
	}

	provider.Spec.Tenants, provider.Spec.Algorithms = []string{"*"}, nil
	provider.Spec.Issuer = v1alpha1.Issuer{Cluster: true, Audiences: []string{"bursar"}}
	got, errs = callers.IdentityProvider(provider)
	if !got.AllTenants || got.Tenants != nil || len(got.Issuers) > 0 || len(got.Keys) > 0 || len(errs) > 0 {
		t.Errorf("of the cluster, with all tenants: got %+v, %v", got, errs)
	}
	if diff := cmp.Diff([]string{"RS256", "ES256"}, got.Algorithms); diff != "" {
		t.Errorf("algorithms (-want +got):\n%s", diff)
	}
}

func TestMembers(t *testing.T) {
	membership := &v1alpha1.Membership{
		ObjectMeta: meta("staff", 3),
		Spec: v1alpha1.MembershipSpec{
			IdentityProviderRef: v1alpha1.IdentityProviderRef{Name: "company"},
			Members: []v1alpha1.Member{
				{Subject: "Ana", User: "ana", Tier: "gerente", Groups: []v1alpha1.GivenGroup{"research", "eu"}, Labels: v1alpha1.CallerLabels{"team": "search"}, Admin: true, Default: true},
				{Email: "Eva@ACME.example"}, {Group: "Staff"}, {Group: "staff"},
			},
		},
	}
	want := limiterv1.Members{
		Sources: []limiterv1.Source{source("Membership", "staff", 3)},
		Name:    "acme/staff", Tenant: "acme-inc", Provider: "company",
		Members: []limiterv1.Member{
			{Subject: "Ana", User: "ana", Tier: "gerente", Groups: []string{"eu", "research"}, Labels: map[string]string{"team": "search"}, Admin: true, Default: true},
			{Email: "eva@acme.example"}, {Group: "Staff"}, {Group: "staff"},
		},
	}
	got, errs := callers.Members(membership, "acme-inc")
	if diff := cmp.Diff(want, got); diff != "" || len(errs) > 0 {
		t.Errorf("%v, document (-want +got):\n%s", errs, diff)
	}

	membership.Spec.Members = append(membership.Spec.Members, v1alpha1.Member{Email: "eva@acme.EXAMPLE"}, v1alpha1.Member{Subject: "Ana"})
	_, errs = callers.Members(membership, "acme-inc")
	if diff := cmp.Diff(field.ErrorList{invalid("spec.members[4].email"), invalid("spec.members[5].subject")}, errs, ignoreDetail); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}
