package webhook_test

import (
	"context"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

const publicKeys = `{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

func inline(change func(*v1alpha1.IdentityProvider), namespaces ...string) *v1alpha1.IdentityProvider {
	p := objects.IdentityProvider("", namespaces...)
	p.Spec.Issuer.JWKS = publicKeys
	change(p)
	return p
}

// TestIdentityProviderIsRefused: an error names the field and quotes the expression.
func TestIdentityProviderIsRefused(t *testing.T) {
	present := inline(func(*v1alpha1.IdentityProvider) {})
	create(t, present)
	awaitAccepted(t, present, "True Accepted")
	for name, tc := range map[string]struct {
		change  func(*v1alpha1.IdentityProvider)
		wantErr string
	}{
		"an expression that is none": {func(p *v1alpha1.IdentityProvider) {
			p.Spec.ClaimMappings.User = v1alpha1.ClaimMapping{Expression: "claims.sub +"}
		}, `spec.claimMappings.user.expression: Invalid value: "claims.sub +"`},
		"a rule that is no condition": {func(p *v1alpha1.IdentityProvider) {
			p.Spec.ClaimValidationRules = []v1alpha1.ClaimValidationRule{{Expression: "'yes'"}}
		}, `spec.claimValidationRules[0].expression: Invalid value: "'yes'"`},
		"a rule over what is not there": {func(p *v1alpha1.IdentityProvider) {
			p.Spec.UserValidationRules = []v1alpha1.UserValidationRule{{Expression: "user.password == ''"}}
		}, `spec.userValidationRules[0].expression: Invalid value: "user.password == ''"`},
		"a secret key": {func(p *v1alpha1.IdentityProvider) {
			p.Spec.Issuer.JWKS = strings.Replace(publicKeys, `"x"`, `"d": "TOP-SECRET", "x"`, 1)
		}, "spec.issuer.jwks"},
		"another's issuer": {func(p *v1alpha1.IdentityProvider) { p.Spec.Issuer.URL = present.Spec.Issuer.URL },
			"spec.issuer.url: Invalid value: \"" + present.Spec.Issuer.URL + "\": already governed by the older IdentityProvider " + present.Name},
	} {
		t.Run(name, func(t *testing.T) {
			err := api.Create(t.Context(), inline(tc.change))
			if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("got %v, want an error with %q", err, tc.wantErr)
			}
			if err != nil && strings.Contains(err.Error(), "TOP-SECRET") {
				t.Errorf("the error quotes the key: %v", err)
			}
		})
	}
}

// TestMembershipIsRefused: a member that the IdentityProvider does not let the namespace name is
// refused; if the IdentityProvider does not exist yet, there is a warning only.
func TestMembershipIsRefused(t *testing.T) {
	namespace := newNamespace(t)
	budget := objects.TenantBudget(namespace)
	create(t, budget)
	awaitSeen(t, budget)
	provider := inline(func(p *v1alpha1.IdentityProvider) { p.Spec.AllowedMemberships[0].Emails = []string{"*@acme.example"} }, namespace)
	create(t, provider)
	awaitAccepted(t, provider, "True Accepted")

	m := objects.Membership(namespace, "staff", provider)
	m.Spec.Members = []v1alpha1.Member{{Email: "ana@acme.example"}, {Email: "eva@emea.example"}}
	err := api.Create(t.Context(), m.DeepCopy())
	if want := "spec.members[1].email: Forbidden: IdentityProvider " + provider.Name + " does not allow this namespace to name this email"; err == nil ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	m.Spec.Members = m.Spec.Members[:1]
	create(t, m)
	awaitAccepted(t, m, "True Accepted")

	warned.take()
	narrower := provider.DeepCopy()
	testkit.Must(t, update(t, narrower, func(p *v1alpha1.IdentityProvider) { p.Spec.AllowedMemberships[0].Emails = []string{"*@emea.example"} }))
	if got := warned.take(); len(got) != 1 || !strings.Contains(got[0], "1 members, in 1 Memberships, are no longer allowed and lose access") {
		t.Errorf("got the warnings %q", got)
	}
	early := objects.Membership(namespace, "early", objects.IdentityProvider(""))
	testkit.Must(t, api.Create(t.Context(), early))
	t.Cleanup(func() { _ = api.Delete(context.Background(), early) })
	if got := warned.take(); len(got) != 1 || !strings.HasPrefix(got[0], "has no effect yet: spec.identityProviderRef.name: Invalid value") {
		t.Errorf("got the warnings %q", got)
	}
}
