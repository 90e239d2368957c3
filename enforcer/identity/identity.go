package identity

import (
	"crypto/sha256"
	"errors"
	"net/http"
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

// Identify is who sent a request with the header. Its error is one of the Err
// values of this package.
func (i *Identifier) Identify(header http.Header) (admission.Subject, error) {
	key, ok := bearer(header)
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

// bearer is the token of the one Authorization field (RFC 6750, 2.1).
func bearer(header http.Header) (token string, ok bool) {
	fields := header.Values("Authorization")
	if len(fields) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(fields[0], " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}
