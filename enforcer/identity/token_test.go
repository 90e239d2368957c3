package identity_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apiidentity "github.com/bursar-dev/bursar/api/identity"
	"github.com/bursar-dev/bursar/api/identity/identify"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/identity"
	"github.com/bursar-dev/bursar/enforcer/protocol"
	"github.com/bursar-dev/bursar/hack/parts/issuer"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// office is an Identifier that trusts a project, whose ana is a member of acme, and that
// has an API key.
type office struct {
	*identity.Identifier
	t       testing.TB
	project *issuer.StackAuth
	people  *people
	now     time.Time
	wanted  atomic.Int64
	replace func()
}

func newOffice(t testing.TB) *office {
	t.Helper()
	project, err := issuer.NewStackAuth("https://api.stack-auth.com", "f3f0")
	testkit.Must(t, err)
	o := &office{t: t, project: project, now: time.Now(), people: &people{
		members: apiidentity.NewDirectory(),
		credentials: map[[sha256.Size]byte][]limiterv1.Credential{
			sha256.Sum256([]byte("key-of-bob")): {{Name: "acme/bob", Tenant: "acme", User: "bob", Tier: "gerente"}},
		},
	}}
	o.trust(nil)
	o.belong("acme", limiterv1.Member{Subject: "ana", Tier: "gerente"})
	o.Identifier = identity.NewIdentifier(identity.Options{
		Config: o.people, Protocols: protocol.Protocols(), Now: func() time.Time { return o.now },
		WantKeys: func(context.Context, string) error { o.wanted.Add(1); return nil },
	})
	return o
}

// trust compiles the IdentityProvider with the keys that the project has now.
func (o *office) trust(change func(*limiterv1.IdentityProvider)) {
	o.t.Helper()
	document := limiterv1.IdentityProvider{
		Name: "stack-auth", Issuers: []string{o.project.Issuer(issuer.Regular)}, Audiences: []string{o.project.Project}, Algorithms: []string{"ES256"},
		Keys: o.project.Keys(issuer.Regular), Leeway: 60_000,
		Mappings: limiterv1.ClaimMappings{User: limiterv1.ClaimMapping{Claim: "sub"}, Groups: limiterv1.ClaimMapping{Claim: "groups"}},
	}
	if change != nil {
		change(&document)
	}
	compiled, err := apiidentity.Compile(document)
	testkit.Must(o.t, err)
	replaced := make(chan struct{})
	o.people.issuers.Store(o.project.Issuer(issuer.Regular), &identify.Issuer{Issuer: compiled, Replaced: replaced})
	if o.replace != nil {
		o.replace()
	}
	o.replace = func() { close(replaced) }
}

func (o *office) belong(tenant string, members ...limiterv1.Member) {
	o.people.members.Put(limiterv1.Members{Name: tenant + "/people", Tenant: tenant, Provider: "stack-auth", Members: members})
}

func (o *office) token(user string) string {
	return o.project.Token(issuer.Regular, user, user+"@example.com", o.now, nil)
}

// ask identifies the sender of a request with these header fields, given as alternating names and values.
func (o *office) ask(fields ...string) (admission.Subject, error) {
	header := http.Header{}
	for i := 0; i < len(fields); i += 2 {
		header.Add(fields[i], fields[i+1])
	}
	return o.Identify(o.t.Context(), identity.Request{Protocol: protocol.OpenAI{}, Header: header})
}

func (o *office) want(want admission.Subject, reason identify.Reason, fields ...string) {
	o.t.Helper()
	got, err := o.ask(fields...)
	if !reflect.DeepEqual(got, want) || !errors.Is(err, &identify.Error{Reason: reason}) && (err != nil || reason != "") {
		o.t.Errorf("got %+v, %v; want %+v, %q", got, err, want, reason)
	}
	if err != nil && strings.Contains(err.Error(), "eyJ") {
		o.t.Errorf("the error has the token: %v", err)
	}
}

var (
	ana = admission.Subject{Tenant: "acme", User: "ana", Tier: "gerente", IdentityProvider: "stack-auth", Subject: "ana"}
	bob = admission.Subject{Tenant: "acme", User: "bob", Tier: "gerente", Credential: "acme/bob"}
)

// TestWhereTokensStand: a token is taken wherever a key is, and what stands beside it is
// passed over unless it is Bursar's, too.
func TestWhereTokensStand(t *testing.T) {
	o := newOffice(t)
	token := o.token("ana")
	for range 2 { // the second time, it is remembered
		o.want(ana, "", "Authorization", "Bearer "+token)
		o.want(ana, "", "X-Api-Key", token)
		o.want(ana, "", "X-Goog-Api-Key", token)
		o.want(ana, "", "Authorization", "Bearer "+token, "X-Api-Key", token)
		o.want(ana, "", "Authorization", "Bearer "+token, "X-Api-Key", "sk-ant-of-the-client")
		o.want(ana, "", "Authorization", "Bearer sk-ant-oat01-of-the-client", "X-Api-Key", token)
		o.want(ana, "", "Authorization", "Bearer "+o.project.Token(issuer.Anonymous, "x", "", o.now, nil), "X-Api-Key", token)
		o.want(bob, "", "Authorization", "Bearer key-of-bob", "X-Api-Key", o.project.Token(issuer.Anonymous, "x", "", o.now, nil))
		o.want(admission.Subject{}, identify.Several, "Authorization", "Bearer "+token, "X-Api-Key", "key-of-bob")
		o.want(admission.Subject{}, identify.Several, "Authorization", "Bearer "+token, "X-Api-Key", o.project.Token(issuer.Regular, "ana", "other@example.com", o.now, nil))
	}
}

// TestWhatIsRemembered: a verified token is accepted as long as all that it was verified by still holds.
func TestWhatIsRemembered(t *testing.T) {
	nobody := admission.Subject{}
	t.Run("expires", func(t *testing.T) {
		o := newOffice(t)
		token := o.token("ana")
		o.want(ana, "", "Authorization", "Bearer "+token)
		if n := o.Remembered(); n != 1 {
			t.Errorf("%d tokens are remembered, want 1", n)
		}
		o.now = o.now.Add(issuer.Lifetime + time.Minute)
		o.want(nobody, identify.Reason(apiidentity.Expired), "Authorization", "Bearer "+token)
		if n := o.Remembered(); n != 0 {
			t.Errorf("%d tokens are remembered after that, want none", n)
		}
	})
	t.Run("key is dropped", func(t *testing.T) {
		o := newOffice(t)
		token := o.token("ana")
		o.want(ana, "", "Authorization", "Bearer "+token)
		testkit.Must(t, o.project.Rotate(issuer.Regular, true))
		o.trust(nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // there is nothing to wait for
		_, err := o.Identify(ctx, identity.Request{Protocol: protocol.OpenAI{}, Header: http.Header{"Authorization": {"Bearer " + token}}})
		if !errors.Is(err, &identify.Error{Reason: identify.Reason(apiidentity.UnknownKey)}) {
			t.Errorf("got %v, want that its key is unknown", err)
		}
	})
	t.Run("IdentityProvider has another rule", func(t *testing.T) {
		o := newOffice(t)
		token := o.token("ana")
		o.want(ana, "", "Authorization", "Bearer "+token)
		o.trust(func(d *limiterv1.IdentityProvider) {
			d.ClaimRules = []limiterv1.ClaimRule{{Expression: "claims.sub != 'ana'", Message: "ana has left"}}
		})
		o.want(nobody, identify.Reason(apiidentity.RuleNotFulfilled), "Authorization", "Bearer "+token)
	})
	t.Run("IdentityProvider is gone", func(t *testing.T) {
		o := newOffice(t)
		token := o.token("ana")
		o.want(ana, "", "Authorization", "Bearer "+token)
		o.people.issuers.Delete(o.project.Issuer(issuer.Regular))
		o.want(nobody, identify.Reason(apiidentity.UnknownIssuer), "Authorization", "Bearer "+token)
	})
	t.Run("member is no more", func(t *testing.T) {
		o := newOffice(t)
		token := o.token("ana")
		o.want(ana, "", "Authorization", "Bearer "+token)
		o.belong("acme")
		o.want(nobody, identify.NoTenant, "Authorization", "Bearer "+token)
	})
}

// TestWhoPays: of several tenants, the request says which pays, and can name no other.
func TestWhoPays(t *testing.T) {
	o := newOffice(t)
	beta, nobody := ana, admission.Subject{}
	beta.Tenant, beta.Tier = "beta", "boss"
	o.belong("beta", limiterv1.Member{Subject: "ana", Tier: "boss"})
	token := "Bearer " + o.token("ana")
	o.want(nobody, identify.TenantNotChosen, "Authorization", token)
	o.want(ana, "", "Authorization", token, "X-Bursar-Tenant", "acme")
	o.want(beta, "", "Authorization", token, "X-Bursar-Tenant", "beta")
	o.want(beta, "", "Authorization", token, "X-Bursar-Tenant", "beta", "X-Bursar-Tenant", "beta")
	o.want(nobody, identify.TenantNotChosen, "Authorization", token, "X-Bursar-Tenant", "beta", "X-Bursar-Tenant", "acme")
	o.want(nobody, identify.NoTenant, "Authorization", token, "X-Bursar-Tenant", "root")
	o.belong("beta", limiterv1.Member{Subject: "ana", Tier: "boss", Default: true})
	o.want(beta, "", "Authorization", token)
	o.want(ana, "", "Authorization", token, "X-Bursar-Tenant", "acme")
}

// TestNotYetConfigured: until the configuration is complete, an unknown issuer, a key, or
// a member may be known in a moment.
func TestNotYetConfigured(t *testing.T) {
	o := newOffice(t)
	o.people.incomplete = true
	o.want(ana, "", "Authorization", "Bearer "+o.token("ana"))
	o.want(admission.Subject{}, identify.NotConfigured, "Authorization", "Bearer "+o.token("eve"))
	o.want(admission.Subject{}, identify.NotConfigured, "Authorization", "Bearer "+o.project.Token(issuer.Anonymous, "x", "", o.now, nil))
}

// TestWaitingForAKey: callers whose tokens are signed with a new key wait until it is fetched, once for all.
func TestWaitingForAKey(t *testing.T) {
	o := newOffice(t)
	testkit.Must(t, o.project.Rotate(issuer.Regular, false))
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			if got, err := o.ask("Authorization", "Bearer "+o.token("ana")); !reflect.DeepEqual(got, ana) || err != nil {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	testkit.Eventually(t, "the keys are wanted", func() bool { return o.wanted.Load() > 0 })
	o.trust(nil)
	callers.Wait()
	if n := o.wanted.Load(); n != 1 {
		t.Errorf("the keys were wanted %d times, want once", n)
	}
}

// BenchmarkIdentify compares a call with a remembered token with one with a key.
func BenchmarkIdentify(b *testing.B) {
	o := newOffice(b)
	inGroups := func(n int) string {
		return o.project.Token(issuer.Regular, "ana", "", o.now, map[string]any{"groups": manyGroups()[:n]})
	}
	for _, tc := range []struct{ name, credential string }{
		{"key", "key-of-bob"},
		{"remembered token", o.token("ana")},
		{"remembered token with 40 groups", inGroups(40)},
		{"remembered token with 200 groups", inGroups(200)},
	} {
		header := http.Header{"Authorization": {"Bearer " + tc.credential}}
		b.Run(tc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := o.Identify(b.Context(), identity.Request{Protocol: protocol.OpenAI{}, Header: header}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func manyGroups() (groups []string) {
	for i := range 200 {
		groups = append(groups, strings.Repeat("g", 20)+string(rune('a'+i%26))+string(rune('a'+i/26)))
	}
	return groups
}
