package identify

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// Config is whom credentials are of.
type Config interface {
	// Credentials are those with the hash: one of each namespace in which it is registered.
	Credentials(hash [sha256.Size]byte) []limiterv1.Credential
	// Issuer is by whom a token is verified that has the claim iss.
	Issuer(iss string) (*Issuer, bool)
	// Members are those of all Memberships.
	Members() *identity.Directory
	// Complete is whether all there is can be known, and so whether a credential that is not
	// known is none.
	Complete() bool
}

// Options are what an Identifier is made with.
type Options struct {
	Config Config
	// Now is the clock by which credentials expire; nil is that of this machine.
	Now func() time.Time
	// WantKeys says that the keys of an IdentityProvider are to be fetched; nil for nobody
	// who could.
	WantKeys func(ctx context.Context, provider string) error
	// Metrics count what is found out; nil for none.
	Metrics *Metrics
}

// Identifier finds out who is calling, by API keys and by tokens. Its methods may be called
// from everywhere at once.
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

// Caller is who has sent a request, as its credential says.
type Caller struct {
	// Key is the API key that it came with, and Claims what its token says: one is nil.
	Key    *limiterv1.Credential
	Claims *identity.Claims
	// Hash is the SHA-256 of the credential.
	Hash [sha256.Size]byte
	// Tenancies are the tenants that the caller belongs to, sorted; one, of a key. They are
	// not to be changed.
	Tenancies []identity.Tenancy
}

// Identify is who has sent a request. The error is an *Error.
func (i *Identifier) Identify(ctx context.Context, request Request) (Caller, error) {
	caller, by, err := i.identify(ctx, request)
	i.Metrics.identified(by, err)
	return caller, err
}

// IdentifyPayer has a function take in who has sent a request, and in the tenant that pays: the
// one that the request names, or the one that Choose chooses. The error is an *Error, or that
// of the function.
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

// credential is one that a request comes with.
type credential struct {
	value string
	hash  [sha256.Size]byte
	by    by
	// isOwn is whether it is one of Bursar's, be it good for anything or not.
	isOwn bool
	// registered are the keys that it may be.
	registered []limiterv1.Credential
	// remembered is what it has proven before, token what it says, and unreadable why it says
	// nothing.
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

// choose chooses the credential by which a caller is identified: the only one, or else the
// only one that is Bursar's. Clients send others beside it by themselves.
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

// recognise finds out of what kind a credential is, without finding out whether it is good
// for anything.
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

// unknown is what is said of a credential that nobody knows: until the configuration is
// complete, it may be known in a moment.
func (i *Identifier) unknown(err error) error {
	if !i.Config.Complete() {
		return ErrNotConfigured
	}
	return err
}

// choice is an error of choosing a tenant as a caller is told it.
func choice(err error) error {
	var why *identity.ChoiceError
	if errors.As(err, &why) {
		return notChosen(why)
	}
	return err
}
