package issuer

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Kind is a kind of Stack Auth's users. Each has an issuer, an audience and keys of its own.
type Kind string

// The kinds of users. An anonymous user has never signed in, and a restricted one has not
// finished signing up.
const (
	Regular    Kind = ""
	Anonymous  Kind = "anon"
	Restricted Kind = "restricted"
)

// Lifetime is how long Stack Auth's access tokens are valid.
const Lifetime = 10 * time.Minute

// StackAuth is a project of Stack Auth, which signs users in. It is safe for concurrent
// use.
type StackAuth struct {
	// URL is the API's, such as "https://api.stack-auth.com", and Project the project's id.
	URL, Project string

	mu      sync.Mutex
	people  map[string]stackUser // by their e-mail address
	keys    map[Kind][]Key       // the one that signs is the last
	made    int
	fetched int
}

// NewStackAuth is a project that has a key for each kind of user.
func NewStackAuth(url, project string) (*StackAuth, error) {
	s := &StackAuth{URL: url, Project: project, people: map[string]stackUser{}, keys: map[Kind][]Key{}}
	for _, kind := range []Kind{Regular, Anonymous, Restricted} {
		if err := s.Rotate(kind, true); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Issuer is the claim iss of users of a kind.
func (s *StackAuth) Issuer(kind Kind) string {
	projects := map[Kind]string{Regular: "projects", Anonymous: "projects-anonymous-users", Restricted: "projects-restricted-users"}
	return fmt.Sprintf("%s/api/v1/%s/%s", s.URL, projects[kind], s.Project)
}

// Audience is the claim aud of users of a kind.
func (s *StackAuth) Audience(kind Kind) string {
	if kind == Regular {
		return s.Project
	}
	return s.Project + ":" + string(kind)
}

// Rotate has the project sign with another key. The keys before stay in the JWK set,
// unless they are to be dropped.
func (s *StackAuth) Rotate(kind Kind, drop bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	key, err := NewKey(fmt.Sprintf("%s-%s-%d", s.Project, kind, s.made), jose.ES256)
	if err != nil {
		return err
	}
	if drop {
		s.keys[kind] = nil
	}
	s.keys[kind] = append(s.keys[kind], key)
	return nil
}

// Keys is the JWK set of users of some kinds.
func (s *StackAuth) Keys(kinds ...Kind) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []Key
	for _, kind := range kinds {
		keys = append(keys, s.keys[kind]...)
	}
	return Set(keys...)
}

// Fetched is how often the JWK set was fetched over HTTP.
func (s *StackAuth) Fetched() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetched
}

// Claims are those of an access token of a user that is made at a moment.
func (s *StackAuth) Claims(kind Kind, user, email string, now time.Time) map[string]any {
	return map[string]any{
		"iss": s.Issuer(kind), "aud": s.Audience(kind), "sub": user,
		"iat": now.Unix(), "exp": now.Add(Lifetime).Unix(),
		"project_id": s.Project, "branch_id": "main", "refresh_token_id": "a-refresh-token-of-" + user,
		"role": "authenticated", "name": user, "email": email, "email_verified": email != "",
		"selected_team_id": nil, "is_anonymous": kind == Anonymous, "is_restricted": kind == Restricted,
	}
}

// Token is an access token of a user; others replace some of its claims.
func (s *StackAuth) Token(kind Kind, user, email string, now time.Time, others map[string]any) string {
	claims := s.Claims(kind, user, email, now)
	maps.Copy(claims, others)
	return s.Key(kind).Sign(claims)
}

// Key is the key that tokens of users of a kind are signed with.
func (s *StackAuth) Key(kind Kind) Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[kind][len(s.keys[kind])-1]
}

// ServeHTTP serves the JWK set and the sign-in, and no discovery document: Stack Auth has
// none.
func (s *StackAuth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && r.URL.Path == signInPath {
		s.signIn(w, r)
		return
	}
	path := strings.TrimPrefix(s.Issuer(Regular), s.URL) + "/.well-known/jwks.json"
	if r.Method != http.MethodGet || r.URL.Path != path {
		http.NotFound(w, r)
		return
	}
	s.mu.Lock()
	s.fetched++
	s.mu.Unlock()
	kinds := []Kind{Regular}
	query := r.URL.Query()
	if query.Get("include_anonymous") == "true" {
		kinds = append(kinds, Anonymous)
	}
	if query.Get("include_restricted") == "true" {
		kinds = append(kinds, Restricted)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(s.Keys(kinds...)) // who hangs up asks again
}
