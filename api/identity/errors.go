package identity

import (
	"fmt"
	"time"
)

// FieldError is what is wrong with a field of an IdentityProvider.
type FieldError struct {
	// Field is the path of the field in the spec, such as "claimMappings.user.expression".
	Field string
	// Expression is the CEL expression in the field; empty if it has none.
	Expression string
	Err        error
}

func (e *FieldError) Error() string {
	if e.Expression == "" {
		return fmt.Sprintf("%s: %v", e.Field, e.Err)
	}
	return fmt.Sprintf("%s: expression %q: %v", e.Field, e.Expression, e.Err)
}

func (e *FieldError) Unwrap() error { return e.Err }

// Reason is why a token does not identify a caller.
type Reason string

// The reasons. From Expired on, the signature of the token was verified.
const (
	// Malformed: it is not a signed JSON Web Token (RFC 7519), or it lacks a claim that
	// every token must have.
	Malformed Reason = "Malformed"
	// AlgorithmNotAllowed: it is signed in a way that the IdentityProvider does not allow.
	AlgorithmNotAllowed Reason = "AlgorithmNotAllowed"
	// UnknownIssuer: no IdentityProvider has its issuer.
	UnknownIssuer Reason = "UnknownIssuer"
	// UnknownKey: the key that it names is not known to be the issuer's.
	UnknownKey Reason = "UnknownKey"
	// BadSignature: it was not signed with the key that it names.
	BadSignature Reason = "BadSignature"
	Expired      Reason = "Expired"
	NotYetValid  Reason = "NotYetValid"
	// WrongAudience: it was issued for another audience.
	WrongAudience Reason = "WrongAudience"
	// RuleNotFulfilled: a rule of the IdentityProvider refuses it.
	RuleNotFulfilled Reason = "RuleNotFulfilled"
	// Unmappable: its claims do not say who the caller is.
	Unmappable Reason = "Unmappable"
)

// Error is why a token does not identify a caller.
type Error struct {
	Reason Reason
	// Message is for the caller: a sentence without its capital and its full stop.
	Message string
	// At is when the token expired, for Expired, and when it becomes valid, for NotYetValid.
	At time.Time
}

func (e *Error) Error() string { return e.Message }

func refuse(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...)}
}
