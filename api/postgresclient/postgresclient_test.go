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

// TestOpenIsEncryptedOrNot: that the connection may be unencrypted has to be said.
func TestOpenIsEncryptedOrNot(t *testing.T) {
	for raw, want := range map[string]bool{
		"postgres://u:secret@db.example.com/bursar":                         false,
		"postgres://u:secret@db.example.com/bursar?sslmode=prefer":          false,
		"postgres://u:secret@db.example.com/bursar?sslmode=allow":           false,
		"postgres://u:secret@127.0.0.1,10.0.0.5/bursar":                     false,
		"host=db.example.com user=u password=secret":                        false,
		"postgres://u:secret@db.example.com/bursar?sslmode=require":         true,
		"postgres://u:secret@db.example.com/bursar?sslmode=verify-full":     true,
		"postgres://u:secret@db.example.com/bursar?sslmode=disable":         true,
		"postgres://u:secret@a.example.com,b.example.com/x?sslmode=disable": true,
		"postgres://u:secret@127.0.0.1:5432/bursar":                         true,
		"postgres://u:secret@[::1]/bursar":                                  true,
		"postgres://u:secret@localhost/bursar":                              true,
		"postgres://u@/bursar?host=/var/run/postgresql":                     true,
	} {
		_, parsed := postgresclient.Parse(raw)
		pool, opened := postgresclient.Open(t.Context(), raw, 1)
		if opened == nil {
			pool.Close()
		}
		for _, err := range []error{parsed, opened} {
			if (err == nil) != want || err != nil && (strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "sslmode=verify-full")) {
				t.Errorf("%s: %v, want success %v", raw, err, want)
			}
		}
	}
}
