package signin_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/signin"
	"github.com/bursar-dev/bursar/hack/parts/issuer"
	"github.com/bursar-dev/bursar/hack/parts/openid"
)

// callbackOf has somebody sign in at the issuer, and returns where the browser is then sent,
// without going there.
func callbackOf(b *browser, c *console, name string) string {
	b.t.Helper()
	asked := b.get(c.URL + "/costs")
	stopped := *b.Client
	at := ""
	stopped.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), c.URL+signin.CallbackPath) {
			at = r.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}
	(&browser{Client: &stopped, t: b.t, jar: b.jar}).signIn(asked, name)
	if at == "" {
		b.t.Fatal("the issuer sends nobody back")
	}
	return at
}

// isSignedIn reports whether a browser has a session.
func isSignedIn(b *browser, c *console) bool {
	return strings.HasPrefix(b.get(c.URL+"/").body, "you are ")
}

// TestCallbacksCountOnce: code and state end one sign-in, in the browser that has begun it.
func TestCallbacksCountOnce(t *testing.T) {
	w := newWorld(t)
	c := w.start(true)
	thief, owner := newBrowser(t, c), newBrowser(t, c)
	at := callbackOf(owner, c, "carla")
	before := owner.cookies(c)
	if got := thief.get(at); got.StatusCode != http.StatusBadRequest || isSignedIn(thief, c) {
		t.Errorf("in another browser, got %d", got.StatusCode)
	}
	thief.get(c.URL + "/costs") // now the thief has begun one, too
	if got := thief.get(at); got.StatusCode != http.StatusBadRequest || isSignedIn(thief, c) {
		t.Errorf("in another browser that signs in, got %d", got.StatusCode)
	}
	if got := owner.get(at); !strings.HasPrefix(got.body, "you are carla at /costs ") {
		t.Fatalf("in its own, got %d %s", got.StatusCode, got.body)
	}
	again := newBrowser(t, c)
	if got := again.get(at); got.StatusCode != http.StatusBadRequest || isSignedIn(again, c) {
		t.Errorf("once more, got %d", got.StatusCode)
	}
	for name, value := range before { // who has the cookie of the sign-in as well
		again.keep(c, &http.Cookie{Name: name, Value: value})
	}
	if got := again.get(at); got.StatusCode != http.StatusBadGateway || isSignedIn(again, c) {
		t.Errorf("once more with the cookie, got %d", got.StatusCode)
	}
}

// TestCallbacksThatAreMadeUp end nothing.
func TestCallbacksThatAreMadeUp(t *testing.T) {
	w := newWorld(t)
	c := w.start(true)
	b := newBrowser(t, c)
	at, _ := url.Parse(callbackOf(b, c, "carla"))
	kept := b.cookies(c)
	honest := at.Query()
	with := func(name, value string) url.Values {
		query := maps.Clone(honest)
		query[name] = []string{value}
		return query
	}
	for name, query := range map[string]url.Values{
		"nothing":                     {},
		"no state":                    with("state", ""),
		"half a state":                with("state", honest.Get("state")[:8]),
		"a state that begins alike":   with("state", honest.Get("state")[:8]+"xxxxxxxxxxxxxxxxxx"),
		"a state that is longer":      with("state", honest.Get("state")+"x"),
		"a code that is none":         with("code", "nonsense"),
		"no code":                     with("code", ""),
		"the answer of another":       with("iss", "https://attacker.example.com"),
		"an error beside a code":      with("error", "access_denied"),
		"an error that is a page":     with("error", "<script>alert(1)</script>"),
		"a state of other characters": with("state", honest.Get("state")[:8]+"\r\nSet-Cookie: a=b"),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBrowser(t, c)
			for name, value := range kept {
				b.keep(c, &http.Cookie{Name: name, Value: value})
			}
			got := b.get(c.URL + signin.CallbackPath + "?" + query.Encode())
			if got.StatusCode < 400 || isSignedIn(b, c) || strings.Contains(got.body, "<script") {
				t.Errorf("got %d %s", got.StatusCode, got.body)
			}
		})
	}
	if got := b.get(at.String()); !strings.HasPrefix(got.body, "you are carla ") {
		t.Errorf("the honest one then does not count: %d %s", got.StatusCode, got.body)
	}
}

// TestSessionFixation: nobody goes on in a session that somebody else has put into their
// browser, and nobody is signed in as another by a link.
func TestSessionFixation(t *testing.T) {
	w := newWorld(t)
	c := w.start(true)
	attacker, victim := newBrowser(t, c), newBrowser(t, c)
	attacker.signIn(attacker.get(c.URL+"/"), "gil")
	planted := attacker.cookies(c)
	for name, value := range planted {
		victim.keep(c, &http.Cookie{Name: name, Value: value})
	}
	if got := victim.signIn(victim.get(c.URL+"/sign-in"), "carla"); !strings.HasPrefix(got.body, "you are carla ") {
		t.Fatalf("got %d %s", got.StatusCode, got.body)
	}
	for name, value := range victim.cookies(c) {
		if strings.Contains(name, "session") && planted[name] == value {
			t.Errorf("the cookie %s is the same as before the sign-in", name)
		}
	}
	if got := attacker.get(c.URL + "/"); !strings.HasPrefix(got.body, "you are gil ") {
		t.Errorf("the planted session has become another's: %s", got.body)
	}
	first := victim.cookies(c)["__Host-bursar-session-0"]
	victim.signIn(victim.get(c.URL+"/sign-in"), "carla")
	if victim.cookies(c)["__Host-bursar-session-0"] == first {
		t.Error("a new sign-in keeps the session of before")
	}
	// A link to the end of the attacker's own sign-in does not sign the victim in as the attacker.
	victim.get(callbackOf(newBrowser(t, c), c, "gil"))
	if got := victim.get(c.URL + "/"); !strings.HasPrefix(got.body, "you are carla ") {
		t.Errorf("after a link, got %s", got.body)
	}
}

// TestOpenRedirects: whatever a link says, a sign-in only visits the console and the issuer.
func TestOpenRedirects(t *testing.T) {
	w := newWorld(t)
	c := w.start(true)
	for _, to := range []string{
		"https://evil.example", "http:evil.example", "https:/evil.example", "//evil.example", "///evil.example", "////evil.example",
		`/\evil.example`, `\/evil.example`, `\\evil.example`, `/\/evil.example`, "/%2f/evil.example", "/%2F%2Fevil.example", "/%5Cevil.example", "/%5c/evil.example",
		"/\t/evil.example", "/\r\n/evil.example", "/%09/evil.example", "/%0d%0a/evil.example", "/%0d%0aLocation:%20https://evil.example", "/\r\nSet-Cookie: a=b",
		"/.//evil.example", "/..//evil.example", "/./../evil.example", "/a/../..//evil.example", "@evil.example", "/@evil.example", ".evil.example", "javascript:alert(1)",
		"data:text/html,x", " //evil.example", "/ /evil.example", "//evil.example/%2f..", "/sign-in?to=//evil.example", "/sign-in/callback?code=1", "/sign-out",
		"/api/ai/me", "?to=//evil.example", "//evil.example:443/a?b#c", "https://127.0.0.1@evil.example", "/\u2028/evil.example", "/\x00/evil.example", "/ok" + strings.Repeat("x", 5000),
	} {
		t.Run(fmt.Sprintf("%.40q", to), func(t *testing.T) {
			b := newBrowser(t, c)
			landed := b.signIn(b.get(c.URL+"/sign-in?"+url.Values{"to": {to}}.Encode()), "eva")
			if !strings.HasPrefix(landed.body, "you are eva at /") {
				t.Errorf("got %d %s", landed.StatusCode, landed.body)
			}
			for _, at := range b.visited {
				if !strings.HasPrefix(at, c.URL+"/") && !strings.HasPrefix(at, w.openid.URL+"/") {
					t.Errorf("the browser was sent to %q", at)
				}
			}
			if last := b.visited[len(b.visited)-1]; strings.Contains(last, "sign-") || strings.Contains(last, "/api/") || strings.Contains(strings.TrimPrefix(last, "https://"), "//") {
				t.Errorf("the browser ends at %q", last)
			}
			if landed.Header.Get("Set-Cookie") != "" {
				t.Errorf("a link sets cookies: %v", landed.Header)
			}
		})
	}
	for _, at := range []string{"//evil.example", "/%5cevil.example/..", "//evil.example/%2e%2e", "/\\evil.example"} {
		b := newBrowser(t, c).stay()
		got := b.get(c.URL + at)
		if location := got.Header.Get("Location"); location != "" && (!strings.HasPrefix(location, "/sign-in") || strings.Contains(location, "evil")) {
			t.Errorf("%s: sent to %s", at, location)
		}
	}
}

// TestCrossSite: no page of another site has a browser change anything here.
func TestCrossSite(t *testing.T) {
	w := newWorld(t)
	c := w.start(true)
	b := newBrowser(t, c)
	own := formToken(b.signIn(b.get(c.URL+"/"), "carla"))
	foreign := newBrowser(t, c)
	another := formToken(foreign.signIn(foreign.get(c.URL+"/"), "gil"))
	fields := func(pairs ...string) func(http.Header) {
		return func(h http.Header) {
			for i := 0; i < len(pairs); i += 2 {
				h.Set(pairs[i], pairs[i+1])
			}
		}
	}
	none := fields()
	for _, attempt := range []struct {
		name, method, path, token string
		change                    func(http.Header)
		want                      int
	}{
		{"its own form", http.MethodPost, "/budgets", own, fields("Sec-Fetch-Site", "same-origin", "Origin", c.URL), http.StatusOK},
		{"its own form, of an old browser", http.MethodPost, "/budgets", own, fields("Origin", c.URL), http.StatusOK},
		{"its own script", http.MethodPost, "/budgets", "", fields("Sec-Fetch-Site", "same-origin", signin.FormHeader, own), http.StatusOK},
		{"another site's form", http.MethodPost, "/budgets", "", fields("Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"), http.StatusForbidden},
		{"one that knows the token", http.MethodPost, "/budgets", own, fields("Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"), http.StatusForbidden},
		{"one of a host beside this", http.MethodPost, "/budgets", own, fields("Sec-Fetch-Site", "same-site", "Origin", "https://other.example.com"), http.StatusForbidden},
		{"one of an old browser", http.MethodPost, "/budgets", own, fields("Origin", "https://evil.example"), http.StatusForbidden},
		{"one of nowhere", http.MethodPost, "/budgets", own, fields("Origin", "null"), http.StatusForbidden},
		{"one of the same host without TLS", http.MethodPost, "/budgets", "", fields("Origin", "http"+strings.TrimPrefix(c.URL, "https")), http.StatusForbidden},
		{"one of a browser that says nothing", http.MethodPost, "/budgets", "", none, http.StatusForbidden},
		{"with the token of another", http.MethodPost, "/budgets", another, none, http.StatusForbidden},
		{"with a token that is none", http.MethodPost, "/budgets", "x", none, http.StatusForbidden},
		{"a deletion", http.MethodDelete, "/budgets", own, fields("Origin", "https://evil.example"), http.StatusForbidden},
		{"a form for the API", http.MethodPost, "/api/ai/grants", "", fields("Sec-Fetch-Site", "cross-site", "Content-Type", "text/plain"), http.StatusForbidden},
		{"the same of a browser that says nothing", http.MethodPost, "/api/ai/grants", "", fields("Content-Type", "text/plain"), http.StatusForbidden},
		{"the same without a type", http.MethodPost, "/api/ai/grants", "", fields("Content-Type", ""), http.StatusForbidden},
		{"the same with a type that is none", http.MethodPost, "/api/ai/grants", "", fields("Content-Type", "text/plain; application/json"), http.StatusForbidden},
		{"a script for the API", http.MethodPatch, "/api/ai/grants", "", fields("Origin", "https://evil.example", "Content-Type", "application/json"), http.StatusForbidden},
		{"its own script for the API", http.MethodPost, "/api/ai/grants", "", fields("Sec-Fetch-Site", "same-origin", "Content-Type", "application/json"), http.StatusOK},
		{"a sign-out", http.MethodPost, signin.OutPath, "", fields("Sec-Fetch-Site", "cross-site"), http.StatusForbidden},
		{"a sign-out by a link", http.MethodGet, signin.OutPath, "", none, http.StatusOK},
	} {
		form := url.Values{"amount": {"1000000"}}
		if attempt.token != "" {
			form.Set(signin.FormField, attempt.token)
		}
		got := b.ask(attempt.method, c.URL+attempt.path, form, attempt.change)
		if got.StatusCode != attempt.want || !isSignedIn(b, c) {
			t.Errorf("%s: got %d %s", attempt.name, got.StatusCode, got.body)
		}
	}
}

// formToken is the one that a page has.
func formToken(page answer) string {
	_, token, _ := strings.Cut(page.body, "form token ")
	return token
}

// TestHeaders: no page is shown in another, kept, or has anything inline.
func TestHeaders(t *testing.T) {
	w := newWorld(t)
	c := w.start(true)
	b := newBrowser(t, c)
	check := func(at string) {
		t.Helper()
		got := b.stay().get(c.URL + at)
		policy := got.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: %s is not in %q", at, want, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || strings.Contains(policy, "http") {
			t.Errorf("%s: %s", at, policy)
		}
		for name, want := range map[string]string{
			"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": map[bool]string{true: "no-referrer", false: "same-origin"}[strings.HasPrefix(at, "/api/")],
			"Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": "max-age=31536000",
		} {
			if got.Header.Get(name) != want {
				t.Errorf("%s: %s is %q", at, name, got.Header.Get(name))
			}
		}
		if kept := got.Header.Get("Cache-Control"); !strings.HasPrefix(at, "/api/") && kept != "no-store" {
			t.Errorf("%s: Cache-Control is %q", at, kept)
		}
		if got.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: others may read it", at)
		}
	}
	all := []string{"/", "/costs?by=model", "/sign-in", "/sign-in?signed-out=true", "/sign-in/callback?state=x", "/sign-out", "/api/ai/me", "/nowhere", "/static/console.css"}
	for _, at := range all {
		check(at)
	}
	b.signIn(b.get(c.URL+"/sign-in"), "carla")
	for _, at := range all {
		check(at)
	}
}

// TestBrokenCookies: nothing but what a console has sealed, for this and for now, is a session.
func TestBrokenCookies(t *testing.T) {
	w := newWorld(t)
	c := w.start(true)
	b := newBrowser(t, c)
	b.get(c.URL + "/")
	var begun string
	for _, value := range b.cookies(c) {
		begun = value
	}
	b.signIn(b.get(c.URL+"/"), "carla")
	const name = "__Host-bursar-session-0"
	honest := b.cookies(c)[name]
	foreign := newWorld(t)
	other := foreign.start(true)
	stranger := newBrowser(t, other)
	stranger.signIn(stranger.get(other.URL+"/"), "carla")
	parts := strings.Split(honest, ".")
	broken := map[string]string{
		"nothing": "", "nonsense": "nonsense", "the cookie of a sign-in": begun, "one that another company's console sealed": stranger.cookies(other)[name],
		"cut off": honest[:len(honest)-1], "longer": honest + "A", "twice": honest + honest, "without its tag": strings.Join(parts[:4], ".") + ".",
		"with a header of its own": strings.Join(append([]string{"eyJhbGciOiJub25lIn0"}, parts[1:]...), "."),
		"without encryption":       "eyJhbGciOiJub25lIn0.eyJ1bnRpbCI6IjIwOTktMDEtMDFUMDA6MDA6MDBaIn0.",
	}
	for i := range len(honest) / 37 {
		at := i * 37
		changed := []byte(honest)
		changed[at] ^= 1
		if slices.Contains([]byte("\"\\;, "), changed[at]) {
			continue // no cookie may have it
		}
		broken[fmt.Sprintf("changed at byte %d", at)] = string(changed)
	}
	for what, value := range broken {
		b := newBrowser(t, c)
		b.keep(c, &http.Cookie{Name: name, Value: value})
		if isSignedIn(b, c) {
			t.Errorf("%s, it counts: %s", what, value)
		}
	}
	b = newBrowser(t, c)
	b.keep(c, &http.Cookie{Name: name, Value: honest})
	if !isSignedIn(b, c) {
		t.Error("the honest one does not count")
	}
	w.wait(openid.Lifetime + 2*time.Minute)
	if isSignedIn(b, c) {
		t.Error("it counts after its time")
	}
}

// TestSignInsOfOneAddress are bounded, and those of others go on.
func TestSignInsOfOneAddress(t *testing.T) {
	w := newWorld(t)
	c := w.start(true)
	b := newBrowser(t, c).stay()
	from := func(addresses string) int {
		return b.ask(http.MethodGet, c.URL+"/sign-in", nil, func(h http.Header) {
			if addresses != "" {
				h.Set("X-Forwarded-For", addresses)
			}
		}).StatusCode
	}
	refused := 0
	for i := range 150 {
		// What a client writes there itself stands before what the proxy adds.
		if from(fmt.Sprintf("198.51.100.%d, 203.0.113.7", i)) == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused < 30 {
		t.Errorf("of 150 sign-ins at once, %d were refused", refused)
	}
	for _, address := range []string{"203.0.113.8", "203.0.113.7, 203.0.113.9", "2001:db8::1"} {
		if got := from(address); got != http.StatusSeeOther {
			t.Errorf("from %s, got %d", address, got)
		}
	}
	w.wait(time.Minute)
	if got := from("203.0.113.7"); got != http.StatusSeeOther {
		t.Errorf("a minute later, got %d", got)
	}
}

// TestSignInsThatAreNotEnded: a page that has a browser begin sign-ins over and over does not
// fill its cookies.
func TestSignInsThatAreNotEnded(t *testing.T) {
	w := newWorld(t)
	c := w.start(true)
	b := newBrowser(t, c)
	for range 20 {
		b.stay().get(c.URL + "/sign-in")
	}
	if kept := b.cookies(c); len(kept) > 5 {
		t.Errorf("the browser keeps %d cookies", len(kept))
	}
	if landed := b.signIn(b.get(c.URL+"/sign-in"), "eva"); !strings.HasPrefix(landed.body, "you are eva ") {
		t.Errorf("after that, nobody signs in: %d %s", landed.StatusCode, landed.body)
	}
}

// TestCheckID: an ID token is for this sign-in at this client of this issuer.
func TestCheckID(t *testing.T) {
	key, err := issuer.NewKey("k", "ES256")
	if err != nil {
		t.Fatal(err)
	}
	provider := &v1alpha1.IdentityProvider{Spec: v1alpha1.IdentityProviderSpec{
		Issuer: v1alpha1.Issuer{URL: "https://login.example.com", Aliases: []string{"login.example.com"}}, Client: &v1alpha1.SignInClient{ClientID: "console"},
	}}
	honest := map[string]any{"iss": "https://login.example.com", "aud": "console", "nonce": "n", "sub": "ana"}
	for name, c := range map[string]struct {
		claim string
		value any
		isOK  bool
	}{
		"honest":                         {"sub", "ana", true},
		"by its other name":              {"iss", "login.example.com", true},
		"for several":                    {"aud", []string{"bursar", "console"}, true},
		"of another issuer":              {"iss", "https://evil.example", false},
		"for another client":             {"aud", "other", false},
		"for several others":             {"aud", []string{"bursar", "other"}, false},
		"for nobody":                     {"aud", nil, false},
		"for what is no text":            {"aud", 7, false},
		"given to another client":        {"azp", "other", false},
		"given to this client":           {"azp", "console", true},
		"the answer to another sign-in":  {"nonce", "m", false},
		"the answer to none":             {"nonce", nil, false},
		"the answer to what is no text":  {"nonce", []string{"n"}, false},
		"of an issuer that is no string": {"iss", 1, false},
	} {
		claims := maps.Clone(honest)
		claims[c.claim] = c.value
		if err := signin.CheckID(key.Sign(claims), provider, "n"); (err == nil) != c.isOK {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, token := range []string{"", "a.b", "a.b.c", "a.!.c", "a.bnVsbA.c"} {
		if signin.CheckID(token, provider, "n") == nil {
			t.Errorf("%q is taken", token)
		}
	}
}
