package signin_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/identity"
	"github.com/bursar-dev/bursar/api/identity/identify"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/server"
	"github.com/bursar-dev/bursar/console/signin"
	"github.com/bursar-dev/bursar/hack/parts/openid"
	"github.com/bursar-dev/bursar/hack/testkit"

	"github.com/prometheus/client_golang/prometheus"
)

// world is a company with a real OpenID Connect server, and consoles that trust it.
type world struct {
	t      testing.TB
	openid *openid.Server
	known  known
	// keysFile has the keys of sessions that all consoles share.
	keysFile string
	secrets  string

	mu sync.Mutex
	// late is how far the consoles' clock is ahead.
	late      time.Duration
	providers []v1alpha1.IdentityProvider
	change    func(*signin.Options)
	// ended are the sessions that were signed out of, and away is whether nobody can tell.
	ended map[string]time.Time
	away  bool
	// hangs is whether who can tell does not answer.
	hangs atomic.Bool
	// reached is told of what comes to pages and API of who is signed in; nil for nobody.
	reached func(r *http.Request)
}

// reachedPages are requests that came to pages and API.
type reachedPages struct {
	mu       sync.Mutex
	requests []string
}

func (p *reachedPages) note(r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = append(p.requests, r.Method+" "+r.URL.Path)
}

func (p *reachedPages) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = nil
}

func (p *reachedPages) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.requests...)
}

var errAway = errors.New("the ledger is away")

// End ends a session.
func (w *world) End(ctx context.Context, id string, until time.Time) error {
	if w.hangs.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return errAway
	}
	w.ended[id] = until
	return nil
}

// setAway has nobody able to tell which sessions were ended, or somebody again.
func (w *world) setAway(is bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away = is
}

// IsEnded reports whether a session was ended.
func (w *world) IsEnded(ctx context.Context, id string) (bool, error) {
	if w.hangs.Load() {
		<-ctx.Done()
		return false, ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return false, errAway
	}
	_, isEnded := w.ended[id]
	return isEnded, nil
}

// known is whom the consoles know.
type known struct{ *identify.Known }

func (known) Complete() bool { return true }

// SignIns are where people sign in.
func (w *world) SignIns(context.Context) ([]v1alpha1.IdentityProvider, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.providers, nil
}

// Ancestors are none.
func (*world) Ancestors(context.Context, string) ([]string, error) { return nil, nil }

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.late)
}

func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late += d
}

// newWorld is a world whose IdentityProvider company has the client of the server that is for
// consoles.
func newWorld(t testing.TB, others ...openid.Person) *world {
	t.Helper()
	w := &world{t: t, known: known{identify.NewKnown()}, keysFile: filepath.Join(t.TempDir(), "keys"), secrets: t.TempDir(), ended: map[string]time.Time{}}
	server, err := openid.Start(append(openid.People(), others...))
	testkit.Must(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	w.openid = server
	w.writeKeys(newKey())
	testkit.Must(t, os.WriteFile(filepath.Join(w.secrets, "company"), []byte(openid.ConsoleSecret+"\n"), 0o600))
	w.providers = []v1alpha1.IdentityProvider{{
		ObjectMeta: metav1.ObjectMeta{Name: "company", UID: "1", Generation: 1},
		Spec: v1alpha1.IdentityProviderSpec{
			Issuer: v1alpha1.Issuer{URL: server.URL, Audiences: []string{openid.Audience}},
			Client: &v1alpha1.SignInClient{
				ClientID: openid.Console, ClientSecretFile: "company", Scopes: []string{"profile", "email", "groups"},
				Token: v1alpha1.SessionTokenID, DisplayName: "The company",
			},
		},
	}}
	w.trust("company", openid.Audience)
	return w
}

// trust has the consoles take the server's tokens for some audience.
func (w *world) trust(name, audience string) {
	w.t.Helper()
	response, err := http.Get(w.openid.URL + "/keys")
	testkit.Must(w.t, err)
	defer func() { _ = response.Body.Close() }()
	keys, err := io.ReadAll(response.Body)
	testkit.Must(w.t, err)
	issuer, err := identity.Compile(limiterv1.IdentityProvider{
		Name: name, Issuers: []string{w.openid.URL}, Audiences: []string{audience}, Algorithms: []string{"RS256"}, Keys: keys,
		Mappings: limiterv1.ClaimMappings{User: limiterv1.ClaimMapping{Claim: "sub"}, Groups: limiterv1.ClaimMapping{Claim: "groups"}},
	})
	testkit.Must(w.t, err)
	w.known.SetProvider(name, issuer)
}

func newKey() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	return base64.StdEncoding.EncodeToString(key)
}

func (w *world) writeKeys(keys ...string) {
	w.t.Helper()
	testkit.Must(w.t, os.WriteFile(w.keysFile, []byte(strings.Join(keys, "\n")+"\n"), 0o600))
}

// console is one that runs, behind an address that all replicas share.
type console struct {
	*httptest.Server
	// inner answers in the place of the server; another takes its turn.
	mu    sync.Mutex
	inner http.Handler
}

// ServeHTTP has the replica answer whose turn it is.
func (c *console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	inner := c.inner
	c.mu.Unlock()
	inner.ServeHTTP(w, r)
}

// become has another replica answer from here on.
func (c *console) become(inner http.Handler) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inner = inner
}

// start starts a console with TLS, as browsers find it, or without.
func (w *world) start(isTLS bool) *console {
	c := &console{}
	if isTLS {
		c.Server = httptest.NewTLSServer(c)
	} else {
		c.Server = httptest.NewServer(c)
	}
	w.t.Cleanup(c.Close)
	c.become(w.replica(c.URL))
	return c
}

// replica is a console of its own, which knows of others what the keys' file says.
func (w *world) replica(publicURL string) http.Handler {
	w.t.Helper()
	at, err := signin.ParsePublicURL(publicURL)
	testkit.Must(w.t, err)
	keys, err := signin.ReadKeys(w.keysFile, slog.New(slog.DiscardHandler))
	testkit.Must(w.t, err)
	callers := auth.New(auth.Options{Identifier: identify.New(identify.Options{Config: w.known, Now: w.now}), Tenants: w})
	options := signin.Options{
		Auth: callers, Issuers: w, PublicURL: at, Keys: keys, Ended: w, SecretsDir: w.secrets, Log: slog.New(slog.DiscardHandler), Now: w.now,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}
	if w.change != nil {
		w.change(&options)
	}
	signIn, err := signin.New(options)
	testkit.Must(w.t, err)
	s, err := server.New(server.Options{
		Address: "127.0.0.1:0", HealthAddress: "127.0.0.1:0", Ready: func() error { return nil },
		Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
		API: w.whoAsks(callers), Pages: w.whoAsks(callers), SignIn: signIn,
	})
	testkit.Must(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		testkit.Must(w.t, <-ended)
	})
	return s.Handler()
}

// whoAsks stands for pages and API: it answers with the caller that the bearer token
// identifies, and the token of their forms.
func (w *world) whoAsks(callers *auth.Auth) http.Handler {
	return http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		if w.reached != nil {
			w.reached(r)
		}
		if strings.HasPrefix(r.URL.Path, signin.AssetsPath) {
			_, _ = io.WriteString(answer, "body {}")
			return
		}
		if r.URL.Path == "/watched" { // answers until who asks has signed out
			for r.Context().Err() == nil && !signin.IsEnded(r.Context()) {
				time.Sleep(time.Millisecond)
			}
			_, _ = io.WriteString(answer, "you have signed out")
			return
		}
		if r.URL.Path == "/live" { // answers for as long as it may
			<-r.Context().Done()
			return
		}
		who, err := callers.Identify(r.Context(), header(r.Header))
		if err != nil {
			http.Error(answer, err.Error(), http.StatusUnauthorized)
			return
		}
		known, isKnown := signin.Caller(r.Context())
		if isPage := !strings.HasPrefix(r.URL.Path, "/api/"); isKnown != isPage || isPage && known.Subject() != who.Subject() {
			http.Error(answer, "a page is not told whose the request is, or the API is", http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(answer, "you are "+who.Claims.User+" at "+r.URL.RequestURI()+" with the form token "+signin.FormToken(r.Context()))
	})
}

type header http.Header

func (h header) Values(name string) []string { return http.Header(h).Values(name) }

// browser is somebody's.
type browser struct {
	*http.Client
	t   testing.TB
	jar *cookiejar.Jar
	// visited are the addresses that were asked for, in order.
	visited []string
}

func newBrowser(t testing.TB, c *console) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	testkit.Must(t, err)
	b := &browser{t: t, jar: jar}
	transport := c.Client().Transport
	b.Client = &http.Client{Jar: jar, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		b.visited = append(b.visited, r.URL.String())
		return transport.RoundTrip(r)
	})}
	return b
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer is what a browser shows.
type answer struct {
	*http.Response
	body string
}

// ask has a browser ask for something, as a page that somebody opens, and go where it is sent.
func (b *browser) ask(method, at string, form url.Values, change func(http.Header)) answer {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), method, at, strings.NewReader(form.Encode()))
	testkit.Must(b.t, err)
	request.Header.Set("Accept", "text/html")
	if method != http.MethodGet {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		request.Header.Set("Sec-Fetch-Mode", "navigate")
	}
	if change != nil {
		change(request.Header)
	}
	response, err := b.Do(request)
	testkit.Must(b.t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	testkit.Must(b.t, err)
	return answer{response, string(body)}
}

func (b *browser) get(at string) answer { b.t.Helper(); return b.ask(http.MethodGet, at, nil, nil) }

// stay has a browser go nowhere that it is sent.
func (b *browser) stay() *browser {
	stays := *b.Client
	stays.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{Client: &stays, t: b.t, jar: b.jar}
}

// signIn has somebody type name and password where they are asked for them.
func (b *browser) signIn(asked answer, name string) answer {
	b.t.Helper()
	if !strings.Contains(asked.body, `name="password"`) {
		b.t.Fatalf("nobody asks who signs in: %s answers %d %s", asked.Request.URL, asked.StatusCode, asked.body)
	}
	form := url.Values{"id": {asked.Request.URL.Query().Get("id")}, "name": {name}, "password": {openid.PasswordPrefix + name}}
	return b.ask(http.MethodPost, asked.Request.URL.String(), form, nil)
}

// cookies are what a browser keeps of a console, by their names.
func (b *browser) cookies(c *console) map[string]string {
	at, err := url.Parse(c.URL)
	testkit.Must(b.t, err)
	found := map[string]string{}
	for _, cookie := range b.jar.Cookies(at) {
		found[cookie.Name] = cookie.Value
	}
	return found
}

// keep has a browser keep cookies of a console.
func (b *browser) keep(c *console, cookies ...*http.Cookie) {
	at, err := url.Parse(c.URL)
	testkit.Must(b.t, err)
	for _, cookie := range cookies {
		cookie.Path, cookie.Secure = "/", at.Scheme == "https"
	}
	b.jar.SetCookies(at, cookies)
}
