package identity

import (
	"crypto/sha256"
	"slices"

	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// key is who calls with an API key. A tenant that the request names must be the key's.
func (i *Identifier) key(c credential, asked string) (admission.Subject, error) {
	switch len(c.registered) {
	case 0:
		return admission.Subject{}, i.unknown(ErrUnknown)
	case 1:
	default:
		return admission.Subject{}, ErrAmbiguous
	}
	found := c.registered[0]
	if found.ExpiresAt != nil && !i.Now().Before(*found.ExpiresAt) {
		return admission.Subject{}, expiredKey(*found.ExpiresAt)
	}
	if asked != "" && asked != found.Tenant {
		return admission.Subject{}, choice(&identity.ChoiceError{Asked: asked, Tenants: []string{found.Tenant}})
	}
	return admission.Subject{Tenant: found.Tenant, User: found.User, Tier: found.Tier, Credential: found.Name}, nil
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
