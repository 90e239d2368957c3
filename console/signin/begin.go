package signin

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// signInFor is how long a sign-in may take.
const signInFor = 15 * time.Minute

// begin sends a person to the issuer to sign in, or lets them choose one.
func (s *SignIn) begin(w http.ResponseWriter, r *http.Request) {
	if !s.mayGoOn(w, r) {
		return
	}
	providers, err := s.providers(r)
	if err != nil {
		s.Log.Error("Failed to read the IdentityProviders", "error", err)
		s.show(w, r, http.StatusServiceUnavailable, textUnavailable)
		return
	}
	query := r.URL.Query()
	to, isOut := destination(query.Get("to")), query.Has(outParameter)
	chosen := s.choose(r, providers, isOut)
	if chosen == nil {
		s.showProviders(w, r, providers, to, isOut)
		return
	}
	at, err := s.issuers.discover(r.Context(), chosen)
	if err != nil {
		s.fail(w, r, chosen, to, textIssuerAway, err)
		return
	}
	client, err := s.issuers.client(chosen, at)
	if err != nil {
		s.fail(w, r, chosen, to, textMisconfigured, err)
		return
	}
	begun := progress{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Provider: chosen.Name, To: to}
	sealed, err := s.Keys.seal(forSignIns, s.Now().Add(signInFor), begun)
	if err != nil {
		s.fail(w, r, chosen, to, textUnavailable, err)
		return
	}
	s.cookies.clearSignIns(w, r)
	s.cookies.set(w, signInCookieOf(begun.State), sealed, signInFor)
	http.Redirect(w, r, client.AuthCodeURL(begun.State, oauth2.S256ChallengeOption(begun.Verifier), oauth2.SetAuthURLParam("nonce", begun.Nonce)), http.StatusSeeOther)
}

// signInCookieOf is the name of the cookie of one sign-in of a browser, which may have
// several in progress.
func signInCookieOf(state string) string { return signInCookie + state[:min(len(state), 8)] }

// providers are the IdentityProviders at which people sign in.
func (s *SignIn) providers(r *http.Request) ([]v1alpha1.IdentityProvider, error) {
	if s.PublicURL == nil {
		return nil, nil
	}
	return s.Issuers.SignIns(r.Context())
}

// choose is where to sign in: at the issuer that the person has chosen, or else at the only
// one, or at that of the last time. A person who has just signed out has to choose.
func (s *SignIn) choose(r *http.Request, providers []v1alpha1.IdentityProvider, isOut bool) *v1alpha1.IdentityProvider {
	name := r.URL.Query().Get(providerParameter)
	switch {
	case name != "":
	case isOut:
		return nil
	case len(providers) == 1:
		name = providers[0].Name
	default:
		name = s.cookies.get(r, providerCookie)
	}
	return named(providers, name)
}

func named(providers []v1alpha1.IdentityProvider, name string) *v1alpha1.IdentityProvider {
	at := slices.IndexFunc(providers, func(p v1alpha1.IdentityProvider) bool { return p.Name == name })
	if at < 0 {
		return nil
	}
	return &providers[at]
}

// titleOf is the name of an IdentityProvider for people.
func titleOf(provider *v1alpha1.IdentityProvider) string {
	return cmp.Or(provider.Spec.Client.DisplayName, provider.Name)
}

// mayGoOn reports whether an address may sign in now, and answers if it may not.
func (s *SignIn) mayGoOn(w http.ResponseWriter, r *http.Request) bool {
	if s.rates.allow(r, s.Now()) {
		return true
	}
	w.Header().Set("Retry-After", "10")
	s.show(w, r, http.StatusTooManyRequests, textTooMany)
	return false
}
