package openid_test

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/hack/parts/openid"
	"github.com/bursar-dev/bursar/hack/testkit"
)

func start(t *testing.T) *openid.Server {
	t.Helper()
	server, err := openid.Start(openid.People())
	testkit.Must(t, err)
	t.Cleanup(func() { testkit.Must(t, server.Stop()) })
	return server
}

func get(t *testing.T, at string) (status int, body string) {
	t.Helper()
	response, err := http.Get(at)
	testkit.Must(t, err)
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	testkit.Must(t, err)
	return response.StatusCode, string(content)
}

// verify says what a token says, by the keys that the server has now.
func verify(t *testing.T, server *openid.Server, token string) (identity.Claims, error) {
	t.Helper()
	_, keys := get(t, server.URL+"/keys")
	issuer, err := identity.Compile(limiterv1.IdentityProvider{
		Name: "company", Issuers: []string{server.URL}, Audiences: []string{openid.Audience}, Algorithms: []string{"RS256"}, Keys: []byte(keys),
		Mappings: limiterv1.ClaimMappings{User: limiterv1.ClaimMapping{Claim: "preferred_username"}, Groups: limiterv1.ClaimMapping{Claim: "groups"}},
	})
	testkit.Must(t, err)
	parsed, err := identity.Parse(token)
	testkit.Must(t, err)
	return issuer.Verify(parsed, time.Now())
}

func TestEverybodySignsIn(t *testing.T) {
	server := start(t)
	for _, person := range openid.People() {
		tokens, err := openid.SignIn(t.Context(), server.URL, person.Name, person.Password())
		testkit.Must(t, err)
		for name, token := range map[string]string{"access": tokens.Access, "ID": tokens.ID} {
			claims, err := verify(t, server, token)
			if err != nil || claims.Subject != person.Name || claims.User != person.Name || claims.Email != person.Email ||
				!slices.Equal(claims.Groups, person.Groups) {
				t.Errorf("the %s token of %s says %+v, %v", name, person.Name, claims, err)
			}
		}
	}
}

func TestNobodyElseDoes(t *testing.T) {
	server := start(t)
	for name, password := range map[string]string{"eva": "wrong", "nobody": "bursar-sample-nobody", "": ""} {
		if _, err := openid.SignIn(t.Context(), server.URL, name, password); err == nil || err.Error() != "name or password is wrong" {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

// TestRefreshTokensCountOnce: and each brings another.
func TestRefreshTokensCountOnce(t *testing.T) {
	server := start(t)
	first, err := openid.SignIn(t.Context(), server.URL, "eva", openid.People()[0].Password())
	testkit.Must(t, err)
	second, err := openid.Refresh(t.Context(), server.URL, first.Refresh)
	testkit.Must(t, err)
	if claims, err := verify(t, server, second.Access); err != nil || claims.User != "eva" || !slices.Equal(claims.Groups, openid.People()[0].Groups) {
		t.Errorf("the new token says %+v, %v", claims, err)
	}
	if _, err := openid.Refresh(t.Context(), server.URL, first.Refresh); err == nil {
		t.Error("a refresh token counts twice")
	}
	_, err = openid.Refresh(t.Context(), server.URL, second.Refresh)
	testkit.Must(t, err)
}

// TestKeysRotate: tokens are signed with the new key, and those before are verified until
// their key is dropped.
func TestKeysRotate(t *testing.T) {
	server := start(t)
	signIn := func() string {
		tokens, err := openid.SignIn(t.Context(), server.URL, "eva", openid.People()[0].Password())
		testkit.Must(t, err)
		return tokens.Access
	}
	before := signIn()
	testkit.Must(t, server.Rotate(false))
	after := signIn()
	for _, token := range []string{before, after} {
		if _, err := verify(t, server, token); err != nil {
			t.Error(err)
		}
	}
	testkit.Must(t, server.Rotate(true))
	if _, err := verify(t, server, after); err == nil {
		t.Error("a token counts whose key was dropped")
	}
}

// TestClientsAreHeldToPKCE: one without it is sent away, and nobody is sent to an address
// that is not the client's.
func TestClientsAreHeldToPKCE(t *testing.T) {
	server := start(t)
	asked := url.Values{
		"client_id": {openid.CommandLine}, "redirect_uri": {"http://127.0.0.1/callback"}, "response_type": {"code"}, "scope": {"openid"},
	}
	stays := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := stays.Get(server.URL + "/authorize?" + asked.Encode())
	testkit.Must(t, err)
	_ = response.Body.Close()
	if at := response.Header.Get("Location"); !strings.Contains(at, "error=invalid_request") {
		t.Errorf("without PKCE: got %d, sent to %s", response.StatusCode, at)
	}
	asked.Set("redirect_uri", "https://attacker.example.com/callback")
	asked.Set("code_challenge", "x")
	if status, body := get(t, server.URL+"/authorize?"+asked.Encode()); status != http.StatusBadRequest {
		t.Errorf("to another's address: got %d %s", status, body)
	}
}

// TestConsole: the coming console may be at any port of this machine.
func TestConsole(t *testing.T) {
	server := start(t)
	asked := url.Values{
		"client_id": {openid.Console}, "redirect_uri": {"http://127.0.0.1:43210/oauth/callback"}, "response_type": {"code"},
		"scope": {"openid groups"}, "code_challenge": {strings.Repeat("x", 43)}, "code_challenge_method": {"S256"},
	}
	if status, body := get(t, server.URL+"/authorize?"+asked.Encode()); status != http.StatusOK || !strings.Contains(body, `name="password"`) {
		t.Errorf("got %d %s", status, body)
	}
}
