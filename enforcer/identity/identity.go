package identity

import (
	"context"
	"crypto/sha256"
	"net/url"
	"slices"
	"strings"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// Error is why a caller could not be identified.
type Error struct {
	// Code names the error for programs, and Title is the same for every one of the code.
	Code, Title string
	// Message is for the caller: a sentence without its capital and its full stop. It has
	// nothing of the credential.
	Message string
	// Challenge is the value of the WWW-Authenticate field: how a caller can authenticate.
	Challenge string
	// Unavailable is whether the same request may be answered in a moment: then nothing
	// is said of the credential.
	Unavailable bool
}

func (e *Error) Error() string { return e.Message }

// Why a caller could not be identified.
var (
	ErrMissing = badKey(`no API key, or more than one: send one header "Authorization: Bearer KEY"`)
	ErrUnknown = badKey("the API key is unknown")
	ErrExpired = badKey("the API key has expired")
	// ErrAmbiguous: the hash of the key is registered in several namespaces, and nothing
	// proves in which of them by those who made the key.
	ErrAmbiguous = badKey("the API key is registered in more than one namespace and does not name its own: " +
		"replace it by a key made with kubectl budget key create")
	// ErrNotConfigured: who is not known may be known once the configuration is complete.
	ErrNotConfigured = &Error{Message: "the limiter's configuration is not complete yet", Unavailable: true}
)

func badKey(message string) *Error {
	return &Error{Code: "invalid_api_key", Title: "Invalid API key", Message: message, Challenge: "Bearer"}
}

// Request is what of a request may say who has sent it.
type Request struct {
	// Protocol is the one of the endpoint, or the path, that was asked.
	Protocol protocol.Protocol
	Header   protocol.HeaderView
	Query    url.Values
}

// Credentials knows credentials by their SHA-256.
type Credentials interface {
	// Credentials are those with the hash: one of each namespace in which it is registered.
	Credentials(hash [sha256.Size]byte) []limiterv1.Credential
	// Complete is whether all credentials there are can be known, and so whether one that
	// is not known is none.
	Complete() bool
}

// Identifier finds out who is calling, by API keys.
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

// Identify is who sent a request. A key in the query is read where the protocol has a
// parameter for it. The error is one of the Err values of this package.
func (i *Identifier) Identify(_ context.Context, request Request) (admission.Subject, error) {
	var inQuery []string
	if parameter := request.Protocol.KeyParameter(); parameter != "" {
		inQuery = request.Query[parameter]
	}
	key, ok := i.findKey(request.Header, inQuery)
	if !ok {
		return admission.Subject{}, ErrMissing
	}
	registered := i.registered(key)
	switch len(registered) {
	case 0:
		if !i.credentials.Complete() {
			return admission.Subject{}, ErrNotConfigured
		}
		return admission.Subject{}, ErrUnknown
	case 1:
	default:
		return admission.Subject{}, ErrAmbiguous
	}
	credential := registered[0]
	if credential.ExpiresAt != nil && !i.now().Before(*credential.ExpiresAt) {
		return admission.Subject{}, ErrExpired
	}
	return admission.Subject{
		Tenant:     credential.Tenant,
		User:       credential.User,
		Tier:       credential.Tier,
		Credential: credential.Name,
	}, nil
}

// registered are the credentials that the key may be. One that names a namespace is only
// what is registered there: its hash is no secret, and anybody can register it elsewhere.
func (i *Identifier) registered(key string) []limiterv1.Credential {
	registered := i.credentials.Credentials(sha256.Sum256([]byte(key)))
	if namespace, isBound := limiterv1.KeyNamespace(key); isBound {
		registered = slices.DeleteFunc(slices.Clone(registered), func(c limiterv1.Credential) bool { return c.Namespace() != namespace })
	}
	return registered
}

// findKey finds the one key that a request comes with: in Authorization, in any of the
// protocols' own fields, or in its query. Two keys are none, unless they are equal.
func (i *Identifier) findKey(header protocol.HeaderView, inQuery []string) (key string, ok bool) {
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
