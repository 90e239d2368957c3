package e2e

import (
	"net/http"
	"sync"
	"testing"

	"github.com/bursar-dev/bursar/api/money"
)

func apply(t *testing.T, yaml string) {
	t.Helper()
	if err := bursar.Apply(t.Context(), yaml); err != nil {
		t.Fatal(err)
	}
	programmed(t)
}

// penny makes a call of one cent.
func penny(t *testing.T, tenant string) (status int, header http.Header) {
	t.Helper()
	response, err := chat(t.Context(), bursar.EnforcerURLs[0], tenant, map[string]any{"model": "penny", "messages": prompt("Hello")})
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode, response.Header
}

// TestChildrenShareTheirParentsBudget: two tenants with plenty of their own may
// together spend what their parent has, and not a cent more.
func TestChildrenShareTheirParentsBudget(t *testing.T) {
	apply(t, tenantYAML("group", "1.00")+
		tenantYAML("left", "5.00", "ladder: []", "parentRef: {name: group}")+
		tenantYAML("right", "5.00", "ladder: []", "parentRef: {name: group}"))
	counts := map[string]map[string]int{}
	var both sync.WaitGroup
	var mu sync.Mutex
	for _, tenant := range []string{"left", "right"} {
		both.Go(func() {
			count := countAnswers(t, tenant, 100)
			mu.Lock()
			defer mu.Unlock()
			counts[tenant] = count
		})
	}
	both.Wait()
	if admitted := counts["left"]["200"] + counts["right"]["200"]; admitted != 100 {
		t.Errorf("%d calls of a cent were admitted under the parent's dollar, want 100: %v", admitted, counts)
	}
	eventually(t, "the ledger has a dollar", func() bool {
		_, left := ledger(t, "left")
		_, right := ledger(t, "right")
		return money.Nanos(left+right) == money.USD
	})
}

// TestCallsInFlight: no more calls are open at a time than the policy says, and
// there is room again when they have ended.
func TestCallsInFlight(t *testing.T) {
	apply(t, tenantYAML("busy", "5.00")+`---
apiVersion: bursar.dev/v1alpha1
kind: RateLimitPolicy
metadata: {name: busy, namespace: e2e}
spec:
  targetRef: {name: busy}
  limits: [{name: in-flight, per: Tenant, concurrent: 3}]
`)
	if _, err := bursar.RunKubectl(t.Context(), "-n", "e2e", "wait", "--for=condition=Programmed", "--timeout=60s", "ratelimitpolicy/busy"); err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	for range 3 {
		open.Go(func() {
			response, err := chat(t.Context(), bursar.EnforcerURLs[0], "busy", map[string]any{"model": "penny", "messages": prompt("Wait [[pause]]")})
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = response.Body.Close() }()
			if got := answerOf(response); got != "200" {
				t.Errorf("a call that was held got %s", got)
			}
		})
	}
	eventually(t, "three calls are at the provider", func() bool { return bursar.Provider.Paused() == 3 })
	if got := countAnswers(t, "busy", 5); got["429 rate_limit_exceeded"] != 5 {
		t.Errorf("while three calls are open, five more got %v", got)
	}
	bursar.Provider.Resume()
	open.Wait()
	eventually(t, "there is room again", func() bool {
		status, _ := penny(t, "busy")
		return status == http.StatusOK
	})
}

// TestShadow: calls that would be refused are reported, and not refused.
func TestShadow(t *testing.T) {
	apply(t, tenantYAML("shadow", "0.01", "ladder: []", "enforcement: Shadow"))
	for i, want := range []string{"", "budget_exhausted", "budget_exhausted"} {
		status, header := penny(t, "shadow")
		if got := header.Get("X-Bursar-Would-Refuse"); status != http.StatusOK || got != want {
			t.Errorf("call %d: status %d, would be refused with %q; want 200 and %q", i, status, got, want)
		}
	}
}

// TestDowngrade: from the rung on, another model is called, and the answer says so.
func TestDowngrade(t *testing.T) {
	apply(t, tenantYAML("thrifty", "0.10", "ladder: [{atPercent: 50, action: Downgrade, models: [{from: gpt-4o, to: gpt-4o-mini}]}]"))
	ask := func() string {
		response, err := chat(t.Context(), bursar.EnforcerURLs[0], "thrifty", map[string]any{
			"model": "gpt-4o", "max_completion_tokens": 16, "messages": prompt("Hello"),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		if got := answerOf(response); got != "200" {
			t.Fatal(got)
		}
		return response.Header.Get("X-Bursar-Model")
	}
	if model := ask(); model != "" {
		t.Errorf("below the rung %q was called", model)
	}
	for range 5 {
		penny(t, "thrifty")
	}
	eventually(t, "the cheaper model is called", func() bool { return ask() == "gpt-4o-mini" })
}
