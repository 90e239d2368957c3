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
	// FormField is the field of a form that holds the token of FormToken.
	FormField = "form-token"
	// FormHeader is the header field in which scripts may send it.
	FormHeader = "X-Form-Token"
)

type formTokenKey struct{}

// FormToken is the token that every form that changes something has in its field FormField. It is
// the same in all pages of a person who is signed in, for as long as the keys are the same.
func FormToken(ctx context.Context) string {
	token, _ := ctx.Value(formTokenKey{}).(string)
	return token
}

// isForm reports whether a form on a page of another site could have sent a request: one that a
// browser sends without asking first (the CORS-safelisted types of the Fetch standard).
func isForm(r *http.Request) bool {
	if r.Method != http.MethodPost {
		return false // for others, browsers ask first, and the console allows none
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/x-www-form-urlencoded", "multipart/form-data", "text/plain", "":
		return true
	}
	return err != nil
}

// hasFormToken reports whether a request of a known caller has the token of their forms. It is
// true for an unknown caller, whom others refuse.
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

// refuseCrossSite refuses a request that another site has a browser send.
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
