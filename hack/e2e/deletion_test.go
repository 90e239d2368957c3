package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/hack/stack"
)

// TestDeletionOrder: objects can be deleted in any order: none waits for another, and no
// document is left.
func TestDeletionOrder(t *testing.T) {
	topDown := []string{
		"tenantbudget/upper", "tenantbudget/lower", "ratelimitpolicy/lower", "budgetgrant/upper",
		"apikey/upper", "apikey/lower", "modelprovider/passing",
	}
	bottomUp := slices.Clone(topDown)
	slices.Reverse(bottomUp)
	for _, order := range [][]string{topDown, bottomUp} {
		apply(t, tenantYAML("upper", "5.00")+tenantYAML("lower", "1.00", "parentRef: {name: upper}")+fmt.Sprintf(`---
apiVersion: bursar.dev/v1alpha1
kind: RateLimitPolicy
metadata: {name: lower, namespace: e2e}
spec: {targetRef: {name: lower}, limits: [{name: in-flight, per: Tenant, concurrent: 3}]}
---
apiVersion: bursar.dev/v1alpha1
kind: BudgetGrant
metadata: {name: upper, namespace: e2e}
spec: {budgetRef: {name: upper}, limit: yearly, amount: "1.00", reason: a test, expiresAt: "2099-01-01T00:00:00Z"}
---
apiVersion: bursar.dev/v1alpha1
kind: ModelProvider
metadata: {name: passing}
spec:
  endpoint: %s/v1
  models: [{name: passing, maxOutputTokens: 1, prices: {input: "0", output: "1"}}]
`, bursar.ProviderURL))
		if got := countAnswers(t, "lower", 1); got["200"] != 1 {
			t.Fatalf("before anything goes a call got %v", got)
		}
		for _, object := range order {
			if _, err := bursar.RunKubectl(t.Context(), "-n", "e2e", "delete", object, "--timeout=30s"); err != nil {
				t.Errorf("in the order %v: %v", order, err)
			}
		}
		documents, err := redisClient(t).HKeys(t.Context(), limiterv1.DocumentsKey).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range documents {
			_, name, _ := strings.Cut(id, "/")
			if slices.Contains([]string{"upper", "lower", "passing", stack.HashKey(keyOf("upper")), stack.HashKey(keyOf("lower"))}, name) {
				t.Errorf("in the order %v the document %s is left", order, id)
			}
		}
	}
}

// TestBudgetMadeAnew: a budget that is deleted and made again has spent what it had.
func TestBudgetMadeAnew(t *testing.T) {
	yaml := tenantYAML("anew", "0.03")
	apply(t, yaml)
	if got := countAnswers(t, "anew", 2); got["200"] != 2 {
		t.Fatalf("two calls of a cent under three cents got %v", got)
	}
	eventually(t, "the ledger has both", func() bool { calls, _ := ledger(t, "anew"); return calls == 2 })
	for _, args := range [][]string{
		{"delete", "tenantbudget/anew", "--timeout=30s"},
		{"wait", "--for=condition=Programmed=false", "apikey/anew", "--timeout=30s"},
	} {
		if _, err := bursar.RunKubectl(t.Context(), append([]string{"-n", "e2e"}, args...)...); err != nil {
			t.Fatal(err)
		}
	}
	apply(t, yaml)
	if got := statusOf(t, "anew"); got != "0.02 0.00 True" {
		t.Errorf("what is spent, held and Programmed is %q as soon as it is programmed", got)
	}
	if got := countAnswers(t, "anew", 3); got["200"] != 1 || got["429 budget_exhausted"] != 2 {
		t.Errorf("three calls with a cent left got %v", got)
	}
}
