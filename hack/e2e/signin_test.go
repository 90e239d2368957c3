package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bursar-dev/bursar/hack/parts/openid"
	"github.com/bursar-dev/bursar/hack/stack"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// signInYAML has the people of an OpenID Connect server be members of a tenant, whose users
// may spend two cents each, and gives eva an API key, too.
const signInYAML = `---
apiVersion: bursar.dev/v1alpha1
kind: TenantBudget
metadata: {name: signin, namespace: e2e}
spec:
  tenant: signin
  limits: [{name: each, period: Year, amount: "0.02", per: User}]
  ladder: []
---
apiVersion: bursar.dev/v1alpha1
kind: IdentityProvider
metadata: {name: signin}
spec:
  issuer: {url: "%[1]s", audiences: [bursar]}
  claimMappings: {user: {claim: sub}, groups: {claim: groups}}
  allowedMemberships: [{namespaces: [e2e], groups: ["acme-*"]}]
---
apiVersion: bursar.dev/v1alpha1
kind: Membership
metadata: {name: signin, namespace: e2e}
spec:
  budgetRef: {name: signin}
  identityProviderRef: {name: signin}
  members:
  - {group: acme-admins, tier: corporativo, admin: true}
  - {group: acme-gerentes, tier: gerente}
  - {group: acme-empleados, tier: empleado}
---
apiVersion: bursar.dev/v1alpha1
kind: APIKey
metadata: {name: signin, namespace: e2e}
spec: {sha256: %[2]s, budgetRef: {name: signin}, user: eva, tier: empleado}
`

// TestSignIn: people who sign in at a real OpenID Connect server call as themselves, also with
// a refreshed token and with a token that is signed by a new key. A user of tokens and a user of
// API keys with the same name are one user.
func TestSignIn(t *testing.T) {
	t.Parallel()
	server, err := openid.Start(openid.People())
	testkit.Must(t, err)
	t.Cleanup(func() { testkit.Must(t, server.Stop()) })
	apply(t, fmt.Sprintf(signInYAML, server.URL, stack.HashKey(keyOf("signin"))))
	programmed(t)
	signIn := func(name string) openid.Tokens {
		tokens, err := openid.SignIn(t.Context(), server.URL, name, openid.PasswordPrefix+name)
		testkit.Must(t, err)
		return tokens
	}
	want := func(who, credential string, status int, says string) {
		t.Helper()
		if got, body := callWith(t, credential); got != status || !strings.Contains(body, says) {
			t.Errorf("%s got %d %s, want %d %s", who, got, body, status, says)
		}
	}
	eva := signIn("eva")
	want("eva with a token", eva.Access, http.StatusOK, "")
	want("eva with a key", keyOf("signin"), http.StatusOK, "")
	want("eva a third time", eva.Access, http.StatusTooManyRequests, "of user eva")
	want("eva with a key a third time", keyOf("signin"), http.StatusTooManyRequests, "of user eva")

	gil := signIn("gil")
	refreshed, err := openid.Refresh(t.Context(), server.URL, gil.Refresh)
	testkit.Must(t, err)
	want("gil with a refreshed token", refreshed.Access, http.StatusOK, "")
	want("somebody in no group", signIn("nadia").Access, http.StatusForbidden, "tenant_forbidden")

	testkit.Must(t, server.Rotate(true))
	want("ada, whose token has a key that nobody was told of", signIn("ada").Access, http.StatusOK, "")

	eventually(t, "the ledger has who has called", func() bool {
		return strings.Join(callers(t, "signin"), "; ") ==
			"ada corporativo signin ada; eva empleado  ; eva empleado signin eva; gil gerente signin gil"
	})
}

// callWith calls the model that costs a cent with a credential.
func callWith(t *testing.T, credential string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, bursar.EnforcerURLs[0]+"/v1/chat/completions",
		strings.NewReader(`{"model":"penny","messages":[{"role":"user","content":"Hello"}]}`))
	testkit.Must(t, err)
	request.Header.Set("Authorization", "Bearer "+credential)
	response, err := http.DefaultClient.Do(request)
	testkit.Must(t, err)
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	testkit.Must(t, err)
	return response.StatusCode, string(content)
}

// callers are who has called, as the ledger has it: user, tier, identity provider and subject.
func callers(t *testing.T, tenant string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), bursar.DatabaseURL)
	testkit.Must(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	rows, err := conn.Query(t.Context(), `select concat_ws(' ', user_id, tier, identity_provider, subject)
		from ai_usage_logs where tenant_id = $1 order by 1`, tenant)
	testkit.Must(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	testkit.Must(t, err)
	return all
}
