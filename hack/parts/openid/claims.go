package openid

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

var errUnsupported = errors.New("it is not supported here")

// GetPrivateClaimsFromRequest are the claims of an access token besides those that all tokens have.
func (s *storage) GetPrivateClaimsFromRequest(_ context.Context, request op.TokenRequest, _ []string) (map[string]any, error) {
	return s.claims(request.GetSubject(), request.GetScopes())
}

// claims are the claims of a person that scopes allow.
func (s *storage) claims(name string, scopes []string) (map[string]any, error) {
	person, ok := s.people[name]
	if !ok {
		return nil, fmt.Errorf("person: %w", errUnknown)
	}
	claims := map[string]any{}
	if slices.Contains(scopes, oidc.ScopeProfile) {
		claims["preferred_username"] = person.Name
	}
	if slices.Contains(scopes, oidc.ScopeEmail) {
		claims["email"], claims["email_verified"] = person.Email, true
	}
	if slices.Contains(scopes, ScopeGroups) {
		claims["groups"] = append([]string{}, person.Groups...)
	}
	return claims, nil
}

// SetUserinfoFromRequest puts the same claims into an ID token.
func (s *storage) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, request op.IDTokenRequest, scopes []string) error {
	return s.inform(info, request.GetSubject(), scopes)
}

// SetUserinfoFromToken adds all claims of the person who has an access token.
func (s *storage) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, _, name, _ string) error {
	return s.inform(info, name, []string{oidc.ScopeProfile, oidc.ScopeEmail, ScopeGroups})
}

func (s *storage) inform(info *oidc.UserInfo, name string, scopes []string) error {
	claims, err := s.claims(name, scopes)
	info.Subject = name
	for claim, value := range claims {
		info.AppendClaims(claim, value)
	}
	return err
}

func (s *storage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	c, ok := s.clients[id]
	if !ok {
		return nil, fmt.Errorf("client: %w", errUnknown)
	}
	return c, nil
}

func (s *storage) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	c, ok := s.clients[id]
	if !ok || c.isPublic() || subtle.ConstantTimeCompare([]byte(secret), []byte(c.secret)) != 1 {
		return fmt.Errorf("client: %w", errUnknown)
	}
	return nil
}

// The library requires what follows of every storage, but no client here needs it.

func (s *storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

func (s *storage) SetIntrospectionFromToken(context.Context, *oidc.IntrospectionResponse, string, string, string) error {
	return errUnsupported
}

func (s *storage) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, errUnsupported
}

func (s *storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errUnsupported
}

func (s *storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errUnsupported
}

func (s *storage) Health(context.Context) error { return nil }
