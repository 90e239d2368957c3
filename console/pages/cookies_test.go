package pages_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bursar-dev/bursar/console/signin"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestCookiesAreSecure: the cookies of pages are Secure where browsers come by TLS, although a proxy ends it and
// the console itself is asked without.
func TestCookiesAreSecure(t *testing.T) {
	for address, want := range map[string]bool{"https://bursar.example.com": true, "http://localhost:8080": false} {
		public, err := signin.ParsePublicURL(address)
		testkit.Must(t, err)
		signIn, err := signin.New(signin.Options{Auth: shared.auth, PublicURL: public, Keys: signin.RandomKeys(), Log: slog.New(slog.DiscardHandler), Now: now})
		testkit.Must(t, err)
		for path, name := range map[string]string{"/costs?language=es": "bursar_language", "/": "bursar_warned"} {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
			request.Header.Set("Authorization", "Bearer "+admin.token())
			request.AddCookie(&http.Cookie{Name: "bursar_warned", Value: "of a change before"})
			answer := httptest.NewRecorder()
			signIn.Middleware(shared.pages).ServeHTTP(answer, request)
			set := answer.Result().Cookies()
			if len(set) != 1 || set[0].Name != name || set[0].Secure != want {
				t.Errorf("%s at %s: %v sets %v, want %s to be Secure: %v", path, address, answer.Code, set, name, want)
			}
		}
	}
}
