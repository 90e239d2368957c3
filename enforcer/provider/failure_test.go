package provider_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/enforcer/provider"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestErrorsDoNotQuoteTheProvider: wherever a malformed answer echoes the provider's key, no
// error has it.
func TestErrorsDoNotQuoteTheProvider(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, echo := range map[string]string{
		"header without a colon":   ok + "KEY\r\n\r\n",
		"header with a bad value":  ok + "X: \x00KEY\r\n\r\n",
		"folded first header":      ok + " KEY\r\n\r\n",
		"status line":              "HTTP/1.1 KEY\r\n\r\n",
		"status":                   "HTTP/1.1 KEY OK\r\n\r\n",
		"version":                  "KEY/1.1 200 OK\r\n\r\n",
		"no HTTP":                  "KEY\r\n\r\n",
		"content length":           ok + "Content-Length: KEY\r\n\r\n",
		"two content lengths":      ok + "Content-Length: 1\r\nContent-Length: KEY\r\n\r\n",
		"transfer encoding":        ok + "Transfer-Encoding: KEY\r\n\r\n",
		"chunk size":               ok + "Transfer-Encoding: chunked\r\n\r\nKEY\r\n",
		"chunk extension":          ok + "Transfer-Encoding: chunked\r\n\r\nz;KEY\r\n",
		"trailer":                  ok + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nKEY\r\n\r\n",
		"trailer with a bad value": ok + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: \x00KEY\r\n\r\n",
		"body that is cut off":     ok + "Content-Length: 100\r\n\r\nKEY",
		"informational answers":    strings.Repeat("HTTP/1.1 103 KEY\r\nX: KEY\r\n\r\n", 10),
	} {
		t.Run(name, func(t *testing.T) {
			url := rawServer(t, func(conn net.Conn) {
				defer func() { _ = conn.Close() }()
				request, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, request.Body)
				key := strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer ")
				_, _ = io.WriteString(conn, strings.ReplaceAll(echo, "KEY", key))
			})
			client := provider.NewClient(credentials(t, "sk-top-secret"))
			defer client.Close()
			response, err := client.Send(t.Context(), outgoing(url))
			if err == nil {
				_, err = io.ReadAll(response.Body)
				testkit.Must(t, response.Body.Close())
			}
			if err == nil || strings.Contains(strings.ToLower(err.Error()), "secret") {
				t.Errorf("got %v, want an error without the key", err)
			}
		})
	}
}
