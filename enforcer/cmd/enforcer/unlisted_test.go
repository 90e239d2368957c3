package main

import (
	"net/http"
	"strings"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestUnlistedModel: gpt-5, which the provider serves and nobody lists, is priced as the most
// expensive listed model, if both the tenant and the provider allow that.
func TestUnlistedModel(t *testing.T) {
	w := newWorld(t)
	r := w.ready()
	configure := func(rule limiterv1.UnknownModel, takes *limiterv1.UnlistedModels) {
		t.Helper()
		tenant, listed := acme, w.fake()
		tenant.UnknownModel = rule
		listed.Models = listed.Models[:2] // input is 2.50, and output 10.00, at the most
		listed.UnlistedModels = takes
		revision, err := w.put(tenant, listed)
		testkit.Must(t, err)
		testkit.Eventually(t, "the enforcer runs the configuration", func() bool { return w.runs(r, revision) })
	}
	takes := &limiterv1.UnlistedModels{MaxOutputTokens: 500}
	refused := func(why, says string) {
		t.Helper()
		if got := r.call("gerente-1", chat("gpt-5", "hi")); got.status != http.StatusNotFound || !strings.Contains(got.body, says) {
			t.Errorf("%s: status %d %s, want 404 and %q", why, got.status, got.body, says)
		}
	}
	refused("by default", "unknownModel: PriceAsMostExpensive")
	configure("", takes)
	refused("where the tenant does not say so", "unknownModel: PriceAsMostExpensive")
	configure(limiterv1.PriceAsMostExpensive, nil)
	refused("where no provider takes it", "spec.unlistedModels")
	if calls := w.allRows(); len(calls) > 0 || len(w.provider.Bill().Calls) > 0 {
		t.Errorf("what was refused is in the ledger, %v, or in the bill, %v", calls, w.provider.Bill())
	}

	configure(limiterv1.PriceAsMostExpensive, takes)
	for _, members := range [][]string{nil, {`"stream":true`}, {`"stream":true`, `"stream_options":{"include_usage":true}`}} {
		if got := r.call("gerente-1", chat("gpt-5", "hi", members...)); got.status != http.StatusOK {
			t.Fatalf("%v: status %d %s", members, got.status, got.body)
		}
	}
	rows := w.rows(3)
	most := price.Book{price.Default: {Base: price.List{price.Input: 250 * money.Cent, price.CachedInput: 125 * money.Cent, price.Output: 10 * money.USD}}}
	for _, billed := range w.provider.Bill().Calls {
		if billed.Model != "gpt-5" {
			t.Errorf("the provider was asked for %s", billed.Model)
		}
		want, err := most.Cost(price.Usage{
			Input: billed.InputTokens - billed.CachedInputTokens, CachedInput: billed.CachedInputTokens, Output: billed.OutputTokens,
		})
		testkit.Must(t, err)
		if got := rows[billed.ID]; got.Cost != int64(want) || got.Cost <= billed.CostNanos || got.Cost > got.Held || got.Outcome != "Settled" {
			t.Errorf("the ledger has %+v, want a cost of %d, which is more than the bill, %d, and no more than was held", got, want, billed.CostNanos)
		}
	}
	w.atRest(rows)
	var models string
	testkit.Must(t, w.ledger.QueryRow(t.Context(), `SELECT string_agg(DISTINCT concat_ws(' ', model_asked, model, model_used, provider, priced_as), ', ') FROM ai_usage_logs`).Scan(&models))
	if want := "gpt-5 gpt-5 gpt-5 fake MostExpensive"; models != want {
		t.Errorf("the ledger says %q, want %q", models, want)
	}
}

// TestUnlistedModelWithinLimits: the hold of an unlisted model counts against limits like any other.
func TestUnlistedModelWithinLimits(t *testing.T) {
	w := newWorld(t)
	r := w.ready()
	tenant, listed := acme, w.fake()
	tenant.UnknownModel = limiterv1.PriceAsMostExpensive
	listed.UnlistedModels = &limiterv1.UnlistedModels{MaxOutputTokens: 99} // penny is listed, too: a cent a token
	revision, err := w.put(tenant, listed)
	testkit.Must(t, err)
	testkit.Eventually(t, "the enforcer runs the configuration", func() bool { return w.runs(r, revision) })
	if got := r.call("gerente-1", chat("gpt-5", "hi", `"max_tokens":98`)); got.status != http.StatusOK {
		t.Errorf("what fits: status %d %s", got.status, got.body)
	}
	rows := w.rows(1)
	if got := r.call("gerente-1", chat("gpt-5", "hi")); got.status != http.StatusTooManyRequests || !strings.Contains(got.body, "budget_exhausted") {
		t.Errorf("beside %v, what does not fit: status %d %s", rows, got.status, got.body)
	}
	w.atRest(w.rows(1))
}
