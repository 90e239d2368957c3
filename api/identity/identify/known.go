package identify

import (
	"crypto/sha256"
	"slices"
	"sync"

	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// Issuer is an IdentityProvider that tokens are verified by, until it is replaced.
type Issuer struct {
	*identity.Issuer
	// Replaced is closed when this Issuer is replaced or removed.
	Replaced <-chan struct{}
	replace  func()
}

// Known is the callers that an Identifier knows: API keys by their hashes,
// IdentityProviders and Memberships. Any number of goroutines may read while one writes.
type Known struct {
	credentials sync.Map // hash -> []limiterv1.Credential, of one namespace each
	issuers     sync.Map // claim iss -> *Issuer
	// providers are the IdentityProviders by name. Only the writer uses them.
	providers map[string]*Issuer
	members   *identity.Directory
}

// NewKnown is a Known without callers.
func NewKnown() *Known {
	return &Known{providers: map[string]*Issuer{}, members: identity.NewDirectory()}
}

// Credentials are the credentials with the hash: one for each namespace in which it is
// registered. They must not be changed.
func (k *Known) Credentials(hash [sha256.Size]byte) []limiterv1.Credential {
	credentials, _ := k.credentials.Load(hash)
	registered, _ := credentials.([]limiterv1.Credential)
	return registered
}

// SetCredential replaces the credential of a namespace with a hash; nil removes it.
func (k *Known) SetCredential(namespace string, hash [sha256.Size]byte, credential *limiterv1.Credential) {
	registered := slices.DeleteFunc(slices.Clone(k.Credentials(hash)), func(other limiterv1.Credential) bool {
		return other.Namespace() == namespace
	})
	if credential != nil {
		registered = append(registered, *credential)
	}
	if len(registered) == 0 {
		k.credentials.Delete(hash)
		return
	}
	k.credentials.Store(hash, registered)
}

// Issuer is the Issuer that verifies tokens with the claim iss, if there is one. If, for
// a moment, there are several, it is the first by name.
func (k *Known) Issuer(iss string) (*Issuer, bool) {
	issuer, ok := k.issuers.Load(iss)
	if !ok {
		return nil, false
	}
	return issuer.(*Issuer), true
}

// Members are those of all Memberships.
func (k *Known) Members() *identity.Directory { return k.members }

// SetProvider replaces the IdentityProvider with a name; nil removes it.
func (k *Known) SetProvider(name string, compiled *identity.Issuer) {
	before := k.providers[name]
	delete(k.providers, name)
	if compiled != nil {
		replaced := make(chan struct{})
		k.providers[name] = &Issuer{Issuer: compiled, Replaced: replaced, replace: func() { close(replaced) }}
		k.setIssuers(compiled.Issuers())
	}
	if before != nil {
		k.setIssuers(before.Issuers())
		before.replace()
	}
}

// setIssuers updates which Issuer verifies tokens with each claim iss.
func (k *Known) setIssuers(issuers []string) {
	first := make(map[string]*Issuer, len(issuers))
	for name, provider := range k.providers {
		for _, iss := range provider.Issuers() {
			if is := first[iss]; is == nil || name < is.Name() {
				first[iss] = provider
			}
		}
	}
	for _, iss := range issuers {
		if provider := first[iss]; provider != nil {
			k.issuers.Store(iss, provider)
		} else {
			k.issuers.Delete(iss)
		}
	}
}
