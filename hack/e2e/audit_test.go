package e2e

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/redisclient"
	"github.com/bursar-dev/bursar/controllers/leader/audit"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/parts/eventlog"
	"github.com/bursar-dev/bursar/hack/stack"
)

// TestAudit: while calls are settled and recorded, however fast, audits find nothing. A
// counter that was tampered with is found, reported once, and no longer counts as drift
// when it is right again.
func TestAudit(t *testing.T) {
	const tenant, callers, loaded = "audited", 8, 3 * time.Second
	apply(t, fmt.Sprintf(`---
apiVersion: bursar.dev/v1alpha1
kind: TenantBudget
metadata: {name: %[1]s, namespace: e2e}
spec:
  tenant: %[1]s
  limits:
  - {name: yearly, period: Year, amount: "1000000"}
  - {name: sudden, period: 1s, amount: "1000000"}
  - {name: pennies, period: Day, amount: "1000000", models: [penny]}
  - {name: each, period: Month, amount: "1000000", per: User}
---
apiVersion: bursar.dev/v1alpha1
kind: APIKey
metadata: {name: %[1]s, namespace: e2e}
spec: {sha256: %[2]s, budgetRef: {name: %[1]s}, user: user, tier: tier}
`, tenant, stack.HashKey(keyOf(tenant))))
	client, err := redisclient.Open(bursar.RedisURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	pool, err := pgxpool.New(t.Context(), bursar.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	newAuditor := func() (*audit.Auditor, *eventlog.Events) {
		recorded := &eventlog.Events{}
		return audit.New(limiterstore.NewDocuments(client), limiterstore.NewCounters(client), limiterstore.NewFindings(client),
			budgetstore.NewLedgerReader(pool), events.NewRecorder(recorded, nil), 0), recorded
	}

	var load sync.WaitGroup
	var made atomic.Int64
	var enough atomic.Bool
	until := time.Now().Add(loaded)
	for i := range callers {
		load.Go(func() {
			for !enough.Load() {
				response, err := chat(t.Context(), bursar.EnforcerURLs[i%len(bursar.EnforcerURLs)], tenant, map[string]any{
					"model": "penny", "messages": prompt("Hello"),
				})
				if err != nil {
					t.Error(err)
					return
				}
				if answer := answerOf(response); answer != "200" {
					t.Errorf("a call: %s", answer)
				}
				_ = response.Body.Close()
				made.Add(1)
			}
		})
	}
	rest := func() {
		enough.Store(true)
		load.Wait()
	}
	defer rest()
	auditor, events := newAuditor()
	audits, busy := 0, 0
	for time.Now().Before(until) || audits-busy < 3 && t.Context().Err() == nil {
		err := auditor.Audit(t.Context(), tenant)
		if audits++; errors.Is(err, limiterstore.ErrBusy) {
			busy++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	rest()
	t.Logf("%d audits (%d too busy) while %d calls were made", audits, busy, made.Load())
	eventually(t, "all calls are in the ledger", func() bool {
		calls, _ := ledger(t, tenant)
		return calls == int(made.Load())
	})
	if found := events.Take(); len(found) > 0 || made.Load() == 0 {
		t.Fatalf("findings under load: %q", found)
	}

	key := limiterv1.TenantCountersKey(tenant, tenant)
	field := limiterv1.MoneyField(limiterv1.MoneyLimit{Period: period.Year})
	add := func(amount money.Nanos) {
		t.Helper()
		raw, err := client.HGet(t.Context(), key, field).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		counter, err := limiterv1.DecodeMoneyCounter(raw)
		if err != nil {
			t.Fatal(err)
		}
		counter.Spent += amount
		if err := client.HSet(t.Context(), key, field, counter.Encode()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	audited := func(auditor *audit.Auditor) {
		t.Helper()
		if err := auditor.Audit(t.Context(), tenant); err != nil {
			t.Fatal(err)
		}
	}
	add(1) // too much is left alone, as a ledger may have been restored from a backup; too little is counted anew
	// The manager audits as well: either may find and report it.
	audited(auditor)
	tells := func() (manager, own []string) {
		out, err := bursar.RunKubectl(t.Context(), "-n", "e2e", "get", "events", "-o", `jsonpath={range .items[?(@.reason=="DriftFound")]}{.message}{"\n"}{end}`)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(out), "\n"), events.Take()
	}
	if kept, err := client.HGetAll(t.Context(), "bursar:{config}:audit-findings").Result(); err != nil || !strings.Contains(kept[tenant], `"limit":"yearly"`) {
		t.Fatalf("findings %v, %v; want one of limit yearly", kept, err)
	}
	another, anothers := newAuditor()
	audited(another)
	if again := anothers.Take(); len(again) > 0 {
		t.Errorf("another manager tells of it again: %q", again)
	}
	// Both may look at the same moment, because they know nothing of each other. In a cluster, only the
	// leader audits.
	manager, own := tells()
	for _, found := range [][]string{manager, own} {
		if len(found) > 1 || len(found) == 1 && found[0] != "" && !strings.Contains(found[0], "limit yearly counts ") {
			t.Errorf("told %q, want limit yearly once", found)
		}
	}
	add(-1)
	audited(another)
	eventually(t, "nothing is left of it", func() bool {
		return client.HLen(t.Context(), "bursar:{config}:audit-findings").Val() == 0
	})
}
