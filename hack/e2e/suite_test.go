package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/hack/stack"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// bursar is the stack that all tests share, each with tenants of its own.
var bursar *stack.Stack

func TestMain(m *testing.M) {
	soaks := os.Getenv(soakVariable) != ""
	options := stack.Options{Enforcers: 2, RedisClock: soaks, Programs: os.Getenv(previousVariable), PgBouncer: os.Getenv("BURSAR_PGBOUNCER")}
	os.Exit(stack.Use(options, func(ctx context.Context, s *stack.Stack) int {
		bursar = s
		if err := bursar.Apply(ctx, fmt.Sprintf(common, bursar.ProviderURL)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if code := m.Run(); code != 0 {
			return code
		}
		// The context that the stack was started in may be over by now.
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		if err := cmp.Or(noSecretsIn(ctx, bursar), removable(ctx, bursar)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}))
}

// common is what every test needs: a namespace for any tenant, and a provider whose
// model "penny" costs exactly one cent per call, which is also its bound.
const common = `
apiVersion: v1
kind: Namespace
metadata: {name: e2e, labels: {bursar.dev/delegated: "true"}}
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
  - {name: gpt-4o-mini, maxOutputTokens: 16384, prices: {input: "0.15", cachedInput: "0.075", output: "0.60"}}
`

// tenantYAML is a tenant with one limit and one API key, "key-of-<tenant>". More
// members of the spec may follow.
func tenantYAML(tenant, amount string, more ...string) string {
	if len(more) == 0 {
		more = []string{"ladder: []"}
	}
	return fmt.Sprintf(`---
apiVersion: bursar.dev/v1alpha1
kind: TenantBudget
metadata: {name: %[1]s, namespace: e2e}
spec:
  tenant: %[1]s
  limits: [{name: yearly, period: Year, amount: "%[2]s"}]
  %[4]s
---
apiVersion: bursar.dev/v1alpha1
kind: APIKey
metadata: {name: %[1]s, namespace: e2e}
spec: {sha256: %[3]s, budgetRef: {name: %[1]s}, user: user, tier: tier}
`, tenant, amount, stack.HashKey(keyOf(tenant)), strings.Join(more, "\n  "))
}

func keyOf(tenant string) string { return "key-of-" + tenant }

// programmed waits until all budgets and keys of the tests' namespace, and all providers, are
// enforced. `kubectl wait` asks for one object after another, five a second: that took longer
// than most tests.
func programmed(t *testing.T) {
	t.Helper()
	api := apiClient(t)
	var waiting []string
	defer func() {
		if t.Failed() {
			t.Logf("not programmed: %s", strings.Join(waiting, ", "))
		}
	}()
	eventually(t, "all is programmed", func() bool {
		var err error
		waiting, err = notProgrammed(t.Context(), api, &v1alpha1.TenantBudgetList{}, &v1alpha1.APIKeyList{}, &v1alpha1.ModelProviderList{},
			&v1alpha1.IdentityProviderList{}, &v1alpha1.MembershipList{})
		return err == nil && len(waiting) == 0
	})
}

// notProgrammed names the objects of the tests' namespace, and those of none, that are not
// programmed at their present generation.
func notProgrammed(ctx context.Context, api client.Client, kinds ...client.ObjectList) (names []string, err error) {
	for _, list := range kinds {
		if err := api.List(ctx, list, client.InNamespace("e2e")); err != nil {
			return nil, err
		}
		err = meta.EachListItem(list, func(item runtime.Object) error {
			if object := item.(conditions.Object); !conditions.IsProgrammed(object) {
				names = append(names, fmt.Sprintf("%T %s", item, object.GetName()))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return names, nil
}

// chat asks for a chat completion with a tenant's key.
func chat(ctx context.Context, url, tenant string, request map[string]any) (*http.Response, error) {
	return chatWith(ctx, http.DefaultClient, url, tenant, request)
}

func chatWith(ctx context.Context, client *http.Client, url, tenant string, request map[string]any) (*http.Response, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+keyOf(tenant))
	r.Header.Set("Content-Type", "application/json")
	return client.Do(r)
}

func prompt(text string) []map[string]string {
	return []map[string]string{{"role": "user", "content": text}}
}

// ledger adds up what the ledger has of a tenant.
func ledger(t *testing.T, tenant string) (calls int, costNanos int64) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), bursar.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if err := conn.QueryRow(t.Context(),
		`select count(*), coalesce(sum(cost_nanos), 0)::bigint from ai_usage_logs where tenant_id = $1 and outcome = 'Settled'`,
		tenant).Scan(&calls, &costNanos); err != nil {
		t.Fatal(err)
	}
	return calls, costNanos
}

// eventually waits until isSo returns true for the whole stack, which may take longer than
// for one part: a process may have to start, or a Lease to end.
func eventually(t *testing.T, what string, isSo func() bool) {
	t.Helper()
	testkit.Within(t, time.Minute, what, isSo)
}
