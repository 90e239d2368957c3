package signin

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"strings"

	"github.com/bursar-dev/bursar/console/auth"
)

const (
	// FormField is the field of a form in which the token of FormToken stands.
	FormField = "form-token"
	// FormHeader is the field of a header that scripts may send it in.
	FormHeader = "X-Form-Token"
)

type formTokenKey struct{}

// FormToken is what every form of a page that changes something has in its field FormField. It is
// the same for all pages of who is signed in, for as long as the keys are the same.
func FormToken(ctx context.Context) string {
	token, _ := ctx.Value(formTokenKey{}).(string)
	return token
}

// isForm reports whether a request could be that of a form on a page of another site: one that a
// browser sends without asking (the CORS-safelisted types of the Fetch standard).
func isForm(r *http.Request) bool {
	if r.Method != http.MethodPost {
		return false // others are asked for first, and the console allows nobody
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/x-www-form-urlencoded", "multipart/form-data", "text/plain", "":
		return true
	}
	return err != nil
}

// hasFormToken reports whether a request of who is known has the token of their forms. Whoever is
// not known is somebody else's to refuse.
func (s *SignIn) hasFormToken(r *http.Request, token string) bool {
	who, err := s.Auth.Identify(r.Context(), bearer(token))
	return err != nil || s.hasFormTokenOf(r, who)
}

func (s *SignIn) hasFormTokenOf(r *http.Request, who auth.Who) bool {
	token := r.Header.Get(FormHeader)
	if token == "" {
		token = r.PostFormValue(FormField)
	}
	return s.Keys.isFormToken(token, who.Subject())
}

// refuseCrossSite refuses what another site has a browser do.
func (s *SignIn) refuseCrossSite(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, apiPrefix) {
		problem(w, http.StatusForbidden, "cross_origin", "Cross-origin request", "The request comes from a page of another site, which may not change anything here.")
		return
	}
	s.show(w, r, http.StatusForbidden, textCrossSite)
}

func refuseForm(w http.ResponseWriter) {
	problem(w, http.StatusForbidden, "form_token", "No form token", "The request comes with a cookie and might be a form of another site: send it as JSON, or with the token of the console's forms in "+FormHeader+".")
}

// problem answers as the API does (RFC 9457).
func problem(w http.ResponseWriter, status int, code, title, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{ // the client may have gone
		"type": "urn:bursar:problem:" + strings.ReplaceAll(code, "_", "-"), "title": title, "status": status, "code": code, "detail": detail,
	})
}
