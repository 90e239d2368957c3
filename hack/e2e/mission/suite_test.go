package mission

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/bursar-dev/bursar/hack/parts/openid"
	"github.com/bursar-dev/bursar/hack/stack"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// bursar is the stack, with a console where the sample company's people sign in.
var bursar *stack.Stack

func TestMain(m *testing.M) {
	if _, err := exec.LookPath("chromium"); err != nil && os.Getenv("CI") != "true" {
		fmt.Fprintln(os.Stderr, "no chromium on this machine: make browser installs it")
		return
	}
	os.Exit(stack.Use(stack.Options{Enforcers: 1, RedisClock: true}, func(ctx context.Context, s *stack.Stack) int {
		bursar = s
		err := s.StartSignIn()
		if err == nil {
			err = s.StartConsole(ctx)
		}
		if err == nil {
			err = s.Apply(ctx, fmt.Sprintf(company, s.ProviderURL, s.SignIn.OpenID.URL))
		}
		if err == nil {
			_, err = s.RunKubectl(ctx, "wait", "--for=condition=Programmed", "--timeout=60s", "--all", "tenantbudgets,memberships", "-n", "mission")
		}
		if err == nil {
			_, err = s.RunKubectl(ctx, "wait", "--for=condition=Programmed", "--timeout=60s", "--all", "modelproviders,identityproviders")
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}))
}

// company is a tenant with ten cents a day, whose people sign in, and a provider whose model
// "penny" costs exactly one cent a call.
const company = `
apiVersion: v1
kind: Namespace
metadata: {name: mission, labels: {bursar.dev/delegated: "true"}}
---
apiVersion: bursar.dev/v1alpha1
kind: ModelProvider
metadata: {name: fake}
spec:
  endpoint: %[1]s/v1
  credentialFile: openai
  models:
  - {name: penny, maxOutputTokens: 1, prices: {input: "0", output: "10000"}}
---
apiVersion: bursar.dev/v1alpha1
kind: TenantBudget
metadata: {name: acme, namespace: mission}
spec:
  tenant: acme
  limits: [{name: daily, period: Day, amount: "0.10"}]
  ladder: [{atPercent: 80, action: Warn}, {atPercent: 90, action: Trip}]
  alerts: {email: [ada@acme.example]}
---
apiVersion: bursar.dev/v1alpha1
kind: IdentityProvider
metadata: {name: company}
spec:
  issuer: {url: "%[2]s", audiences: [bursar]}
  claimMappings: {user: {claim: sub}, groups: {claim: groups}}
  allowedMemberships: [{namespaces: [mission], groups: ["acme-*"]}]
  client: {clientID: bursar-console, clientSecretFile: company, scopes: [profile, email, groups], displayName: Acme}
---
apiVersion: bursar.dev/v1alpha1
kind: Membership
metadata: {name: people, namespace: mission}
spec:
  budgetRef: {name: acme}
  identityProviderRef: {name: company}
  members:
  - {group: acme-admins, tier: corporativo, admin: true}
  - {group: acme-empleados, tier: empleado}
`

// person is somebody who has signed in to the console, with a browser of their own.
type person struct {
	t    *testing.T
	name string
	ctx  context.Context
}

// signIn opens a page in a browser, and signs in on the way there.
func signIn(t *testing.T, name, path string) person {
	t.Helper()
	program, err := exec.LookPath("chromium")
	testkit.Must(t, err)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.Flag("no-sandbox", true))
	within, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	t.Cleanup(cancel)
	allocator, end := chromedp.NewExecAllocator(within, options...)
	t.Cleanup(end)
	ctx, closed := chromedp.NewContext(allocator)
	t.Cleanup(closed)
	p := person{t, name, ctx}
	p.do(chromedp.EmulateViewport(1280, 900))
	p.visit(path)
	p.do(chromedp.WaitVisible("input[name=password]"), chromedp.SendKeys("input[name=name]", name),
		chromedp.SendKeys("input[name=password]", openid.PasswordPrefix+name), chromedp.Click("button"))
	p.sees("is signed in", name)
	return p
}

func (p person) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	testkit.Must(p.t, chromedp.Do(p.ctx, actions...))
}

func (p person) visit(path string) {
	p.t.Helper()
	p.do(chromedp.Navigate(bursar.ConsoleURL + path))
}

// sees waits until the open page says some texts, without loading it.
func (p person) sees(what string, texts ...string) {
	p.t.Helper()
	p.waits(what, func() (string, error) {
		return chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText"))
	}, texts...)
}

// finds loads a page until it says some texts.
func (p person) finds(path, what string, texts ...string) {
	p.t.Helper()
	p.waits(what, func() (string, error) {
		if err := chromedp.Do(p.ctx, chromedp.Navigate(bursar.ConsoleURL+path)); err != nil {
			return "", err
		}
		return chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText"))
	}, texts...)
}

func (p person) waits(what string, read func() (string, error), texts ...string) {
	p.t.Helper()
	var missing error
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(100 * time.Millisecond) {
		shown, err := read()
		missing = err
		for _, text := range texts {
			if err == nil && !strings.Contains(shown, text) {
				missing = errors.Join(missing, fmt.Errorf("%q is not in the page of %s: %s", text, p.name, shown))
			}
		}
		if missing == nil {
			return
		}
	}
	p.t.Fatalf("%s: %v", what, missing)
}
