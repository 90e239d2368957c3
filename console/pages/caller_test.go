package pages_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/signin"
)

// TestCallersAreIdentifiedOnce: a page takes whom signing in has found, and does not find out again;
// without that, the credential says it.
func TestCallersAreIdentifiedOnce(t *testing.T) {
	who, err := shared.api.Identify(t.Context(), http.Header{"Authorization": {"Bearer " + admin.token()}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		who    *auth.Who
		bearer string
		want   int
	}{
		"known":                     {&who, "", http.StatusOK},
		"known, whatever the token": {&who, "wrong", http.StatusOK},
		"by the token":              {nil, admin.token(), http.StatusOK},
		"by a wrong token":          {nil, "wrong", http.StatusUnauthorized},
		"by none":                   {nil, "", http.StatusUnauthorized},
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/costs", http.NoBody)
		if tc.bearer != "" {
			request.Header.Set("Authorization", "Bearer "+tc.bearer)
		}
		if tc.who != nil {
			request = request.WithContext(signin.WithCaller(request.Context(), *tc.who))
		}
		answer := httptest.NewRecorder()
		shared.pages.ServeHTTP(answer, request)
		if answer.Code != tc.want || tc.want == http.StatusOK && !strings.Contains(answer.Body.String(), "rita") {
			t.Errorf("%s: %d, want %d", name, answer.Code, tc.want)
		}
	}
}
