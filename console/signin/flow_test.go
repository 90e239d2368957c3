package signin_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/signin"
	"github.com/bursar-dev/bursar/hack/parts/openid"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestSignIn: somebody opens a page, signs in, and is where they wanted to be.
func TestSignIn(t *testing.T) {
	w := newWorld(t)
	c := w.start(true)
	b := newBrowser(t, c)
	landed := b.signIn(b.get(c.URL+"/costs?by=model&from=2026-11-01"), "eva")
	if !strings.HasPrefix(landed.body, "you are eva at /costs?by=model&from=2026-11-01 ") {
		t.Fatalf("got %d %s", landed.StatusCode, landed.body)
	}
	if got := b.get(c.URL + "/api/ai/me"); !strings.HasPrefix(got.body, "you are eva ") {
		t.Errorf("the API does not know who is signed in: %s", got.body)
	}
	for _, at := range b.visited {
		if strings.Contains(at, "token") || strings.Contains(strings.ReplaceAll(at, "code=eyJ", ""), "eyJ") {
			t.Errorf("a token is in a URL: %s", at)
		}
	}
	for name, value := range b.cookies(c) {
		content, _ := base64.RawURLEncoding.DecodeString(strings.ReplaceAll(value, ".", ""))
		if !strings.HasPrefix(name, "__Host-bursar-") || strings.Contains(string(content), "eva") {
			t.Errorf("the cookie %s=%s", name, value)
		}
	}
}

// TestCookiesAreKept as close as browsers can.
func TestCookiesAreKept(t *testing.T) {
	w := newWorld(t)
	c := w.start(true)
	b := newBrowser(t, c)
	seen := 0
	transport := b.Transport
	b.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		response, err := transport.RoundTrip(r)
		if err == nil && strings.HasPrefix(r.URL.String(), c.URL) {
			for _, cookie := range response.Header.Values("Set-Cookie") {
				seen++
				for _, want := range []string{"__Host-", "; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"} {
					if !strings.Contains(cookie, want) {
						t.Errorf("%s is not in %s", want, cookie)
					}
				}
				if strings.Contains(cookie, "Domain") {
					t.Errorf("other hosts get %s", cookie)
				}
			}
		}
		return response, err
	})
	b.signIn(b.get(c.URL+"/"), "eva")
	if seen < 4 { // of the sign-in, set and cleared; of the session; and of where it was
		t.Errorf("%d cookies were set", seen)
	}
}

// TestWithoutTLS: on the machine of a developer, who signs in without a secret.
func TestWithoutTLS(t *testing.T) {
	w := newWorld(t)
	w.providers[0].Spec.Client.ClientSecretFile = ""
	w.providers[0].Spec.Client.ClientID = openid.CommandLine
	c := w.start(false)
	b := newBrowser(t, c)
	if landed := b.signIn(b.get(c.URL+"/mine"), "gil"); !strings.HasPrefix(landed.body, "you are gil at /mine ") {
		t.Fatalf("got %d %s", landed.StatusCode, landed.body)
	}
}

// TestAccessTokens: the issuer's other token, if the IdentityProvider says so.
func TestAccessTokens(t *testing.T) {
	w := newWorld(t)
	w.providers[0].Spec.Client.Token = v1alpha1.SessionTokenAccess
	c := w.start(true)
	b := newBrowser(t, c)
	if landed := b.signIn(b.get(c.URL+"/"), "gil"); !strings.HasPrefix(landed.body, "you are gil at / ") {
		t.Fatalf("got %d %s", landed.StatusCode, landed.body)
	}
}

// TestSeveralIssuers: people choose once, and again when they have signed out.
func TestSeveralIssuers(t *testing.T) {
	w := newWorld(t)
	other := newWorld(t)
	elsewhere := *other.providers[0].DeepCopy()
	elsewhere.ObjectMeta = metav1.ObjectMeta{Name: "subsidiary", UID: "2", Generation: 1}
	elsewhere.Spec.Client.DisplayName = ""
	w.providers = append(w.providers, elsewhere)
	other.known = w.known
	other.trust("subsidiary", openid.Audience)
	c := w.start(true)
	b := newBrowser(t, c)
	choosing := b.get(c.URL + "/costs?by=user")
	for _, want := range []string{"Sign in with The company", "Sign in with subsidiary", `href="/sign-in?provider=company&amp;to=%2Fcosts%3Fby%3Duser"`} {
		if !strings.Contains(choosing.body, want) {
			t.Errorf("%s is not in %s", want, choosing.body)
		}
	}
	landed := b.signIn(b.get(c.URL+"/sign-in?provider=subsidiary&to=%2Fcosts%3Fby%3Duser"), "eva")
	if !strings.HasPrefix(landed.body, "you are eva at /costs?by=user ") {
		t.Fatalf("got %d %s", landed.StatusCode, landed.body)
	}
	again := b.get(c.URL + "/sign-in")
	if !strings.HasPrefix(again.Request.URL.String(), other.openid.URL) {
		t.Errorf("it is not remembered where: at %s", again.Request.URL)
	}
	if out := b.ask(http.MethodPost, c.URL+signin.OutPath, nil, nil); !strings.Contains(out.body, "You are signed out") || !strings.Contains(out.body, "Sign in with The company") {
		t.Errorf("signed out, got %d %s", out.StatusCode, out.body)
	}
	if got := b.get(c.URL + "/"); !strings.Contains(got.body, "Sign in with subsidiary") {
		t.Errorf("after that, got %s at %s", got.body, got.Request.URL)
	}
}

// TestLargeTokens: what browsers do not keep in one cookie, they keep in several, and what they
// do not keep at all, they are told.
func TestLargeTokens(t *testing.T) {
	groups := func(n, length int) (groups []string) {
		for i := range n {
			groups = append(groups, strings.Repeat("g", length)+string(rune('a'+i%26)))
		}
		return groups
	}
	w := newWorld(t, openid.Person{Name: "large", Groups: groups(60, 120)}, openid.Person{Name: "huge", Groups: groups(60, 160)})
	c := w.start(true)
	b := newBrowser(t, c)
	if landed := b.signIn(b.get(c.URL+"/"), "large"); !strings.HasPrefix(landed.body, "you are large ") {
		t.Fatalf("got %d %s", landed.StatusCode, landed.body)
	}
	cookies := b.cookies(c)
	if cookies["__Host-bursar-session-1"] == "" {
		t.Errorf("of a large token, got %v", cookies)
	}
	for name, value := range cookies {
		if len(name)+len(value) > 4000 {
			t.Errorf("%s has %d bytes", name, len(value))
		}
	}
	refused := b.signIn(b.get(c.URL+"/sign-in"), "huge")
	if refused.StatusCode != http.StatusForbidden || !strings.Contains(refused.body, "token that is too large") {
		t.Errorf("got %d %s", refused.StatusCode, refused.body)
	}
	// A smaller one after it leaves nothing of the larger.
	if landed := b.signIn(b.get(c.URL+"/sign-in"), "eva"); !strings.HasPrefix(landed.body, "you are eva ") {
		t.Fatalf("got %d %s", landed.StatusCode, landed.body)
	}
	if b.cookies(c)["__Host-bursar-session-1"] != "" {
		t.Error("a part of another session stays")
	}
}

// TestWhatIsWrong: a sign-in that cannot succeed says why and ends, and leaves nothing behind.
func TestWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w *world)
		status int
		says   string
	}{
		"a token for another audience": {func(w *world) { w.trust("company", "something-else") }, http.StatusForbidden, "The company signed you in with a token that the console does not accept"},
		"a token that nobody takes":    {func(w *world) { w.known.SetProvider("company", nil) }, http.StatusForbidden, "The issuer of the token is unknown."},
		"a wrong secret": {func(w *world) {
			testkit.Must(w.t, os.WriteFile(w.secrets+"/company", []byte("wrong"), 0o600))
		}, http.StatusBadGateway, "could not be asked who you are"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			console := w.start(true)
			b := newBrowser(t, console)
			asked := b.get(console.URL + "/costs")
			c.change(w)
			got := b.signIn(asked, "eva")
			if got.StatusCode != c.status || !strings.Contains(got.body, c.says) || !strings.Contains(got.body, `href="/sign-in?to=%2Fcosts"`) {
				t.Errorf("got %d %s", got.StatusCode, got.body)
			}
			if strings.Contains(got.body, "eyJ") || strings.Contains(got.body, "wrong") {
				t.Errorf("a secret is in %s", got.body)
			}
			if kept := b.cookies(console); len(kept) > 0 {
				t.Errorf("the browser keeps %v", kept)
			}
		})
	}
}

// TestIssuersThatCannotBeAsked: before anybody is sent away.
func TestIssuersThatCannotBeAsked(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w *world)
		status int
		says   string
	}{
		"it is away": {func(w *world) { testkit.Must(w.t, w.openid.Stop()) }, http.StatusBadGateway, "could not be asked"},
		"it is another issuer": {func(w *world) {
			w.providers[0].Spec.Issuer.URL += "/other"
			w.providers[0].Spec.Issuer.DiscoveryURL = w.openid.URL + "/.well-known/openid-configuration"
		}, http.StatusBadGateway, "could not be asked"},
		"no file with the secret": {func(w *world) { w.providers[0].Spec.Client.ClientSecretFile = "missing" }, http.StatusBadGateway, "is not set up"},
		"nobody signs in":         {func(w *world) { w.providers = nil }, http.StatusOK, "Nobody signs in here"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			console := w.start(true)
			c.change(w)
			got := newBrowser(t, console).get(console.URL + "/costs")
			if got.StatusCode != c.status || !strings.Contains(got.body, c.says) {
				t.Errorf("got %d %s", got.StatusCode, got.body)
			}
		})
	}
}

// TestLanguages: a page is in the language that somebody has chosen, or that their browser asks for.
func TestLanguages(t *testing.T) {
	w := newWorld(t)
	c := w.start(true)
	b := newBrowser(t, c)
	shown := func(asked string) string {
		return b.ask(http.MethodGet, c.URL+"/sign-in?signed-out=true", nil, func(h http.Header) { h.Set("Accept-Language", asked) }).body
	}
	english, spanish := []string{`lang="en"`, "You are signed out", "Sign in with The company"}, []string{`lang="es"`, "Has cerrado la sesión", "Iniciar sesión con The company"}
	check := func(page string, want []string) {
		t.Helper()
		for _, part := range want {
			if !strings.Contains(page, part) {
				t.Errorf("%s is not in %s", part, page)
			}
		}
	}
	check(shown("es-AR,es;q=0.9,en;q=0.5"), spanish)
	check(shown("de"), english)
	check(shown(""), english)
	b.keep(c, &http.Cookie{Name: "bursar_language", Value: "en"})
	check(shown("es-AR"), english)
}

// TestCredentials: a page takes the token of the header before that of a session, and a session
// before a cookie of another application.
func TestCredentials(t *testing.T) {
	w := newWorld(t)
	w.change = func(o *signin.Options) { o.TokenCookies = []string{"app-token"} }
	c := w.start(true)
	tokens := map[string]string{}
	for _, person := range openid.People() {
		got, err := openid.SignIn(t.Context(), w.openid.URL, person.Name, person.Password())
		testkit.Must(t, err)
		tokens[person.Name] = got.Access
	}
	b := newBrowser(t, c)
	who := func(change func(http.Header)) string {
		t.Helper()
		name, _, _ := strings.Cut(b.ask(http.MethodGet, c.URL+"/", nil, change).body, " at ")
		return name
	}
	b.keep(c, &http.Cookie{Name: "app-token", Value: tokens["gil"]})
	if got := who(nil); got != "you are gil" {
		t.Errorf("by a cookie of the application: %s", got)
	}
	b.keep(c, &http.Cookie{Name: "app-token", Value: url.PathEscape(`["a-refresh-token","` + tokens["carla"] + `"]`)})
	if got := who(nil); got != "you are carla" {
		t.Errorf("by a cookie with a list: %s", got)
	}
	b.signIn(b.get(c.URL+"/sign-in"), "eva")
	if got := who(nil); got != "you are eva" {
		t.Errorf("by a session beside it: %s", got)
	}
	if got := who(func(h http.Header) { h.Set("Authorization", "Bearer "+tokens["ada"]) }); got != "you are ada" {
		t.Errorf("by a header beside both: %s", got)
	}
	if got := who(func(h http.Header) { h.Set("Authorization", "Basic eHg6eXk=") }); got != "you are eva" {
		t.Errorf("by a session beside what is another's: %s", got)
	}
	refused := b.ask(http.MethodGet, c.URL+"/", nil, func(h http.Header) { h.Set("Authorization", "Bearer nonsense") })
	if refused.StatusCode != http.StatusUnauthorized || !strings.Contains(refused.body, "The API key is unknown") {
		t.Errorf("with a header that is nobody's: %d %s", refused.StatusCode, refused.body)
	}
}

// TestWithoutSignIn: where nobody signs in, a page says so and sends nobody round in circles.
func TestWithoutSignIn(t *testing.T) {
	w := newWorld(t)
	w.change = func(o *signin.Options) { o.PublicURL = nil }
	c := w.start(true)
	b := newBrowser(t, c)
	if got := b.get(c.URL + "/costs"); got.StatusCode != http.StatusUnauthorized || !strings.Contains(got.body, "Come from the application") {
		t.Errorf("got %d %s", got.StatusCode, got.body)
	}
	token, err := openid.SignIn(t.Context(), w.openid.URL, "gil", openid.PasswordPrefix+"gil")
	testkit.Must(t, err)
	got := b.ask(http.MethodGet, c.URL+"/costs", nil, func(h http.Header) { h.Set("Authorization", "Bearer "+token.ID) })
	if !strings.HasPrefix(got.body, "you are gil at /costs ") {
		t.Errorf("with a token of a proxy, got %d %s", got.StatusCode, got.body)
	}
}
