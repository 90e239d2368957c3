package identify

import (
	"strings"
	"time"

	"github.com/bursar-dev/bursar/api/identity"
)

// Reason is why a caller could not be identified.
type Reason string

// The reasons that are not those of tokens, which package api/identity has.
const (
	// Missing: the request has no credential.
	Missing Reason = "Missing"
	// Several: the request has credentials that differ and each are Bursar's.
	Several Reason = "Several"
	// UnknownAPIKey: no APIKey has the key's hash.
	UnknownAPIKey Reason = "UnknownAPIKey"
	// AmbiguousAPIKey: the hash of the key is registered in several namespaces, and nothing
	// proves in which of them by those who made the key.
	AmbiguousAPIKey Reason = "AmbiguousAPIKey"
	// ExpiredAPIKey: the key worked once.
	ExpiredAPIKey Reason = "ExpiredAPIKey"
	// NotConfigured: who is not known may be known once the configuration is complete.
	NotConfigured Reason = "NotConfigured"
	// NoTenant: the caller belongs to no tenant, or not to the one that the request names.
	NoTenant Reason = "NoTenant"
	// ActingForbidden: the request names whom it is made for, and its credential, which may act
	// for others, may not act so.
	ActingForbidden Reason = "ActingForbidden"
	// TenantNotChosen: the caller belongs to several tenants and names none.
	TenantNotChosen Reason = "TenantNotChosen"
)

// Status is what kind of answer an Error is.
type Status int

// The kinds of answers.
const (
	// Unauthenticated: nobody knows who is calling.
	Unauthenticated Status = iota
	// Unavailable: the same request may be answered in a moment; nothing is said of the
	// credential.
	Unavailable
	// Forbidden: the caller is known, and may not call so.
	Forbidden
	// Undecided: the caller is known, and must say more.
	Undecided
)

// Error is why a caller could not be identified.
type Error struct {
	Reason Reason
	Status Status
	// Code names the error for programs, and Title is the same for every one of the code.
	Code, Title string
	// Message is for the caller: a sentence without its capital and its full stop. It has
	// nothing of the credential.
	Message string
	// Challenge is the value of the WWW-Authenticate field, of Unauthenticated: how a caller
	// can authenticate (RFC 6750, 3).
	Challenge string
}

func (e *Error) Error() string { return e.Message }

// Is reports whether the target is an Error for the same reason.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Reason == e.Reason
}

// realm is the challenge to who has sent no credential.
const realm = `Bearer realm="bursar"`

// Why a caller could not be identified. Others for the same reasons may say more.
var (
	ErrMissing = &Error{
		Reason: Missing, Code: codeAPIKey, Title: titleAPIKey, Challenge: realm,
		Message: `no API key or token: send one header "Authorization: Bearer KEY"`,
	}
	ErrSeveral = badKey(Several, "invalid_request",
		"the request has two different credentials, both of Bursar's: send only one")
	ErrUnknown   = badKey(UnknownAPIKey, "invalid_token", "the API key is unknown: send a key of Bursar's, not the provider's")
	ErrExpired   = badKey(ExpiredAPIKey, "invalid_token", "the API key has expired: ask for a new one")
	ErrAmbiguous = badKey(AmbiguousAPIKey, "invalid_token",
		"the API key is registered in more than one namespace and does not name its own: "+
			"replace it by a key made with kubectl budget key create")
	ErrNotConfigured = &Error{Reason: NotConfigured, Status: Unavailable, Message: "Bursar's configuration is not complete yet, so the call was not made. Try again later"}
)

const (
	codeAPIKey, titleAPIKey = "invalid_api_key", "Invalid API key"
	codeToken, titleToken   = "invalid_token", "Invalid token"
)

func badKey(reason Reason, oauthError, message string) *Error {
	return &Error{Reason: reason, Code: codeAPIKey, Title: titleAPIKey, Message: message, Challenge: challenge(oauthError, message)}
}

func expiredKey(at time.Time) *Error {
	return badKey(ExpiredAPIKey, "invalid_token", "the API key expired at "+at.UTC().Format(time.RFC3339)+": ask for a new one")
}

// badToken is what a caller is told whose token does not say who it is.
func badToken(why *identity.Error) *Error {
	return &Error{
		Reason: Reason(why.Reason), Code: codeToken, Title: titleToken,
		Message: why.Message, Challenge: challenge("invalid_token", why.Message),
	}
}

// notChosen is what a caller is told of whom it is not clear which tenant pays.
func notChosen(why *identity.ChoiceError) *Error {
	if len(why.Tenants) > 0 && why.Asked == "" {
		return &Error{
			Reason: TenantNotChosen, Status: Undecided, Code: "tenant_required", Title: "Tenant required",
			Message: why.Error() + ": send one of them in the header " + TenantHeader,
		}
	}
	return &Error{Reason: NoTenant, Status: Forbidden, Code: "tenant_forbidden", Title: "Not a member", Message: why.Error()}
}

var errTenantTwice = &Error{
	Reason: TenantNotChosen, Status: Undecided, Code: "tenant_required", Title: "Tenant required",
	Message: "the request names more than one tenant: send one header " + TenantHeader,
}

// challenge is the challenge to who has sent a credential that does not count.
func challenge(oauthError, description string) string {
	return realm + `, error="` + oauthError + `", error_description="` + strings.Map(describable, description) + `"`
}

// describable is a character as an error_description may have it (RFC 6750, 3).
func describable(r rune) rune {
	switch {
	case r == '"' || r == '\\':
		return '\''
	case r < ' ' || r > '~':
		return '?'
	}
	return r
}
