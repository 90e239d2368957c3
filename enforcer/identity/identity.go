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
	"github.com/bursar-dev/bursar/enforcer/protocol"
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
	keyFields   []string
	now         func() time.Time
}

// NewIdentifier makes an Identifier, which takes keys from any of the header fields in
// which clients of the protocols send them. Keys expire by the clock now.
func NewIdentifier(credentials Credentials, protocols []protocol.Protocol, now func() time.Time) *Identifier {
	i := &Identifier{credentials: credentials, now: now}
	for _, p := range protocols {
		i.keyFields = append(i.keyFields, p.Fields().Key...)
	}
	return i
}

// Identify is who sent a request to an endpoint of the protocol p, with the header and
// the query. A key in the query is read where p has a parameter for it. The error is one
// of the Err values of this package.
func (i *Identifier) Identify(p protocol.Protocol, header http.Header, query url.Values) (admission.Subject, error) {
	var inQuery []string
	if parameter := p.KeyParameter(); parameter != "" {
		inQuery = query[parameter]
	}
	key, ok := i.findKey(header, inQuery)
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

// findKey finds the one key that a request comes with: in Authorization, in any of the
// protocols' own fields, or in its query. Two keys are none, unless they are equal.
func (i *Identifier) findKey(header http.Header, inQuery []string) (key string, ok bool) {
	var keys []string
	for _, value := range header.Values("Authorization") {
		keys = append(keys, bearer(value))
	}
	for _, name := range i.keyFields {
		for _, value := range header.Values(name) {
			keys = append(keys, strings.TrimSpace(value))
		}
	}
	keys = slices.Compact(append(keys, inQuery...))
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
