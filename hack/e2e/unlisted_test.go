package e2e

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestUnlistedModel: gpt-4.1, which the provider has and no ModelProvider lists, is
// called from the moment on that both YAMLs allow it, whole and streamed, and costs what
// the dearest model that is listed costs: here twice as much.
func TestUnlistedModel(t *testing.T) {
	apply(t, tenantYAML("pioneering", "5.00")+fmt.Sprintf(`---
apiVersion: bursar.dev/v1alpha1
kind: ModelProvider
metadata: {name: taking}
spec:
  endpoint: %s/v1
  credentialFile: openai
  models:
  - {name: taking/reader, maxOutputTokens: 100, prices: {input: "4", cachedInput: "1", output: "1"}}
  - {name: taking/writer, maxOutputTokens: 100, prices: {input: "1", cachedInput: "1", output: "16"}}
  unlistedModels: {maxOutputTokens: 100}
`, bursar.ProviderURL))
	request := map[string]any{"model": "gpt-4.1", "messages": prompt("Hello"), "max_completion_tokens": 20}
	call := func() (status int, header http.Header, body string) {
		t.Helper()
		response, err := chat(t.Context(), bursar.EnforcerURLs[0], "pioneering", request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		raw, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, response.Header, string(raw)
	}
	if status, _, body := call(); status != http.StatusNotFound || !strings.Contains(body, "unknownModel: PriceAsMostExpensive") {
		t.Fatalf("before the tenant allows it: %d %s", status, body)
	}
	yaml := tenantYAML("pioneering", "5.00", "ladder: []", "unknownModel: PriceAsMostExpensive")
	apply(t, yaml)
	var ids []string
	for _, streamed := range []bool{false, true} {
		request["stream"] = streamed
		status, header, body := call()
		if status != http.StatusOK || header.Get("X-Bursar-Priced-As") != "MostExpensive" {
			t.Fatalf("streamed %t: %d, priced as %q: %s", streamed, status, header.Get("X-Bursar-Priced-As"), body)
		}
		ids = append(ids, header.Get("X-Bursar-Call-Id"))
	}
	eventually(t, "both calls are in the ledger", func() bool { calls, _ := ledger(t, "pioneering"); return calls == 2 })
	wantTwiceTheBill(t, ids)

	for _, id := range ids {
		var explained struct {
			Verdict string
			Why     []string
		}
		err := kubectlBudget(t, &explained, "explain", id, "--tenant", "pioneering")
		const guess = "No ModelProvider listed gpt-4.1: it was priced as the most expensive model of taking, so the provider's bill may differ."
		if err != nil || explained.Verdict != "admitted" || !slices.Contains(explained.Why, guess) {
			t.Errorf("error %v, explained as %+v", err, explained)
		}
	}
	if made, refused, _, _ := replayed(t, yaml); made != 2 || refused != 0 {
		t.Errorf("replayed as it was: %d calls made, %d of them refused; want 2 and none", made, refused)
	}
}

// wantTwiceTheBill checks that each call costs twice what the provider bills for it, to
// the nano-dollar by which either is rounded up, and that the ledger says why.
func wantTwiceTheBill(t *testing.T, ids []string) {
	t.Helper()
	billed := providerBill(t)
	conn, err := pgx.Connect(t.Context(), bursar.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for _, id := range ids {
		var cost int64
		var model, pricedAs string
		if err := conn.QueryRow(t.Context(), `SELECT cost_nanos, model_used, priced_as FROM ai_usage_logs WHERE call_id = $1`, id).
			Scan(&cost, &model, &pricedAs); err != nil {
			t.Fatal(err)
		}
		if twice := 2 * billed[id]; cost > twice || cost < twice-1 || twice == 0 || model != "gpt-4.1" || pricedAs != "MostExpensive" {
			t.Errorf("call %s of %s costs %d, priced as %s, and the provider bills %d; want twice that", id, model, cost, pricedAs, billed[id])
		}
	}
}
