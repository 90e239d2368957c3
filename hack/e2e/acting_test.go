package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/stack"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// pennyWith makes a call that costs a cent with a key, and with header fields: name, value, and so on.
func pennyWith(ctx context.Context, t *testing.T, url, key string, fields ...string) (status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions",
		strings.NewReader(`{"model":"penny","messages":[{"role":"user","content":"Hello"}]}`))
	if err != nil {
		t.Error(err)
		return 0
	}
	request.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i < len(fields); i += 2 {
		request.Header.Set(fields[i], fields[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode
}

// TestActing: a server that calls for its users with one key is limited as each of them, who is the
// same user as with a key of their own; and the ledger has both.
func TestActing(t *testing.T) {
	t.Parallel()
	apply(t, tenantYAML("acting", "1.00", `ladder: []`)+fmt.Sprintf(`---
apiVersion: bursar.dev/v1alpha1
kind: RateLimitPolicy
metadata: {name: acting, namespace: e2e}
spec:
  targetRef: {name: acting}
  limits: [{name: each, per: User, tiers: [gold], requests: 3, window: 24h}]
---
apiVersion: bursar.dev/v1alpha1
kind: APIKey
metadata: {name: acting-server, namespace: e2e}
spec: {sha256: %s, budgetRef: {name: acting}, user: server, tier: tier, actFor: {users: ["shop-*"], tiers: [gold]}}
---
apiVersion: bursar.dev/v1alpha1
kind: APIKey
metadata: {name: acting-own, namespace: e2e}
spec: {sha256: %s, budgetRef: {name: acting}, user: shop-1, tier: gold}
`, stack.HashKey("key-of-acting-server"), stack.HashKey("key-of-acting-own")))
	programmed(t)
	call := func(key string, fields ...string) int {
		return pennyWith(t.Context(), t, bursar.EnforcerURLs[0], key, fields...)
	}
	named := func(user string) []string { return []string{"X-Bursar-User", user, "X-Bursar-Tier", "gold"} }
	for i, want := range []int{200, 200} {
		if got := call("key-of-acting-server", named("shop-1")...); got != want {
			t.Errorf("call %d for shop-1: %d, want %d", i, got, want)
		}
	}
	if got := call("key-of-acting-own"); got != 200 {
		t.Errorf("with a key of their own: %d, want 200", got)
	}
	for what, got := range map[string]int{
		"for shop-1, whose three calls are made":             call("key-of-acting-server", named("shop-1")...),
		"with the key of shop-1, whose three calls are made": call("key-of-acting-own"),
	} {
		if got != http.StatusTooManyRequests {
			t.Errorf("%s: %d, want 429", what, got)
		}
	}
	if got := call("key-of-acting-server", named("shop-2")...); got != 200 {
		t.Errorf("for another user: %d, want 200", got)
	}
	if got := call("key-of-acting-server", named("root")...); got != http.StatusForbidden {
		t.Errorf("for somebody outside of the grant: %d, want 403", got)
	}
	if got := call("key-of-acting-own", named("shop-3")...); got != http.StatusTooManyRequests {
		t.Errorf("without a grant, by which shop-1 is nobody else: %d, want 429", got)
	}
	connection, err := pgx.Connect(t.Context(), bursar.DatabaseURL)
	testkit.Must(t, err)
	defer func() { _ = connection.Close(context.WithoutCancel(t.Context())) }()
	const want = "own:shop-1 by: 1, server:shop-1 by:server 2, server:shop-2 by:server 1"
	var got string
	eventually(t, "the ledger has who called and for whom", func() bool {
		testkit.Must(t, connection.QueryRow(t.Context(), `SELECT coalesce(string_agg(line, ', ' ORDER BY line), '') FROM (
			SELECT replace(credential, 'e2e/acting-', '') || ':' || user_id || ' by:' || actor || ' ' || count(*) AS line
			FROM ai_usage_logs WHERE tenant_id = 'acting' GROUP BY credential, user_id, actor) AS lines`).Scan(&got))
		return got == want
	})
}

// TestKeyIsReplaced: while a key is replaced under load, no call is refused; the key before ends by
// itself; and the status says that both were used.
func TestKeyIsReplaced(t *testing.T) {
	t.Parallel()
	apply(t, tenantYAML("replaced", "1000.00"))
	programmed(t)
	api := apiClient(t)
	key := &v1alpha1.APIKey{}
	name := client.ObjectKey{Namespace: "e2e", Name: "replaced"}
	testkit.Must(t, api.Get(t.Context(), name, key))

	var refused atomic.Int64
	var made [2]atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	start := func(i int, credential string) {
		load.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				status := pennyWith(context.WithoutCancel(ctx), t, bursar.EnforcerURLs[n%len(bursar.EnforcerURLs)], credential)
				made[i].Add(1)
				if status != http.StatusOK {
					refused.Add(1)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	start(0, keyOf("replaced"))
	testkit.Eventually(t, "the key works", func() bool { return made[0].Load() > 20 })
	until := metav1.NewTime(time.Now().Add(20 * time.Second)).Rfc3339Copy()
	key.Spec.PreviousKeys = []v1alpha1.PreviousKey{{SHA256: key.Spec.SHA256, ExpiresAt: until}}
	key.Spec.SHA256 = stack.HashKey("another-key-of-replaced")
	testkit.Must(t, api.Update(t.Context(), key))
	programmed(t)
	start(1, "another-key-of-replaced")
	testkit.Eventually(t, "both work", func() bool { return made[1].Load() > 20 })
	stop()
	load.Wait()
	if n := refused.Load(); n > 0 || time.Now().After(until.Time) {
		t.Errorf("%d of %d and %d calls were refused", n, made[0].Load(), made[1].Load())
	}
	eventually(t, "the key before has ended", func() bool {
		return pennyWith(t.Context(), t, bursar.EnforcerURLs[0], keyOf("replaced")) == http.StatusUnauthorized
	})
	if early := time.Until(until.Time); early > time.Second {
		t.Errorf("it ended %s before its time", early)
	}
	if got := pennyWith(t.Context(), t, bursar.EnforcerURLs[0], "another-key-of-replaced"); got != http.StatusOK {
		t.Errorf("the new key: %d, want 200", got)
	}
	testkit.Within(t, 2*time.Minute, "the status says that both were used", func() bool {
		testkit.Must(t, api.Get(t.Context(), name, key))
		return key.Status.LastUsedTime != nil && len(key.Status.Keys) == 2 &&
			key.Status.Keys[0].LastUsedTime != nil && key.Status.Keys[1].LastUsedTime != nil
	})
	if age := time.Since(key.Status.LastUsedTime.Time); age < 0 || age > 2*time.Hour || key.Status.LastUsedTime.Minute() != 0 {
		t.Errorf("it was used last at %s", key.Status.LastUsedTime)
	}
}
