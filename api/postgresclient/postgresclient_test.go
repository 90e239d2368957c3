package postgresclient_test

import (
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/api/postgresclient"
)

// TestOpenKeepsPasswords: a URL that cannot be parsed is not repeated.
func TestOpenKeepsPasswords(t *testing.T) {
	for _, raw := range []string{
		"postgres://user:secret@host:port/x",
		"postgres://user:secret@host/x?pool_max_conns=many",
		"password=secret port=none",
	} {
		_, err := postgresclient.Open(t.Context(), raw, 1)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("Open(%q): %v, want an error without the password", raw, err)
		}
	}
}
