package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

const (
	// MaxKeySetBytes is the size of the largest JWK set that is read.
	MaxKeySetBytes = 256 << 10
	// MaxKeys is how many usable keys a set may have, and maxSameID how many of them may
	// have the same id.
	MaxKeys   = 64
	maxSameID = 4
	// minRSABits is the size of the smallest RSA key that is used (RFC 7518, 3.3).
	minRSABits = 2048
)

// algorithms are the algorithms that tokens may be signed with: only asymmetric ones, so
// that nobody who can verify a token can make one.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// Algorithms are the names of the algorithms that tokens may be signed with.
func Algorithms() []string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = string(a)
	}
	return names
}

// Keys are the public keys that an issuer signs with.
type Keys struct {
	byID map[string][]jose.JSONWebKey
	all  []jose.JSONWebKey
}

// Len is how many keys there are.
func (k *Keys) Len() int { return len(k.all) }

// Public is the keys as a JWK set (RFC 7517), reduced to what verifies signatures, in the
// order of the set that was read.
func (k *Keys) Public() (json.RawMessage, error) {
	return json.Marshal(jose.JSONWebKeySet{Keys: k.all})
}

// ParseKeys reads a JWK set (RFC 7517). It ignores everything except public keys that verify
// signatures, but refuses private keys, because their publisher must learn of the mistake.
func ParseKeys(set []byte) (*Keys, error) {
	if len(set) > MaxKeySetBytes {
		return nil, fmt.Errorf("the JWK set has more than %d bytes", MaxKeySetBytes)
	}
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(set, &raw); err != nil {
		return nil, fmt.Errorf("not a JWK set: %w", err)
	}
	if raw.Keys == nil {
		return nil, errors.New(`not a JWK set: it has no member "keys"`)
	}
	keys := &Keys{byID: map[string][]jose.JSONWebKey{}}
	for i, one := range raw.Keys {
		if err := keys.add(one); err != nil {
			return nil, fmt.Errorf("keys[%d]: %w", i, err)
		}
	}
	if len(keys.all) == 0 {
		return nil, errors.New("the JWK set has no public key that a signature can be verified by")
	}
	return keys, nil
}

func (k *Keys) add(raw json.RawMessage) error {
	var secret struct {
		D    json.RawMessage `json:"d"`
		Priv json.RawMessage `json:"priv"`
	}
	if json.Unmarshal(raw, &secret) == nil && (secret.D != nil || secret.Priv != nil) {
		return errors.New("the key is private: publish public keys alone, and replace this one, which is no secret any more")
	}
	var key jose.JSONWebKey
	if key.UnmarshalJSON(raw) != nil || !verifies(key, raw) {
		return nil // a key for another use (RFC 7517, 5)
	}
	if len(k.all) == MaxKeys || len(k.byID[key.KeyID]) == maxSameID {
		return fmt.Errorf("more than %d keys, or more than %d with one kid", MaxKeys, maxSameID)
	}
	key = jose.JSONWebKey{Key: key.Key, KeyID: key.KeyID, Algorithm: key.Algorithm, Use: key.Use}
	k.all = append(k.all, key)
	k.byID[key.KeyID] = append(k.byID[key.KeyID], key)
	return nil
}

// verifies reports whether a key is meant to verify signatures.
func verifies(key jose.JSONWebKey, raw json.RawMessage) bool {
	var meant struct {
		Operations []string `json:"key_ops"`
	}
	if json.Unmarshal(raw, &meant) != nil || meant.Operations != nil && !slices.Contains(meant.Operations, "verify") {
		return false
	}
	return key.Valid() && (key.Use == "" || key.Use == "sig") &&
		slices.ContainsFunc(algorithms, func(a jose.SignatureAlgorithm) bool { return fits(key, string(a)) })
}

// fits reports whether a key can verify signatures of an algorithm, and is meant to.
func fits(key jose.JSONWebKey, algorithm string) bool {
	if key.Algorithm != "" && key.Algorithm != algorithm {
		return false
	}
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		return (algorithm[:2] == "RS" || algorithm[:2] == "PS") && public.N.BitLen() >= minRSABits
	case *ecdsa.PublicKey:
		return curves[algorithm] == public.Curve && public.Curve != nil
	case ed25519.PublicKey:
		return algorithm == string(jose.EdDSA)
	}
	return false
}

// curves are those of the algorithms that have one (RFC 7518, 3.4).
var curves = map[string]elliptic.Curve{
	string(jose.ES256): elliptic.P256(), string(jose.ES384): elliptic.P384(), string(jose.ES512): elliptic.P521(),
}

// find is the keys that a token may be signed with: those with the id that it names, or, if
// it names none, the only key (OpenID Connect Core 1.0, 10.1).
func (k *Keys) find(id, algorithm string) []jose.JSONWebKey {
	candidates := k.byID[id]
	if id == "" {
		candidates = k.all
	}
	var found []jose.JSONWebKey
	for _, key := range candidates {
		if fits(key, algorithm) {
			found = append(found, key)
		}
	}
	if id == "" && len(found) > 1 {
		return nil
	}
	return found
}
