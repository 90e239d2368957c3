package identityprovider

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bursar-dev/bursar/api/issuerclient"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// TestDiscovery: keys are found by the issuer's own discovery document.
func TestDiscovery(t *testing.T) {
	var server *httptest.Server
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == issuerclient.DiscoveryPath {
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": server.URL, "jwks_uri": server.URL + "/keys"})
			return
		}
		_, _ = fmt.Fprint(w, aKeySet)
	}))
	defer server.Close()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	fetched, err := NewFetcher(nil, "").Fetch(t.Context(), v1alpha1.Issuer{URL: server.URL, CertificateAuthority: string(authority)})
	if err != nil || len(fetched.IDs) != 1 {
		t.Errorf("got %v, %v", fetched, err)
	}
}
