package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/money"
)

// grantTo gives a tenant of one limit more for a time, and returns how long it took
// from there until a call was admitted.
func grantTo(t *testing.T, tenant, name, amount string, expires time.Time) time.Duration {
	t.Helper()
	if err := bursar.Apply(t.Context(), fmt.Sprintf(`
apiVersion: bursar.dev/v1alpha1
kind: BudgetGrant
metadata: {name: %s, namespace: e2e}
spec: {budgetRef: {name: %s}, limit: yearly, amount: %q, reason: a test, expiresAt: %q}
`, name, tenant, amount, expires.UTC().Format(time.RFC3339))); err != nil {
		t.Fatal(err)
	}
	applied := time.Now()
	eventually(t, "a call is admitted again", func() bool {
		status, _ := penny(t, tenant)
		return status == http.StatusOK
	})
	return time.Since(applied)
}

// TestGrant: a budget that is used up admits calls again when more is granted, as many as fit.
// It refuses them when the grant is deleted or has expired, even if some of it is left; what
// was spent of it stays spent.
func TestGrant(t *testing.T) {
	refusesAll := func(when string) {
		t.Helper()
		if got := countAnswers(t, "topped-up", 4); got["429 budget_exhausted"] != 4 {
			t.Errorf("%s four calls got %v", when, got)
		}
	}
	apply(t, tenantYAML("topped-up", "0.02"))
	if got := countAnswers(t, "topped-up", 3); got["200"] != 2 || got["429 budget_exhausted"] != 1 {
		t.Fatalf("three calls of a cent under two cents got %v", got)
	}
	took := grantTo(t, "topped-up", "taken-back", "0.02", time.Now().Add(time.Hour))
	t.Logf("a call is admitted %s after kubectl has applied the grant", took)
	eventually(t, "the cent that is left of the grant is spent", func() bool { // a probe may hold a nano-dollar of it for a moment
		return countAnswers(t, "topped-up", 1)["200"] == 1
	})
	refusesAll("with nothing left of the grant")
	if _, err := bursar.RunKubectl(t.Context(), "-n", "e2e", "delete", "budgetgrant", "taken-back"); err != nil {
		t.Fatal(err)
	}

	expires := time.Now().Add(4*time.Second + 4*took).Truncate(time.Second)
	grantTo(t, "topped-up", "over", "0.10", expires)
	eventually(t, "the grant is over", func() bool { return !time.Now().Before(expires) })
	refusesAll("after the grant")
	eventually(t, "the grant says so", func() bool {
		state, err := bursar.RunKubectl(t.Context(), "-n", "e2e", "get", "budgetgrant", "over", "-o", "jsonpath={.status.state}")
		return err == nil && state == "Expired"
	})
	refusesAll("after the configuration is without the grant")
	eventually(t, "the ledger has what was spent", func() bool {
		_, spent := ledger(t, "topped-up")
		return money.Nanos(spent) == 5*money.Cent
	})
}

// TestGrantEndsWithoutManager: enforcers end a grant by themselves.
func TestGrantEndsWithoutManager(t *testing.T) {
	apply(t, tenantYAML("unattended", "0.01"))
	if got := countAnswers(t, "unattended", 2); got["200"] != 1 || got["429 budget_exhausted"] != 1 {
		t.Fatalf("two calls of a cent under one cent got %v", got)
	}
	expires := time.Now().Add(10 * time.Second).Truncate(time.Second)
	grantTo(t, "unattended", "unattended", "0.10", expires)
	state := func() string {
		state, err := bursar.RunKubectl(t.Context(), "-n", "e2e", "get", "budgetgrant", "unattended", "-o", "jsonpath={.status.state}")
		if err != nil {
			t.Fatal(err)
		}
		return state
	}
	eventually(t, "the grant says that it runs", func() bool { return state() == "Active" })

	stopManagers(t)
	defer func() {
		if _, err := bursar.StartManager(t.Context(), "manager-after-unattended"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the next manager says that the grant is over", func() bool { return state() == "Expired" })
	}()
	eventually(t, "the grant is over", func() bool { return !time.Now().Before(expires) })
	if got := countAnswers(t, "unattended", 4); got["429 budget_exhausted"] != 4 {
		t.Errorf("after the grant four calls got %v", got)
	}
	if got := state(); got != "Active" {
		t.Errorf("the grant says %s, although no manager runs", got)
	}
}

// stopManagers ends the managers that run.
func stopManagers(t *testing.T) {
	t.Helper()
	for _, manager := range bursar.Managers {
		select {
		case <-manager.Process().Done():
		default:
			if err := manager.Stop(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
