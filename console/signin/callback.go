package signin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"

	"github.com/bursar-dev/bursar/api/identity/identify"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/auth"
)

// callback ends a sign-in: the issuer has sent the browser back, with a code.
func (s *SignIn) callback(w http.ResponseWriter, r *http.Request) {
	if !s.mayGoOn(w, r) {
		return
	}
	query := r.URL.Query()
	begun, ok := s.begun(r, query.Get("state"))
	if !ok {
		s.show(w, r, http.StatusBadRequest, textNotBegun)
		return
	}
	s.cookies.clear(w, signInCookieOf(begun.State)) // it can be used once
	providers, err := s.providers(r)
	provider := named(providers, begun.Provider)
	if err != nil || provider == nil {
		s.show(w, r, http.StatusServiceUnavailable, textUnavailable)
		return
	}
	if refused := query.Get("error"); refused != "" {
		s.fail(w, r, provider, begun.To, textRefused, fmt.Errorf("the issuer answers with the error %.100q", refused))
		return
	}
	if err := s.checkAnswerer(r.Context(), provider, query.Get("iss")); err != nil {
		s.fail(w, r, provider, begun.To, textIssuerAway, err)
		return
	}
	got, err := s.issuers.redeem(r.Context(), provider, query.Get("code"), begun)
	if err != nil {
		s.fail(w, r, provider, begun.To, textIssuerAway, err)
		return
	}
	s.enter(w, r, provider, got.of(provider.Spec.Client.Token), begun.To)
}

// begun is the sign-in of a state, if this browser has begun it.
func (s *SignIn) begun(r *http.Request, state string) (progress, bool) {
	var begun progress
	if state == "" || s.PublicURL == nil {
		return begun, false
	}
	if s.Keys.open(forSignIns, s.cookies.get(r, signInCookieOf(state)), s.Now(), &begun) != nil {
		return begun, false
	}
	return begun, subtle.ConstantTimeCompare([]byte(begun.State), []byte(state)) == 1
}

// checkAnswerer checks that the answer comes from the issuer that was asked (RFC 9207): with
// several issuers, one must not get the code of another.
func (s *SignIn) checkAnswerer(ctx context.Context, provider *v1alpha1.IdentityProvider, named string) error {
	at, err := s.issuers.discover(ctx, provider)
	if err != nil {
		return err
	}
	if named != at.Issuer && (named != "" || at.NamesItself) {
		return errors.New("another issuer answers than was asked: its iss differs")
	}
	return nil
}

// enter begins a session with a token, in place of any other, if the token identifies its bearer.
func (s *SignIn) enter(w http.ResponseWriter, r *http.Request, provider *v1alpha1.IdentityProvider, token, to string) {
	who, err := s.Auth.Identify(r.Context(), bearer(token))
	if err == nil && (who.Claims == nil || who.Claims.Provider != provider.Name) {
		err = errors.New("the token is of another IdentityProvider")
	}
	if err != nil {
		s.failIdentify(w, r, provider, to, err)
		return
	}
	sealed, err := s.Keys.seal(forSessions, who.Claims.Until, session{ID: rand.Text(), Token: token, Until: who.Claims.Until})
	if err != nil {
		s.fail(w, r, provider, to, textUnavailable, err)
		return
	}
	if !s.cookies.setParts(w, r, sessionCookie, sealed) {
		s.fail(w, r, provider, to, textTooLarge, fmt.Errorf("the token has %d bytes", len(token)))
		return
	}
	s.cookies.set(w, providerCookie, provider.Name, providerFor)
	s.Log.Info("Signed in", "identityProvider", provider.Name, "user", nameOf(who))
	http.Redirect(w, r, s.PublicURL.String()+to, http.StatusSeeOther)
}

// nameOf is the issuer's name of a person.
func nameOf(who auth.Who) string { return who.Claims.User }

// failIdentify says why the console does not accept a token that the issuer has given.
func (s *SignIn) failIdentify(w http.ResponseWriter, r *http.Request, provider *v1alpha1.IdentityProvider, to string, err error) {
	what := textNotTaken
	var why *identify.Error
	if errors.As(err, &why) {
		if why.Status == identify.Unavailable {
			what = textUnavailable
		}
		what.Detail = why.Message
	}
	s.fail(w, r, provider, to, what, err)
}

// fail says that a sign-in has failed, and logs why: how issuers are asked, and what they answer,
// is only for those who run the console.
func (s *SignIn) fail(w http.ResponseWriter, r *http.Request, provider *v1alpha1.IdentityProvider, to string, what saying, err error) {
	s.Log.Warn("A sign-in failed", "identityProvider", provider.Name, "reason", what.Title, "error", err)
	what.Name, what.Again = titleOf(provider), URLTo(to)
	s.show(w, r, what.status(), what)
}
