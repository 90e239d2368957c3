package e2e

import (
	"io"
	"strings"
	"testing"
)

// TestSelected: a policy of another namespace limits each user of each tenant that it selects
// separately. It does not limit a tenant any more that it ceases to select.
func TestSelected(t *testing.T) {
	apply(t, tenantYAML("chosen", "5.00")+tenantYAML("picked", "5.00")+`---
apiVersion: v1
kind: Namespace
metadata: {name: platform, labels: {bursar.dev/delegated: "true"}}
---
apiVersion: bursar.dev/v1alpha1
kind: RateLimitPolicy
metadata: {name: free, namespace: platform}
spec:
  targetSelector: {matchLabels: {plan: free}, namespaces: {from: All}}
  limits: [{name: each, per: User, requests: 3, window: 24h}]
`)
	kubectl := func(args ...string) {
		t.Helper()
		if _, err := bursar.RunKubectl(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	kubectl("-n", "e2e", "label", "tenantbudgets", "chosen", "picked", "plan=free")
	kubectl("-n", "platform", "wait", "--for=jsonpath={.status.targets}=2", "--timeout=60s", "ratelimitpolicy/free")
	kubectl("-n", "platform", "wait", "--for=condition=Programmed", "--timeout=60s", "ratelimitpolicy/free")
	for _, tenant := range []string{"chosen", "picked"} {
		if got := countAnswers(t, tenant, 5); got["200"] != 3 || got["429 rate_limit_exceeded"] != 2 {
			t.Errorf("of five calls of a user of tenant %s: %v, want 3 admitted and 2 refused", tenant, got)
		}
	}
	response, err := chat(t.Context(), bursar.EnforcerURLs[0], "picked", map[string]any{"model": "penny", "messages": prompt("Hello")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, _ := io.ReadAll(response.Body); !strings.Contains(string(body), `platform/free/each`) {
		t.Errorf("a refusal does not name the limit: %s", body)
	}

	kubectl("-n", "e2e", "label", "tenantbudget", "picked", "plan-")
	eventually(t, "the tenant that is not selected has its limit no more", func() bool {
		return countAnswers(t, "picked", 1)["200"] == 1
	})
	kubectl("-n", "platform", "delete", "ratelimitpolicy", "free")
	eventually(t, "the other neither, without the policy", func() bool {
		return countAnswers(t, "chosen", 1)["200"] == 1
	})
}
