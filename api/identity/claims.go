package identity

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

const (
	// MaxNameBytes is the length of the longest user, subject, group or label.
	MaxNameBytes = 256
	// MaxGroups is how many groups the claims of a token may give, for Memberships to select by.
	MaxGroups = 1000
	// MaxCallerGroups is how many groups a caller may be in within a tenant, because limits check
	// each of them for every call, and the ledger records them with every call.
	MaxCallerGroups = 64
	// MaxTenants is how many tenants the claims of a token may name.
	MaxTenants = 1000
)

// Claims are what a verified token says. They must not be changed.
type Claims struct {
	// Provider is the name of the IdentityProvider, and Issuer the claim iss.
	Provider, Issuer string
	// Subject is the claim sub.
	Subject string
	// Email is the claim email as LowerEmail writes it; empty unless email_verified is true.
	Email string
	// User is the user whose calls limits count, unless a Membership names another.
	User string
	// Tenants are the tenants that the token names, of those that its IdentityProvider lets it
	// name.
	Tenants []string
	// Tier is the tier, unless a Membership gives another; it may be empty.
	Tier string
	// Admin is whether the caller administers Tenants.
	Admin bool
	// Groups are sorted, and each is there once.
	Groups []string
	Labels map[string]string
	// Until is when the token expires, with the leeway.
	Until time.Time
}

func (c Claims) user() userValue {
	return userValue{Username: c.User, Tenants: c.Tenants, Tier: c.Tier, Admin: c.Admin, Groups: c.Groups, Labels: c.Labels}
}

// LowerEmail is an e-mail address in the form in which Memberships and tokens are compared: lower
// case, and ASCII only, because the lower case of some other letters is an ASCII letter.
func LowerEmail(email string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, email)
}

// allowed are those of the tenants that the IdentityProvider's tokens may name, once each.
func (i *Issuer) allowed(tenants []string) []string {
	tenants = slices.DeleteFunc(slices.Clone(tenants), func(tenant string) bool {
		return !i.document.AllTenants && !i.isTenants[tenant]
	})
	slices.Sort(tenants)
	return slices.Compact(tenants)
}

// mapping is a ClaimMapping that was compiled.
type mapping struct {
	field string
	limiterv1.ClaimMapping
	expression *expression
}

type mappings struct {
	user, tenant, tier, admin, groups mapping
	labels                            map[string]mapping
}

func compileMappings(m limiterv1.ClaimMappings) (compiled mappings, problems []error) {
	compile := func(name string, m limiterv1.ClaimMapping, want ...*cel.Type) mapping {
		c, err := compileMapping("claimMappings."+name, m, want...)
		if err != nil {
			problems = append(problems, err)
		}
		return c
	}
	list := cel.ListType(cel.StringType)
	compiled = mappings{
		user:   compile("user", m.User, cel.StringType),
		tenant: compile("tenant", m.Tenant, cel.StringType, list),
		tier:   compile("tier", m.Tier, cel.StringType),
		admin:  compile("admin", m.Admin, cel.BoolType),
		groups: compile("groups", m.Groups, cel.StringType, list),
		labels: map[string]mapping{},
	}
	for name, label := range m.Labels {
		compiled.labels[name] = compile("labels["+name+"]", label, cel.StringType)
	}
	if m.User == (limiterv1.ClaimMapping{}) {
		problems = append(problems, &FieldError{Field: "claimMappings.user", Err: errors.New("must have either claim or expression")})
	}
	return compiled, problems
}

func compileMapping(field string, m limiterv1.ClaimMapping, want ...*cel.Type) (mapping, error) {
	compiled := mapping{field: field, ClaimMapping: m}
	if m.Claim != "" && m.Expression != "" {
		return compiled, &FieldError{Field: field, Err: errors.New("must not have both claim and expression")}
	}
	if m.Expression == "" {
		return compiled, nil
	}
	var err error
	if compiled.expression, err = compileExpression(claimsEnvironment(), m.Expression, want...); err != nil {
		return compiled, &FieldError{Field: field + ".expression", Expression: m.Expression, Err: err}
	}
	return compiled, nil
}

// claims maps the claims of a token.
func (m *mappings) claims(token map[string]any) (c Claims, err error) {
	subject, _ := token["sub"].(string)
	if !isName(subject) {
		return c, refuse(Malformed, "the token has no claim sub of 1 to %d bytes of printable text", MaxNameBytes)
	}
	c.Subject = subject
	if email, _ := token["email"].(string); token[emailVerified] == true && isName(email) {
		c.Email = LowerEmail(email)
	}
	if c.User, err = m.userOf(token); err != nil {
		return c, err
	}
	if c.Tenants, err = m.tenant.list(token, MaxTenants); err != nil {
		return c, err
	}
	if c.Tier, err = m.tierOf(token); err != nil {
		return c, err
	}
	if c.Admin, err = m.admin.bool(token); err != nil {
		return c, err
	}
	if c.Groups, err = m.groups.list(token, MaxGroups); err != nil {
		return c, err
	}
	c.Labels, err = m.labelsOf(token)
	return c, err
}

func (m *mappings) userOf(token map[string]any) (string, error) {
	if m.user.Claim == "email" && !mayBeVerified(token) {
		return "", m.user.refusal("is an e-mail address that is not verified")
	}
	name, err := m.user.text(token)
	switch {
	case err != nil:
		return "", err
	case name == "":
		return "", m.user.refusal("gives nothing")
	case !IsUser(name):
		return "", m.user.refusal("gives no valid user name: at most 128 letters, digits and . _ @ + -, the first a letter or a digit")
	}
	return name, nil
}

// IsUser reports whether a text can be the name of a user, as an APIKey has it: of ASCII
// alone, so that no two names look alike.
func IsUser(name string) bool { return user.MatchString(name) }

// IsGroup reports whether a text can be the name of a group in an APIKey or a Membership.
func IsGroup(name string) bool { return group.MatchString(name) }

// group is what the name of such a group looks like.
var group = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)

// mayBeVerified reports whether a token does not deny that its e-mail address is verified. Some
// issuers do not say, and some say true and false as strings.
func mayBeVerified(token map[string]any) bool {
	said, says := token[emailVerified]
	text, _ := scalar(said)
	return !says || text == "true"
}

// user is what the name of a user looks like, as in an APIKey.
var user = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$`)

// tier is what the name of a tier looks like.
var tier = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

func (m *mappings) tierOf(token map[string]any) (string, error) {
	name, err := m.tier.text(token)
	if err == nil && name != "" && !tier.MatchString(name) {
		err = m.tier.refusal("gives no valid tier: at most 63 lowercase letters, digits and -, the first and the last no -")
	}
	return name, err
}

func (m *mappings) labelsOf(token map[string]any) (labels map[string]string, err error) {
	for name, mapping := range m.labels {
		value, err := mapping.text(token)
		if err != nil {
			return nil, err
		}
		if value == "" {
			continue
		}
		if labels == nil {
			labels = make(map[string]string, len(m.labels))
		}
		labels[name] = value
	}
	return labels, nil
}

func (m *mapping) refusal(what string) error {
	return refuse(Unmappable, "for this token, %s of the IdentityProvider %s", m.field, what)
}

// value is the value of the mapping, as encoding/json decodes it; nil for none.
func (m *mapping) value(token map[string]any) (any, error) {
	switch {
	case m.Claim != "":
		return token[m.Claim], nil
	case m.expression == nil:
		return nil, nil
	}
	result, err := m.expression.run(claimsVariable, token)
	if err != nil {
		return nil, m.refusal("cannot be evaluated")
	}
	switch result.Type() {
	case types.NullType:
		return nil, nil
	case types.ListType:
		texts, err := result.ConvertToNative(reflect.TypeFor[[]string]())
		if err != nil {
			return nil, m.refusal("gives a list that has not only strings")
		}
		return texts, nil
	}
	return result.Value(), nil
}

// text is the text that the mapping yields; empty for none.
func (m *mapping) text(token map[string]any) (string, error) {
	value, err := m.value(token)
	if err != nil || value == nil {
		return "", err
	}
	text, ok := value.(string)
	if !ok || text != "" && !isName(text) {
		return "", m.refusal(fmt.Sprintf("gives no string of 1 to %d printable bytes", MaxNameBytes))
	}
	return text, nil
}

// list is the texts that the mapping yields, sorted, once each.
func (m *mapping) list(token map[string]any, most int) ([]string, error) {
	value, err := m.value(token)
	if err != nil {
		return nil, err
	}
	texts, ok := stringsOf(value)
	if !ok || len(texts) > most || slices.ContainsFunc(texts, func(text string) bool { return !isName(text) }) {
		return nil, m.refusal(fmt.Sprintf("gives no list of at most %d strings of 1 to %d printable bytes", most, MaxNameBytes))
	}
	texts = slices.Clone(texts)
	slices.Sort(texts)
	return slices.Compact(texts), nil
}

func (m *mapping) bool(token map[string]any) (bool, error) {
	value, err := m.value(token)
	if err != nil || value == nil {
		return false, err
	}
	truth, ok := value.(bool)
	if !ok {
		return false, m.refusal("gives neither true nor false")
	}
	return truth, nil
}

// isName reports whether a text can be a name in counters and in the ledger.
func isName(text string) bool {
	return text != "" && len(text) <= MaxNameBytes && utf8.ValidString(text) &&
		!strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}
