package identityprovider

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

const aKeySet = `{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

// TestFetch: what an issuer answers is read within bounds, and errors quote nothing of it.
func TestFetch(t *testing.T) {
	plainHTTP := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, aKeySet) }))
	defer plainHTTP.Close()
	// By its host name, this counts as another machine.
	elsewhere := strings.Replace(plainHTTP.URL, "127.0.0.1", "127.0.0.2", 1)
	for name, tc := range map[string]struct {
		answer  http.HandlerFunc
		wantErr string
	}{
		"keys": {func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, aKeySet) }, ""},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/keys" {
				http.Redirect(w, r, "/moved", http.StatusFound)
				return
			}
			_, _ = fmt.Fprint(w, aKeySet)
		}, ""},
		"a redirect without TLS": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere, http.StatusFound) },
			"it redirects too often, or to what is not https"},
		"redirects without end": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/keys", http.StatusFound) },
			"it redirects too often, or to what is not https"},
		"an error": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "secret", http.StatusForbidden) }, "answers with status 403, not 200"},
		"a page":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<html>secret") }, "not a JWK set"},
		"no end": {func(w http.ResponseWriter, _ *http.Request) {
			for range 1000 {
				_, _ = fmt.Fprint(w, strings.Repeat(" ", 1024))
			}
		}, "answers with more than 262144 bytes"},
		"a hang-up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewTLSServer(tc.answer)
			defer server.Close()
			authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
			issuer := v1alpha1.Issuer{URL: "https://login.example.com", JWKSURL: server.URL + "/keys", CertificateAuthority: string(authority)}
			fetcher := NewFetcher(nil, "")
			fetcher.timeout = time.Minute // what is tested here is not how fast this machine is
			fetched, err := fetcher.Fetch(t.Context(), issuer)
			switch {
			case tc.wantErr == "" && (err != nil || len(fetched.IDs) != 1):
				t.Errorf("got %v, %v", fetched, err)
			case tc.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tc.wantErr)):
				t.Errorf("got the error %v, want %q", err, tc.wantErr)
			case err != nil && strings.Contains(err.Error(), "secret"):
				t.Errorf("the error quotes the answer: %v", err)
			}
		})
	}
}

// TestMaxAge: how long keys may be kept.
func TestMaxAge(t *testing.T) {
	for header, want := range map[string]string{
		"":                           "unknown",
		"public":                     "unknown",
		"max-age=x":                  "unknown",
		"max-age=-1":                 "unknown",
		"public, max-age=600":        "10m0s",
		`Public, Max-Age="60"`:       "1m0s",
		"no-cache, max-age=600":      "0s",
		"max-age=600, no-store":      "10m0s",
		"max-age=99999999999999999":  "unknown",
		"s-maxage=1, max-age=86400 ": "24h0m0s",
	} {
		got := "unknown"
		if age := maxAgeOf(http.Header{"Cache-Control": {header}}); age != nil {
			got = age.Round(time.Second).String()
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", header, got, want)
		}
	}
}
