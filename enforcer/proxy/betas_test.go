package proxy_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestBetas: a beta that takes a call beyond what it is bounded by is refused, in the
// protocol's shape, unless the ModelProvider passes it; others reach the provider.
func TestBetas(t *testing.T) {
	const longContext, harmless = "context-1m-2025-08-07", "interleaved-thinking-2025-05-14"
	i := slices.IndexFunc(protocols, func(p api) bool { return p.name == "Messages" })
	for name, tc := range map[string]struct {
		betas, passes []string
		status        int
	}{
		"harmless":          {[]string{harmless}, nil, http.StatusOK},
		"beyond the window": {[]string{harmless + "," + longContext}, nil, http.StatusBadRequest},
		"passed":            {[]string{harmless, longContext}, []string{"anthropic-beta=" + longContext}, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			var sent []string
			d := newProtocolsDoor(t, func(w http.ResponseWriter, r *http.Request) {
				sent = r.Header.Values("Anthropic-Beta")
				whole(http.StatusOK, `{"usage":{"input_tokens":1,"output_tokens":1}}`)(w, r)
			})
			routeOf(t, d, protocols[i]).Provider.PassFields = tc.passes
			request := d.ask(t.Context(), protocols[i], "hello", 5, false)
			request.Header["Anthropic-Beta"] = tc.betas
			got := d.do(request)
			if got.status != tc.status {
				t.Fatalf("got %d %s", got.status, got.body)
			}
			if tc.status == http.StatusOK {
				if !slices.Equal(sent, tc.betas) {
					t.Errorf("the provider gets %q, want %q", sent, tc.betas)
				}
				return
			}
			want := `add \"anthropic-beta=context-1m-2025-08-07\" to spec.passFields of ModelProvider Anthropic`
			if sent != nil || !strings.HasPrefix(got.body, `{"error":{"type":"invalid_request_error","message":"`) || !strings.Contains(got.body, want) {
				t.Errorf("the provider gets %q, and the client %s, want one that says %s", sent, got.body, want)
			}
		})
	}
}
