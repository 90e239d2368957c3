//go:build clients

package clients

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bursar-dev/bursar/hack/parts/issuer"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// shopSignIn has the shop's users sign in at Stack Auth: at an issuer, for a project.
const shopSignIn = `---
apiVersion: bursar.dev/v1alpha1
kind: IdentityProvider
metadata: {name: stack-auth}
spec:
  issuer: {url: "%[1]s", jwksURL: "%[1]s/.well-known/jwks.json", audiences: ["%[2]s"]}
  algorithms: [ES256]
  claimMappings: {user: {claim: sub}}
  allowedMemberships: [{namespaces: [clients], emails: ["*@shop.example"]}]
---
apiVersion: bursar.dev/v1alpha1
kind: Membership
metadata: {name: shop, namespace: clients}
spec:
  budgetRef: {name: shop}
  identityProviderRef: {name: stack-auth}
  members:
  - {email: ana@shop.example, user: ana@shop.example, tier: gerente}
  - {email: bo@shop.example, user: bo@shop.example, tier: empleado}
`

// run runs a program that npm has installed.
func run(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), filepath.Join("node_modules", ".bin", program), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// budgetPage is the part that these tests read of the application's answer to users who look at their budget.
type budgetPage struct {
	Usage struct {
		Total struct {
			Calls int64
			Cost  struct{ Nanos int64 }
		}
		Rows []struct{ Values struct{ Model string } }
	}
	Limits struct {
		User, Tier string
		Money      []struct {
			Name  string
			Spent *struct{ Nanos int64 }
		}
	}
	Calls  struct{ Calls []struct{ ID, User string } }
	Alerts struct {
		Alerts []struct{ Limit, User, Action string }
	}
}

// TestApplicationAsksAsItsUser: the application of docs/api.md, whose client is generated from the OpenAPI
// document that the console serves, answers each user with their own usage, limits, calls and alerts, by the
// token with which they have signed in at Stack Auth, and asks for more in their name.
func TestApplicationAsksAsItsUser(t *testing.T) {
	run(t, "openapi-typescript", bursar.ConsoleURL+"/api/ai/openapi.json", "--output", "app/lib/bursar-api.d.ts")
	run(t, "tsc", "--project", ".")
	run(t, "esbuild", "app/api/budget/route.ts", "--bundle", "--packages=external", "--platform=node", "--format=esm", "--outfile=built/budget/route.mjs")

	signIn := bursar.SignIn
	testkit.Must(t, bursar.Apply(t.Context(), shop+fmt.Sprintf(shopSignIn, signIn.StackAuth.Issuer(issuer.Regular), issuer.SampleProject)))
	for _, object := range []string{"tenantbudget/shop", "apikey/shop-server", "identityprovider/stack-auth", "membership/shop"} {
		_, err := bursar.RunKubectl(t.Context(), "-n", "clients", "wait", "--for=condition=Programmed", "--timeout=60s", object)
		testkit.Must(t, err)
	}
	const prompt = "Tell me a story [[output=200]]"
	d := newDoor(t)
	for _, session := range []string{"ana", "bo"} {
		if r := (call{client: client{name: "next"}, api: session}).say(t, d, "shop-server", prompt); !strings.HasPrefix(r.Text, "200 ") {
			t.Fatalf("%s: got %q, error %+v", session, r.Text, r.Error)
		}
	}
	made := d.log()[0].callID
	token, err := signedIn(t, "ana@shop.example")
	testkit.Must(t, err)
	var page budgetPage
	testkit.Within(t, time.Minute, "ana sees her calls, and that she was warned", func() bool {
		page = budgetPage{}
		answers(t, http.StatusOK, &page, "see", "ACCESS_TOKEN="+token)
		return page.has(made) && len(page.Alerts.Alerts) > 0
	})
	calls, cost := recorded(t, "ana@shop.example")
	if total := page.Usage.Total; total.Calls != calls || total.Cost.Nanos != cost || len(page.Usage.Rows) != 1 || page.Usage.Rows[0].Values.Model != "gpt-4o-mini" {
		t.Errorf("usage is %+v, the ledger has %d calls for %d nano-USD", page.Usage, calls, cost)
	}
	for _, one := range page.Calls.Calls {
		if one.User != "ana@shop.example" {
			t.Errorf("ana is shown call %+v", one)
		}
	}
	if alert := page.Alerts.Alerts[0]; alert.Limit != "each-user" || alert.User != "ana@shop.example" || alert.Action != "Warn" {
		t.Errorf("the alert is %+v", alert)
	}
	if limits := page.Limits; limits.User != "ana@shop.example" || limits.Tier != "gerente" || len(limits.Money) != 2 || limits.Money[0].Spent != nil || limits.Money[1].Spent.Nanos != cost {
		t.Errorf("the limits are %+v", limits)
	}
	checkAsking(t, token)
	var problem struct{ Code string }
	answers(t, http.StatusUnauthorized, &problem, "see", "ACCESS_TOKEN="+token+"x")
	if problem.Code != "invalid_token" {
		t.Errorf("with a token that is wrong: %+v", problem)
	}
	if r := (call{client: client{name: "budget"}, api: "see"}).say(t, d, "", ""); r.Text != "401 Sign in first." {
		t.Errorf("nobody: got %q, error %+v", r.Text, r.Error)
	}
}

// checkAsking makes the application ask for more in the name of the token's user.
func checkAsking(t *testing.T, token string) {
	t.Helper()
	body := func(amount string) string {
		text, err := json.Marshal(map[string]string{
			"limit": "each-user", "amount": amount, "reason": "the launch", "expiresAt": time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339),
		})
		testkit.Must(t, err)
		return "BODY=" + string(text)
	}
	var request struct{ ID, User, Limit, State string }
	answers(t, http.StatusCreated, &request, "ask", "ACCESS_TOKEN="+token, body("5.00"))
	if request.ID == "" || request.User != "ana@shop.example" || request.Limit != "each-user" || request.State != "Open" {
		t.Errorf("asked for more: %+v", request)
	}
	var problem struct {
		Code   string
		Errors []struct{ Parameter string }
	}
	answers(t, http.StatusUnprocessableEntity, &problem, "ask", "ACCESS_TOKEN="+token, body("much"))
	if problem.Code != "invalid_parameter" || len(problem.Errors) == 0 || problem.Errors[0].Parameter != "body.amount" {
		t.Errorf("asked for what is no amount: %+v", problem)
	}
}

// has is whether a call is among those that are shown.
func (p budgetPage) has(id string) bool {
	for _, one := range p.Calls.Calls {
		if one.ID == id {
			return true
		}
	}
	return false
}

// answers has a handler of app/api/budget called, and decodes its answer, which must have a status.
func answers(t *testing.T, status int, into any, handler string, env ...string) {
	t.Helper()
	r := (call{client: client{name: "budget"}, api: handler}).say(t, newDoor(t), "", "", append(env, "BURSAR_CONSOLE_URL="+bursar.ConsoleURL)...)
	body, ok := strings.CutPrefix(r.Text, fmt.Sprint(status, " "))
	if !ok || json.Unmarshal([]byte(body), into) != nil {
		t.Fatalf("%s: got %q, error %+v, want status %d", handler, r.Text, r.Error, status)
	}
}

// signedIn signs a user in at Stack Auth, and returns their access token.
func signedIn(t *testing.T, email string) (token string, err error) {
	t.Helper()
	bursar.SignIn.StackAuth.AddUser(email, "a password")
	return issuer.SignIn(t.Context(), bursar.SignIn.StackAuthURL, issuer.SampleProject, email, "a password")
}

// recorded is what the ledger has of the calls of a user of the shop.
func recorded(t *testing.T, user string) (calls, cost int64) {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), bursar.DatabaseURL)
	testkit.Must(t, err)
	defer func() { testkit.Must(t, connection.Close(t.Context())) }()
	testkit.Must(t, connection.QueryRow(t.Context(), "SELECT count(*), sum(cost_nanos)::bigint FROM ai_usage_logs WHERE tenant_id = 'shop' AND user_id = $1", user).
		Scan(&calls, &cost))
	return calls, cost
}
