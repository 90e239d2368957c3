package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// kubectlBudget runs the plugin in the namespace of the tests, and decodes what it prints.
func kubectlBudget(t *testing.T, into any, args ...string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join("..", "..", "bin", "kubectl-budget"),
		append(args, "-n", "e2e", "--kubeconfig", bursar.Kubeconfig, "-o", "json")...)
	cmd.Env = append(os.Environ(), "BURSAR_DATABASE_URL="+bursar.ReaderURL)
	var told strings.Builder
	cmd.Stderr = &told
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("kubectl budget %s: %w: %s", strings.Join(args, " "), err, told.String())
	}
	return json.Unmarshal(out, into)
}

// replayed is what the plugin says of a tenant under a YAML.
func replayed(t *testing.T, yaml string) (made, refused, wereRefused, fitting int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "new.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	type tally struct{ Calls int }
	var got struct {
		Replays []struct{ Admitted, Refused, WereRefused, Fitting tally }
	}
	if err := kubectlBudget(t, &got, "replay", "-f", file, "--since", "1h"); err != nil || len(got.Replays) != 1 {
		t.Fatalf("error %v, %d replays, want one", err, len(got.Replays))
	}
	r := got.Replays[0]
	return r.Admitted.Calls, r.Refused.Calls, r.WereRefused.Calls, r.Fitting.Calls
}

// TestReplayOfWhatWas: two enforcers serve calls side by side until the breaker is open. Replayed
// under the limits that were in force, all calls end as they did; under others, those are refused
// that do not fit. A refused call is explained by the limiter's figures.
func TestReplayOfWhatWas(t *testing.T) {
	const trips = "ladder: [{atPercent: 90, action: Trip}]"
	yaml := tenantYAML("replayed", "0.50", trips)
	apply(t, yaml)
	var mu sync.Mutex
	admitted, refusedID := 0, ""
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			for range 12 {
				response, err := chat(t.Context(), bursar.EnforcerURLs[i%2], "replayed", map[string]any{"model": "penny", "messages": prompt("Hello")})
				if err != nil {
					t.Error(err)
					return
				}
				_ = response.Body.Close()
				mu.Lock()
				if response.StatusCode == http.StatusOK {
					admitted++
				} else {
					refusedID = response.Header.Get("X-Bursar-Call-Id")
				}
				mu.Unlock()
			}
		})
	}
	callers.Wait()
	eventually(t, "the ledger has every call", func() bool {
		calls, _ := ledger(t, "replayed")
		return calls == admitted
	})
	if admitted < 45 || admitted > 50 {
		t.Fatalf("%d calls of a cent were admitted, want 45 to 50", admitted)
	}
	var made, refused, were, fitting int
	eventually(t, "the refusals are on record", func() bool {
		made, refused, were, fitting = replayed(t, yaml)
		return were > 0
	})
	if made != admitted || refused != 0 || were == 0 || fitting != 0 {
		t.Errorf("as it was: %d made, %d of them refused; %d were refused, %d of them fit; want %d, 0; some, 0", made, refused, were, fitting, admitted)
	}
	if _, refused, _, _ = replayed(t, tenantYAML("replayed", "0.20")); refused != admitted-20 {
		t.Errorf("under 20 cents %d calls are refused, want %d", refused, admitted-20)
	}
	var why struct {
		Verdict string
		Limits  []struct {
			Limit, Amount string
			Exact         bool
		}
	}
	eventually(t, "the refusal is explained", func() bool {
		return kubectlBudget(t, &why, "explain", refusedID, "--tenant", "replayed") == nil
	})
	if why.Verdict != "refused" || len(why.Limits) != 1 || !why.Limits[0].Exact || why.Limits[0].Limit != "replayed/yearly" || why.Limits[0].Amount != "0.50" {
		t.Errorf("call %s is explained as %+v", refusedID, why)
	}
}
