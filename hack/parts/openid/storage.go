package openid

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

var errUnknown = errors.New("it is not known here")

// storage is what the library requires: people, clients, keys, and the state of sign-ins. It
// keeps all of it until the process ends.
type storage struct {
	people  map[string]Person
	clients map[string]client

	mu      sync.Mutex
	keys    []key // the one that signs is the last
	signIns map[string]*signIn
	codes   map[string]string  // to the id of a sign-in
	refresh map[string]*signIn // by the refresh token
	fetched int
}

var _ interface {
	op.Storage
	op.CanSetUserinfoFromRequest
	op.CanGetPrivateClaimsFromRequest
} = (*storage)(nil)

func newStorage(people []Person) (*storage, error) {
	s := &storage{
		people: map[string]Person{}, clients: clients(),
		signIns: map[string]*signIn{}, codes: map[string]string{}, refresh: map[string]*signIn{},
	}
	for _, p := range people {
		s.people[p.Name] = p
	}
	return s, s.rotate(false)
}

// key signs tokens.
type key struct {
	id      string
	private *rsa.PrivateKey
}

func (k key) ID() string                                  { return k.id }
func (k key) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k key) Key() any                                    { return k.private }

// public is what others see of a key.
type public struct{ key }

func (p public) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (p public) Use() string                        { return "sig" }
func (p public) Key() any                           { return p.private.Public() }

// rotate makes another key sign from now on. Earlier keys stay published, unless they are dropped.
func (s *storage) rotate(drop bool) error {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if drop {
		s.keys = nil
	}
	s.keys = append(s.keys, key{rand.Text(), private})
	return nil
}

func (s *storage) SigningKey(context.Context) (op.SigningKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[len(s.keys)-1], nil
}

func (s *storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

func (s *storage) KeySet(context.Context) (set []op.Key, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetched++
	for _, k := range s.keys {
		set = append(set, public{k})
	}
	return set, nil
}

// enter signs a person in, and reports whether the password is right.
func (s *storage) enter(id, name, password string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	begun, person := s.signIns[id], s.people[name]
	if begun == nil || person.Name == "" || subtle.ConstantTimeCompare([]byte(password), []byte(person.Password())) != 1 {
		return false
	}
	begun.person, begun.signedIn = person.Name, time.Now()
	return true
}

func (s *storage) CreateAuthRequest(_ context.Context, asked *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	if len(asked.Prompt) == 1 && asked.Prompt[0] == oidc.PromptNone {
		return nil, oidc.ErrLoginRequired() // nobody stays signed in here
	}
	if asked.CodeChallenge == "" {
		return nil, oidc.ErrInvalidRequest().WithDescription("code_challenge is missing: every client must use PKCE")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	begun := &signIn{id: rand.Text(), asked: *asked}
	s.signIns[begun.id] = begun
	return begun, nil
}

func (s *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if begun := s.signIns[id]; begun != nil {
		return begun, nil
	}
	return nil, fmt.Errorf("sign-in: %w", errUnknown)
}

func (s *storage) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	id := s.codes[code]
	s.mu.Unlock()
	return s.AuthRequestByID(ctx, id)
}

func (s *storage) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[code] = id
	return nil
}

// DeleteAuthRequest deletes a code, so that it can be used once.
func (s *storage) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.signIns, id)
	for code, of := range s.codes {
		if of == id {
			delete(s.codes, code)
		}
	}
	return nil
}

func (s *storage) CreateAccessToken(context.Context, op.TokenRequest) (string, time.Time, error) {
	return rand.Text(), time.Now().Add(Lifetime), nil
}

// CreateAccessAndRefreshTokens makes tokens, and deletes the current refresh token, so that it can be used once.
func (s *storage) CreateAccessAndRefreshTokens(ctx context.Context, request op.TokenRequest, current string) (string, string, time.Time, error) {
	id, until, err := s.CreateAccessToken(ctx, request)
	s.mu.Lock()
	defer s.mu.Unlock()
	of, isFirst := request.(*signIn)
	if !isFirst {
		if of = s.refresh[current]; of == nil {
			return "", "", time.Time{}, oidc.ErrInvalidGrant()
		}
		delete(s.refresh, current)
	}
	next := rand.Text()
	s.refresh[next] = of
	return id, next, until, err
}

func (s *storage) TokenRequestByRefreshToken(_ context.Context, token string) (op.RefreshTokenRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of := s.refresh[token]; of != nil {
		return &refresh{signIn: of, scopes: of.asked.Scopes}, nil
	}
	return nil, op.ErrInvalidRefreshToken
}

func (s *storage) GetRefreshTokenInfo(_ context.Context, _, token string) (person, id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of := s.refresh[token]; of != nil {
		return of.person, token, nil
	}
	return "", "", op.ErrInvalidRefreshToken
}

func (s *storage) RevokeToken(_ context.Context, token, _, _ string) *oidc.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.refresh, token)
	return nil
}

func (s *storage) TerminateSession(_ context.Context, person, clientID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, of := range s.refresh {
		if of.person == person && of.asked.ClientID == clientID {
			delete(s.refresh, token)
		}
	}
	return nil
}
