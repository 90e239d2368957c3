package limiterv1

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// keyPrefix begins every key, so that scanners for secrets can find it.
const keyPrefix = "bursar_"

// boundKey is the pattern of a key that names the namespace of its APIKey. A namespace has no
// underscore, so no key can be read in two ways.
var boundKey = regexp.MustCompile(`^` + keyPrefix + `([a-z0-9](?:[-a-z0-9]*[a-z0-9])?)_[0-9a-f]{64}$`)

// NewKey is the key of an APIKey in a namespace: bursar_NAMESPACE_ and 256 random bits
// in hexadecimal. Registering the hash of the key in another namespace is of no use:
// the key counts only in the one that it names.
func NewKey(namespace, random string) string { return keyPrefix + namespace + "_" + random }

// MakeKey makes a key of 256 random bits for an APIKey in a namespace, and its hash, as an APIKey has
// it.
func MakeKey(namespace string) (key, hash string) {
	bits := make([]byte, 32)
	_, _ = rand.Read(bits) // it never fails
	key = NewKey(namespace, hex.EncodeToString(bits))
	sum := sha256.Sum256([]byte(key))
	return key, hex.EncodeToString(sum[:])
}

// IsKey reports whether a credential has the form of a key that Bursar has made.
func IsKey(credential string) bool { return strings.HasPrefix(credential, keyPrefix) }

// KeyNamespace is the namespace that a key names, if it names one.
func KeyNamespace(key string) (namespace string, isBound bool) {
	match := boundKey.FindStringSubmatch(key)
	if match == nil {
		return "", false
	}
	return match[1], true
}
