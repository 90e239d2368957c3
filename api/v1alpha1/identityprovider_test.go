package v1alpha1_test

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

func identityProvider(change func(*v1alpha1.IdentityProviderSpec)) client.Object {
	p := &v1alpha1.IdentityProvider{
		ObjectMeta: metav1.ObjectMeta{Name: "it"},
		Spec: v1alpha1.IdentityProviderSpec{
			Issuer:        v1alpha1.Issuer{URL: "https://login.example.com", Audiences: []string{"bursar"}},
			ClaimMappings: v1alpha1.ClaimMappings{User: v1alpha1.ClaimMapping{Claim: "email"}},
		},
	}
	change(&p.Spec)
	return p
}

func issuer(change func(*v1alpha1.Issuer)) client.Object {
	return identityProvider(func(s *v1alpha1.IdentityProviderSpec) { change(&s.Issuer) })
}

func clusterIssuer(change func(*v1alpha1.Issuer)) client.Object {
	return issuer(func(i *v1alpha1.Issuer) {
		i.URL, i.Cluster = "", true
		change(i)
	})
}

func signInClient(change func(*v1alpha1.SignInClient)) client.Object {
	return identityProvider(func(s *v1alpha1.IdentityProviderSpec) {
		s.Client = &v1alpha1.SignInClient{ClientID: "bursar-console"}
		change(s.Client)
	})
}

func claimRule(rule v1alpha1.ClaimValidationRule) client.Object {
	return identityProvider(func(s *v1alpha1.IdentityProviderSpec) { s.ClaimValidationRules = []v1alpha1.ClaimValidationRule{rule} })
}

func allowing(change func(*v1alpha1.AllowedMemberships)) client.Object {
	return identityProvider(func(s *v1alpha1.IdentityProviderSpec) {
		a := v1alpha1.AllowedMemberships{Namespaces: []string{"acme"}, Emails: []string{"*@acme.example"}}
		change(&a)
		s.AllowedMemberships = []v1alpha1.AllowedMemberships{a}
	})
}

func many(n int, value func(i int) string) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = value(i)
	}
	return values
}

var _ = DescribeTable("of an IdentityProvider, refuses", refused,
	Entry("no issuer", issuer(func(i *v1alpha1.Issuer) { i.URL = "" }), "spec.issuer", "must set one of url and cluster: true"),
	Entry("two issuers", issuer(func(i *v1alpha1.Issuer) { i.Cluster = true }), "spec.issuer", "must set one of url and cluster: true"),
	Entry("an issuer without TLS", issuer(func(i *v1alpha1.Issuer) { i.URL = "http://login.example.com" }),
		"spec.issuer.url", "must be an https URL"),
	Entry("an issuer that only begins like localhost", issuer(func(i *v1alpha1.Issuer) { i.URL = "http://localhost.example.com" }),
		"spec.issuer.url", "must be an https URL"),
	Entry("an issuer with a user", issuer(func(i *v1alpha1.Issuer) { i.URL = "https://localhost:80@login.example.com" }),
		"spec.issuer.url", "must be an https URL"),
	Entry("an issuer with a query", issuer(func(i *v1alpha1.Issuer) { i.URL = "https://login.example.com?a=b" }),
		"spec.issuer.url", "must be an https URL"),
	Entry("keys without TLS", issuer(func(i *v1alpha1.Issuer) { i.JWKSURL = "http://login.example.com/keys" }),
		"spec.issuer.jwksURL", "must be an https URL"),
	Entry("a file of keys", issuer(func(i *v1alpha1.Issuer) { i.JWKSURL = "file:///etc/passwd" }),
		"spec.issuer.jwksURL", "must be an https URL"),
	Entry("two places of keys", issuer(func(i *v1alpha1.Issuer) { i.JWKSURL, i.JWKS = "https://login.example.com/keys", `{"keys":[]}` }),
		"spec.issuer", "must set at most one of discoveryURL, jwksURL and jwks"),
	Entry("an authority for nothing", issuer(func(i *v1alpha1.Issuer) { i.CertificateAuthority, i.JWKS = "x", `{"keys":[]}` }),
		"spec.issuer.certificateAuthority", "is not needed with jwks"),
	Entry("a client of the cluster", identityProvider(func(s *v1alpha1.IdentityProviderSpec) {
		s.Issuer.URL, s.Issuer.Cluster, s.Client = "", true, &v1alpha1.SignInClient{ClientID: "bursar-console"}
	}), "spec.client", "nobody signs in at the cluster"),
	Entry("a client without an id", signInClient(func(c *v1alpha1.SignInClient) { c.ClientID = "" }), "spec.client.clientID", ""),
	Entry("a client's secret in another directory", signInClient(func(c *v1alpha1.SignInClient) { c.ClientSecretFile = "../token" }),
		"spec.client.clientSecretFile", "without a directory"),
	Entry("two scopes in one", signInClient(func(c *v1alpha1.SignInClient) { c.Scopes = []string{"profile email"} }),
		"spec.client.scopes[0]", "must be visible ASCII characters"),
	Entry("another kind of token", signInClient(func(c *v1alpha1.SignInClient) { c.Token = "RefreshToken" }), "spec.client.token", "IDToken"),
	Entry("keys of the cluster elsewhere", clusterIssuer(func(i *v1alpha1.Issuer) { i.JWKSURL = "https://login.example.com/keys" }),
		"spec.issuer", "cluster: true finds everything by itself"),
	Entry("an alias of the cluster", clusterIssuer(func(i *v1alpha1.Issuer) { i.Aliases = []string{"https://login.example.com"} }),
		"spec.issuer", "cluster: true finds everything by itself"),
	Entry("the API server's own audience", clusterIssuer(func(i *v1alpha1.Issuer) { i.Audiences = []string{"https://kubernetes.default.svc.cluster.local"} }),
		"spec.issuer.audiences", "must not be an audience of the API server"),
	Entry("tokens for anybody", issuer(func(i *v1alpha1.Issuer) { i.Audiences = nil }), "spec.issuer.audiences", "Required value"),
	Entry("an audience that is empty", issuer(func(i *v1alpha1.Issuer) { i.Audiences = []string{""} }),
		"spec.issuer.audiences[0]", "should be at least 1 chars long"),
	Entry("tokens for all audiences at once", issuer(func(i *v1alpha1.Issuer) { i.AudienceMatchPolicy = "MatchAll" }),
		"spec.issuer.audienceMatchPolicy", "supported values"),
	Entry("unsigned tokens", identityProvider(func(s *v1alpha1.IdentityProviderSpec) { s.Algorithms = []v1alpha1.SignatureAlgorithm{"none"} }),
		"spec.algorithms[0]", "supported values"),
	Entry("tokens that whoever verifies them can sign", identityProvider(func(s *v1alpha1.IdentityProviderSpec) {
		s.Algorithms = []v1alpha1.SignatureAlgorithm{"RS256", "HS256"}
	}), "spec.algorithms[1]", "supported values"),
	Entry("a mapping of the user to nothing", identityProvider(func(s *v1alpha1.IdentityProviderSpec) { s.ClaimMappings.User.Claim = "" }),
		"spec.claimMappings.user", "must set one of claim and expression"),
	Entry("a mapping of the user to two things", identityProvider(func(s *v1alpha1.IdentityProviderSpec) { s.ClaimMappings.User.Expression = "claims.sub" }),
		"spec.claimMappings.user", "must set one of claim and expression"),
	Entry("administrators of no tenant", identityProvider(func(s *v1alpha1.IdentityProviderSpec) {
		s.ClaimMappings.Admin = &v1alpha1.ClaimMapping{Claim: "admin"}
	}), "spec.claimMappings.admin", "requires tenant"),
	Entry("a tenant by its claim, without saying which", identityProvider(func(s *v1alpha1.IdentityProviderSpec) {
		s.ClaimMappings.Tenant = &v1alpha1.ClaimMapping{Claim: "tenant"}
	}), "spec.tenants", "must be set together with claimMappings.tenant"),
	Entry("tenants by no claim", identityProvider(func(s *v1alpha1.IdentityProviderSpec) { s.Tenants = []string{"acme"} }),
		"spec.tenants", "must be set together with claimMappings.tenant"),
	Entry("every tenant and some", identityProvider(func(s *v1alpha1.IdentityProviderSpec) {
		s.ClaimMappings.Tenant, s.Tenants = &v1alpha1.ClaimMapping{Claim: "tenant"}, []string{"*", "acme"}
	}), "spec.tenants", "allows every tenant"),
	Entry("a pattern of tenants", identityProvider(func(s *v1alpha1.IdentityProviderSpec) {
		s.ClaimMappings.Tenant, s.Tenants = &v1alpha1.ClaimMapping{Claim: "tenant"}, []string{"acme*"}
	}), "spec.tenants[0]", "must be the name of a tenant"),
	Entry("a rule of nothing", claimRule(v1alpha1.ClaimValidationRule{}), "spec.claimValidationRules[0]", "must set one of claim and expression"),
	Entry("a rule of a claim without its value", claimRule(v1alpha1.ClaimValidationRule{Claim: "hd"}),
		"spec.claimValidationRules[0].requiredValue", "must be set together with claim"),
	Entry("a message that nobody is told", claimRule(v1alpha1.ClaimValidationRule{Claim: "hd", RequiredValue: ptr.To("x"), Message: "no"}),
		"spec.claimValidationRules[0].message", "requires expression"),
	Entry("an expression that is too long", claimRule(v1alpha1.ClaimValidationRule{Expression: v1alpha1.CELExpression(strings.Repeat("x", 2049))}),
		"spec.claimValidationRules[0].expression", "may not be more than 2048"),
	Entry("Memberships nowhere", allowing(func(a *v1alpha1.AllowedMemberships) { a.Namespaces = nil }),
		"spec.allowedMemberships[0]", "must set one of namespaces and namespaceSelector"),
	Entry("Memberships of nobody", allowing(func(a *v1alpha1.AllowedMemberships) { a.Emails = nil }),
		"spec.allowedMemberships[0]", "must set subjects, emails or groups"),
	Entry("a pattern of namespaces", allowing(func(a *v1alpha1.AllowedMemberships) { a.Namespaces = []string{"*"} }),
		"spec.allowedMemberships[0].namespaces[0]", "must be the name of a namespace"),
	Entry("a pattern in the middle of an address", allowing(func(a *v1alpha1.AllowedMemberships) { a.Emails = []string{"a*@acme.example"} }),
		"spec.allowedMemberships[0].emails[0]", "must be an e-mail address"),
	Entry("a pattern of domains", allowing(func(a *v1alpha1.AllowedMemberships) { a.Emails = []string{"*@*.acme.example"} }),
		"spec.allowedMemberships[0].emails[0]", "must be an e-mail address"),
	Entry("a pattern at the beginning of a subject", allowing(func(a *v1alpha1.AllowedMemberships) { a.Subjects = []string{"*:acme"} }),
		"spec.allowedMemberships[0].subjects[0]", "must be a subject"),
	Entry("a pattern in the middle of a group", allowing(func(a *v1alpha1.AllowedMemberships) { a.Groups = []string{"a*b"} }),
		"spec.allowedMemberships[0].groups[0]", "must be a group"),
)

var _ = DescribeTable("of an IdentityProvider, takes", taken,
	Entry("an issuer", identityProvider(asIs)),
	Entry("the cluster", clusterIssuer(func(*v1alpha1.Issuer) {})),
	Entry("one on localhost", issuer(func(i *v1alpha1.Issuer) { i.URL = "http://127.0.0.1:8102/api/v1/projects/x" })),
	Entry("keys behind a query", issuer(func(i *v1alpha1.Issuer) { i.JWKSURL = "https://login.example.com/keys?p=b2c_1" })),
	Entry("a claim whose name is a URL", identityProvider(func(s *v1alpha1.IdentityProviderSpec) {
		s.ClaimMappings.Groups = &v1alpha1.ClaimMapping{Claim: "https://acme.example/groups"}
	})),
	Entry("an expression of several lines", claimRule(v1alpha1.ClaimValidationRule{Expression: "claims.a\n\t&& claims.b", Message: "a and b"})),
	Entry("a rule that a claim is empty", claimRule(v1alpha1.ClaimValidationRule{Claim: "hd", RequiredValue: ptr.To("")})),
	Entry("every tenant", identityProvider(func(s *v1alpha1.IdentityProviderSpec) {
		s.ClaimMappings.Tenant, s.Tenants = &v1alpha1.ClaimMapping{Claim: "tenant"}, []string{"*"}
	})),
	Entry("Memberships of all in every namespace", allowing(func(a *v1alpha1.AllowedMemberships) {
		a.Namespaces, a.NamespaceSelector = nil, &v1alpha1.LabelSelector{}
		a.Subjects, a.Emails, a.Groups = []string{"*"}, []string{"*"}, []string{"*"}
	})),
	Entry("a client", signInClient(func(c *v1alpha1.SignInClient) {
		c.ClientSecretFile, c.Scopes, c.Token, c.DisplayName = "company", []string{"groups", "api://bursar/.default"}, "AccessToken", "Compañía"
	})),
	Entry("the largest", identityProvider(func(s *v1alpha1.IdentityProviderSpec) {
		rule := v1alpha1.ClaimValidationRule{Expression: v1alpha1.CELExpression(strings.Repeat("x", 2048)), Message: strings.Repeat("m", 256)}
		allowed := v1alpha1.AllowedMemberships{
			Namespaces: many(128, func(i int) string { return fmt.Sprintf("%063d", i) }),
			Subjects:   many(64, func(i int) string { return fmt.Sprintf("%0255d*", i) }),
			Emails:     many(64, func(i int) string { return fmt.Sprintf("*@%0200d.example", i) }),
			Groups:     many(64, func(i int) string { return fmt.Sprintf("%0255d*", i) }),
		}
		s.Issuer.JWKS = strings.Repeat("k", 65536)
		for range 32 {
			s.ClaimValidationRules = append(s.ClaimValidationRules, rule)
			s.UserValidationRules = append(s.UserValidationRules, v1alpha1.UserValidationRule{Expression: rule.Expression, Message: rule.Message})
		}
		s.AllowedMemberships = []v1alpha1.AllowedMemberships{allowed, allowed, allowed, allowed}
	})),
)

var _ = Describe("fills in of an IdentityProvider", func() {
	It("the algorithms and how audiences match", func(ctx SpecContext) {
		p := identityProvider(asIs).(*v1alpha1.IdentityProvider)
		Expect(api.Create(ctx, p, client.DryRunAll)).To(Succeed())
		Expect(p.Spec.Algorithms).To(Equal([]v1alpha1.SignatureAlgorithm{"RS256", "ES256"}))
		Expect(p.Spec.Issuer.AudienceMatchPolicy).To(Equal("MatchAny"))
	})
	It("what a client asks for", func(ctx SpecContext) {
		p := signInClient(func(*v1alpha1.SignInClient) {}).(*v1alpha1.IdentityProvider)
		Expect(api.Create(ctx, p, client.DryRunAll)).To(Succeed())
		Expect(*p.Spec.Client).To(Equal(v1alpha1.SignInClient{
			ClientID: "bursar-console", Scopes: []string{"profile", "email"}, Token: v1alpha1.SessionTokenID,
		}))
	})
})

func membership(change func(*v1alpha1.MembershipSpec)) client.Object {
	m := &v1alpha1.Membership{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "it"},
		Spec: v1alpha1.MembershipSpec{
			BudgetRef: v1alpha1.BudgetRef{Name: "acme"}, IdentityProviderRef: v1alpha1.IdentityProviderRef{Name: "company"},
			Members: []v1alpha1.Member{{Subject: "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d", Tier: "gerente"}},
		},
	}
	change(&m.Spec)
	return m
}

func member(m v1alpha1.Member) client.Object {
	return membership(func(s *v1alpha1.MembershipSpec) { s.Members = []v1alpha1.Member{m} })
}

// thousandMembers are as large as members can be.
func thousandMembers(s *v1alpha1.MembershipSpec) {
	s.Members = nil
	for i := range 1000 {
		s.Members = append(s.Members, v1alpha1.Member{
			Email: fmt.Sprintf("%0100d@%0100d.example", i, i), User: fmt.Sprintf("u%0127d", i), Tier: "gerente",
			Groups: []v1alpha1.GivenGroup{v1alpha1.GivenGroup(strings.Repeat("g", 63)), "research"},
			Labels: v1alpha1.CallerLabels{"cost-centre": v1alpha1.CallerLabel(strings.Repeat("9", 63))},
		})
	}
}

var _ = DescribeTable("of a Membership, refuses", refused,
	Entry("nobody", membership(func(s *v1alpha1.MembershipSpec) { s.Members = nil }), "spec.members", "Required value"),
	Entry("an empty list", membership(func(s *v1alpha1.MembershipSpec) { s.Members = []v1alpha1.Member{} }),
		"spec.members", "should have at least 1 items"),
	Entry("too many", membership(func(s *v1alpha1.MembershipSpec) {
		thousandMembers(s)
		s.Members = append(s.Members, v1alpha1.Member{Subject: "one more"})
	}), "spec.members", "must have at most 1000 items"),
	Entry("a member who is nobody", member(v1alpha1.Member{Tier: "gerente"}), "spec.members[0]", "must set one of subject, email and group"),
	Entry("a member who is two", member(v1alpha1.Member{Subject: "a", Email: "a@acme.example"}),
		"spec.members[0]", "must set one of subject, email and group"),
	Entry("a whole group as one user", member(v1alpha1.Member{Group: "finance", User: "finance"}),
		"spec.members[0].user", "all members of the group would be one user"),
	Entry("an address that is none", member(v1alpha1.Member{Email: "ana"}), "spec.members[0].email", "must be an e-mail address"),
	Entry("a pattern of addresses", member(v1alpha1.Member{Email: "*@acme.example"}), "spec.members[0].email", "must be an e-mail address"),
	Entry("an address that looks like another", member(v1alpha1.Member{Email: "\u212aate@acme.example"}),
		"spec.members[0].email", "must be an e-mail address"),
	Entry("two addresses", member(v1alpha1.Member{Email: "a@acme.example,b@acme.example"}),
		"spec.members[0].email", "must be an e-mail address"),
	Entry("a user with a colon, which would lead out of their own counters", member(v1alpha1.Member{Subject: "a", User: "gerente-1:2"}),
		"spec.members[0].user", "must be letters, digits and"),
	Entry("a tier with blanks", member(v1alpha1.Member{Subject: "a", Tier: "gran jefe"}),
		"spec.members[0].tier", "must be lower-case letters"),
	Entry("a group of the tenant with a colon", member(v1alpha1.Member{Subject: "a", Groups: []v1alpha1.GivenGroup{"a:b"}}),
		"spec.members[0].groups[0]", "must be letters, digits and"),
	Entry("members that nobody pays for", membership(func(s *v1alpha1.MembershipSpec) { s.BudgetRef.Name = "" }),
		"spec.budgetRef.name", "should be at least 1 chars long"),
	Entry("members of no IdentityProvider", membership(func(s *v1alpha1.MembershipSpec) { s.IdentityProviderRef.Name = "" }),
		"spec.identityProviderRef.name", "should be at least 1 chars long"),
)

var _ = DescribeTable("of a Membership, takes", taken,
	Entry("a member", membership(asIs)),
	Entry("a thousand", membership(thousandMembers)),
	Entry("a group with blanks", member(v1alpha1.Member{Group: "Equipo de Investigación", Tier: "empleado", Default: true, Admin: true})),
	Entry("a subject with a bar", member(v1alpha1.Member{Subject: "auth0|507f1f77bcf86cd799439011"})),
)
