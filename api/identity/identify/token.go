package identify

import (
	"context"
	"errors"

	"github.com/bursar-dev/bursar/api/identity"
)

// token is the caller with a token.
func (i *Identifier) token(ctx context.Context, c credential) (Caller, error) {
	proven, err := i.proven(ctx, c)
	if err != nil {
		return Caller{}, err
	}
	return Caller{Claims: &proven.claims, Hash: c.hash, Tenancies: proven.tenanciesIn(i.Config.Members())}, nil
}

// proven is what a token proves now. What it has proven before counts until it expires,
// if its IdentityProvider is still the same.
func (i *Identifier) proven(ctx context.Context, c credential) (*remembered, error) {
	if r := c.remembered; r != nil {
		if current, ok := i.Config.Issuer(r.claims.Issuer); ok && current == r.issuer && i.Now().Before(r.claims.Until) {
			return r, nil
		}
		i.verified.forget(c.hash)
		c.token, c.unreadable = identity.Parse(c.value)
	}
	if c.unreadable != nil {
		return nil, tokenError(c.unreadable)
	}
	issuer, claims, err := i.verify(ctx, c.token)
	if err != nil {
		return nil, err
	}
	r := &remembered{issuer: issuer, claims: claims}
	i.verified.put(c.hash, r, claims.Until.Sub(i.Now()))
	return r, nil
}

// verify is what a token says, and the Issuer that has verified it. If the token names an
// unknown key, verify waits a moment for the keys to be fetched again.
func (i *Identifier) verify(ctx context.Context, token *identity.Token) (*Issuer, identity.Claims, error) {
	var turn *turn
	defer func() { turn.end() }()
	for {
		issuer, ok := i.Config.Issuer(token.Issuer)
		if !ok {
			return nil, identity.Claims{}, i.unknown(tokenError(errUnknownIssuer))
		}
		claims, err := issuer.Verify(token, i.Now())
		if err == nil || !isUnknownKey(err) {
			return issuer, claims, tokenError(err)
		}
		if turn == nil {
			turn = i.wanted.turn(issuer.Name())
		}
		if !turn.await(ctx, issuer.Replaced) {
			return nil, claims, i.unknown(tokenError(err))
		}
	}
}

var errUnknownIssuer = &identity.Error{Reason: identity.UnknownIssuer, Message: "the issuer of the token is unknown"}

func isUnknownKey(err error) bool {
	var why *identity.Error
	return errors.As(err, &why) && why.Reason == identity.UnknownKey
}

// tokenError turns an error of package api/identity into one for the caller.
func tokenError(err error) error {
	var why *identity.Error
	if errors.As(err, &why) {
		return badToken(why)
	}
	return err
}
