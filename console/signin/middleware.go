package signin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/api/identity"
	"github.com/bursar-dev/bursar/api/identity/identify"
	"github.com/bursar-dev/bursar/console/auth"
)

// Middleware serves this package's paths, and gives every other request the bearer token of
// its caller, however the caller has sent it. It sends people who ask for a page and are not
// signed in to sign in, and refuses what another site has a browser send.
func (s *SignIn) Middleware(next http.Handler) http.Handler {
	return s.sameSite.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case isOwn(path):
			s.ownRoutes.ServeHTTP(w, r)
		case strings.HasPrefix(path, AssetsPath):
			next.ServeHTTP(w, r)
		case strings.HasPrefix(path, apiPrefix):
			s.toAPI(w, r, next)
		default:
			s.toPage(w, r, next)
		}
	}))
}

// toAPI passes a request on to the API, which answers unknown callers itself.
func (s *SignIn) toAPI(w http.ResponseWriter, r *http.Request, next http.Handler) {
	token, from, err := s.credential(r)
	if err != nil {
		s.Log.Error("Failed to check whether a session was ended", "error", err)
		problem(w, http.StatusServiceUnavailable, "unavailable", "Unavailable", "The ledger cannot be read now: try again in a moment.")
		return
	}
	if token != "" {
		r = withBearer(r, token)
	}
	if from == fromCookie && isForm(r) && !s.hasFormToken(r, token) {
		refuseForm(w)
		return
	}
	next.ServeHTTP(w, r)
}

type callerKey struct{}

// WithCaller is the context of a request whose caller is known.
func WithCaller(ctx context.Context, who auth.Who) context.Context {
	return context.WithValue(ctx, callerKey{}, who)
}

// Caller is the caller of a request for a page, whom the middleware has just identified.
func Caller(ctx context.Context) (who auth.Who, ok bool) {
	who, ok = ctx.Value(callerKey{}).(auth.Who)
	return who, ok
}

type endedKey struct{}

// WithEnded is the context of a request for a page whose credential may cease to count before its token expires:
// isEnded reports whether it has.
func WithEnded(ctx context.Context, isEnded func() bool) context.Context {
	return context.WithValue(ctx, endedKey{}, isEnded)
}

// IsEnded reports whether the caller of a page has signed out since, in any browser. It asks the ledger's
// database; while that is away, the answer is no.
func IsEnded(ctx context.Context) bool {
	isEnded, ok := ctx.Value(endedKey{}).(func() bool)
	return ok && isEnded()
}

type overTLSKey struct{}

// IsOverTLS reports whether the caller of a page came by TLS, by the console's public URL, because a proxy in
// front of the console may end TLS. The cookies of pages are then Secure, as that of the session is.
func IsOverTLS(ctx context.Context) bool {
	isOverTLS, _ := ctx.Value(overTLSKey{}).(bool)
	return isOverTLS
}

// toPage passes a request for a page on if its caller is signed in. An answer that takes longer than the token
// is valid ends with it.
func (s *SignIn) toPage(w http.ResponseWriter, r *http.Request, next http.Handler) {
	token, from, err := s.credential(r)
	if err != nil {
		s.Log.Error("Failed to check whether a session was ended", "error", err)
		s.show(w, r, http.StatusServiceUnavailable, textUnavailable)
		return
	}
	if token == "" {
		s.toSignIn(w, r, textSignIn)
		return
	}
	who, err := s.Auth.Identify(r.Context(), bearer(token))
	var why *identify.Error
	switch {
	case errors.As(err, &why) && why.Status == identify.Unauthenticated:
		what := textExpired
		what.Detail = why.Message
		if from == fromHeader {
			s.show(w, r, http.StatusUnauthorized, what) // signing in would not change what the request has
			return
		}
		s.toSignIn(w, r, what)
		return
	case err != nil:
		s.show(w, r, http.StatusServiceUnavailable, textUnavailable)
		return
	}
	ctx := WithCaller(context.WithValue(r.Context(), formTokenKey{}, s.Keys.formToken(who.Subject())), who)
	ctx = context.WithValue(ctx, overTLSKey{}, s.cookies.secure)
	came := r
	ctx = WithEnded(ctx, func() bool {
		counts, _, err := s.credential(came)
		return err == nil && counts != token
	})
	if who.Claims != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, who.Claims.Until.Sub(s.Now()))
		defer cancel()
	}
	r = withBearer(r, token).WithContext(ctx)
	if isUnsafe(r) && !s.hasFormTokenOf(r, who) {
		s.show(w, r, http.StatusForbidden, textStaleForm)
		return
	}
	next.ServeHTTP(w, r)
}

// toSignIn sends a browser that asks for a page to sign in and then back to it. It answers 401 to anything
// else, such as the live events of a page.
func (s *SignIn) toSignIn(w http.ResponseWriter, r *http.Request, what saying) {
	if navigates(r) && s.PublicURL != nil {
		http.Redirect(w, r, signInURL(r), http.StatusSeeOther)
		return
	}
	switch {
	case s.PublicURL == nil:
		what.Lead, what.Again = textNobody.Lead, ""
	case isUnsafe(r):
		what.Again = Path
	default:
		what.Again = signInURL(r)
	}
	s.show(w, r, http.StatusUnauthorized, what)
}

// navigates reports whether a browser asks for a page in order to show it.
func navigates(r *http.Request) bool {
	if isUnsafe(r) {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

func isUnsafe(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions
}

// source is where a credential was found.
type source int

const (
	fromNowhere source = iota
	// fromHeader: the client, or a proxy in front of the console, has sent it on purpose.
	fromHeader
	// fromCookie: the browser sends it by itself.
	fromCookie
)

// credential is the credential of a request: of the header, which its sender has set on purpose, or else of the
// session, or else of a cookie of another application.
func (s *SignIn) credential(r *http.Request) (token string, from source, err error) {
	for _, field := range r.Header.Values("Authorization") {
		if scheme, token, _ := strings.Cut(field, " "); strings.EqualFold(scheme, "Bearer") && token != "" {
			return token, fromHeader, nil
		}
	}
	if open, ok := s.session(r); ok {
		isEnded, err := s.isEnded(r, open)
		if err != nil {
			return "", fromCookie, err
		}
		if !isEnded {
			return open.Token, fromCookie, nil
		}
	}
	for _, name := range s.TokenCookies {
		for _, cookie := range r.CookiesNamed(name) {
			if token := tokenIn(cookie.Value); token != "" {
				return token, fromCookie, nil
			}
		}
	}
	return "", fromNowhere, nil
}

// session is the session of a request, unless it has expired.
func (s *SignIn) session(r *http.Request) (open session, ok bool) {
	err := s.Keys.open(forSessions, s.cookies.getParts(r, sessionCookie), s.Now(), &open)
	return open, err == nil
}

// endedTimeout is how long to wait for the ledger's database to say, or to record, that a session was ended.
const endedTimeout = 3 * time.Second

func (s *SignIn) isEnded(r *http.Request, open session) (bool, error) {
	if s.Ended == nil {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), endedTimeout)
	defer cancel()
	return s.Ended.IsEnded(ctx, open.ID)
}

// tokenIn is the token in a cookie: its value, or the first token in a JSON list.
func tokenIn(value string) string {
	if plain, err := url.PathUnescape(value); err == nil {
		value = plain
	}
	if !strings.HasPrefix(value, "[") {
		return value
	}
	var list []string
	if json.Unmarshal([]byte(value), &list) != nil {
		return ""
	}
	for _, one := range list {
		if identity.IsToken(one) {
			return one
		}
	}
	return ""
}

// withBearer is a request whose only credential is a token.
func withBearer(r *http.Request, token string) *http.Request {
	changed := r.WithContext(r.Context())
	changed.Header = r.Header.Clone()
	changed.Header.Set("Authorization", "Bearer "+token)
	return changed
}

// bearer is a header with only a token.
func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
