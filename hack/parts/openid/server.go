package openid

import (
	"crypto/rand"
	"errors"
	"html/template"
	"net"
	"net/http"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// signInPath is where people sign in.
const signInPath = "/sign-in"

// maxForm is the largest form that is read.
const maxForm = 16 << 10

// Server is a running OpenID Connect server. It is safe for concurrent use.
type Server struct {
	// URL is the claim iss of its tokens, and where its discovery document begins.
	URL string

	storage  *storage
	provider *op.Provider
	server   *http.Server
}

// Start runs a server for people, on a free port of this machine, until Stop.
func Start(people []Person) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{URL: "http://" + listener.Addr().String()}
	if err := s.prepare(people); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+signInPath, s.askWho)
	mux.HandleFunc("POST "+signInPath, s.enter)
	mux.Handle("/", s.provider)
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(listener) }() // it ends with Stop
	return s, nil
}

func (s *Server) prepare(people []Person) (err error) {
	if s.storage, err = newStorage(people); err != nil {
		return err
	}
	config := &op.Config{
		CryptoKeyId: "codes", CodeMethodS256: true, AuthMethodPost: true, GrantTypeRefreshToken: true,
		SupportedScopes: []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail, ScopeGroups, oidc.ScopeOfflineAccess},
	}
	if _, err := rand.Read(config.CryptoKey[:]); err != nil {
		return err
	}
	s.provider, err = op.NewProvider(config, s.storage, op.StaticIssuer(s.URL), op.WithAllowInsecure())
	return err
}

// Stop ends the server.
func (s *Server) Stop() error { return s.server.Close() }

// Rotate makes another key sign tokens from now on. Earlier keys stay in the JWK set, unless
// they are dropped.
func (s *Server) Rotate(drop bool) error { return s.storage.rotate(drop) }

// Fetched is how often the JWK set was asked for.
func (s *Server) Fetched() int {
	s.storage.mu.Lock()
	defer s.storage.mu.Unlock()
	return s.storage.fetched
}

var page = template.Must(template.New("sign-in").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Sign in</title>
<h1>Sign in</h1>
{{if .Wrong}}<p role="alert">Name or password is wrong.</p>{{end}}
<form method="post">
<input type="hidden" name="id" value="{{.ID}}">
<p><label>Name <input name="name" autocomplete="username" required autofocus></label></p>
<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label></p>
<p><button>Sign in</button></p>
</form>
</html>
`))

type form struct {
	ID    string
	Wrong bool
}

// askWho shows the page where people sign in.
func (s *Server) askWho(w http.ResponseWriter, r *http.Request) {
	s.show(w, http.StatusOK, form{ID: r.URL.Query().Get("id")})
}

// enter signs somebody in, and sends the browser back to the client.
func (s *Server) enter(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	id := r.PostFormValue("id")
	if !s.storage.enter(id, r.PostFormValue("name"), r.PostFormValue("password")) {
		s.show(w, http.StatusUnauthorized, form{ID: id, Wrong: true})
		return
	}
	back := op.AuthCallbackURL(s.provider)(op.ContextWithIssuer(r.Context(), s.URL), id)
	http.Redirect(w, r, back, http.StatusSeeOther)
}

func (s *Server) show(w http.ResponseWriter, status int, f form) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = page.Execute(w, f) // who hangs up asks again
}
