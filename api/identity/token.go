package identity

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// MaxTokenBytes is the length of the longest token that is read.
const MaxTokenBytes = 16 << 10

// Token is a token that was read but not verified.
type Token struct {
	// Issuer is the claim iss. It says which IdentityProvider verifies the token; until
	// then, nothing in the token may be believed.
	Issuer string

	signed *jose.JSONWebSignature
	claims map[string]any
}

// KeyID names the key that the token says it is signed with; empty when it says nothing.
func (t *Token) KeyID() string { return t.signed.Signatures[0].Protected.KeyID }

func (t *Token) algorithm() string { return t.signed.Signatures[0].Protected.Algorithm }

// IsToken reports whether a credential has the form of a token rather than of a key.
func IsToken(credential string) bool { return strings.Count(credential, ".") >= 2 }

// Parse reads a token. It only takes the compact form of a JWS, exactly as in RFC 7515,
// so that one token cannot be written in two ways. The error is an *Error.
func Parse(token string) (*Token, error) {
	if err := checkForm(token); err != nil {
		return nil, err
	}
	signed, err := jose.ParseSignedCompact(token, algorithms)
	var notAllowed *jose.ErrUnexpectedSignatureAlgorithm
	switch {
	case errors.As(err, &notAllowed):
		return nil, refuse(AlgorithmNotAllowed, "the token's signature algorithm is not allowed")
	case err != nil:
		return nil, refuse(Malformed, "the token's header is not that of a signed JSON Web Token (JWS)")
	}
	t := &Token{signed: signed}
	// This decoder is case-sensitive about names, and refuses duplicate ones.
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &t.claims); err != nil || t.claims == nil {
		return nil, refuse(Malformed, "the token's claims are no JSON object, or a name is repeated in them")
	}
	if t.Issuer, _ = t.claims["iss"].(string); t.Issuer == "" {
		return nil, refuse(Malformed, "the token has no claim iss")
	}
	return t, nil
}

// checkForm checks what a decoder might be lenient about.
func checkForm(token string) error {
	if len(token) > MaxTokenBytes {
		return refuse(Malformed, "the token is longer than %d bytes", MaxTokenBytes)
	}
	switch strings.Count(token, ".") {
	case 2:
	case 4:
		return refuse(Malformed, "the token is encrypted (JWE): send one that is signed (JWS)")
	default:
		return refuse(Malformed, "the token does not have the three parts of a JSON Web Token")
	}
	if strings.HasSuffix(token, ".") {
		return refuse(Malformed, "the token is not signed")
	}
	for part := range strings.SplitSeq(token, ".") {
		if !isStrictBase64(part) {
			return refuse(Malformed, "a part of the token is not base64url without padding")
		}
	}
	return nil
}

func isStrictBase64(part string) bool {
	// Even a strict decoder ignores line feeds and carriage returns.
	if part == "" || strings.ContainsAny(part, "\r\n") {
		return false
	}
	_, err := base64.RawURLEncoding.Strict().DecodeString(part)
	return err == nil
}
