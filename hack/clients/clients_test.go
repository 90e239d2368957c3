//go:build clients

package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bursar-dev/bursar/hack/fakeprovider"
	"github.com/bursar-dev/bursar/hack/stack"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// bursar is the stack that all tests share.
var bursar *stack.Stack

func TestMain(m *testing.M) {
	os.Exit(stack.Use(stack.Options{Enforcers: 1}, func(ctx context.Context, s *stack.Stack) int {
		bursar = s
		if err := errors.Join(install(ctx), configure(ctx), s.StartSignIn(), s.StartConsole(ctx)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer printTable()
		return m.Run()
	}))
}

// goClients is the program with the clients for Go, a module of its own, which `make clients`
// builds.
const goClients = "gosdk/bin/gosdk"

// installed is where npm says what it has installed.
const installed = "node_modules/.package-lock.json"

// install installs what package-lock.json names, unless it is there.
func install(ctx context.Context) error {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is not on the PATH: run `make parts` as root on Debian, or install Node.js 20 or newer, with npm "+
				"(Debian, Ubuntu: apt-get install nodejs npm; Fedora: dnf install nodejs; macOS: brew install node)", program)
		}
	}
	if _, err := os.Stat(goClients); err != nil {
		return fmt.Errorf("the clients for Go are not built: run `make clients`: %w", err)
	}
	wanted, err := os.Stat("package-lock.json")
	if err != nil {
		return err
	}
	if has, err := os.Stat(installed); err == nil && !has.ModTime().Before(wanted.ModTime()) {
		return nil
	}
	out, err := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts").CombinedOutput()
	if err != nil {
		return fmt.Errorf("npm ci in hack/clients, which needs the network: %w: %s", err, out)
	}
	now := time.Now()
	return os.Chtimes(installed, now, now)
}

// configuration is a ModelProvider of each protocol, and a namespace for tenants.
const configuration = `
apiVersion: v1
kind: Namespace
metadata: {name: clients, labels: {bursar.dev/delegated: "true"}}
---
apiVersion: bursar.dev/v1alpha1
kind: ModelProvider
metadata: {name: openai}
spec:
  endpoint: %[1]s/v1
  credentialFile: openai
  models:
  - {name: gpt-4o-mini, contextWindow: 128000, maxOutputTokens: 200, prices: {input: "0.15", cachedInput: "0.075", output: "0.60"}}
  - {name: text-embedding-3-small, prices: {input: "0.02"}}
  - {name: omni-moderation-latest, prices: {input: "0"}}
---
apiVersion: bursar.dev/v1alpha1
kind: ModelProvider
metadata: {name: anthropic}
spec:
  protocol: Anthropic
  endpoint: %[1]s/v1
  credentialFile: openai
  models:
  - {name: claude-sonnet-4-5, contextWindow: 200000, maxOutputTokens: 200, prices: {input: "3", cachedInput: "0.30", cacheWrite5m: "3.75", cacheWrite1h: "6", output: "15"}}
  - {name: claude-unbounded, upstreamName: claude-sonnet-4-5, maxOutputTokens: 200, prices: {input: "3", cachedInput: "0.30", cacheWrite5m: "3.75", cacheWrite1h: "6", output: "15"}}
---
apiVersion: bursar.dev/v1alpha1
kind: ModelProvider
metadata: {name: gemini}
spec:
  protocol: Gemini
  endpoint: %[1]s/v1beta
  credentialFile: openai
  models:
  - {name: gemini-2.5-flash, maxOutputTokens: 200, prices: {input: "0.30", cachedInput: "0.03", output: "2.50"}}
---
apiVersion: bursar.dev/v1alpha1
kind: ModelProvider
metadata: {name: vercel}
spec:
  protocol: VercelAIGateway
  endpoint: %[1]s
  credentialFile: openai
  models:
  - {name: openai/gpt-4o-mini, maxOutputTokens: 200, prices: {input: "0.15", cachedInput: "0.075", output: "0.60"}}
  - {name: openai/text-embedding-3-small, prices: {input: "0.02"}}
`

// tenant is a TenantBudget with one limit, and a key for each of its users.
func tenant(name, amount string, users ...string) string {
	out := fmt.Sprintf(`---
apiVersion: bursar.dev/v1alpha1
kind: TenantBudget
metadata: {name: %[1]s, namespace: clients}
spec:
  tenant: %[1]s
  limits: [{name: yearly, period: Year, amount: "%[2]s"}]
  ladder: []
`, name, amount)
	for _, user := range users {
		out += fmt.Sprintf(`---
apiVersion: bursar.dev/v1alpha1
kind: APIKey
metadata: {name: %[2]s, namespace: clients}
spec: {sha256: %[3]s, budgetRef: {name: %[1]s}, user: %[2]s, tier: tier}
`, name, user, stack.HashKey(keyOf(user)))
	}
	return out
}

func keyOf(user string) string { return "key-of-" + user }

// slow lets every user of the tenant "slow" make one call in fifteen seconds, which is
// usually longer than a client takes from one call to the next.
const slow = `---
apiVersion: bursar.dev/v1alpha1
kind: RateLimitPolicy
metadata: {name: slow, namespace: clients}
spec:
  targetRef: {name: slow}
  limits: [{name: seldom, per: User, requests: 1, window: 15s}]
`

func configure(ctx context.Context) error {
	var each []string
	for _, c := range calls() {
		each = append(each, "slow-"+c.user())
	}
	yaml := fmt.Sprintf(configuration, bursar.ProviderURL) +
		tenant("rich", "100", "rich") + tenant("poor", "0.000000001", "poor") +
		strings.Replace(tenant("broke", "0.000000001", "broke"), "ladder: []", "ladder: []\n  budgetRefusalStatus: 402", 1) + tenant("slow", "100", each...) + slow
	if err := bursar.Apply(ctx, yaml); err != nil {
		return err
	}
	for _, kinds := range []string{"tenantbudgets,apikeys,ratelimitpolicies", "modelproviders"} {
		if _, err := bursar.RunKubectl(ctx, "-n", "clients", "wait", "--for=condition=Programmed", "--timeout=60s", "--all", kinds); err != nil {
			return err
		}
	}
	return nil
}

// result is what a client says of a call.
type result struct {
	Text  string
	Error *struct {
		Name, Message string
		Status        int
	}
}

// make makes a call through the door with a user's key.
func (c call) make(t *testing.T, d *door, user string) (r result) {
	t.Helper()
	return c.say(t, d, user, "Tell me a story [[output=7]]")
}

// say is make with a prompt, and with more variables in the client's environment.
func (c call) say(t *testing.T, d *door, user, prompt string, env ...string) (r result) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", c.client.name+".mjs", c.name())
	if c.client.inGo {
		cmd = exec.CommandContext(t.Context(), goClients, c.client.name, c.name())
	}
	cmd.Env = append(os.Environ(), "BURSAR_URL="+d.URL, "BURSAR_KEY="+keyOf(user), "PROMPT="+prompt)
	cmd.Env = append(cmd.Env, env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err = errors.Join(err, json.Unmarshal(out, &r)); err != nil {
		t.Fatalf("%s: %v: %s%s", c, err, out, stderr.Bytes())
	}
	return r
}

// sideBySide runs a test of a feature with each call that it is for, some at a time.
func sideBySide(t *testing.T, feature string, of func(call) bool, test func(*testing.T, call)) {
	for _, c := range calls() {
		if !of(c) {
			continue
		}
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			column := feature
			if feature == "" {
				column = columnOf[c.kind]
			}
			t.Cleanup(func() { note(c, column, !t.Failed()) })
			test(t, c)
		})
	}
}

// TestCalls: every client gets its answer, calls its tools and gets the structure that it
// asks for; and the ledger has the provider's bill.
func TestCalls(t *testing.T) {
	sideBySide(t, "", anyCall, func(t *testing.T, c call) {
		d := newDoor(t)
		r := c.make(t, d, "rich")
		if r.Error != nil || !c.answers(r.Text) {
			t.Fatalf("got %q, error %+v", r.Text, r.Error)
		}
		log, want := d.log(), 1
		if c.kind == tools {
			want = 2
		}
		if len(log) != want {
			t.Fatalf("answers %+v, want %d", log, want)
		}
		for _, answer := range log {
			if answer.status != http.StatusOK {
				t.Errorf("answers %+v, want 200", log)
			}
			checkBill(t, answer.callID)
		}
	})
}

// answers is whether a text is what the call is made for.
func (c call) answers(text string) bool {
	switch c.kind {
	case tools:
		said, ok := strings.CutPrefix(text, "weather is sunny: ")
		return ok && strings.HasPrefix(said, "token0 ")
	case structured:
		return text == "text"
	case embeddings:
		return strings.HasSuffix(text, " numbers") && !strings.HasPrefix(text, "0 ")
	}
	return strings.HasPrefix(text, "token0 token1 ")
}

// TestBaseURLs: base URLs with the version, without it, and with a slash too many are all
// served.
func TestBaseURLs(t *testing.T) {
	sideBySide(t, "base URLs", func(c call) bool { return c.kind == whole }, func(t *testing.T, c call) {
		for _, base := range c.bases() {
			d := newDoor(t)
			if r := c.say(t, d, "rich", "Tell me a story [[output=7]]", "BURSAR_BASE="+base); r.Error != nil || !c.answers(r.Text) {
				t.Errorf("with %s: got %q, error %+v", base, r.Text, r.Error)
			}
		}
	})
}

// bases are base URLs, without the host, that people write for the API.
func (c call) bases() []string {
	switch {
	case c.client.base != "":
		return []string{c.client.base + "/"}
	case c.api == "messages":
		return []string{"/", "/v1", "/v1/"}
	case c.api == "generateContent":
		return []string{"/", "/v1beta"}
	}
	return []string{"/", "/v1/"}
}

// TestGatewayModels: the AI SDK's gateway provider gets the list of models, and is told that
// Bursar has no credits.
func TestGatewayModels(t *testing.T) {
	for _, client := range clients {
		if client.base == "" {
			continue
		}
		d := newDoor(t)
		if r := (call{client: client, api: "models"}).make(t, d, "rich"); r.Error != nil || !strings.Contains(r.Text, "openai/gpt-4o-mini") {
			t.Errorf("%s: the models are %q, error %+v", client.name, r.Text, r.Error)
		}
		if r := (call{client: client, api: "credits"}).make(t, d, "rich"); r.Error == nil || !r.says("Bursar serves no endpoint at /v1/credits: check the client's base URL, or call another endpoint.") {
			t.Errorf("%s: the credits are %q, error %+v", client.name, r.Text, r.Error)
		}
	}
}

// TestHelpers: endpoints that providers do not bill work with their own clients, and are in the
// ledger with a cost of zero.
func TestHelpers(t *testing.T) {
	said := map[string]string{
		"openai": "gpt-4o-mini: true, false", "anthropic": "claude-sonnet-4-5: true", "genai": "models/gemini-2.5-flash: true",
	}
	for _, client := range clients {
		want, ok := said[client.name]
		if !ok {
			continue
		}
		t.Run(client.name, func(t *testing.T) {
			d := newDoor(t)
			if r := (call{client: client, api: "helpers"}).make(t, d, "rich"); r.Error != nil || r.Text != want {
				t.Errorf("got %q, error %+v, want %q", r.Text, r.Error, want)
			}
			billed := bursar.Provider.Bill().Calls
			for _, answer := range d.log() {
				if answer.status != http.StatusOK {
					t.Errorf("answers %+v, want 200", d.log())
				}
				if slices.ContainsFunc(billed, func(line fakeprovider.BilledCall) bool { return line.ID == answer.callID }) {
					t.Errorf("call %s is on the provider's bill", answer.callID)
				}
			}
		})
	}
}

// TestErrorInAStream: if the provider cuts off a stream, every client gets an event in a shape that
// it recognises as an error, and shows Bursar's message.
func TestErrorInAStream(t *testing.T) {
	sideBySide(t, "error in a stream", func(c call) bool { return c.kind == streamed }, func(t *testing.T, c call) {
		d := newDoor(t)
		r := c.say(t, d, "rich", "Tell me a story [[output=7 cut=3]]")
		if r.Error == nil || !r.says("The provider's answer was cut off before its end. Sending it again makes, and pays for, a new call.") || strings.Contains(r.Error.Name, "Validation") {
			t.Errorf("got %q, error %+v, want one that says that the answer was cut off", r.Text, r.Error)
		}
		if log := d.log(); len(log) != 1 || log[0].status != http.StatusOK {
			t.Errorf("answers %+v, want one of 200", log)
		}
	})
}

// checkBill compares the ledger with the provider's bill for a call.
func checkBill(t *testing.T, id string) {
	t.Helper()
	billed := int64(-1)
	for _, line := range bursar.Provider.Bill().Calls {
		if line.ID == id {
			billed = line.CostNanos
		}
	}
	if billed <= 0 {
		t.Fatalf("the provider billed %d nano-USD for call %q", billed, id)
	}
	conn, err := pgx.Connect(t.Context(), bursar.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	var rows int
	var cost int64
	testkit.Eventually(t, "the call is in the ledger", func() bool {
		if err := conn.QueryRow(t.Context(),
			"SELECT count(*), coalesce(sum(cost_nanos), 0)::bigint FROM ai_usage_logs WHERE call_id = $1", id).Scan(&rows, &cost); err != nil {
			t.Fatal(err)
		}
		return rows > 0
	})
	if rows != 1 || cost != billed {
		t.Errorf("the ledger has %d rows of the call for %d nano-USD, the bill says %d", rows, cost, billed)
	}
}

// TestPaymentRequired: if a tenant chooses that, a refusal for money is a 402, for which the
// client has an error of its own, and which no client retries.
func TestPaymentRequired(t *testing.T) {
	sideBySide(t, "402", isPlain, func(t *testing.T, c call) {
		d := newDoor(t)
		r := c.make(t, d, "broke")
		if r.Error == nil {
			t.Fatalf("answered %q", r.Text)
		}
		if r.Error.Name != c.client.paymentError || r.Error.Status != http.StatusPaymentRequired || !r.says(`the limit "yearly" of tenant broke`) {
			t.Errorf("got %+v, want a %s with status 402 that says why", *r.Error, c.client.paymentError)
		}
		if log := d.log(); len(log) != 1 {
			t.Errorf("the call was made %d times, want once", len(log))
		}
	})
}

// says reports whether the error says something, as it is or quoted.
func (r result) says(what string) bool {
	return strings.Contains(r.Error.Message, what) || strings.Contains(r.Error.Message, strings.ReplaceAll(what, `"`, `\"`))
}

// TestBudgetRefusal: a refusal for money is the client's own error, says why, and is not retried by
// clients that heed x-should-retry.
func TestBudgetRefusal(t *testing.T) {
	sideBySide(t, "429 for money", isPlain, func(t *testing.T, c call) {
		d := newDoor(t)
		r := c.make(t, d, "poor")
		if r.Error == nil {
			t.Fatalf("answered %q", r.Text)
		}
		if r.Error.Name != c.client.rateError || r.Error.Status != http.StatusTooManyRequests ||
			!r.says(`the limit "yearly" of tenant poor`) {
			t.Errorf("got %+v, want a %s with status 429 that says why", *r.Error, c.client.rateError)
		}
		if log := d.log(); len(log) != c.client.tries {
			t.Errorf("the call was made %d times, want %d", len(log), c.client.tries)
		}
	})
}

// TestRateLimit: clients that retry at all make a call that came too soon again, and not
// before Retry-After is over.
func TestRateLimit(t *testing.T) {
	sideBySide(t, "429 for rate", isPlain, func(t *testing.T, c call) {
		d := newDoor(t)
		user := "slow-" + c.user()
		var log []answered
		refused := -1
		var r result
		// A client that a busy machine starts late comes when it may: then the call after it is too soon.
		for range 6 {
			r = c.make(t, d, user)
			log = d.log()
			if refused = slices.IndexFunc(log, func(a answered) bool { return a.status == http.StatusTooManyRequests }); refused >= 0 {
				break
			}
			if r.Error != nil {
				t.Fatalf("error %+v", *r.Error)
			}
		}
		if refused < 1 || log[refused].retryAfter == 0 {
			t.Fatalf("answers %+v, want one of 429 after the first, with when to try again", log)
		}
		after := log[refused+1:]
		if c.client.tiresAtOnce {
			if r.Error == nil || r.Error.Status != http.StatusTooManyRequests || len(after) > 0 {
				t.Errorf("error %+v after %+v, want one of 429, and no call again", r.Error, log)
			}
			return
		}
		if r.Error != nil {
			t.Fatalf("error %+v after %+v", *r.Error, log)
		}
		if len(after) != 1 || after[0].at.Sub(log[refused].at) < log[refused].retryAfter {
			t.Errorf("answers %+v, want the call made again once, and not before its time", log)
		}
	})
}
