package identify

import (
	"crypto/sha256"
	"slices"

	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// key is the caller with an API key.
func (i *Identifier) key(c credential) (Caller, error) {
	switch len(c.registered) {
	case 0:
		return Caller{}, i.unknown(ErrUnknown)
	case 1:
	default:
		return Caller{}, ErrAmbiguous
	}
	found := &c.registered[0]
	if found.ExpiresAt != nil && !i.Now().Before(*found.ExpiresAt) {
		return Caller{}, expiredKey(*found.ExpiresAt)
	}
	return Caller{Key: found, Hash: c.hash, Tenancies: []identity.Tenancy{{
		Tenant: found.Tenant, User: found.User, Tier: found.Tier, Groups: found.Groups, Labels: found.Labels, ActFor: found.ActFor,
	}}}, nil
}

// registered are the registered credentials that a key may be. A key that names a
// namespace can only be one that is registered there, because its hash is no secret, and
// anybody could register it elsewhere.
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
