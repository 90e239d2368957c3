package openid

import (
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// signIn is one sign-in: what a client has asked for, and who has signed in.
type signIn struct {
	id       string
	asked    oidc.AuthRequest
	person   string // empty until somebody has signed in
	signedIn time.Time
}

func (s *signIn) GetID() string                      { return s.id }
func (s *signIn) GetACR() string                     { return "" }
func (s *signIn) GetAMR() []string                   { return []string{"pwd"} }
func (s *signIn) GetAudience() []string              { return []string{Audience} }
func (s *signIn) GetAuthTime() time.Time             { return s.signedIn }
func (s *signIn) GetClientID() string                { return s.asked.ClientID }
func (s *signIn) GetNonce() string                   { return s.asked.Nonce }
func (s *signIn) GetRedirectURI() string             { return s.asked.RedirectURI }
func (s *signIn) GetResponseType() oidc.ResponseType { return s.asked.ResponseType }
func (s *signIn) GetResponseMode() oidc.ResponseMode { return s.asked.ResponseMode }
func (s *signIn) GetScopes() []string                { return s.asked.Scopes }
func (s *signIn) GetState() string                   { return s.asked.State }
func (s *signIn) GetSubject() string                 { return s.person }
func (s *signIn) Done() bool                         { return s.person != "" }

func (s *signIn) GetCodeChallenge() *oidc.CodeChallenge {
	if s.asked.CodeChallenge == "" {
		return nil
	}
	return &oidc.CodeChallenge{Challenge: s.asked.CodeChallenge, Method: s.asked.CodeChallengeMethod}
}

// refresh is a sign-in that a refresh token continues, with fewer scopes if the client
// asks for fewer.
type refresh struct {
	*signIn
	scopes []string
}

func (r *refresh) GetScopes() []string              { return r.scopes }
func (r *refresh) SetCurrentScopes(scopes []string) { r.scopes = slices.Clone(scopes) }
