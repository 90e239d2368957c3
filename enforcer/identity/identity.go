package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// Config is whom credentials are of.
type Config interface {
	// Credentials are those with the hash: one of each namespace in which it is registered.
	Credentials(hash [sha256.Size]byte) []limiterv1.Credential
	// Issuer is by whom a token is verified that has the claim iss.
	Issuer(iss string) (*config.Issuer, bool)
	// Members are those of all Memberships.
	Members() *identity.Directory
	// Complete is whether all there is can be known, and so whether a credential that is not
	// known is none.
	Complete() bool
}

// Options are what an Identifier is made with.
type Options struct {
	Config Config
	// Protocols are those in whose header fields clients send credentials.
	Protocols []protocol.Protocol
	// Now is the clock by which credentials expire; nil is that of this machine.
	Now func() time.Time
	// WantKeys says that the keys of an IdentityProvider are to be fetched; nil for nobody
	// who could.
	WantKeys func(ctx context.Context, provider string) error
	// TellUses says which API keys were used at a time, by the names of their documents; nil
	// for nobody who wants to know.
	TellUses func(ctx context.Context, at time.Time, names []string) error
	// Metrics count what is found out; nil for none.
	Metrics *Metrics
}

// Identifier finds out who is calling, by API keys and by tokens. Its methods may be called
// from everywhere at once.
type Identifier struct {
	Options
	keyFields []string
	verified  *memory
	wanted    *wantedKeys
	uses      *uses
}

// NewIdentifier makes an Identifier, which takes credentials from any of the header fields
// in which clients of the protocols send them.
func NewIdentifier(options Options) *Identifier {
	if options.Now == nil {
		options.Now = time.Now
	}
	i := &Identifier{Options: options, verified: newMemory(maxTokens, maxTokenMemory)}
	i.wanted = newWantedKeys(options.WantKeys, options.Metrics.keysWanted)
	i.uses = newUses(options.TellUses)
	for _, p := range options.Protocols {
		i.keyFields = append(i.keyFields, p.Fields().Key...)
	}
	return i
}

// Run tells which API keys were used, until ctx ends.
func (i *Identifier) Run(ctx context.Context) {
	if i.TellUses != nil {
		i.uses.run(ctx)
	}
}

// Remembered is how many verified tokens are remembered.
func (i *Identifier) Remembered() int { return i.verified.len() }

// Identify is who sent a request. A credential in the query is read where the protocol
// has a parameter for it. The error is an *Error.
func (i *Identifier) Identify(ctx context.Context, request Request) (admission.Subject, error) {
	subject, by, err := i.identify(ctx, request)
	i.Metrics.identified(by, err)
	return subject, err
}

func (i *Identifier) identify(ctx context.Context, request Request) (admission.Subject, by, error) {
	credential, err := i.choose(i.find(request))
	if err != nil {
		return admission.Subject{}, credential.by, err
	}
	asked, err := tenantAsked(request)
	if err != nil {
		return admission.Subject{}, credential.by, err
	}
	var subject admission.Subject
	var actFor *limiterv1.ActFor
	if credential.by == byToken {
		subject, actFor, err = i.token(ctx, credential, asked)
	} else {
		subject, actFor, err = i.key(credential, asked)
	}
	if err == nil && actFor != nil {
		subject, err = act(subject, *actFor, request.Header)
	}
	return subject, credential.by, err
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
