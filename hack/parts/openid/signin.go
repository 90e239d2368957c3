package openid

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"
)

// redirectURI is where the server sends the browser with the code. Nobody listens there:
// SignIn reads the code from the redirect itself.
const redirectURI = "http://127.0.0.1/callback"

// Tokens are the tokens of a person who has signed in.
type Tokens struct {
	Access, ID, Refresh string
	Expires             time.Time
}

// SignIn signs somebody in at the server of an issuer, as a browser and the client
// CommandLine do: with the authorization code flow and PKCE.
func SignIn(ctx context.Context, issuer, name, password string) (Tokens, error) {
	config, err := discover(ctx, issuer)
	if err != nil {
		return Tokens{}, err
	}
	verifier, state := oauth2.GenerateVerifier(), rand.Text()
	begin := config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("nonce", rand.Text()))
	back, err := enter(ctx, begin, name, password)
	if err != nil {
		return Tokens{}, err
	}
	if back.Get("state") != state {
		return Tokens{}, errors.New("the answer is to another sign-in: its state differs")
	}
	token, err := config.Exchange(ctx, back.Get("code"), oauth2.VerifierOption(verifier))
	return tokens(token, err)
}

// Refresh returns new tokens for a refresh token, which can be used once.
func Refresh(ctx context.Context, issuer, refreshToken string) (Tokens, error) {
	config, err := discover(ctx, issuer)
	if err != nil {
		return Tokens{}, err
	}
	token, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: refreshToken}).Token()
	return tokens(token, err)
}

func tokens(token *oauth2.Token, err error) (Tokens, error) {
	if err != nil {
		return Tokens{}, fmt.Errorf("ask for the tokens: %w", err)
	}
	id, _ := token.Extra("id_token").(string)
	return Tokens{Access: token.AccessToken, ID: id, Refresh: token.RefreshToken, Expires: token.Expiry}, nil
}

// discover finds the endpoints of an issuer.
func discover(ctx context.Context, issuer string) (*oauth2.Config, error) {
	at := strings.TrimSuffix(issuer, "/") + oidc.DiscoveryEndpoint
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	var found oidc.DiscoveryConfiguration
	if err := json.NewDecoder(response.Body).Decode(&found); err != nil || found.Issuer != issuer {
		return nil, fmt.Errorf("%s is no discovery document of %s", at, issuer)
	}
	return &oauth2.Config{
		ClientID: CommandLine, RedirectURL: redirectURI,
		Scopes:   []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail, ScopeGroups, oidc.ScopeOfflineAccess},
		Endpoint: oauth2.Endpoint{AuthURL: found.AuthorizationEndpoint, TokenURL: found.TokenEndpoint, AuthStyle: oauth2.AuthStyleInParams},
	}, nil
}

// enter does what a browser does: it opens the page where people sign in, and follows redirects
// until it is sent back to the client. It returns the parameters that the client gets.
func enter(ctx context.Context, begin, name, password string) (back url.Values, err error) {
	browser := &http.Client{CheckRedirect: func(request *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(request.URL.String(), redirectURI+"?") {
			back = request.URL.Query()
			return http.ErrUseLastResponse
		}
		return nil
	}}
	asked, err := visit(ctx, browser, http.MethodGet, begin, nil)
	if err != nil {
		return nil, err
	}
	if asked.Path != signInPath {
		return nil, fmt.Errorf("the server does not ask who signs in: it answers at %s", asked.Path)
	}
	form := url.Values{"id": {asked.Query().Get("id")}, "name": {name}, "password": {password}}
	if _, err := visit(ctx, browser, http.MethodPost, asked.String(), form); err != nil {
		return nil, err
	}
	if code := back.Get("error"); code != "" {
		return nil, fmt.Errorf("the sign-in is refused: %s: %s", code, back.Get("error_description"))
	}
	return back, nil
}

// visit asks for a page, and returns where it was at last.
func visit(ctx context.Context, browser *http.Client, method, at string, form url.Values) (*url.URL, error) {
	request, err := http.NewRequestWithContext(ctx, method, at, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := browser.Do(request)
	if err != nil {
		return nil, err
	}
	_ = response.Body.Close()
	switch {
	case response.StatusCode == http.StatusUnauthorized:
		return nil, errors.New("name or password is wrong")
	case response.StatusCode >= http.StatusBadRequest:
		return nil, fmt.Errorf("%s answers with status %d", request.URL.Path, response.StatusCode)
	}
	return response.Request.URL, nil
}
