package signin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/auth"
)

// The paths of this package. AssetsPath and everything below it is public.
const (
	Path         = "/sign-in"
	CallbackPath = Path + "/callback"
	OutPath      = "/sign-out"
	AssetsPath   = "/static/"
	// Stylesheet is the stylesheet of this package's pages, among the assets.
	Stylesheet = AssetsPath + "console.css"

	apiPrefix = "/api/"
)

// Issuers says, by name, at which IdentityProviders people may sign in: those in force with a
// client.
type Issuers interface {
	SignIns(ctx context.Context) ([]v1alpha1.IdentityProvider, error)
}

// Options are what a SignIn is made with.
type Options struct {
	Auth    *auth.Auth
	Issuers Issuers
	// PublicURL is the URL at which browsers find the console; nil if nobody signs in, and callers
	// come with a token or a cookie of another application.
	PublicURL *url.URL
	Keys      *Keys
	// Ended keeps the sessions that have signed out; if it is nil, a sign-out counts in its browser
	// alone.
	Ended Ended
	// SecretsDir has the files with the secrets of clients; empty for none.
	SecretsDir string
	// TokenCookies are the names of the cookies in which another application keeps its users'
	// tokens.
	TokenCookies []string
	// TrustedProxies are the networks of the proxies whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	Log            *slog.Logger
	// Now is the clock; nil is that of this machine.
	Now func() time.Time
}

// SignIn signs people in. Its methods are safe for concurrent use.
type SignIn struct {
	Options
	cookies   cookies
	issuers   issuers
	rates     rates
	sameSite  *http.CrossOriginProtection
	ownRoutes http.Handler
}

// ParsePublicURL reads the URL of a console: https, or http on this machine, without a path.
func ParsePublicURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" || !isSafe(u) {
		return nil, fmt.Errorf("%q is not an https URL without a path, such as \"https://bursar.example.com\"; http only on localhost", text)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

func isSafe(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())
}

// New makes a SignIn.
func New(options Options) (*SignIn, error) {
	if options.Keys == nil {
		return nil, errors.New("no keys of sessions")
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	s := &SignIn{Options: options, sameSite: http.NewCrossOriginProtection(), rates: rates{trusted: options.TrustedProxies}}
	s.sameSite.SetDenyHandler(http.HandlerFunc(s.refuseCrossSite))
	if options.PublicURL != nil {
		s.cookies.secure = options.PublicURL.Scheme == "https"
		s.issuers = issuers{secretsDir: options.SecretsDir, callback: options.PublicURL.String() + CallbackPath, now: options.Now}
		if err := s.sameSite.AddTrustedOrigin(options.PublicURL.String()); err != nil {
			return nil, err
		}
	}
	s.ownRoutes = s.routes()
	return s, nil
}

func (s *SignIn) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path, s.begin)
	mux.HandleFunc("GET "+CallbackPath, s.callback)
	mux.HandleFunc("GET "+OutPath, s.askOut)
	mux.HandleFunc("POST "+OutPath, s.out)
	return mux
}

// session is what the cookie of a session holds.
type session struct {
	// ID differs for each sign-in.
	ID string `json:"id"`
	// Token is the issuer's token, which identifies the person.
	Token string `json:"token"`
	// Until is when it expires.
	Until time.Time `json:"until"`
}

// progress is a sign-in between its two halves.
type progress struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Provider string `json:"provider"`
	// To is the page to go to afterwards.
	To string `json:"to"`
}
