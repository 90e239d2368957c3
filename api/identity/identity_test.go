package identity_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/hack/parts/issuer"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const (
	issuerURL = "https://issuer.example.com"
	audience  = "bursar"
)

// newKey is a key for tests.
func newKey(t testing.TB, id string, algorithm jose.SignatureAlgorithm) issuer.Key {
	t.Helper()
	key, err := issuer.NewKey(id, algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// document is an IdentityProvider with some keys, and a change.
func document(change func(*limiterv1.IdentityProvider), keys ...issuer.Key) limiterv1.IdentityProvider {
	d := limiterv1.IdentityProvider{
		Name: "company", Issuers: []string{issuerURL}, Audiences: []string{audience}, Algorithms: []string{"ES256", "RS256"},
		Keys: issuer.Set(keys...), Leeway: 60_000,
		Mappings: limiterv1.ClaimMappings{User: limiterv1.ClaimMapping{Claim: "sub"}},
	}
	if change != nil {
		change(&d)
	}
	return d
}

func compile(t testing.TB, d limiterv1.IdentityProvider) *identity.Issuer {
	t.Helper()
	compiled, err := identity.Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// claims are honest ones, with others that take their place; nil takes one away.
func claims(others map[string]any) map[string]any {
	all := map[string]any{
		"iss": issuerURL, "aud": audience, "sub": "ana", "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
		"email": "Ana@Example.com", "email_verified": true,
	}
	maps.Copy(all, others)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return all
}

func verify(t testing.TB, by *identity.Issuer, token string) (identity.Claims, identity.Reason) {
	t.Helper()
	parsed, err := identity.Parse(token)
	if err == nil {
		var c identity.Claims
		if c, err = by.Verify(parsed, now); err == nil {
			return c, ""
		}
		if c.User != "" || c.Subject != "" {
			t.Errorf("claims %+v beside the error %v", c, err)
		}
	}
	var why *identity.Error
	if !errors.As(err, &why) {
		t.Fatalf("got the error %T %v, want an *identity.Error", err, err)
	}
	if parts := strings.Split(token, "."); len(parts) == 3 && len(parts[2]) > 8 && strings.Contains(why.Message, parts[2]) {
		t.Errorf("the error has the token: %v", why)
	}
	return identity.Claims{}, why.Reason
}

func TestTimesAndAudiences(t *testing.T) {
	key := newKey(t, "k1", jose.ES256)
	by := compile(t, document(nil, key))
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for name, tc := range map[string]struct {
		claims map[string]any
		want   identity.Reason
	}{
		"as it should be":            {},
		"expired within the leeway":  {claims: map[string]any{"exp": at(-59 * time.Second)}},
		"expired":                    {claims: map[string]any{"exp": at(-60 * time.Second)}, want: identity.Expired},
		"no exp":                     {claims: map[string]any{"exp": nil}, want: identity.Malformed},
		"exp is a text":              {claims: map[string]any{"exp": fmt.Sprint(at(time.Hour))}, want: identity.Malformed},
		"exp is true":                {claims: map[string]any{"exp": true}, want: identity.Malformed},
		"exp is a list":              {claims: map[string]any{"exp": []int64{at(time.Hour)}}, want: identity.Malformed},
		"exp after the year 9999":    {claims: map[string]any{"exp": 1e15}, want: identity.Malformed},
		"exp overflows":              {claims: map[string]any{"exp": 1e300}, want: identity.Malformed},
		"exp below zero":             {claims: map[string]any{"exp": -1}, want: identity.Malformed},
		"exp with a fraction":        {claims: map[string]any{"exp": float64(at(0)) + 0.5}},
		"nbf within the leeway":      {claims: map[string]any{"nbf": at(60 * time.Second)}},
		"nbf in the future":          {claims: map[string]any{"nbf": at(61 * time.Second)}, want: identity.NotYetValid},
		"nbf is a text":              {claims: map[string]any{"nbf": "0"}, want: identity.Malformed},
		"iat in the future":          {claims: map[string]any{"iat": at(time.Hour)}, want: identity.NotYetValid},
		"iat far in the future":      {claims: map[string]any{"iat": 1e300}, want: identity.Malformed},
		"no iat":                     {claims: map[string]any{"iat": nil}},
		"another audience":           {claims: map[string]any{"aud": "console"}, want: identity.WrongAudience},
		"part of the audience":       {claims: map[string]any{"aud": "bursa"}, want: identity.WrongAudience},
		"the audience and more":      {claims: map[string]any{"aud": "bursar:anon"}, want: identity.WrongAudience},
		"the audience in capitals":   {claims: map[string]any{"aud": "BURSAR"}, want: identity.WrongAudience},
		"no audience":                {claims: map[string]any{"aud": nil}, want: identity.Malformed},
		"audience of no text":        {claims: map[string]any{"aud": map[string]any{"bursar": true}}, want: identity.Malformed},
		"audiences":                  {claims: map[string]any{"aud": []string{"console", "bursar"}}},
		"other audiences":            {claims: map[string]any{"aud": []string{"console", "grafana"}}, want: identity.WrongAudience},
		"audiences that are none":    {claims: map[string]any{"aud": []string{}}, want: identity.Malformed},
		"audiences with a list":      {claims: map[string]any{"aud": []any{[]string{"bursar"}}}, want: identity.Malformed},
		"audiences beside a number":  {claims: map[string]any{"aud": []any{"bursar", 1}}, want: identity.Malformed},
		"another issuer":             {claims: map[string]any{"iss": issuerURL + "/"}, want: identity.UnknownIssuer},
		"no issuer":                  {claims: map[string]any{"iss": nil}, want: identity.Malformed},
		"issuers":                    {claims: map[string]any{"iss": []string{issuerURL}}, want: identity.Malformed},
		"no subject":                 {claims: map[string]any{"sub": nil}, want: identity.Malformed},
		"a subject of control codes": {claims: map[string]any{"sub": "ana\n"}, want: identity.Malformed},
		"a subject that is a number": {claims: map[string]any{"sub": 7}, want: identity.Malformed},
		"a subject without end":      {claims: map[string]any{"sub": strings.Repeat("a", 257)}, want: identity.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			if _, got := verify(t, by, key.Sign(claims(tc.claims))); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestAlgorithms: every algorithm verifies, if the IdentityProvider has it, and only then.
func TestAlgorithms(t *testing.T) {
	for _, name := range identity.Algorithms() {
		key := newKey(t, "k1", jose.SignatureAlgorithm(name))
		allowed := compile(t, document(func(d *limiterv1.IdentityProvider) { d.Algorithms = []string{name} }, key))
		if _, got := verify(t, allowed, key.Sign(claims(nil))); got != "" {
			t.Errorf("%s: got %q, want a caller", name, got)
		}
		others := slices.DeleteFunc(identity.Algorithms(), func(other string) bool { return other == name })
		refused := compile(t, document(func(d *limiterv1.IdentityProvider) { d.Algorithms = others }, key))
		if _, got := verify(t, refused, key.Sign(claims(nil))); got != identity.AlgorithmNotAllowed {
			t.Errorf("%s among others: got %q, want %q", name, got, identity.AlgorithmNotAllowed)
		}
	}
}

func TestKeys(t *testing.T) {
	ec, rsa := newKey(t, "k1", jose.ES256), newKey(t, "k1", jose.RS256)
	elsewhere := newKey(t, "k1", jose.ES384)
	private, err := json.Marshal(map[string]any{"keys": []any{map[string]string{
		"kty": "EC", "crv": "P-256", "kid": "k", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
		"y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		set     string
		wantLen int
		wantErr string
	}{
		"two of one id":          {set: string(issuer.Set(ec, rsa)), wantLen: 2},
		"a curve of its own":     {set: string(issuer.Set(elsewhere)), wantLen: 1},
		"no JSON":                {set: "<html>", wantErr: "not a JWK set"},
		"no keys":                {set: `{"error":"no"}`, wantErr: `no member "keys"`},
		"an empty list":          {set: `{"keys":[]}`, wantErr: "no public key"},
		"a symmetric key":        {set: `{"keys":[{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}]}`, wantErr: "no public key"},
		"a kind to come":         {set: `{"keys":[{"kty":"LATTICE"}]}`, wantErr: "no public key"},
		"a private key":          {set: string(private), wantErr: "keys[0]: the key is private"},
		"too many":               {set: string(issuer.Set(slices.Repeat([]issuer.Key{ec}, 65)...)), wantErr: "more than"},
		"a key for encryption":   {set: strings.Replace(string(issuer.Set(ec)), `"sig"`, `"enc"`, 1), wantErr: "no public key"},
		"a key for other things": {set: strings.Replace(string(issuer.Set(ec)), `"use":"sig"`, `"key_ops":["deriveKey"]`, 1), wantErr: "no public key"},
		"too large":              {set: `{"keys":["` + strings.Repeat("x", identity.MaxKeySetBytes) + `"]}`, wantErr: "bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := identity.ParseKeys([]byte(tc.set))
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Errorf("got the error %v, want one with %q", err, tc.wantErr)
				}
				return
			}
			if err != nil || keys.Len() != tc.wantLen {
				t.Fatalf("got %v, %v; want %d keys", keys, err, tc.wantLen)
			}
			public, err := keys.Public()
			if again, errAgain := identity.ParseKeys(public); err != nil || errAgain != nil || again.Len() != tc.wantLen {
				t.Errorf("written again: %s, %v, %v", public, err, errAgain)
			}
		})
	}
}

// TestMappings: what tokens say becomes of the mappings and the rules what they say.
func TestMappings(t *testing.T) {
	key := newKey(t, "k1", jose.ES256)
	claim := func(name string) limiterv1.ClaimMapping { return limiterv1.ClaimMapping{Claim: name} }
	expression := func(source string) limiterv1.ClaimMapping { return limiterv1.ClaimMapping{Expression: source} }
	for name, tc := range map[string]struct {
		change func(*limiterv1.IdentityProvider)
		claims map[string]any
		want   identity.Claims
		reason identity.Reason
	}{
		"the least": {want: identity.Claims{User: "ana"}},
		"everything": {
			change: func(d *limiterv1.IdentityProvider) {
				d.Tenants = []string{"acme", "beta"}
				d.Mappings = limiterv1.ClaimMappings{
					User: claim("email"), Tenant: claim("orgs"), Tier: claim("role"), Admin: expression("'admins' in claims.groups"),
					Groups: claim("groups"), Labels: map[string]limiterv1.ClaimMapping{"cost-centre": expression("string(int(claims.cc))")},
				}
			},
			claims: map[string]any{"orgs": []string{"beta", "root", "acme", "beta"}, "role": "gerente", "groups": []string{"eng", "admins"}, "cc": 42},
			want: identity.Claims{
				User: "Ana@Example.com", Tenants: []string{"acme", "beta"}, Tier: "gerente", Admin: true, Groups: []string{"admins", "eng"},
				Labels: map[string]string{"cost-centre": "42"},
			},
		},
		"a ServiceAccount": {
			change: func(d *limiterv1.IdentityProvider) {
				d.AllTenants = true
				d.Mappings = limiterv1.ClaimMappings{
					User: expression("claims['kubernetes.io'].serviceaccount.name"), Tenant: expression("claims['kubernetes.io'].namespace"),
				}
			},
			claims: map[string]any{"kubernetes.io": map[string]any{"namespace": "acme", "serviceaccount": map[string]any{"name": "bot"}}},
			want:   identity.Claims{User: "bot", Tenants: []string{"acme"}},
		},
		"no such claim, for the user":            {change: func(d *limiterv1.IdentityProvider) { d.Mappings.User = claim("upn") }, reason: identity.Unmappable},
		"no such claim, for the tier":            {change: func(d *limiterv1.IdentityProvider) { d.Mappings.Tier = claim("role") }, want: identity.Claims{User: "ana"}},
		"an e-mail nobody has verified":          {change: func(d *limiterv1.IdentityProvider) { d.Mappings.User = claim("email") }, claims: map[string]any{"email_verified": false}, reason: identity.Unmappable},
		"one that its issuer calls so in a text": {change: func(d *limiterv1.IdentityProvider) { d.Mappings.User = claim("email") }, claims: map[string]any{"email_verified": "false"}, reason: identity.Unmappable},
		"one that is verified, said in a text": {
			change: func(d *limiterv1.IdentityProvider) { d.Mappings.User = claim("email") },
			claims: map[string]any{"email_verified": "true"}, want: identity.Claims{User: "Ana@Example.com"},
		},
		"no such claim, for an expression": {
			change: func(d *limiterv1.IdentityProvider) { d.Mappings.Tier = expression("claims.role") }, reason: identity.Unmappable,
		},
		"an optional claim that is absent": {
			change: func(d *limiterv1.IdentityProvider) { d.Mappings.Tier = expression("claims.?role") }, want: identity.Claims{User: "ana"},
		},
		"an optional claim that is there": {
			change: func(d *limiterv1.IdentityProvider) { d.Mappings.Tier = expression("claims.?role") }, claims: map[string]any{"role": "gerente"},
			want: identity.Claims{User: "ana", Tier: "gerente"},
		},
		"a user that can be none":        {claims: map[string]any{"sub": "auth0|ana"}, reason: identity.Unmappable},
		"a user that begins with a sign": {claims: map[string]any{"sub": "-ana"}, reason: identity.Unmappable},
		"a user without end":             {claims: map[string]any{"sub": strings.Repeat("a", 129)}, reason: identity.Unmappable},
		"a tier that can be none":        {change: func(d *limiterv1.IdentityProvider) { d.Mappings.Tier = claim("role") }, claims: map[string]any{"role": "Big Boss"}, reason: identity.Unmappable},
		"groups that are numbers":        {change: func(d *limiterv1.IdentityProvider) { d.Mappings.Groups = claim("groups") }, claims: map[string]any{"groups": []int{1}}, reason: identity.Unmappable},
		"more groups than allowed":       {change: func(d *limiterv1.IdentityProvider) { d.Mappings.Groups = claim("groups") }, claims: map[string]any{"groups": slices.Repeat([]string{"g"}, 1001)}, reason: identity.Unmappable},
		"an expression that costs too much": {
			change: func(d *limiterv1.IdentityProvider) {
				d.Mappings.User = expression("string(claims.a.split('').filter(x, claims.a.contains(x + 'q')).size())")
			},
			claims: map[string]any{"a": strings.Repeat("x", 10_000)}, reason: identity.Unmappable,
		},
		"a claim without a name is no user": {claims: map[string]any{"": "root"}, want: identity.Claims{User: "ana"}},
		"a rule that is fulfilled": {
			change: func(d *limiterv1.IdentityProvider) {
				d.ClaimRules = []limiterv1.ClaimRule{{Claim: "hd", RequiredValue: "example.com"}, {Claim: "email_verified", RequiredValue: "true"}, {Expression: "claims.sub != 'eve'"}}
				d.UserRules = []limiterv1.ClaimRule{{Expression: "!user.username.startsWith('system:')"}}
			},
			claims: map[string]any{"hd": "example.com"}, want: identity.Claims{User: "ana"},
		},
		"a rule for the user": {
			change: func(d *limiterv1.IdentityProvider) {
				d.UserRules = []limiterv1.ClaimRule{{Expression: "user.username != 'ana'"}}
			}, reason: identity.RuleNotFulfilled,
		},
		"a claim that must have another value": {
			change: func(d *limiterv1.IdentityProvider) {
				d.ClaimRules = []limiterv1.ClaimRule{{Claim: "hd", RequiredValue: "example.com"}}
			}, reason: identity.RuleNotFulfilled,
		},
		"a rule that cannot be evaluated": {
			change: func(d *limiterv1.IdentityProvider) {
				d.ClaimRules = []limiterv1.ClaimRule{{Expression: "claims.hd == 'example.com'"}}
			}, reason: identity.RuleNotFulfilled,
		},
		"a tenant that is not the IdentityProvider's": {
			change: func(d *limiterv1.IdentityProvider) { d.Tenants, d.Mappings.Tenant = []string{"acme"}, claim("org") },
			claims: map[string]any{"org": "beta"}, want: identity.Claims{User: "ana"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, reason := verify(t, compile(t, document(tc.change, key)), key.Sign(claims(tc.claims)))
			if reason != tc.reason {
				t.Fatalf("got %q, want %q", reason, tc.reason)
			}
			if reason != "" {
				return
			}
			tc.want.Provider, tc.want.Issuer, tc.want.Subject, tc.want.Until = "company", issuerURL, "ana", now.Add(11*time.Minute)
			if tc.want.Email = "ana@example.com"; tc.claims["email_verified"] != nil {
				tc.want.Email = ""
			}
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", tc.want) && !got.Until.Equal(tc.want.Until) {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
			got.Until, tc.want.Until = time.Time{}, time.Time{}
			if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", tc.want); g != w {
				t.Errorf("got  %s\nwant %s", g, w)
			}
		})
	}
}

// TestCompile: what is wrong is said by field and expression, all at once.
func TestCompile(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*limiterv1.IdentityProvider)
		want   []string
	}{
		"no issuer, audience, algorithm": {
			func(d *limiterv1.IdentityProvider) { d.Issuers, d.Audiences, d.Algorithms = nil, []string{""}, nil },
			[]string{"issuer.url: ", "issuer.audiences: ", "algorithms: "},
		},
		"algorithms that are none or symmetric": {
			func(d *limiterv1.IdentityProvider) { d.Algorithms = []string{"ES256", "none", "HS256"} },
			[]string{`algorithms[1]: "none" is not one of`, `algorithms[2]: "HS256" is not one of`},
		},
		"keys that are none": {func(d *limiterv1.IdentityProvider) { d.Keys = json.RawMessage(`{"keys":[]}`) }, []string{"issuer.jwks: the JWK set has no public key"}},
		"expressions": {
			func(d *limiterv1.IdentityProvider) {
				d.Mappings.User.Claim, d.Mappings.User.Expression = "", "claims."
				d.Mappings.Tier.Expression = "1"
				d.Mappings.Tenant.Expression = "claims.a.map(x, claims.b.map(y, claims.c.map(z, x+y+z)))[0][0][0]"
				d.Mappings.Admin.Expression = strings.Repeat(" ", 4097)
				d.ClaimRules = []limiterv1.ClaimRule{{}, {Expression: "claims.sub"}, {Expression: "'x'"}}
				d.UserRules = []limiterv1.ClaimRule{{Expression: "user.nome == 'x'"}}
			},
			[]string{
				`claimMappings.user.expression: expression "claims.": line 1, column 8: Syntax error`, `claimMappings.tier.expression: expression "1": its value is of the type int, not string`,
				`claimMappings.tenant.expression: `, `more than the limit of 1000000`, `claimMappings.admin.expression: `,
				`claimValidationRules[0]: must have either claim or expression`, `claimValidationRules[2].expression: expression "'x'": its value is of the type string, not bool`,
				`userValidationRules[0].expression: expression "user.nome == 'x'": line 1, column 5: undefined field 'nome'`,
			},
		},
		"an e-mail address that nobody has verified": {
			func(d *limiterv1.IdentityProvider) {
				d.Mappings.User = limiterv1.ClaimMapping{Expression: "'oidc:' + claims.email"}
			},
			[]string{`claimMappings.user.expression: expression "'oidc:' + claims.email": it uses claims.email, so it or`},
		},
		"an e-mail address that a rule wants verified": {
			func(d *limiterv1.IdentityProvider) {
				d.Mappings.User = limiterv1.ClaimMapping{Expression: "claims['email']"}
				d.ClaimRules = []limiterv1.ClaimRule{{Expression: "claims.?email_verified.orValue(false) == true"}}
			}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := identity.Compile(document(tc.change, newKey(t, "k1", jose.ES256)))
			if len(tc.want) == 0 && err != nil {
				t.Fatal(err)
			}
			for _, want := range tc.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got the error %v\nwant one with %q", err, want)
				}
			}
			var field *identity.FieldError
			if err != nil && !errors.As(err, &field) {
				t.Errorf("got %T, want it to join *FieldErrors", err)
			}
		})
	}
}

// TestParsing: a token is written in one way, and read in one.
func TestParsing(t *testing.T) {
	key := newKey(t, "k1", jose.ES256)
	by := compile(t, document(nil, key))
	token := key.Sign(claims(nil))
	parts := strings.Split(token, ".")
	if _, got := verify(t, by, token); got != "" {
		t.Fatalf("the honest one: %s", got)
	}
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", parts[2][85])
	other := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last^1]
	for name, variant := range map[string]string{
		"padding":              token + "==",
		"unused bits set":      token[:len(token)-1] + string(other),
		"a line feed":          token[:50] + "\n" + token[50:],
		"a blank":              token[:50] + " " + token[50:],
		"a leading blank":      " " + token,
		"a fourth part":        token + ".AAAA",
		"an empty signature":   parts[0] + "." + parts[1] + ".",
		"no signature":         parts[0] + "." + parts[1],
		"no header":            "." + parts[1] + "." + parts[2],
		"no payload":           parts[0] + ".." + parts[2],
		"the standard's other": strings.NewReplacer("-", "+", "_", "/").Replace(token) + "+",
		"percent signs":        strings.ReplaceAll(token, ".", "%2E") + "..",
		"JSON":                 `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}..`,
		"five parts":           parts[0] + "." + parts[1] + "." + parts[2] + "." + parts[1] + "." + parts[2],
		"twice":                token + token,
		"DER":                  parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString([]byte{0x30, 6, 2, 1, 1, 2, 1, 1}),
		"a signature of zeros": parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
	} {
		if _, got := verify(t, by, variant); got != identity.Malformed && got != identity.BadSignature {
			t.Errorf("%s: got %q, want it refused", name, got)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, algorithm := range []jose.SignatureAlgorithm{jose.ES256, jose.RS256} {
		key := newKey(b, "k1", algorithm)
		by, token := compile(b, document(nil, key)), key.Sign(claims(nil))
		b.Run(string(algorithm), func(b *testing.B) {
			for b.Loop() {
				parsed, err := identity.Parse(token)
				if err == nil {
					_, err = by.Verify(parsed, now)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
