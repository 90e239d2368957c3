package acceptance_test

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/bursar-dev/bursar/api/callers"
	"github.com/bursar-dev/bursar/api/identity"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/parts/issuer"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// page is what docs/identity.md has applied: an IdentityProvider each, and its members.
type page struct {
	providers map[string]*v1alpha1.IdentityProvider
	members   *identity.Directory
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func readPage(t *testing.T) page {
	t.Helper()
	content, err := os.ReadFile("../../../docs/identity.md")
	testkit.Must(t, err)
	p := page{providers: map[string]*v1alpha1.IdentityProvider{}, members: identity.NewDirectory()}
	for _, block := range yamlBlock.FindAllSubmatch(content, -1) {
		for document := range strings.SplitSeq(string(block[1]), "---\n") {
			p.add(t, []byte(document))
		}
	}
	return p
}

func (p page) add(t *testing.T, document []byte) {
	t.Helper()
	var provider v1alpha1.IdentityProvider
	testkit.Must(t, yaml.Unmarshal(document, &provider))
	if provider.Kind == "IdentityProvider" {
		p.providers[provider.Name] = &provider
		return
	}
	if provider.Kind == "APIKey" {
		testkit.Must(t, yaml.UnmarshalStrict(document, &v1alpha1.APIKey{}))
		return
	}
	var membership v1alpha1.Membership
	testkit.Must(t, yaml.UnmarshalStrict(document, &membership))
	members, errs := callers.Members(&membership, membership.Spec.BudgetRef.Name)
	testkit.Must(t, errs.ToAggregate())
	p.members.Put(members)
}

// TestIssuersOfThePage: tokens of the issuers that docs/identity.md describes, with the
// claims that these put into them, identify the callers that the page says; others are
// refused.
func TestIssuersOfThePage(t *testing.T) {
	p := readPage(t)
	if len(p.providers) != 8 {
		t.Errorf("there are %d IdentityProviders, want 8", len(p.providers))
	}
	type claims = map[string]any
	type result struct {
		user, tier string
		reason     identity.Reason
	}
	const (
		stackAuth = "https://api.stack-auth.com/api/v1/projects/0c2f7c8e-1111-4222-8333-444455556666"
		entra     = "https://login.microsoftonline.com/833ced3d-cb2e-41de-92f1-29e2af035ddc/v2.0"
	)
	for name, tc := range map[string]struct {
		provider string
		claims   claims
		want     result
	}{
		"Stack Auth": {"stack-auth", claims{
			"iss": stackAuth, "aud": "0c2f7c8e-1111-4222-8333-444455556666", "sub": "a-uuid", "role": "authenticated", "is_anonymous": false,
			"email": "Ana@example.com", "email_verified": true, "selected_team_id": nil,
		}, result{user: "ana", tier: "gerente"}},
		"Stack Auth, at its other host": {"stack-auth", claims{
			"iss": strings.Replace(stackAuth, "stack-auth", "hexclave", 1), "aud": "0c2f7c8e-1111-4222-8333-444455556666", "sub": "a-uuid",
			"email": "leo@example.com", "email_verified": true,
		}, result{user: "leo", tier: "empleado"}},
		"Stack Auth, of an anonymous user": {"stack-auth", claims{
			"iss": stackAuth, "aud": "0c2f7c8e-1111-4222-8333-444455556666:anon", "sub": "a-uuid", "email": "ana@example.com", "email_verified": true,
		}, result{reason: identity.WrongAudience}},
		"Entra": {"entra", claims{
			"iss": entra, "aud": "e18c04b1-4868-4b93-93d1-8d71f17ab99b", "ver": "2.0", "tid": "833ced3d-cb2e-41de-92f1-29e2af035ddc",
			"oid": "cb7eda1b-d09a-40ae-b8bb-37836ebc6abd", "sub": "3OBtLXUC2ZrN_ADLNjW9X4o0lcd61py7lgHw3Skh77s", "scp": "call", "roles": []string{"gerente"},
		}, result{user: "cb7eda1b-d09a-40ae-b8bb-37836ebc6abd", tier: "gerente"}},
		"Entra, of somebody without a role": {"entra", claims{
			"iss": entra, "aud": "e18c04b1-4868-4b93-93d1-8d71f17ab99b", "oid": "cb7eda1b-d09a-40ae-b8bb-37836ebc6abd", "sub": "x",
			"_claim_names": claims{"groups": "src1"},
		}, result{user: "cb7eda1b-d09a-40ae-b8bb-37836ebc6abd"}},
		"Entra, of version 1": {"entra", claims{
			"iss": "https://sts.windows.net/833ced3d-cb2e-41de-92f1-29e2af035ddc/", "aud": "api://e18c04b1-4868-4b93-93d1-8d71f17ab99b", "oid": "x", "sub": "x",
		}, result{reason: identity.UnknownIssuer}},
		"Okta": {"okta", claims{
			"iss": "https://example.okta.com/oauth2/default", "aud": "api://default", "uid": "00uid4BxXw6I6TV4m0g3", "sub": "ana@example.com",
			"cid": "nmdP1fcyvdVO11AL7ECm", "scp": []string{"openid"}, "groups": []string{"Everyone", "sales-staff"},
		}, result{user: "00uid4BxXw6I6TV4m0g3", tier: "empleado"}},
		"Okta, of a service": {"okta", claims{
			"iss": "https://example.okta.com/oauth2/default", "aud": "api://default", "sub": "nmdP1fcyvdVO11AL7ECm", "cid": "nmdP1fcyvdVO11AL7ECm",
		}, result{reason: identity.Unmappable}},
		"Keycloak": {"keycloak", claims{
			"iss": "https://keycloak.example.com/realms/staff", "aud": []string{"bursar", "account"}, "typ": "Bearer", "azp": "web", "sub": "0d1e2f",
			"realm_access": claims{"roles": []string{"offline_access", "sales-managers"}}, "preferred_username": "ana", "email_verified": false,
		}, result{user: "0d1e2f", tier: "gerente"}},
		"Keycloak, of somebody without roles": {"keycloak", claims{
			"iss": "https://keycloak.example.com/realms/staff", "aud": "bursar", "sub": "0d1e2f",
		}, result{user: "0d1e2f"}},
		"Keycloak, without an audience mapper": {"keycloak", claims{
			"iss": "https://keycloak.example.com/realms/staff", "aud": "account", "sub": "0d1e2f",
		}, result{reason: identity.WrongAudience}},
		"Keycloak, without any audience": {"keycloak", claims{
			"iss": "https://keycloak.example.com/realms/staff", "sub": "0d1e2f",
		}, result{reason: identity.Malformed}},
		"Google": {"google", claims{
			"iss": "https://accounts.google.com", "azp": "1234987819200.apps.googleusercontent.com", "aud": "1234987819200.apps.googleusercontent.com",
			"sub": "10769150350006150715113082367", "hd": "example.com", "email": "leo@example.com", "email_verified": true,
		}, result{user: "leo", tier: "empleado"}},
		"Google, of somebody in the world": {"google", claims{
			"iss": "accounts.google.com", "aud": "1234987819200.apps.googleusercontent.com", "sub": "1", "email": "leo@gmail.com", "email_verified": true,
		}, result{reason: identity.RuleNotFulfilled}},
		"Dex": {"dex", claims{
			"iss": "https://dex.example.com", "aud": "bursar", "sub": "Cg0wLTM4NS0yODA4OS0wEgRtb2Nr", "email": "ana@example.com", "email_verified": true,
			"groups": []string{"example:sales-managers"}, "name": "Ana",
		}, result{user: "ana@example.com", tier: "gerente"}},
		"a ServiceAccount": {"cluster", claims{
			"aud": []string{"bursar"}, "sub": "system:serviceaccount:sales:reports",
			"kubernetes.io": claims{"namespace": "sales", "serviceaccount": claims{"name": "reports", "uid": "u"}, "pod": claims{"name": "p", "uid": "u"}},
		}, result{user: "reports", tier: "empleado"}},
		"the company's": {"company", claims{
			"iss": "https://login.example.com", "aud": "bursar", "sub": "ana", "groups": []string{"sales-staff", "sales-managers"},
		}, result{user: "ana", tier: "gerente"}},
	} {
		t.Run(name, func(t *testing.T) {
			user, tier, reason := p.whoIs(t, tc.provider, tc.claims)
			if got := (result{user, tier, reason}); got != tc.want {
				t.Error(cmp.Diff(tc.want, got, cmp.AllowUnexported(result{})))
			}
		})
	}
}

// whoIs identifies the caller with a token with such claims, by one of the page's
// IdentityProviders.
func (p page) whoIs(t *testing.T, provider string, claims map[string]any) (user, tier string, reason identity.Reason) {
	t.Helper()
	document, errs := callers.IdentityProvider(p.providers[provider])
	testkit.Must(t, errs.ToAggregate())
	if len(document.Issuers) == 0 { // the manager asks the cluster
		document.Issuers = []string{"https://kubernetes.default.svc"}
		claims["iss"] = document.Issuers[0]
	}
	key, err := issuer.NewKey("key", jose.SignatureAlgorithm(document.Algorithms[0]))
	testkit.Must(t, err)
	document.Keys = issuer.Set(key)
	compiled, err := identity.Compile(document)
	testkit.Must(t, err)
	now := time.Now()
	claims["iat"], claims["exp"] = now.Unix(), now.Add(time.Hour).Unix()
	token, err := identity.Parse(key.Sign(claims))
	testkit.Must(t, err)
	said, err := compiled.Verify(token, now)
	if refused := (*identity.Error)(nil); errors.As(err, &refused) {
		return "", "", refused.Reason
	}
	tenancies := p.members.Tenancies(said)
	if len(tenancies) == 0 {
		return said.User, "", ""
	}
	if tenancies[0].Tenant != "sales" {
		t.Errorf("the tenant is %s", tenancies[0].Tenant)
	}
	return tenancies[0].User, tenancies[0].Tier, ""
}
