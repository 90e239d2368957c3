package identity

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// Why a caller is not known. The texts are for the caller.
var (
	ErrMissing = errors.New(`no API key: send the header "Authorization: Bearer KEY", once`)
	ErrUnknown = errors.New("the API key is not known")
	ErrExpired = errors.New("the API key has expired")
)

// Credentials knows credentials by their SHA-256.
type Credentials interface {
	Credential(hash [sha256.Size]byte) (limiterv1.Credential, bool)
}

// Identifier finds out who is calling.
type Identifier struct {
	credentials Credentials
	now         func() time.Time
}

// NewIdentifier makes an Identifier. Keys expire by the clock now.
func NewIdentifier(credentials Credentials, now func() time.Time) *Identifier {
	return &Identifier{credentials: credentials, now: now}
}

// Identify is who sent a request with the header, and with the query, where a key
// may stand in it. Its error is one of the Err values of this package.
func (i *Identifier) Identify(header http.Header, query url.Values) (admission.Subject, error) {
	key, ok := keyOf(header, query)
	if !ok {
		return admission.Subject{}, ErrMissing
	}
	credential, ok := i.credentials.Credential(sha256.Sum256([]byte(key)))
	switch {
	case !ok:
		return admission.Subject{}, ErrUnknown
	case credential.ExpiresAt != nil && !i.now().Before(*credential.ExpiresAt):
		return admission.Subject{}, ErrExpired
	}
	return admission.Subject{
		Tenant:     credential.Tenant,
		User:       credential.User,
		Tier:       credential.Tier,
		Credential: credential.Name,
	}, nil
}

// keyFields are the fields in which clients of Anthropic, Google and Azure send keys.
var keyFields = []string{"X-Api-Key", "X-Goog-Api-Key", "Api-Key"}

// keyOf is the one key that a request comes with, in any of the places in which
// clients of the providers send theirs. Two keys are none, unless they are equal.
func keyOf(header http.Header, query url.Values) (key string, ok bool) {
	var keys []string
	for _, value := range header.Values("Authorization") {
		keys = append(keys, bearer(value))
	}
	for _, name := range keyFields {
		for _, value := range header.Values(name) {
			keys = append(keys, strings.TrimSpace(value))
		}
	}
	keys = slices.Compact(append(keys, query["key"]...))
	if len(keys) != 1 {
		return "", false
	}
	return keys[0], keys[0] != ""
}

// bearer is the token of an Authorization field (RFC 6750, 2.1), empty when there is none.
func bearer(field string) string {
	scheme, token, _ := strings.Cut(field, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
