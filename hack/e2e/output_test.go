package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bursar-dev/bursar/api/money"
)

// thinker is an expensive model with a large output limit.
const thinker = `---
apiVersion: bursar.dev/v1alpha1
kind: ModelProvider
metadata: {name: thinker}
spec:
  endpoint: PROVIDER/v1
  credentialFile: openai
  models:
  - {name: thinker, upstreamName: gpt-4o, maxOutputTokens: 64000, prices: {input: "3", output: "15"}}
`

// answered is what a client was answered.
type answered struct {
	status           int
	output, by, text string
}

// atOnce makes calls that ask for as much output as the model gives, as some clients do by
// themselves, of which none ends before all have their answer or wait for it.
func atOnce(t *testing.T, tenant string, calls int) []answered {
	t.Helper()
	answers := make([]answered, calls)
	var all sync.WaitGroup
	var mu sync.Mutex
	refused := 0
	for i := range calls {
		all.Go(func() {
			answers[i] = ask64000(t, tenant, i)
			mu.Lock()
			defer mu.Unlock()
			if answers[i].status != http.StatusOK {
				refused++
			}
		})
	}
	eventually(t, "each call is refused or at the provider", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return bursar.Provider.Paused()+refused == calls
	})
	bursar.Provider.Resume()
	all.Wait()
	return answers
}

func ask64000(t *testing.T, tenant string, i int) answered {
	response, err := chat(t.Context(), bursar.EnforcerURLs[i%len(bursar.EnforcerURLs)], tenant, map[string]any{
		"model": "thinker", "max_tokens": 64000, "messages": prompt("Hello [[output=20 pause]]"),
	})
	if err != nil {
		t.Error(err)
		return answered{}
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return answered{
		response.StatusCode, response.Header.Get("X-Bursar-Max-Output-Tokens"), response.Header.Get("X-Bursar-Output-Lowered-By"), string(body),
	}
}

// heldOf is what the settled calls of a tenant held together, which were all open at once.
func heldOf(t *testing.T, tenant string) (held money.Nanos) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), bursar.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if err := conn.QueryRow(t.Context(), `select coalesce(sum(held_nanos), 0)::bigint from ai_usage_logs where tenant_id = $1`, tenant).
		Scan(&held); err != nil {
		t.Fatal(err)
	}
	return held
}

// TestFiftyCallsAtOnce: of fifty calls at once that ask for 64,000 tokens each, and use twenty, five
// fit into five dollars. An output cap admits all of them, and fit admits one more than fit whole.
// In all cases the limit holds.
func TestFiftyCallsAtOnce(t *testing.T) {
	const calls = 50
	provider := strings.ReplaceAll(thinker, "PROVIDER", bursar.ProviderURL)
	apply(t, provider+
		tenantYAML("capped", "5.00", "ladder: []", "outputCaps: [{models: [thinker], maxOutputTokens: 4096}]")+
		tenantYAML("fitted", "5.00", "ladder: []")+
		tenantYAML("strict", "5.00", "ladder: []", "fit: {mode: Refuse}"))
	for tenant, want := range map[string]struct{ whole, lowered int }{"capped": {0, 50}, "fitted": {5, 1}, "strict": {5, 0}} {
		whole, lowered, refused := 0, 0, 0
		for _, got := range atOnce(t, tenant, calls) {
			switch {
			case got.status == http.StatusOK && got.output == "":
				whole++
			case got.status == http.StatusOK:
				lowered++
				output, err := strconv.Atoi(got.output)
				if isCap := got.by == "OutputCaps" && output == 4096; err != nil || isCap != (tenant == "capped") || !isCap && (got.by != "Fit" || output < 1024) {
					t.Errorf("%s: lowered to %s by %s", tenant, got.output, got.by)
				}
			case got.status == http.StatusTooManyRequests && strings.Contains(got.text, "wait until calls in flight end"),
				strings.Contains(got.text, "Wait until calls in flight end"):
				refused++
			default:
				t.Errorf("%s: %+v", tenant, got)
			}
		}
		var held money.Nanos
		eventually(t, "the calls of "+tenant+" are in the ledger", func() bool {
			settled, _ := ledger(t, tenant)
			held = heldOf(t, tenant)
			return settled == whole+lowered
		})
		t.Logf("%s: of %d calls at once, %d were admitted as they were, %d with less output, %d refused; together they held %s of 5.00 USD",
			tenant, calls, whole, lowered, refused, held)
		if whole != want.whole || lowered != want.lowered || held > 5*money.USD {
			t.Errorf("%s: want %d and %d, and no more held than there is", tenant, want.whole, want.lowered)
		}
	}
}

// TestTooLargeForABucket: a call for which a bucket can never have room is refused. The refusal says
// what to do, and that retrying does not help. With an output that fits, the call is admitted.
func TestTooLargeForABucket(t *testing.T) {
	apply(t, tenantYAML("bucket", "5.00")+`---
apiVersion: bursar.dev/v1alpha1
kind: RateLimitPolicy
metadata: {name: bucket, namespace: e2e}
spec:
  targetRef: {name: bucket}
  limits: [{name: tpm, per: Tenant, tokens: 1000, window: 1m}]
`)
	if _, err := bursar.RunKubectl(t.Context(), "-n", "e2e", "wait", "--for=condition=Programmed", "--timeout=60s", "ratelimitpolicy/bucket"); err != nil {
		t.Fatal(err)
	}
	ask := func(more map[string]any) (int, string, http.Header) {
		request := map[string]any{"model": "gpt-4o-mini", "messages": prompt("Hello [[output=20]]")}
		for name, value := range more {
			request[name] = value
		}
		response, err := chat(t.Context(), bursar.EnforcerURLs[0], "bucket", request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		var body struct {
			Error struct{ Message, Code string }
		}
		if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, body.Error.Code + ": " + body.Error.Message, response.Header
	}
	status, said, header := ask(nil)
	if status != http.StatusBadRequest || !strings.HasPrefix(said, "request_too_large: ") || !strings.Contains(said, "assumedOutputTokens") ||
		header.Get("X-Should-Retry") != "false" {
		t.Errorf("got %d %s, %v", status, said, header)
	}
	for i := range 3 { // each takes more than half of the bucket, and gives nearly all of it back
		status, said, _ = ask(map[string]any{"max_tokens": 500})
		if status != http.StatusOK {
			t.Errorf("got %d %s", status, said)
		}
		eventually(t, "the call is settled", func() bool {
			calls, _ := ledger(t, "bucket")
			return calls == i+1
		})
	}
}
