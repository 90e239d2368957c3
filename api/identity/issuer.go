package identity

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/cel-go/cel"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// maxLeeway is the largest leeway.
const maxLeeway = 5 * time.Minute

// Issuer verifies tokens by an IdentityProvider. Its methods are safe for concurrent use.
type Issuer struct {
	document  limiterv1.IdentityProvider
	keys      *Keys
	claims    []rule
	users     []rule
	mapped    mappings
	isTenants map[string]bool
}

// Name is the name of the IdentityProvider.
func (i *Issuer) Name() string { return i.document.Name }

// Issuers are what the claim iss of its tokens may be.
func (i *Issuer) Issuers() []string { return i.document.Issuers }

// KeysAt is when its keys were fetched.
func (i *Issuer) KeysAt() time.Time { return i.document.KeysAt }

// HasKeys reports whether it has any key to verify tokens with.
func (i *Issuer) HasKeys() bool { return i.keys.Len() > 0 }

// Compile compiles an IdentityProvider. The error joins a *FieldError for each thing that
// is wrong.
func Compile(document limiterv1.IdentityProvider) (*Issuer, error) {
	issuer := &Issuer{document: document, keys: &Keys{}, isTenants: map[string]bool{}}
	for _, tenant := range document.Tenants {
		issuer.isTenants[tenant] = true
	}
	problems := checkIssuer(document)
	if len(document.Keys) > 0 {
		keys, err := ParseKeys(document.Keys)
		if err != nil {
			problems = append(problems, &FieldError{Field: "issuer.jwks", Err: err})
		} else {
			issuer.keys = keys
		}
	}
	var found []error
	issuer.claims, found = compileRules("claimValidationRules", claimsEnvironment(), document.ClaimRules)
	problems = append(problems, found...)
	issuer.users, found = compileRules("userValidationRules", userEnvironment(), document.UserRules)
	problems = append(problems, found...)
	issuer.mapped, found = compileMappings(document.Mappings)
	problems = append(problems, found...)
	problems = append(problems, issuer.checkEmail()...)
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return issuer, nil
}

func checkIssuer(document limiterv1.IdentityProvider) (problems []error) {
	if len(document.Issuers) == 0 || slices.Contains(document.Issuers, "") {
		problems = append(problems, &FieldError{Field: "issuer.url", Err: errors.New("must not be empty")})
	}
	if len(document.Audiences) == 0 || slices.Contains(document.Audiences, "") {
		problems = append(problems, &FieldError{Field: "issuer.audiences", Err: errors.New("must name at least one audience, and none that is empty")})
	}
	if len(document.Algorithms) == 0 {
		problems = append(problems, &FieldError{Field: "algorithms", Err: errors.New("must name at least one algorithm")})
	}
	for i, algorithm := range document.Algorithms {
		if !slices.Contains(Algorithms(), algorithm) {
			problems = append(problems, &FieldError{Field: fmt.Sprintf("algorithms[%d]", i),
				Err: fmt.Errorf("%q is not one of %q", algorithm, Algorithms())})
		}
	}
	if leeway := document.Leeway.Std(); leeway < 0 || leeway > maxLeeway {
		problems = append(problems, &FieldError{Field: "leeway", Err: fmt.Errorf("must be from 0s to %s", maxLeeway)})
	}
	return problems
}

// rule is a compiled condition.
type rule struct {
	field string
	limiterv1.ClaimRule
	expression *expression
}

func compileRules(field string, environment *cel.Env, rules []limiterv1.ClaimRule) (compiled []rule, problems []error) {
	for i, r := range rules {
		c := rule{field: fmt.Sprintf("%s[%d]", field, i), ClaimRule: r}
		switch {
		case (r.Claim == "") == (r.Expression == ""):
			problems = append(problems, &FieldError{Field: c.field, Err: errors.New("must have either claim or expression")})
		case r.Expression != "":
			var err error
			if c.expression, err = compileExpression(environment, r.Expression, cel.BoolType); err != nil {
				problems = append(problems, &FieldError{Field: c.field + ".expression", Expression: r.Expression, Err: err})
			}
		}
		compiled = append(compiled, c)
	}
	return compiled, problems
}

// checkEmail refuses expressions that take an unverified e-mail address for the user:
// anybody who can choose their address at the issuer could be any user.
func (i *Issuer) checkEmail() []error {
	user := i.mapped.user
	if user.expression == nil || !user.expression.claims["email"] || user.expression.claims[emailVerified] {
		return nil
	}
	for _, r := range i.claims {
		if r.Claim == emailVerified || r.expression != nil && r.expression.claims[emailVerified] {
			return nil
		}
	}
	return []error{&FieldError{Field: "claimMappings.user.expression", Expression: i.document.Mappings.User.Expression,
		Err: fmt.Errorf("it uses claims.email, so it or an expression of claimValidationRules must use claims.%s", emailVerified)}}
}

const emailVerified = "email_verified"
