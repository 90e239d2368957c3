package ask

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/hack/stack"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// bursar is the stack that the tests share, with a console.
var bursar *stack.Stack

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bursar-zones-")
	if err == nil {
		err = useZone(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := stack.Use(stack.Options{Enforcers: 1, RedisClock: true}, func(ctx context.Context, s *stack.Stack) int {
		bursar = s
		err := s.StartConsole(ctx)
		if err == nil {
			err = s.Apply(ctx, fmt.Sprintf(common, s.ProviderURL))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	})
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// common is a provider whose model "penny" costs exactly one cent a call.
const common = `
apiVersion: v1
kind: Namespace
metadata: {name: ask, labels: {bursar.dev/delegated: "true"}}
---
apiVersion: bursar.dev/v1alpha1
kind: ModelProvider
metadata: {name: fake}
spec:
  endpoint: %s/v1
  credentialFile: openai
  models:
  - {name: penny, maxOutputTokens: 1, prices: {input: "0", output: "10000"}}
  - {name: gpt-4o, maxOutputTokens: 16384, prices: {input: "2.50", cachedInput: "1.25", output: "10"}}
`

// tenant is a TenantBudget, with what more its spec has, and a key of a user and of an admin, whose
// keys are key-of-TENANT-user and key-of-TENANT-admin.
func tenant(t *testing.T, name, spec string) {
	t.Helper()
	yaml := fmt.Sprintf(`---
apiVersion: bursar.dev/v1alpha1
kind: TenantBudget
metadata: {name: %[1]s, namespace: ask}
spec:
  tenant: %[1]s
  ladder: []
  %[2]s
`, name, strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n  "))
	for user, tier := range map[string]string{"user": "empleado", "admin": "corporativo"} {
		yaml += fmt.Sprintf(`---
apiVersion: bursar.dev/v1alpha1
kind: APIKey
metadata: {name: %[1]s-%[2]s, namespace: ask}
spec: {sha256: %[3]s, budgetRef: {name: %[1]s}, user: %[2]s, tier: %[4]s}
`, name, user, stack.HashKey(keyOf(name, user)), tier)
	}
	testkit.Must(t, bursar.Apply(t.Context(), yaml))
	_, err := bursar.RunKubectl(t.Context(), "wait", "--for=condition=Programmed", "--timeout=60s", "--all", "tenantbudgets,apikeys", "-n", "ask")
	testkit.Must(t, err)
}

func keyOf(tenant, user string) string { return "key-of-" + tenant + "-" + user }

// call makes a call, and returns the status and the id. What it says is in the bill as of a user.
func call(t *testing.T, key, model, text, billedTo string) (status int, id string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"model": model, "messages": []map[string]string{{"role": "user", "content": text}}, "user": billedTo})
	testkit.Must(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, bursar.EnforcerURLs[0]+"/v1/chat/completions", bytes.NewReader(body))
	testkit.Must(t, err)
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	testkit.Must(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	testkit.Must(t, err)
	_ = response.Body.Close()
	return response.StatusCode, response.Header.Get("X-Bursar-Call-Id")
}

// billed is what the provider bills for the calls of a user.
func billed(user string) (calls int64, cost money.Nanos) {
	for _, call := range bursar.Provider.Bill().Calls {
		if call.User == user {
			calls, cost = calls+1, cost+money.Nanos(call.CostNanos)
		}
	}
	return calls, cost
}

// asked is what the console answers to GET, with a key.
func asked(t *testing.T, key, path string, query url.Values) (body []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, bursar.ConsoleURL+"/api/ai"+path+"?"+query.Encode(), http.NoBody)
	testkit.Must(t, err)
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := http.DefaultClient.Do(request)
	testkit.Must(t, err)
	body, err = io.ReadAll(response.Body)
	testkit.Must(t, err)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s?%s: %d %s", path, query.Encode(), response.StatusCode, body)
	}
	return body
}

// plugin runs kubectl budget, with a key for the console or, without one, a login of the ledger.
func plugin(t *testing.T, key string, args ...string) (stdout string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join("..", "..", "..", "bin", "kubectl-budget"), append(args, "-n", "ask", "--kubeconfig", bursar.Kubeconfig)...)
	cmd.Env = append(os.Environ(), "BURSAR_DATABASE_URL="+bursar.ReaderURL)
	if key != "" {
		cmd.Env = append(os.Environ(), "BURSAR_CONSOLE="+bursar.ConsoleURL, "BURSAR_TOKEN="+key)
	}
	var told strings.Builder
	cmd.Stderr = &told
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("kubectl budget %s: %w: %s", strings.Join(args, " "), err, told.String())
	}
	return string(out), nil
}

// pluginJSON decodes what kubectl budget prints.
func pluginJSON(t *testing.T, into any, key string, args ...string) error {
	t.Helper()
	out, err := plugin(t, key, append(args, "-o", "json")...)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(out), into)
}

func eventually(t *testing.T, what string, isSo func() bool) {
	t.Helper()
	testkit.Within(t, time.Minute, what, isSo)
}
