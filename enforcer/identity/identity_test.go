package identity_test

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	apiidentity "github.com/bursar-dev/bursar/api/identity"
	"github.com/bursar-dev/bursar/api/identity/identify"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/identity"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// people are whom an Identifier knows.
type people struct {
	credentials map[[sha256.Size]byte][]limiterv1.Credential
	issuers     sync.Map // claim iss -> *identify.Issuer
	members     *apiidentity.Directory
	incomplete  bool
}

func (p *people) Credentials(hash [sha256.Size]byte) []limiterv1.Credential {
	return p.credentials[hash]
}

func (p *people) Issuer(iss string) (*identify.Issuer, bool) {
	issuer, ok := p.issuers.Load(iss)
	if !ok {
		return nil, false
	}
	return issuer.(*identify.Issuer), true
}

func (p *people) Members() *apiidentity.Directory { return p.members }

func (p *people) Complete() bool { return !p.incomplete }

// newIdentifier is an Identifier that knows keys alone.
func newIdentifier(credentials map[[sha256.Size]byte][]limiterv1.Credential, now time.Time) *identity.Identifier {
	return identity.NewIdentifier(identity.Options{
		Config:    &people{credentials: credentials, members: apiidentity.NewDirectory(), incomplete: len(credentials) == 0},
		Protocols: protocol.Protocols(), Now: func() time.Time { return now },
	})
}

func TestIdentify(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	later, earlier := now.Add(time.Nanosecond), now.Add(-time.Nanosecond)
	in := func(namespace, name string, expires *time.Time) limiterv1.Credential {
		return limiterv1.Credential{Name: namespace + "/" + name, Tenant: namespace, User: name, Tier: "gerente", ExpiresAt: expires}
	}
	credential := func(name string, expires *time.Time) []limiterv1.Credential {
		return []limiterv1.Credential{in("acme", name, expires)}
	}
	foreign := "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2Vsc2V3aGVyZSJ9.c2lnbmF0dXJl"
	digits := strings.Repeat("0123456789abcdef", 4)
	bound, taken, elsewhere := limiterv1.NewKey("acme", digits), limiterv1.NewKey("acme-2", digits), "bursar_"+digits
	identifier := newIdentifier(map[[sha256.Size]byte][]limiterv1.Credential{
		sha256.Sum256([]byte("key-of-gerente-1")): credential("gerente-1", nil),
		sha256.Sum256([]byte("key-of-gerente-2")): credential("gerente-2", &later),
		sha256.Sum256([]byte("key-of-carl")):      credential("carl", &earlier),
		sha256.Sum256([]byte("key-of-dora")):      credential("dora", &now),
		sha256.Sum256(nil):                        credential("nobody", nil),
		sha256.Sum256([]byte(bound)):              {in("squatter", "eve", nil), in("acme", "gerente-1", nil)},
		sha256.Sum256([]byte(taken)):              {in("squatter", "eve", nil)},
		sha256.Sum256([]byte("key-of-two")):       {in("squatter", "eve", nil), in("acme", "gerente-1", nil)},
		sha256.Sum256([]byte(elsewhere)):          credential("gerente-2", nil),
	}, now)

	first := admission.Subject{Tenant: "acme", User: "gerente-1", Tier: "gerente", Credential: "acme/gerente-1"}
	second := admission.Subject{Tenant: "acme", User: "gerente-2", Tier: "gerente", Credential: "acme/gerente-2"}
	for name, tc := range map[string]struct {
		authorization []string
		others        http.Header
		query         url.Values
		protocol      protocol.Protocol // nil: Gemini
		want          admission.Subject
		wantErr       error
	}{
		"known":                  {authorization: []string{"Bearer key-of-gerente-1"}, want: first},
		"scheme in another case": {authorization: []string{"bearer  key-of-gerente-1 "}, want: first},
		"expires later":          {authorization: []string{"Bearer key-of-gerente-2"}, want: second},
		"expired":                {authorization: []string{"Bearer key-of-carl"}, wantErr: identify.ErrExpired},
		"expires now":            {authorization: []string{"Bearer key-of-dora"}, wantErr: identify.ErrExpired},
		"names its namespace, and is registered in another, too": {authorization: []string{"Bearer " + bound}, want: first},
		"names its namespace, and is registered only in another": {authorization: []string{"Bearer " + taken}, wantErr: identify.ErrUnknown},
		"names no namespace, and is registered in two":           {authorization: []string{"Bearer key-of-two"}, wantErr: identify.ErrAmbiguous},
		"of the older form, which names no namespace":            {authorization: []string{"Bearer " + elsewhere}, want: second},
		"unknown":                  {authorization: []string{"Bearer key-of-eve"}, wantErr: identify.ErrUnknown},
		"key in another case":      {authorization: []string{"Bearer KEY-OF-GERENTE-1"}, wantErr: identify.ErrUnknown},
		"no header":                {wantErr: identify.ErrMissing},
		"empty key":                {authorization: []string{"Bearer "}, wantErr: identify.ErrMissing},
		"another scheme":           {authorization: []string{"Basic key-of-gerente-1"}, wantErr: identify.ErrMissing},
		"no scheme":                {authorization: []string{"key-of-gerente-1"}, wantErr: identify.ErrMissing},
		"two headers, which is it": {authorization: []string{"Bearer key-of-gerente-1", "Bearer key-of-gerente-2"}, wantErr: identify.ErrSeveral},
		"Anthropic's field":        {others: http.Header{"X-Api-Key": {"key-of-gerente-1"}}, want: first},
		"Google's field":           {others: http.Header{"X-Goog-Api-Key": {"key-of-gerente-1"}}, want: first},
		"Azure's field":            {others: http.Header{"Api-Key": {" key-of-gerente-1"}}, want: first},
		"Google's query":           {query: url.Values{"key": {"key-of-gerente-1"}}, want: first},
		"the query, elsewhere":     {query: url.Values{"key": {"key-of-gerente-1"}}, protocol: protocol.OpenAI{}, wantErr: identify.ErrMissing},
		"an empty field":           {others: http.Header{"X-Api-Key": {""}}, wantErr: identify.ErrMissing},
		"unknown in the query":     {query: url.Values{"key": {"key-of-eve"}}, wantErr: identify.ErrUnknown},
		"two keys in the query":    {query: url.Values{"key": {"key-of-gerente-1", "key-of-gerente-2"}}, wantErr: identify.ErrSeveral},
		"the same key twice":       {authorization: []string{"Bearer key-of-gerente-1"}, others: http.Header{"X-Api-Key": {"key-of-gerente-1"}}, want: first},
		"two keys, which is it": {
			authorization: []string{"Bearer key-of-gerente-1"}, others: http.Header{"X-Api-Key": {"key-of-gerente-2"}}, wantErr: identify.ErrSeveral,
		},
		"a key beside another scheme": {
			authorization: []string{"Basic eve"}, others: http.Header{"X-Api-Key": {"key-of-gerente-1"}}, want: first,
		},
		"a key beside one of somebody else's": {
			authorization: []string{"Bearer sk-ant-oat01-of-the-client"}, others: http.Header{"X-Api-Key": {"key-of-gerente-1"}}, want: first,
		},
		"a key beside somebody else's token": {
			authorization: []string{"Bearer " + foreign}, others: http.Header{"X-Api-Key": {"key-of-gerente-1"}}, want: first,
		},
		"a key beside an empty field": {
			authorization: []string{"Bearer key-of-gerente-1"}, others: http.Header{"X-Api-Key": {""}}, want: first,
		},
		"a key beside a field of blanks": {
			authorization: []string{"Bearer key-of-gerente-1"}, others: http.Header{"X-Api-Key": {"  "}}, want: first,
		},
		"a key beside one that was one of Bursar's": {
			authorization: []string{"Bearer key-of-gerente-1"}, others: http.Header{"X-Api-Key": {limiterv1.NewKey("gone", digits)}},
			wantErr: identify.ErrSeveral,
		},
		"two of somebody else's": {
			authorization: []string{"Bearer sk-1"}, others: http.Header{"X-Api-Key": {"sk-2"}}, wantErr: identify.ErrUnknown,
		},
		"its own tenant": {authorization: []string{"Bearer key-of-gerente-1"}, others: http.Header{"X-Bursar-Tenant": {"acme"}}, want: first},
		"its own tenant, by query": {
			authorization: []string{"Bearer key-of-gerente-1"}, query: url.Values{"bursar-tenant": {"acme"}}, want: first,
		},
		"another tenant": {
			authorization: []string{"Bearer key-of-gerente-1"}, others: http.Header{"X-Bursar-Tenant": {"other"}},
			wantErr: &identify.Error{Reason: identify.NoTenant},
		},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{
				// What a caller may write, and nobody reads.
				"X-User": {"root"}, "X-Tenant": {"other"}, "Openai-Organization": {"other"},
			}
			for _, value := range tc.authorization {
				header.Add("Authorization", value)
			}
			for field, values := range tc.others {
				header[field] = values
			}
			if tc.protocol == nil {
				tc.protocol = protocol.Gemini{}
			}
			got, err := identifier.Identify(t.Context(), identity.Request{Protocol: tc.protocol, Header: header, Query: tc.query})
			if !reflect.DeepEqual(got, tc.want) || !errors.Is(err, tc.wantErr) {
				t.Errorf("got %+v, %v; want %+v, %v", got, err, tc.want, tc.wantErr)
			}
			if err != nil && strings.Contains(err.Error(), "key-of") {
				t.Errorf("the error has the key: %v", err)
			}
		})
	}
}

// TestBeforeTheConfiguration: a key that is not known yet is not reported as invalid.
func TestBeforeTheConfiguration(t *testing.T) {
	identifier := newIdentifier(nil, time.Now())
	request := identity.Request{Protocol: protocol.OpenAI{}, Header: http.Header{"Authorization": {"Bearer key"}}}
	if got, err := identifier.Identify(t.Context(), request); !reflect.DeepEqual(got, admission.Subject{}) || !errors.Is(err, identify.ErrNotConfigured) {
		t.Errorf("got %+v, %v; want %v", got, err, identify.ErrNotConfigured)
	}
}
