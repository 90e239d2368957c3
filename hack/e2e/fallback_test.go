package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// fallen is what a client is told of a call that a fallback may have answered.
type fallen struct {
	status                int
	fallback, model, body string
}

// ask makes a call of gpt-4o.
func ask(t *testing.T, tenant, text string, more map[string]any) fallen {
	t.Helper()
	request := map[string]any{"model": "gpt-4o", "max_completion_tokens": 16, "messages": prompt(text)}
	for name, value := range more {
		request[name] = value
	}
	response, err := chat(t.Context(), bursar.EnforcerURLs[0], tenant, request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fallen{response.StatusCode, response.Header.Get("X-Bursar-Fallback"), response.Header.Get("X-Bursar-Model"), string(body)}
}

// TestFallbacks: from the Trip rung on, requests that were answered before get the same
// answer, and other calls use the cheapest model while money is left. When none is left,
// the answer is a message.
func TestFallbacks(t *testing.T) {
	apply(t, tenantYAML("falling", "0.10", `ladder:
  - atPercent: 90
    action: Trip
    fallback: [Cache, CheapestModel, Message]
    cache: {maxAge: 10m}
    cheapestModel: {models: [gpt-4o-mini, penny]}
    message: The budget of this year is used up.`))
	first := ask(t, "falling", "Hello", nil)
	if first.status != http.StatusOK || first.fallback != "" {
		t.Fatalf("below the rung: %+v", first)
	}
	for range 9 {
		if status, header := penny(t, "falling"); status != http.StatusOK || header.Get("X-Bursar-Fallback") != "" {
			t.Fatalf("below the rung: %d %v", status, header)
		}
	}
	eventually(t, "all are settled", func() bool { // asking until the breaker is open would pay for more
		calls, _ := ledger(t, "falling")
		return calls == 10
	})
	if got := ask(t, "falling", "Hello", nil); got.status != http.StatusOK || got.fallback != "Cache" || got.body != first.body {
		t.Errorf("the same call again got %+v, want the first answer, %s", got, first.body)
	}
	if calls, _ := ledger(t, "falling"); calls != 10 {
		t.Errorf("%d calls are in the ledger after 10, and an answer from the cache", calls)
	}
	if got := ask(t, "falling", "Another question", nil); got.status != http.StatusOK || got.fallback != "CheapestModel" || got.model != "gpt-4o-mini" {
		t.Errorf("another call got %+v, want the cheapest model", got)
	}
	seed := 0
	eventually(t, "too little is left for a long question", func() bool {
		seed++ // none has been asked before
		return ask(t, "falling", strings.Repeat("Why? ", 4000), map[string]any{"seed": seed}).fallback == "Message"
	})
	longer := strings.Repeat("Why? ", 5000)
	whole := ask(t, "falling", longer, nil)
	if whole.status != http.StatusOK || whole.fallback != "Message" || !strings.Contains(whole.body, `"content":"The budget of this year is used up."`) {
		t.Errorf("a call without money got %+v, want the message", whole)
	}
	streamed := ask(t, "falling", longer, map[string]any{"stream": true})
	if streamed.fallback != "Message" || !strings.HasPrefix(streamed.body, "data: ") || !strings.HasSuffix(streamed.body, "data: [DONE]\n\n") ||
		!strings.Contains(streamed.body, `"content":"The budget of this year is used up."`) {
		t.Errorf("a stream without money got %+v, want the message in a stream", streamed)
	}
	if _, cost := ledger(t, "falling"); cost > 100_000_000 {
		t.Errorf("%d nano-dollars were spent of 100000000", cost)
	}
}
