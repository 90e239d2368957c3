package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/hack/testkit"
)

// answers are the statuses of calls of a cent, one after another, each settled before the
// next.
func answers(t *testing.T, tenant string, calls int) (statuses []int) {
	t.Helper()
	made, _ := ledger(t, tenant)
	for range calls {
		status, _ := penny(t, tenant)
		statuses = append(statuses, status)
		if status == http.StatusOK {
			made++
			eventually(t, "the call is settled", func() bool { settled, _ := ledger(t, tenant); return settled == made })
		}
	}
	return statuses
}

func wantAnswers(t *testing.T, what string, got []int, want ...int) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s: %v, want %v", what, got, want)
			return
		}
	}
}

const ok, refused = http.StatusOK, http.StatusTooManyRequests

// TestShadowIsOfOneTenant: a tenant in Shadow may exceed its own limits and policies, but neither
// those of its parent nor policies of another namespace; and a parent in Shadow does not refuse
// its children's calls.
func TestShadowIsOfOneTenant(t *testing.T) {
	t.Parallel()
	const below = "parentRef: {name: %}"
	under := func(parent string) string { return strings.Replace(below, "%", parent, 1) }
	t.Run("its own limit, and then its parent's", func(t *testing.T) {
		apply(t, tenantYAML("sh-parent", "0.03")+tenantYAML("sh-child", "0.01", "ladder: []", "enforcement: Shadow", under("sh-parent")))
		wantAnswers(t, "calls", answers(t, "sh-child", 5), ok, ok, ok, refused, refused)
	})
	t.Run("the Trip rung of its parent", func(t *testing.T) {
		apply(t, tenantYAML("sh-tripping", "0.04", "ladder: [{atPercent: 50, action: Trip}]")+
			tenantYAML("sh-tripped", "1.00", "ladder: []", "enforcement: Shadow", under("sh-tripping")))
		wantAnswers(t, "calls", answers(t, "sh-tripped", 3), ok, ok, refused)
	})
	t.Run("a breaker that is forced open", func(t *testing.T) {
		apply(t, tenantYAML("sh-stopped", "1.00", "breaker: {forced: Open}")+
			tenantYAML("sh-below", "1.00", "ladder: []", "enforcement: Shadow", "breaker: {forced: Open}", under("sh-stopped")))
		wantAnswers(t, "calls", answers(t, "sh-below", 1), refused)
		apply(t, tenantYAML("sh-stopped", "1.00", "ladder: []"))
		wantAnswers(t, "calls once the parent's is not", answers(t, "sh-below", 1), ok)
	})
	t.Run("policies", func(t *testing.T) {
		const policy = `---
apiVersion: bursar.dev/v1alpha1
kind: RateLimitPolicy
metadata: {name: once, namespace: %s}
spec:
  %s
  limits: [{name: all, per: Tenant, requests: 1, window: 1h}]
`
		applyPolicy := func(namespace, target string) {
			apply(t, fmt.Sprintf(policy, namespace, target))
			if _, err := bursar.RunKubectl(t.Context(), "-n", namespace, "wait", "--for=condition=Programmed", "--timeout=60s", "rlp/once"); err != nil {
				t.Fatal(err)
			}
		}
		apply(t, tenantYAML("sh-fast", "1.00", "ladder: []", "enforcement: Shadow"))
		applyPolicy("e2e", "targetRef: {name: sh-fast}")
		wantAnswers(t, "calls by its own policy", answers(t, "sh-fast", 2), ok, ok)
		if _, err := bursar.RunKubectl(t.Context(), "-n", "e2e", "label", "tb/sh-fast", "plan=once"); err != nil {
			t.Fatal(err)
		}
		apply(t, `{apiVersion: v1, kind: Namespace, metadata: {name: e2e-platform, labels: {bursar.dev/delegated: "true"}}}`)
		applyPolicy("e2e-platform", "targetSelector: {matchLabels: {plan: once}, namespaces: {from: All}}")
		wantAnswers(t, "calls by the policy of another namespace", answers(t, "sh-fast", 2), ok, refused)
	})
	t.Run("a parent's own Shadow", func(t *testing.T) {
		apply(t, tenantYAML("sh-lenient", "0.01", "ladder: []", "enforcement: Shadow")+
			tenantYAML("sh-kept", "0.03", "ladder: []", under("sh-lenient")))
		wantAnswers(t, "calls", answers(t, "sh-kept", 4), ok, ok, ok, refused)
	})
}

// TestParentIsRenamed: a budget with a child is renamed by apply-then-prune while the child calls: no
// call is refused meanwhile, what was spent stays spent, and the successor's limit holds.
func TestParentIsRenamed(t *testing.T) {
	t.Parallel()
	const under = "parentRef: {name: %s}"
	budget := func(name, limit string, more ...string) string {
		return fmt.Sprintf(`---
apiVersion: bursar.dev/v1alpha1
kind: TenantBudget
metadata: {name: %s, namespace: e2e}
spec:
  tenant: ren-parent
  limits: [{name: yearly, period: Year, amount: "%s"}]
  %s
`, name, limit, strings.Join(append(more, "ladder: []"), "\n  "))
	}
	apply(t, budget("ren-old", "0.30")+tenantYAML("ren-child", "1.00", "ladder: []", fmt.Sprintf(under, "ren-old")))
	wantAnswers(t, "calls below the old one", answers(t, "ren-child", 4), ok, ok, ok, ok)

	calling, stop := context.WithCancel(t.Context())
	defer stop()
	statuses := map[int]int{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for calling.Err() == nil && statuses[ok] < 16 {
			response, err := chat(t.Context(), bursar.EnforcerURLs[0], "ren-child", map[string]any{"model": "penny", "messages": prompt("Hello")})
			if err != nil {
				t.Error(err)
				return
			}
			_ = response.Body.Close()
			statuses[response.StatusCode]++
			time.Sleep(250 * time.Millisecond)
		}
	}()
	apply(t, budget("ren-old", "0.30", "successorRef: {name: ren-new}"))
	// The old one is not programmed any more until it is deleted, so nothing waits for it.
	err := bursar.Apply(t.Context(), budget("ren-new", "0.30")+tenantYAML("ren-child", "1.00", "ladder: []", fmt.Sprintf(under, "ren-new")))
	testkit.Must(t, err)
	if _, err := bursar.RunKubectl(t.Context(), "-n", "e2e", "delete", "tb", "ren-old"); err != nil {
		t.Fatal(err)
	}
	programmed(t)
	stop()
	<-done
	if len(statuses) != 1 || statuses[ok] == 0 {
		t.Errorf("answers while the parent was renamed: %v, want %d alone", statuses, ok)
	}
	made := 4 + statuses[ok]
	eventually(t, "all calls are settled", func() bool { settled, _ := ledger(t, "ren-child"); return settled == made })
	got := answers(t, "ren-child", 31-made)
	for i, status := range got[:30-made] {
		if status != ok {
			t.Errorf("call %d of 30 below the successor: %d", made+i+1, status)
		}
	}
	if last := got[30-made]; last != refused {
		t.Errorf("a call beyond what the parent has: %d, want %d", last, refused)
	}
}

// TestFallbackKeepsToTheParentsRung: beyond a parent's Trip rung, the fallback of a child spends
// money only if the parent's own rung has that fallback, too.
func TestFallbackKeepsToTheParentsRung(t *testing.T) {
	t.Parallel()
	const falling = `ladder: [{atPercent: 90, action: Trip, fallback: [CheapestModel], cheapestModel: {models: [penny]}}]`
	const tripping = `ladder: [{atPercent: 50, action: Trip}]`
	const both = `ladder: [{atPercent: 50, action: Trip, fallback: [CheapestModel], cheapestModel: {models: [penny]}}]`
	apply(t, tenantYAML("fb-parent", "0.04", tripping)+tenantYAML("fb-child", "1.00", falling, "parentRef: {name: fb-parent}"))
	wantAnswers(t, "calls", answers(t, "fb-child", 4), ok, ok, refused, refused)
	apply(t, tenantYAML("fb-parent", "0.04", both))
	wantAnswers(t, "calls once the parent falls back, too", answers(t, "fb-child", 3), ok, ok, refused)
}

// TestReserveIsTheParentsToGive: a child's shares, for when Redis is away, take nothing from its
// parent's limit unless the parent allows shares, and no more than the parent allows.
func TestReserveIsTheParentsToGive(t *testing.T) {
	t.Parallel()
	const child = "onStoreLoss: AllowBounded\n  storeLossPercent: 50"
	held := func(tenant string) string {
		out, err := bursar.RunKubectl(t.Context(), "-n", "e2e", "get", "tb", tenant, "-o", "jsonpath={.status.limits[0].held}")
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	apply(t, tenantYAML("res-parent", "0.30")+tenantYAML("res-child", "0.30", "ladder: []", child, "parentRef: {name: res-parent}"))
	wantAnswers(t, "calls", answers(t, "res-child", 2), ok, ok)
	time.Sleep(time.Second) // a share would be held by now; there must be none
	if got := held("res-parent"); got != "0.00" {
		t.Errorf("%s is held of a parent that reserves nothing", got)
	}
	apply(t, tenantYAML("res-parent", "0.30", "ladder: []", "onStoreLoss: AllowBounded", "storeLossPercent: 40"))
	penny(t, "res-child")
	eventually(t, "a quarter of what the parent gives is reserved, and no more", func() bool { return held("res-parent") == "0.03" })
}
