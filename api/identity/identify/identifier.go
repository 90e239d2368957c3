package identify

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// Config knows credentials.
type Config interface {
	// Credentials are the credentials with the hash: one for each namespace in which it is
	// registered.
	Credentials(hash [sha256.Size]byte) []limiterv1.Credential
	// Issuer is the Issuer that verifies tokens with the claim iss.
	Issuer(iss string) (*Issuer, bool)
	// Members are those of all Memberships.
	Members() *identity.Directory
	// Complete reports whether the configuration is complete, so that an unknown credential is
	// invalid.
	Complete() bool
}

// Options are what an Identifier is made with.
type Options struct {
	Config Config
	// Now is the clock by which credentials expire; nil is that of this machine.
	Now func() time.Time
	// WantKeys asks for the keys of an IdentityProvider to be fetched; nil if nothing can fetch
	// them.
	WantKeys func(ctx context.Context, provider string) error
	// Metrics count the results; nil for none.
	Metrics *Metrics
}

// Identifier identifies callers by API keys and by tokens. Its methods are safe for concurrent
// use.
type Identifier struct {
	Options
	verified *memory
	wanted   *wantedKeys
}

// New makes an Identifier.
func New(options Options) *Identifier {
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Identifier{
		Options: options, verified: newMemory(maxTokens, maxTokenMemory),
		wanted: newWantedKeys(options.WantKeys, options.Metrics.keysWanted),
	}
}

// Remembered is how many verified tokens are remembered.
func (i *Identifier) Remembered() int { return i.verified.len() }

// Caller is the sender of a request, as its credential says.
type Caller struct {
	// Key is the API key, and Claims what the token says: one is nil.
	Key    *limiterv1.Credential
	Claims *identity.Claims
	// Hash is the SHA-256 of the credential.
	Hash [sha256.Size]byte
	// Tenancies are the tenants that the caller belongs to, sorted; a key has one. They must
	// not be changed.
	Tenancies []identity.Tenancy
}

// Identify is the sender of a request. The error is an *Error.
func (i *Identifier) Identify(ctx context.Context, request Request) (Caller, error) {
	caller, by, err := i.identify(ctx, request)
	i.Metrics.identified(by, err)
	return caller, err
}

// IdentifyPayer passes the sender of a request, and the tenant that pays, to a function. The
// tenant is the one that the request names, or the one that Choose chooses. The error is an
// *Error, or that of the function.
func (i *Identifier) IdentifyPayer(ctx context.Context, request Request, take func(Caller, identity.Tenancy) error) error {
	caller, by, err := i.identify(ctx, request)
	if err == nil {
		var tenancy identity.Tenancy
		if tenancy, err = i.payer(caller, request); err == nil {
			err = take(caller, tenancy)
		}
	}
	i.Metrics.identified(by, err)
	return err
}

func (i *Identifier) payer(caller Caller, request Request) (identity.Tenancy, error) {
	asked, err := tenantAsked(request)
	if err != nil {
		return identity.Tenancy{}, err
	}
	tenancy, err := identity.Choose(caller.Tenancies, asked)
	if err != nil && len(caller.Tenancies) == 0 {
		return tenancy, i.unknown(choice(err)) // a Membership may be on its way
	}
	return tenancy, tokenError(choice(err))
}

func (i *Identifier) identify(ctx context.Context, request Request) (Caller, by, error) {
	credential, err := i.choose(find(request))
	if err != nil {
		return Caller{}, credential.by, err
	}
	var caller Caller
	if credential.by == byToken {
		caller, err = i.token(ctx, credential)
	} else {
		caller, err = i.key(credential)
	}
	return caller, credential.by, err
}

// credential is a credential of a request.
type credential struct {
	value string
	hash  [sha256.Size]byte
	by    by
	// isOwn is whether it is one of Bursar's, valid or not.
	isOwn bool
	// registered are the registered keys that it may be.
	registered []limiterv1.Credential
	// remembered is what it has proven before, token what it says, and unreadable why it cannot
	// be read.
	remembered *remembered
	token      *identity.Token
	unreadable error
}

// by is a kind of credential.
type by string

const (
	byNone  by = "none"
	byKey   by = "key"
	byToken by = "token"
)

// choose chooses the credential that identifies the caller: the only one, or else the only one
// that is Bursar's. Some clients send other credentials in addition, without being asked to.
func (i *Identifier) choose(found []string) (credential, error) {
	switch len(found) {
	case 0:
		return credential{by: byNone}, ErrMissing
	case 1:
		return i.recognise(found[0]), nil
	}
	var chosen credential
	for n, value := range found {
		c := i.recognise(value)
		if c.isOwn && chosen.isOwn {
			return chosen, ErrSeveral
		}
		if n == 0 || c.isOwn {
			chosen = c
		}
	}
	return chosen, nil
}

// recognise finds the kind of a credential, without checking whether it is valid.
func (i *Identifier) recognise(value string) credential {
	c := credential{value: value, by: byKey, hash: sha256.Sum256([]byte(value))}
	isToken := identity.IsToken(value)
	if isToken {
		if c.remembered = i.verified.get(c.hash); c.remembered != nil {
			c.by, c.isOwn = byToken, true
			return c
		}
	}
	c.registered = i.registered(value, c.hash)
	if !isToken || len(c.registered) > 0 {
		c.isOwn = len(c.registered) > 0 || limiterv1.IsKey(value)
		return c
	}
	c.by = byToken
	if c.token, c.unreadable = identity.Parse(value); c.unreadable == nil {
		_, c.isOwn = i.Config.Issuer(c.token.Issuer)
	}
	return c
}

// unknown is the error for an unknown credential: until the configuration is complete, it may
// become known in a moment.
func (i *Identifier) unknown(err error) error {
	if !i.Config.Complete() {
		return ErrNotConfigured
	}
	return err
}

// choice turns an error of choosing a tenant into one for the caller.
func choice(err error) error {
	var why *identity.ChoiceError
	if errors.As(err, &why) {
		return notChosen(why)
	}
	return err
}
