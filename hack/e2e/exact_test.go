package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/money"
)

// exactRunsVariable is how many runs `make exact` makes.
const exactRunsVariable = "BURSAR_EXACT_RUNS"

// TestAsManyCallsAreAdmittedAsFit: of 1,000 concurrent calls of one cent through
// four enforcers, exactly 100 fit into a budget of one dollar, in every run; and the
// ledger, the provider's bill and status all say that one dollar was spent.
func TestAsManyCallsAreAdmittedAsFit(t *testing.T) {
	const calls, fit, enforcers = 1000, 100, 4
	runs := exactRuns(t)
	urls := append([]string(nil), bursar.EnforcerURLs...)
	for len(urls) < enforcers {
		more, err := bursar.StartEnforcer(t.Context(), fmt.Sprintf("enforcer-%d", len(urls)+1))
		if err != nil {
			t.Fatal(err)
		}
		// The others need not wait for it when it is gone.
		t.Cleanup(func() { _ = more.Stop() })
		urls = append(urls, more.URL)
	}
	var yaml strings.Builder
	for run := range runs {
		yaml.WriteString(tenantYAML(exactTenant(run), "1.00"))
	}
	apply(t, yaml.String())

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: calls / enforcers}}
	defer client.CloseIdleConnections()
	exact, begin := 0, time.Now()
	for run := range runs {
		tenant := exactTenant(run)
		got := countAnswersThrough(t, client, urls, tenant, calls)
		want := map[string]int{"200": fit, "429 budget_exhausted": calls - fit}
		if fmt.Sprint(got) == fmt.Sprint(want) {
			exact++
		} else {
			t.Errorf("%s: answers %v, want %v", tenant, got, want)
		}
		eventually(t, tenant+"'s ledger has one dollar", func() bool {
			n, cost := ledger(t, tenant)
			return n == fit && money.Nanos(cost) == money.USD
		})
		if n, cost := billed(tenant); n != fit || cost != money.USD {
			t.Errorf("%s: the provider bills %d calls and %s, want %d and %s", tenant, n, cost, fit, money.USD)
		}
		if done := run + 1; done%10 == 0 || done == runs {
			t.Logf("%d runs of %d calls through %d enforcers: exactly %d admitted in %d of them (%.1f s)",
				done, calls, enforcers, fit, exact, time.Since(begin).Seconds())
		}
	}
	eventually(t, "status says that each tenant has spent one dollar and holds nothing", func() bool {
		out, err := bursar.RunKubectl(t.Context(), "-n", "e2e", "get", "tenantbudgets", "-o",
			`jsonpath={range .items[*]}{.spec.tenant}={.status.limits[0].spent}/{.status.limits[0].held} {end}`)
		if err != nil {
			t.Fatal(err)
		}
		for run := range runs {
			if !strings.Contains(out, exactTenant(run)+"=1.00/0.00 ") {
				return false
			}
		}
		return true
	})
	t.Logf("ledger, provider's bill and status.spent are one dollar for each of %d tenants", runs)
}

func exactTenant(run int) string { return fmt.Sprintf("run-%d", run) }

// exactRuns is how many runs to make: a few, or as many as the environment says.
func exactRuns(t *testing.T) int {
	t.Helper()
	many := os.Getenv(exactRunsVariable)
	if many == "" {
		return 3
	}
	n, err := strconv.Atoi(many)
	if err != nil || n < 1 {
		t.Fatalf("%s=%s: want a number of runs", exactRunsVariable, many)
	}
	return n
}

// countAnswersThrough makes concurrent calls of one cent, through each enforcer as
// many, and counts them by their answer. A call that Redis was too late to decide is
// made again, as a client would.
func countAnswersThrough(t *testing.T, client *http.Client, urls []string, tenant string, calls int) map[string]int {
	t.Helper()
	answers := make([]string, calls)
	var all sync.WaitGroup
	for i := range calls {
		all.Go(func() {
			for undecided := true; undecided; undecided = answers[i] == "503 limiter_unavailable" {
				answers[i] = pennyOf(t.Context(), client, urls[i%len(urls)], tenant)
			}
		})
	}
	all.Wait()
	count := map[string]int{}
	for _, answer := range answers {
		count[answer]++
	}
	return count
}

// pennyOf makes a call of one cent and says what the answer was.
func pennyOf(ctx context.Context, client *http.Client, url, tenant string) string {
	response, err := chatWith(ctx, client, url, tenant, map[string]any{
		"model": "penny", "messages": prompt("Hello"), "user": tenant,
	})
	if err != nil {
		return err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	return answerOf(response)
}

// billed is what the provider bills for calls in a tenant's name.
func billed(tenant string) (calls int, cost money.Nanos) {
	for _, call := range bursar.Provider.Bill().Calls {
		if call.User == tenant {
			calls++
			cost += money.Nanos(call.CostNanos)
		}
	}
	return calls, cost
}
