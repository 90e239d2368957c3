package identity

import (
	"crypto/sha256"
	"slices"

	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// key is who calls with an API key, and whom that may act for. A tenant that the request
// names must be the key's.
func (i *Identifier) key(c credential, asked string) (subject admission.Subject, actFor *limiterv1.ActFor, err error) {
	switch len(c.registered) {
	case 0:
		return subject, nil, i.unknown(ErrUnknown)
	case 1:
	default:
		return subject, nil, ErrAmbiguous
	}
	found := c.registered[0]
	if found.ExpiresAt != nil && !i.Now().Before(*found.ExpiresAt) {
		return subject, nil, expiredKey(*found.ExpiresAt)
	}
	if asked != "" && asked != found.Tenant {
		return subject, nil, choice(&identity.ChoiceError{Asked: asked, Tenants: []string{found.Tenant}})
	}
	i.uses.note(c.hash, found, i.Now())
	return admission.Subject{
		Tenant: found.Tenant, User: found.User, Tier: found.Tier, Credential: found.Name, Models: found.Models,
		Groups: found.Groups, Labels: found.Labels,
	}, found.ActFor, nil
}

// registered are the credentials that a key may be. One that names a namespace is only
// what is registered there: its hash is no secret, and anybody can register it elsewhere.
func (i *Identifier) registered(key string, hash [sha256.Size]byte) []limiterv1.Credential {
	registered := i.Config.Credentials(hash)
	if len(registered) == 0 {
		return nil
	}
	if namespace, isBound := limiterv1.KeyNamespace(key); isBound {
		registered = slices.DeleteFunc(slices.Clone(registered), func(c limiterv1.Credential) bool { return c.Namespace() != namespace })
	}
	return registered
}
