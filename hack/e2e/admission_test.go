package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/bursar-dev/bursar/api/money"
)

// TestAsManyCallsAreAdmittedAsFit: of 200 concurrent calls of one cent through two
// enforcers, exactly 100 fit into a budget of one dollar, in every one of 20 runs.
func TestAsManyCallsAreAdmittedAsFit(t *testing.T) {
	const runs, calls, fit = 20, 200, 100
	var yaml strings.Builder
	for run := range runs {
		yaml.WriteString(tenantYAML(fmt.Sprintf("run-%d", run), "1.00"))
	}
	if err := bursar.Apply(t.Context(), yaml.String()); err != nil {
		t.Fatal(err)
	}
	programmed(t)
	for run := range runs {
		tenant := fmt.Sprintf("run-%d", run)
		got := countAnswers(t, tenant, calls)
		want := map[string]int{"200": fit, "429 budget_exhausted": calls - fit}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: answers %v, want %v", tenant, got, want)
		}
		eventually(t, tenant+"'s ledger has one dollar", func() bool {
			n, cost := ledger(t, tenant)
			return n == fit && money.Nanos(cost) == money.USD
		})
	}
	eventually(t, "status says that each tenant has spent one dollar and holds nothing", func() bool {
		out, err := bursar.RunKubectl(t.Context(), "-n", "e2e", "get", "tenantbudgets", "-o",
			`jsonpath={range .items[*]}{.spec.tenant}={.status.limits[0].spent}/{.status.limits[0].held} {end}`)
		if err != nil {
			t.Fatal(err)
		}
		for run := range runs {
			if !strings.Contains(out, fmt.Sprintf("run-%d=1.00/0.00 ", run)) {
				return false
			}
		}
		return true
	})
}

// countAnswers makes concurrent calls of one cent and counts them by their answer.
func countAnswers(t *testing.T, tenant string, calls int) map[string]int {
	t.Helper()
	answers := make([]string, calls)
	var all sync.WaitGroup
	for i := range calls {
		all.Go(func() {
			response, err := chat(t.Context(), bursar.EnforcerURLs[i%2], tenant, map[string]any{
				"model": "penny", "messages": prompt("Hello"),
			})
			if err != nil {
				answers[i] = err.Error()
				return
			}
			defer func() { _ = response.Body.Close() }()
			answers[i] = answerOf(response)
		})
	}
	all.Wait()
	count := map[string]int{}
	for _, answer := range answers {
		count[answer]++
	}
	return count
}

// answerOf is the status of the answer and, of a refusal, the error's code.
func answerOf(response *http.Response) string {
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	if response.StatusCode == http.StatusOK {
		return "200"
	}
	var refusal struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	if err := json.Unmarshal(body, &refusal); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", response.StatusCode, refusal.Error.Code)
}
