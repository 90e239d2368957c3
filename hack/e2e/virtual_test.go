package e2e

import (
	"net/http"
	"testing"
)

// TestVirtualModel: the dearer model is called while a call of it fits into the
// limit, and then the cheaper one.
func TestVirtualModel(t *testing.T) {
	apply(t, tenantYAML("choosing", "0.025", "ladder: []", "virtualModels: [{name: auto, models: [penny, gpt-4o-mini]}]"))
	for i, want := range []string{"penny", "penny", "gpt-4o-mini", "gpt-4o-mini"} {
		got := ask(t, "choosing", "Hello", map[string]any{"model": "auto", "max_completion_tokens": 1})
		if got.status != http.StatusOK || got.model != want {
			t.Errorf("call %d got %+v, want an answer of %s", i+1, got, want)
		}
	}
	eventually(t, "four calls are in the ledger", func() bool {
		calls, cost := ledger(t, "choosing")
		return calls == 4 && cost > 20_000_000 && cost < 25_000_000
	})
}
