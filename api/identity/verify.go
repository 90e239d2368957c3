package identity

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// maxTime is the last moment that a claim may name: the end of the year 9999.
const maxTime = 253402300799

// Verify is what a token says, if it is one of the IdentityProvider's and valid at a
// moment. The error is an *Error.
func (i *Issuer) Verify(t *Token, now time.Time) (Claims, error) {
	if !slices.Contains(i.document.Issuers, t.Issuer) {
		return Claims{}, refuse(UnknownIssuer, "the token is of an unknown issuer")
	}
	if err := i.verifySignature(t); err != nil {
		return Claims{}, err
	}
	until, err := i.checkTimes(t, now)
	if err != nil {
		return Claims{}, err
	}
	if err := i.checkAudience(t); err != nil {
		return Claims{}, err
	}
	for _, r := range i.claims {
		if err := r.check(claimsVariable, t.claims); err != nil {
			return Claims{}, err
		}
	}
	claims, err := i.mapped.claims(t.claims)
	if err != nil {
		return Claims{}, err
	}
	claims.Provider, claims.Issuer, claims.Until = i.Name(), t.Issuer, until
	claims.Tenants = i.allowed(claims.Tenants)
	user := claims.user()
	for _, r := range i.users {
		if err := r.check(userVariable, user); err != nil {
			return Claims{}, err
		}
	}
	return claims, nil
}

func (i *Issuer) verifySignature(t *Token) error {
	if !slices.Contains(i.document.Algorithms, t.algorithm()) {
		return refuse(AlgorithmNotAllowed, "the token's signature algorithm is not allowed")
	}
	keys := i.keys.find(t.KeyID(), t.algorithm())
	if len(keys) == 0 {
		return refuse(UnknownKey, "the token is signed with an unknown key")
	}
	for _, key := range keys {
		if _, err := t.signed.Verify(key.Key); err == nil {
			return nil
		}
	}
	return refuse(BadSignature, "the token's signature is wrong")
}

// checkTimes checks when a token is valid, and returns until when it is.
func (i *Issuer) checkTimes(t *Token, now time.Time) (until time.Time, err error) {
	leeway := i.document.Leeway.Std()
	expires, ok := t.time("exp")
	if !ok {
		return until, refuse(Malformed, "the token's claim exp is missing, or not a time")
	}
	if until = expires.Add(leeway); !now.Before(until) {
		return until, &Error{Reason: Expired, At: expires, Message: "the token expired at " + format(expires)}
	}
	for _, name := range []string{"nbf", "iat"} {
		if _, has := t.claims[name]; !has {
			continue
		}
		from, ok := t.time(name)
		if !ok {
			return until, refuse(Malformed, "the token's claim %s is not a time", name)
		}
		if now.Before(from.Add(-leeway)) {
			return until, &Error{Reason: NotYetValid, At: from, Message: "the token is not valid before " + format(from)}
		}
	}
	return until, nil
}

func format(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// time is a claim that is a NumericDate (RFC 7519, 2).
func (t *Token) time(name string) (time.Time, bool) {
	seconds, ok := t.claims[name].(float64)
	if !ok || seconds < 0 || seconds > maxTime {
		return time.Time{}, false
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*float64(time.Second))), true
}

func (i *Issuer) checkAudience(t *Token) error {
	audiences, ok := stringsOf(t.claims["aud"])
	if !ok || len(audiences) == 0 {
		return refuse(Malformed, "the token's claim aud is missing, or neither a string nor a list of strings")
	}
	for _, audience := range audiences {
		if slices.Contains(i.document.Audiences, audience) {
			return nil
		}
	}
	return refuse(WrongAudience, "the token is for another audience")
}

// stringsOf is a text, or a list of nothing but texts.
func stringsOf(value any) (texts []string, ok bool) {
	switch v := value.(type) {
	case nil:
		return nil, true
	case string:
		return []string{v}, true
	case []string:
		return v, true
	case []any:
		for _, element := range v {
			text, ok := element.(string)
			if !ok {
				return nil, false
			}
			texts = append(texts, text)
		}
		return texts, true
	}
	return nil, false
}

// check checks that the rule is fulfilled.
func (r rule) check(variable string, value any) error {
	if r.expression != nil {
		isTrue, err := r.expression.isTrue(variable, value)
		switch {
		case err != nil:
			return refuse(RuleNotFulfilled, "%s of the IdentityProvider cannot be evaluated for this token", r.field)
		case !isTrue:
			return r.refusal()
		}
		return nil
	}
	claims, _ := value.(map[string]any)
	if text, ok := scalar(claims[r.Claim]); ok && text == r.RequiredValue {
		return nil
	}
	return r.refusal()
}

func (r rule) refusal() error {
	if r.Message != "" {
		return refuse(RuleNotFulfilled, "%s", r.Message)
	}
	return refuse(RuleNotFulfilled, "the token does not meet %s of the IdentityProvider", r.field)
}

// scalar is a claim in the form of a requiredValue.
func scalar(value any) (text string, ok bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}
