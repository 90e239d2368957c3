package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// Issuer is an IdentityProvider that tokens are verified by, until it is replaced.
type Issuer struct {
	*identity.Issuer
	// Replaced is closed when another has taken its place, or none.
	Replaced <-chan struct{}
	replace  func()
}

// identities are the IdentityProviders and the Memberships.
type identities struct {
	issuers sync.Map // claim iss -> *Issuer
	// providers are the IdentityProviders by name. Only the Follower knows them.
	providers map[string]*Issuer
	members   *identity.Directory
}

func newIdentities() identities {
	return identities{providers: map[string]*Issuer{}, members: identity.NewDirectory()}
}

// Issuer is by whom a token is verified that has the claim iss, if by anybody: of several
// IdentityProviders, which there are for a moment at most, it is the first by name.
func (c *Config) Issuer(iss string) (*Issuer, bool) {
	issuer, ok := c.identities.issuers.Load(iss)
	if !ok {
		return nil, false
	}
	return issuer.(*Issuer), true
}

// Members are those of all Memberships.
func (c *Config) Members() *identity.Directory { return c.identities.members }

func (c *Config) putIdentityProvider(name string, body []byte) error {
	var document limiterv1.IdentityProvider
	if err := json.Unmarshal(body, &document); err != nil {
		return err
	}
	if document.Name != name {
		return fmt.Errorf("the document is for IdentityProvider %q", document.Name)
	}
	compiled, err := identity.Compile(document)
	if err != nil {
		return err
	}
	c.identities.setProvider(name, compiled)
	return nil
}

// setProvider puts an IdentityProvider in the place of that with its name; nil takes that
// one away.
func (i *identities) setProvider(name string, compiled *identity.Issuer) {
	before := i.providers[name]
	delete(i.providers, name)
	if compiled != nil {
		replaced := make(chan struct{})
		i.providers[name] = &Issuer{Issuer: compiled, Replaced: replaced, replace: func() { close(replaced) }}
		i.setIssuers(compiled.Issuers())
	}
	if before != nil {
		i.setIssuers(before.Issuers())
		before.replace()
	}
}

// setIssuers says again by whom tokens with each claim iss are verified.
func (i *identities) setIssuers(issuers []string) {
	first := make(map[string]*Issuer, len(issuers))
	for name, provider := range i.providers {
		for _, iss := range provider.Issuers() {
			if is := first[iss]; is == nil || name < is.Name() {
				first[iss] = provider
			}
		}
	}
	for _, iss := range issuers {
		if provider := first[iss]; provider != nil {
			i.issuers.Store(iss, provider)
		} else {
			i.issuers.Delete(iss)
		}
	}
}

func (c *Config) putMembers(name string, body []byte) error {
	var members limiterv1.Members
	if err := json.Unmarshal(body, &members); err != nil {
		return err
	}
	switch {
	case members.Name != name:
		return fmt.Errorf("the document is for Membership %q", members.Name)
	case members.Tenant == "" || members.Provider == "":
		return errors.New("the Membership has no tenant or no IdentityProvider")
	}
	c.identities.members.Put(members)
	return nil
}
