package signin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"github.com/bursar-dev/bursar/api/issuerclient"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

const (
	// askTimeout bounds each request to an issuer.
	askTimeout = 8 * time.Second
	// discoveredFor is how long a discovery document is used.
	discoveredFor = 10 * time.Minute
)

// issuers asks issuers where to sign in, and for the tokens of people who have signed in.
type issuers struct {
	secretsDir, callback string
	now                  func() time.Time

	asking singleflight.Group
	mu     sync.Mutex
	known  map[string]discovered // by their names and generations
}

// discovered is what is read of a discovery document (OpenID Connect Discovery 1.0, 3).
type discovered struct {
	Issuer           string   `json:"issuer"`
	AuthorizationURL string   `json:"authorization_endpoint"`
	TokenURL         string   `json:"token_endpoint"`
	AuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	// NamesItself is whether the issuer names itself when it sends a person back (RFC 9207).
	NamesItself bool `json:"authorization_response_iss_parameter_supported"`

	until time.Time
}

// discover finds where to sign in at an IdentityProvider.
func (i *issuers) discover(ctx context.Context, provider *v1alpha1.IdentityProvider) (discovered, error) {
	name := fmt.Sprintf("%s/%s/%d", provider.Name, provider.UID, provider.Generation)
	i.mu.Lock()
	found, ok := i.known[name]
	i.mu.Unlock()
	if ok && i.now().Before(found.until) {
		return found, nil
	}
	answer, err, _ := i.asking.Do(name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout) // other requests wait for the answer, too
		defer cancel()
		return i.ask(ctx, provider)
	})
	if err != nil {
		return discovered{}, err
	}
	found = answer.(discovered)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.known == nil {
		i.known = map[string]discovered{}
	}
	for other := range i.known {
		if strings.HasPrefix(other, provider.Name+"/") {
			delete(i.known, other)
		}
	}
	i.known[name] = found
	return found, nil
}

func (i *issuers) ask(ctx context.Context, provider *v1alpha1.IdentityProvider) (discovered, error) {
	issuer, found := provider.Spec.Issuer, discovered{}
	client, err := issuerclient.New(issuer)
	if err != nil {
		return found, err
	}
	at := issuerclient.DiscoveryURL(issuer)
	body, _, err := issuerclient.Get(ctx, client, at)
	switch {
	case err != nil:
		return found, err
	case json.Unmarshal(body, &found) != nil:
		return found, fmt.Errorf("%s is no discovery document", at)
	case found.Issuer != issuer.URL:
		return found, fmt.Errorf("%s is the discovery document of another issuer, %.200q", at, found.Issuer)
	case !issuerclient.MayAsk(found.AuthorizationURL) || !issuerclient.MayAsk(found.TokenURL):
		return found, fmt.Errorf("%s has no https URL in authorization_endpoint and token_endpoint", at)
	}
	found.until = i.now().Add(discoveredFor)
	return found, nil
}

// client is the console as a client of an IdentityProvider.
func (i *issuers) client(provider *v1alpha1.IdentityProvider, at discovered) (*oauth2.Config, error) {
	declared := provider.Spec.Client
	config := &oauth2.Config{
		ClientID: declared.ClientID, RedirectURL: i.callback, Scopes: append([]string{"openid"}, declared.Scopes...),
		Endpoint: oauth2.Endpoint{AuthURL: at.AuthorizationURL, TokenURL: at.TokenURL, AuthStyle: oauth2.AuthStyleInParams},
	}
	if declared.ClientSecretFile == "" {
		return config, nil
	}
	if i.secretsDir == "" {
		return nil, errors.New("spec.client.clientSecretFile is set, and the console has no --client-secrets-dir")
	}
	secret, err := os.ReadFile(filepath.Join(i.secretsDir, filepath.Base(declared.ClientSecretFile)))
	if err != nil {
		return nil, err
	}
	config.ClientSecret = strings.TrimSpace(string(secret))
	if len(at.AuthMethods) == 0 || slices.Contains(at.AuthMethods, "client_secret_basic") {
		config.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	}
	return config, nil
}

// redeem exchanges a code for tokens.
func (i *issuers) redeem(ctx context.Context, provider *v1alpha1.IdentityProvider, code string, begun progress) (tokens, error) {
	at, err := i.discover(ctx, provider)
	if err != nil {
		return tokens{}, err
	}
	config, err := i.client(provider, at)
	if err != nil {
		return tokens{}, err
	}
	client, err := issuerclient.New(provider.Spec.Issuer)
	if err != nil {
		return tokens{}, err
	}
	// Code and secret must not go to another address.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, oauth2.HTTPClient, client), askTimeout)
	defer cancel()
	token, err := config.Exchange(ctx, code, oauth2.VerifierOption(begun.Verifier))
	if err != nil {
		return tokens{}, withoutBody(err)
	}
	got := tokens{access: token.AccessToken}
	got.id, _ = token.Extra("id_token").(string)
	return got, checkID(got.id, provider, begun.Nonce)
}

// withoutBody is why an issuer gave no tokens, without the body of its answer, which may have the
// code in it.
func withoutBody(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return issuerclient.Plain(err)
	}
	return fmt.Errorf("the token endpoint answers with status %d, error %.100q", refused.Response.StatusCode, refused.ErrorCode)
}

// tokens are what an issuer gives.
type tokens struct{ access, id string }

// of is the token that identifies the person.
func (t tokens) of(kind v1alpha1.SessionToken) string {
	if kind == v1alpha1.SessionTokenAccess {
		return t.access
	}
	return t.id
}

// checkID checks that an ID token is the answer to this sign-in, for this client (OpenID Connect
// Core 1.0, 3.1.3.7). It came from the issuer itself, by TLS. Its signature is checked when its
// bearer is identified.
func checkID(token string, provider *v1alpha1.IdentityProvider, nonce string) error {
	var claims struct {
		Issuer     string   `json:"iss"`
		Audience   audience `json:"aud"`
		Authorized string   `json:"azp"`
		Nonce      string   `json:"nonce"`
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("the issuer gives no ID token that is signed")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return errors.New("the issuer gives an ID token that cannot be read")
	}
	client, issuer := provider.Spec.Client.ClientID, provider.Spec.Issuer
	switch {
	case claims.Issuer != issuer.URL && !slices.Contains(issuer.Aliases, claims.Issuer):
		return errors.New("the ID token is of another issuer")
	case !slices.Contains(claims.Audience, client) || claims.Authorized != "" && claims.Authorized != client:
		return errors.New("the ID token is for another client than spec.client.clientID")
	case claims.Nonce != nonce:
		return errors.New("the ID token is the answer to another sign-in: its nonce differs")
	}
	return nil
}

// audience is the claim aud: a text, or a list of texts.
type audience []string

// UnmarshalJSON reads both.
func (a *audience) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		*a = make(audience, 1)
		return json.Unmarshal(text, &(*a)[0])
	}
	return json.Unmarshal(text, (*[]string)(a))
}
