package resources

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// someKeys is a JWK set with the public key of RFC 8037, A.2.
const someKeys = `{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

// identityProvider makes one that is valid, whose keys are in it: nothing is fetched.
func (m *Maker) identityProvider() Resource {
	p := m.newIdentityProvider()
	m.identityProviders = append(m.identityProviders, p)
	return valid(p)
}

func (m *Maker) newIdentityProvider() *v1alpha1.IdentityProvider {
	name := m.name("idp")
	p := &v1alpha1.IdentityProvider{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "IdentityProvider"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.IdentityProviderSpec{
			Issuer: v1alpha1.Issuer{
				URL:       pick(m, "https://%s.example.com", "https://login.example.com:8443/%s/v2.0", "http://localhost:8102/%s", "http://127.0.0.1/%s"),
				JWKS:      someKeys,
				Audiences: pick(m, []string{"bursar"}, []string{"api://bursar", "~", strings.Repeat("a", 512)}),
			},
			Algorithms: pick(m, []v1alpha1.SignatureAlgorithm(nil), []v1alpha1.SignatureAlgorithm{"EdDSA"}, []v1alpha1.SignatureAlgorithm{"PS512", "ES384"}),
			ClaimMappings: v1alpha1.ClaimMappings{
				User:   pick(m, v1alpha1.ClaimMapping{Claim: "sub"}, v1alpha1.ClaimMapping{Expression: "claims.sub"}),
				Groups: pick(m, nil, &v1alpha1.ClaimMapping{Claim: "https://acme.example/groups"}),
			},
			AllowedMemberships: []v1alpha1.AllowedMemberships{{
				Namespaces: []string{m.delegated}, Subjects: []string{"*"}, Emails: []string{"*@acme.example"}, Groups: []string{"acme/*"},
			}},
		},
	}
	p.Spec.Issuer.URL = fmt.Sprintf(p.Spec.Issuer.URL, name)
	if m.oneIn(2) {
		p.Spec.Issuer.Aliases = []string{name}
		p.Spec.ClaimMappings.Tenant, p.Spec.Tenants = &v1alpha1.ClaimMapping{Claim: "tenant"}, pick(m, []string{"*"}, []string{"acme", "0", strings.Repeat("t", 63)})
		p.Spec.ClaimMappings.Admin = pick(m, nil, &v1alpha1.ClaimMapping{Expression: "claims.role == 'admin'"})
	}
	if m.oneIn(2) {
		p.Spec.ClaimValidationRules = []v1alpha1.ClaimValidationRule{
			{Claim: "hd", RequiredValue: ptr.To(pick(m, "", "acme.example"))},
			{Expression: "claims.a ==\n\t1", Message: pick(m, "", "Sólo para empleados.")},
		}
		p.Spec.UserValidationRules = []v1alpha1.UserValidationRule{{Expression: "user.username != 'root'"}}
	}
	return p
}

// membership makes one that is valid.
func (m *Maker) membership() Resource { return valid(m.newMembership()) }

func (m *Maker) newMembership() *v1alpha1.Membership {
	s := &v1alpha1.Membership{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "Membership"},
		ObjectMeta: metav1.ObjectMeta{Namespace: m.delegated, Name: m.name("members")},
		Spec: v1alpha1.MembershipSpec{
			BudgetRef:           v1alpha1.BudgetRef{Name: pick(m, m.budgets...).Name},
			IdentityProviderRef: v1alpha1.IdentityProviderRef{Name: pick(m, m.identityProviders...).Name},
		},
	}
	for i := range pick(m, 1, 2, 40) {
		member := pick(m,
			v1alpha1.Member{Subject: fmt.Sprintf("auth0|%d", i), User: pick(m, "", "A", "a+b_c.d-e@example.com")},
			v1alpha1.Member{Email: fmt.Sprintf("User.%d+x@ACME.example", i), Groups: some(m, 2, "research", "A", v1alpha1.GivenGroup(strings.Repeat("g", 63)))},
			v1alpha1.Member{Group: fmt.Sprintf("acme/Equipo Ñ %d", i)},
		)
		member.Tier, member.Admin, member.Default = pick(m, append(tiers, "")...), m.oneIn(3), m.oneIn(3)
		s.Spec.Members = append(s.Spec.Members, member)
	}
	return s
}

// wrongMembership makes a Membership that is invalid because of existing objects.
func (m *Maker) wrongMembership() Resource {
	s := m.newMembership()
	switch m.IntN(4) {
	case 0:
		s.Spec.BudgetRef.Name = "nobody"
		return wrong(s, "spec.budgetRef.name", "is not there")
	case 1:
		s.Spec.IdentityProviderRef.Name = "nobody"
		return wrong(s, "spec.identityProviderRef.name", "is not there")
	case 2:
		s.Spec.Members[0] = v1alpha1.Member{Email: "ana@other.example"}
		return wrong(s, "spec.members[0].email", "is not allowed")
	default:
		s.Spec.Members[0] = v1alpha1.Member{Group: "other/group"}
		return wrong(s, "spec.members[0].group", "is not allowed")
	}
}

var identityProviderFlaws = all(
	is("spec", nil, []any{}),
	is("spec.issuer", nil, "https://login.example.com"),
	is("spec.issuer.url", "login.example.com", "http://login.example.com", "https://", "https://a@b.example", "https://b.example/?c=d",
		"https://b.example/#c", "https://b.example/ c", "ftp://b.example", "http://localhost.example.com", "https://b.example\r\n", 5),
	is("spec.issuer.aliases", many(9, aName), "x"),
	is("spec.issuer.aliases[*]", "", "a b", "á", 5),
	is("spec.issuer.jwks", "", "{}", `{"keys": []}`, `{"keys": [{"kty": "oct", "k": "AA"}]}`, "\x00", 5),
	is("spec.issuer.audiences", nil, []any{}, many(33, aName), "bursar"),
	is("spec.issuer.audiences[*]", "", "a b", "á", strings.Repeat("a", 513), 5),
	is("spec.issuer.audienceMatchPolicy", "MatchAll", "", 5),
	is("spec.issuer.clientSecret", "secret"),
	is("spec.algorithms", []any{}, []any{"none"}, []any{"HS256"}, []any{"rs256"}, []any{"RS256", "RS256"}, "RS256"),
	is("spec.claimMappings", nil, "sub"),
	is("spec.claimMappings.user", nil, map[string]any{}, map[string]any{"claim": "a", "expression": "claims.a"}),
	is("spec.claimMappings.user.claim", "a b", 5),
	breaks("spec.claimMappings.user.expression", "spec.claimMappings.user", map[string]any{"expression": "claims.sub +"}),
	breaks("spec.claimMappings.user.expression", "spec.claimMappings.user", map[string]any{"expression": "nobody.sub"}),
	breaks("spec.claimMappings.user.expression", "spec.claimMappings.user", map[string]any{"expression": strings.Repeat("x", 2049)}),
	is("spec.claimValidationRules", []any{map[string]any{}}, []any{map[string]any{"claim": "a"}}, []any{map[string]any{"expression": "1"}}),
	is("spec.userValidationRules", []any{map[string]any{}}, []any{map[string]any{"expression": "claims.sub == 'a'"}}),
	is("spec.tenants", []any{}, []any{"*", "acme"}, []any{"a*"}, []any{"Acme"}),
	is("spec.allowedMemberships[*].namespaces", []any{}, []any{"*"}, []any{"A"}, "acme"),
	is("spec.allowedMemberships[*].subjects", []any{}, []any{"*a"}, []any{""}, []any{"a\n"}, "a"),
	is("spec.allowedMemberships[*].emails", []any{}, []any{"a"}, []any{"*@*"}, []any{"a@b@c"}, []any{"@b"}),
	is("spec.allowedMemberships[*].groups", []any{}, []any{"a*b"}, []any{""}),
)

var membershipFlaws = all(
	is("spec", nil, []any{}),
	is("spec.budgetRef", nil, "acme"),
	is("spec.budgetRef.name", nil, "", strings.Repeat("n", 254), 1),
	is("spec.identityProviderRef", nil, "company"),
	is("spec.members", nil, []any{}, "ana", many(1001, aMember)),
	is("spec.members[*]", map[string]any{}, map[string]any{"subject": "a", "group": "acme/a"}, "ana"),
	again("spec.members", "spec.members", nil),
	breaks("spec.members[0].email", "spec.members", []any{map[string]any{"email": "ana"}}),
	breaks("spec.members[0].email", "spec.members", []any{map[string]any{"email": "*@acme.example"}}),
	breaks("spec.members[0].email", "spec.members", []any{map[string]any{"email": "\u212Aate@acme.example"}}), // the Kelvin sign, whose lower case is k
	breaks("spec.members[0].user", "spec.members", []any{map[string]any{"group": "acme/a", "user": "a"}}),
	is("spec.members[*].user", wrongUsers...),
	is("spec.members[*].tier", wrongTiers...),
	is("spec.members[*].groups", []any{"a:b"}, []any{"a", "a"}, many(17, aName), "a"),
	is("spec.members[*].admin", "yes"),
	is("spec.members[*].password", "secret"),
)

func aMember(i int) any { return map[string]any{"subject": fmt.Sprint("s", i)} }
