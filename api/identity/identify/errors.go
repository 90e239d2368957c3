package identify

import (
	"strings"
	"time"

	"github.com/bursar-dev/bursar/api/identity"
)

// Reason is why a caller could not be identified.
type Reason string

// The reasons in addition to those of package api/identity, which are about tokens.
const (
	// Missing: the request has no credential.
	Missing Reason = "Missing"
	// Several: the request has several different credentials that are Bursar's.
	Several Reason = "Several"
	// UnknownAPIKey: no APIKey has the key's hash.
	UnknownAPIKey Reason = "UnknownAPIKey"
	// AmbiguousAPIKey: the hash of the key is registered in several namespaces, and the key
	// does not prove in which of them its makers registered it.
	AmbiguousAPIKey Reason = "AmbiguousAPIKey"
	// ExpiredAPIKey: the key worked once.
	ExpiredAPIKey Reason = "ExpiredAPIKey"
	// NotConfigured: the credential is unknown, but the configuration is not complete yet.
	NotConfigured Reason = "NotConfigured"
	// NoTenant: the caller belongs to no tenant, or not to the one that the request names.
	NoTenant Reason = "NoTenant"
	// ActingForbidden: the request names another user to act for, and its credential does not
	// allow that.
	ActingForbidden Reason = "ActingForbidden"
	// TenantNotChosen: the caller belongs to several tenants and names none.
	TenantNotChosen Reason = "TenantNotChosen"
)

// Status is what kind of answer an Error is.
type Status int

// The kinds of answers.
const (
	// Unauthenticated: the caller is unknown.
	Unauthenticated Status = iota
	// Unavailable: the same request may succeed in a moment; this does not mean that the
	// credential is invalid.
	Unavailable
	// Forbidden: the caller is known, but may not do this.
	Forbidden
	// Undecided: the caller is known, but must say more.
	Undecided
)

// Error is why a caller could not be identified.
type Error struct {
	Reason Reason
	Status Status
	// Code names the error for programs, and Title is the same for all errors with the code.
	Code, Title string
	// Message is for the caller: a sentence without its capital and its full stop. It contains
	// nothing of the credential.
	Message string
	// Challenge is the value of the field WWW-Authenticate, for Unauthenticated: how a caller
	// can authenticate (RFC 6750, 3).
	Challenge string
}

func (e *Error) Error() string { return e.Message }

// Is reports whether the target is an Error for the same reason.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Reason == e.Reason
}

// realm is the challenge to a caller without a credential.
const realm = `Bearer realm="bursar"`

// Why a caller could not be identified. Other errors for the same reasons may say more.
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

// badToken is the error for a token that does not identify its caller.
func badToken(why *identity.Error) *Error {
	return &Error{
		Reason: Reason(why.Reason), Code: codeToken, Title: titleToken,
		Message: why.Message, Challenge: challenge("invalid_token", why.Message),
	}
}

// notChosen is the error for a caller without a clear tenant that pays.
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

// challenge is the challenge to a caller whose credential does not count.
func challenge(oauthError, description string) string {
	return realm + `, error="` + oauthError + `", error_description="` + strings.Map(describable, description) + `"`
}

// describable replaces a character that an error_description may not have (RFC 6750, 3).
func describable(r rune) rune {
	switch {
	case r == '"' || r == '\\':
		return '\''
	case r < ' ' || r > '~':
		return '?'
	}
	return r
}
