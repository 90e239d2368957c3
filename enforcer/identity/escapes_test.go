package identity_test

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	apiidentity "github.com/bursar-dev/bursar/api/identity"
	"github.com/bursar-dev/bursar/api/identity/identify"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/identity"
	"github.com/bursar-dev/bursar/enforcer/protocol"
	"github.com/bursar-dev/bursar/hack/parts/issuer"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// border is two tenants, acme and evil. Both have members of the IdentityProvider shared,
// and evil has one of its own, which signs whatever it wants.
type border struct {
	*identity.Identifier
	people  *people
	signers map[string]issuer.Key // by the claim iss
}

const (
	sharedIssuer, evilIssuer = "https://shared.example.com", "https://evil.example.com"
	evilKey                  = "key-of-evil"
)

func newBorder(t *testing.T) *border {
	t.Helper()
	b := &border{signers: map[string]issuer.Key{}, people: &people{
		members: apiidentity.NewDirectory(),
		credentials: map[[sha256.Size]byte][]limiterv1.Credential{
			sha256.Sum256([]byte(evilKey)): {{Name: "evil/key", Tenant: "evil", User: "mallory", Tier: "boss"}},
		},
	}}
	b.trust(t, "shared", sharedIssuer)
	b.trust(t, "evil", evilIssuer, "evil")
	b.people.members.Put(limiterv1.Members{Name: "acme/people", Tenant: "acme", Provider: "shared", Members: []limiterv1.Member{
		{Subject: "acme|ana"}, {Email: "kate@acme.example"}, {Group: "acme/staff"},
	}})
	b.people.members.Put(limiterv1.Members{Name: "evil/people", Tenant: "evil", Provider: "shared", Members: []limiterv1.Member{
		{Subject: "evil|mallory", User: "acme|ana", Groups: []string{"acme/staff"}, Admin: true, Default: true},
	}})
	b.Identifier = identity.NewIdentifier(identity.Options{Config: b.people, Protocols: protocol.Protocols()})
	return b
}

// trust has an IdentityProvider's tokens accepted, which may name some tenants.
func (b *border) trust(t *testing.T, name, iss string, tenants ...string) {
	t.Helper()
	key, err := issuer.NewKey("key-of-"+name, jose.ES256)
	testkit.Must(t, err)
	compiled, err := apiidentity.Compile(limiterv1.IdentityProvider{
		Name: name, Issuers: []string{iss}, Audiences: []string{"bursar"}, Algorithms: []string{"ES256"}, Keys: issuer.Set(key), Tenants: tenants,
		Mappings: limiterv1.ClaimMappings{
			User: limiterv1.ClaimMapping{Expression: "'user'"}, Tenant: limiterv1.ClaimMapping{Claim: "tenant"},
			Groups: limiterv1.ClaimMapping{Claim: "groups"}, Admin: limiterv1.ClaimMapping{Claim: "admin"},
		},
	})
	testkit.Must(t, err)
	b.signers[iss] = key
	b.people.issuers.Store(iss, &identify.Issuer{Issuer: compiled})
}

// by are claims that an issuer signs.
func (b *border) by(iss string, claims map[string]any) string {
	all := map[string]any{"iss": iss, "aud": "bursar", "sub": "evil|mallory", "exp": time.Now().Add(time.Hour).Unix()}
	for name, value := range claims {
		all[name] = value
	}
	return b.signers[iss].Sign(all)
}

// TestTenantEscapes: whatever evil's people have signed, and whatever they ask for, acme is
// not charged. Together with what a Membership may not name, these are the escapes that
// were thought of.
func TestTenantEscapes(t *testing.T) {
	b := newBorder(t)
	mallory := b.by(sharedIssuer, nil)
	type request struct {
		token, key string
		header     http.Header
		query      url.Values
	}
	asking := func(tenants ...string) http.Header { return http.Header{identify.TenantHeader: tenants} }
	of := func(iss string, claims map[string]any) request { return request{token: b.by(iss, claims)} }
	escapes := map[string]request{
		// Of an IdentityProvider of one's own, which says of anybody that they have signed in.
		"another's subject":                 of(evilIssuer, map[string]any{"sub": "acme|ana"}),
		"another's e-mail address":          of(evilIssuer, map[string]any{"email": "kate@acme.example", "email_verified": true}),
		"another's group":                   of(evilIssuer, map[string]any{"groups": []string{"acme/staff"}}),
		"another tenant":                    of(evilIssuer, map[string]any{"tenant": "acme"}),
		"another tenant among its own":      of(evilIssuer, map[string]any{"tenant": []string{"evil", "acme"}}),
		"all tenants":                       of(evilIssuer, map[string]any{"tenant": "*"}),
		"another tenant in capitals":        of(evilIssuer, map[string]any{"tenant": "ACME"}),
		"a list within a list":              of(evilIssuer, map[string]any{"tenant": []any{[]string{"acme"}}}),
		"an object":                         of(evilIssuer, map[string]any{"tenant": map[string]any{"acme": true}}),
		"the administrator of another":      of(evilIssuer, map[string]any{"tenant": "acme", "admin": true}),
		"another's issuer":                  {token: b.signers[evilIssuer].Sign(map[string]any{"iss": sharedIssuer, "aud": "bursar", "sub": "acme|ana", "exp": 9e9})},
		"two issuers":                       of(evilIssuer, map[string]any{"iss": []string{evilIssuer, sharedIssuer}, "sub": "acme|ana"}),
		"its own tenant, and asks for acme": {token: b.by(evilIssuer, map[string]any{"tenant": "evil"}), header: asking("acme")},
		// Of the one that both have members of.
		"an address that is not verified":          of(sharedIssuer, map[string]any{"email": "kate@acme.example", "email_verified": false}),
		"an address of which nothing is said":      of(sharedIssuer, map[string]any{"email": "kate@acme.example"}),
		"an address that is verified in a text":    of(sharedIssuer, map[string]any{"email": "kate@acme.example", "email_verified": "true"}),
		"an address that is verified by a number":  of(sharedIssuer, map[string]any{"email": "kate@acme.example", "email_verified": 1}),
		"an address that looks like another":       of(sharedIssuer, map[string]any{"email": "\u212aate@acme.example", "email_verified": true}),
		"an address with another behind it":        of(sharedIssuer, map[string]any{"email": "kate@acme.example@evil.example", "email_verified": true}),
		"a group that begins like another":         of(sharedIssuer, map[string]any{"groups": []string{"acme/staff2", "acme/", "acme/*", "*"}}),
		"groups in a text":                         of(sharedIssuer, map[string]any{"groups": "acme/staff,evil/staff"}),
		"a subject with a blank":                   of(sharedIssuer, map[string]any{"sub": "acme|ana "}),
		"a tenant where none may be named":         of(sharedIssuer, map[string]any{"tenant": "acme"}),
		"a user and groups of another's name":      {token: mallory}, // evil's Membership gives them
		"asks for acme":                            {token: mallory, header: asking("acme")},
		"asks for acme and evil":                   {token: mallory, header: asking("evil", "acme")},
		"asks for both in one":                     {token: mallory, header: asking("evil,acme")},
		"asks for acme in a query":                 {token: mallory, query: url.Values{identify.TenantParameter: {"acme"}}},
		"asks for evil, and for acme in a query":   {token: mallory, header: asking("evil"), query: url.Values{identify.TenantParameter: {"acme"}}},
		"with a key asks for acme":                 {key: evilKey, header: asking("acme")},
		"with a key and a token of another's user": {key: evilKey, token: b.by(evilIssuer, map[string]any{"sub": "acme|ana", "tenant": "acme"})},
	}
	const byMembership = 22 // controllers/setup: names nobody whom its namespace may not
	if len(escapes)+byMembership < 40 {
		t.Errorf("%d escapes, want 40", len(escapes)+byMembership)
	}
	for name, r := range escapes {
		header := r.header.Clone()
		if header == nil {
			header = http.Header{}
		}
		if r.token != "" {
			header.Set("Authorization", "Bearer "+r.token)
		}
		if r.key != "" {
			header.Set("X-Api-Key", r.key)
		}
		for range 2 { // the second time, a token that was verified is remembered
			got, err := b.Identify(t.Context(), identity.Request{Protocol: protocol.OpenAI{}, Header: header, Query: r.query})
			if err == nil && got.Tenant != "evil" {
				t.Errorf("%s: %+v is charged", name, got)
			}
		}
	}
}

// TestBorderIsOpenForItsOwn: proper tokens of the same issuers are accepted, so the escapes fail
// because they are escapes.
func TestBorderIsOpenForItsOwn(t *testing.T) {
	b := newBorder(t)
	for name, tc := range map[string]struct {
		token, tenant string
	}{
		"a subject":           {b.by(sharedIssuer, map[string]any{"sub": "acme|ana"}), "acme"},
		"an e-mail address":   {b.by(sharedIssuer, map[string]any{"sub": "kate", "email": "KATE@acme.example", "email_verified": true}), "acme"},
		"a group":             {b.by(sharedIssuer, map[string]any{"sub": "leo", "groups": []string{"acme/staff"}}), "acme"},
		"evil's":              {b.by(sharedIssuer, nil), "evil"},
		"a tenant of its own": {b.by(evilIssuer, map[string]any{"tenant": "evil"}), "evil"},
	} {
		header := http.Header{"Authorization": {"Bearer " + tc.token}}
		got, err := b.Identify(t.Context(), identity.Request{Protocol: protocol.OpenAI{}, Header: header})
		if err != nil || got.Tenant != tc.tenant {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}
