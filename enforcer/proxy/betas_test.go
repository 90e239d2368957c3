package proxy_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestBetas: a beta whose cost is not known is refused, in the protocol's shape, unless the
// ModelProvider passes it; one that takes a call beyond the model's window is left out where
// the model has a shorter one; others reach the provider.
func TestBetas(t *testing.T) {
	const longContext, harmless, unknown = "context-1m-2025-08-07", "interleaved-thinking-2025-05-14", "zz-2026-01-01"
	i := slices.IndexFunc(protocols, func(p api) bool { return p.name == "Messages" })
	for name, tc := range map[string]struct {
		betas, passes []string
		window        int64
		status        int
		sent          []string
	}{
		"harmless":                   {[]string{harmless}, nil, 0, http.StatusOK, []string{harmless}},
		"unknown":                    {[]string{harmless + "," + unknown}, nil, 0, http.StatusBadRequest, nil},
		"unknown, passed":            {[]string{harmless, unknown}, []string{"anthropic-beta=" + unknown}, 0, http.StatusOK, []string{harmless, unknown}},
		"beyond the window":          {[]string{harmless + "," + longContext}, nil, 200_000, http.StatusOK, []string{harmless}},
		"beyond the window, alone":   {[]string{longContext}, nil, 200_000, http.StatusOK, nil},
		"beyond the window, passed":  {[]string{harmless, longContext}, []string{"anthropic-beta=" + longContext}, 0, http.StatusOK, []string{harmless, longContext}},
		"within a window of so many": {[]string{harmless, longContext}, nil, 1_000_000, http.StatusOK, []string{harmless, longContext}},
	} {
		t.Run(name, func(t *testing.T) {
			var sent []string
			d := newProtocolsDoor(t, func(w http.ResponseWriter, r *http.Request) {
				sent = r.Header.Values("Anthropic-Beta")
				whole(http.StatusOK, `{"usage":{"input_tokens":1,"output_tokens":1}}`)(w, r)
			})
			route := routeOf(t, d, protocols[i])
			route.Provider.PassFields, route.Model.ContextWindow = tc.passes, tc.window
			request := d.ask(t.Context(), protocols[i], "hello", 5, false)
			request.Header["Anthropic-Beta"] = tc.betas
			got := d.do(request)
			if got.status != tc.status {
				t.Fatalf("got %d %s", got.status, got.body)
			}
			if tc.status == http.StatusOK {
				if !slices.Equal(sent, tc.sent) {
					t.Errorf("the provider gets %q, want %q", sent, tc.sent)
				}
				return
			}
			want := `add \"anthropic-beta=zz-2026-01-01\" to spec.passFields of ModelProvider Anthropic`
			if sent != nil || !strings.HasPrefix(got.body, `{"error":{"type":"invalid_request_error","message":"`) || !strings.Contains(got.body, want) {
				t.Errorf("the provider gets %q, and the client %s, want one that says %s", sent, got.body, want)
			}
		})
	}
}
