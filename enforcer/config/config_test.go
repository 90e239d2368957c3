package config_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bursar-dev/bursar/api/documents"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/hack/parts/redis"
)

func tenant(name string) limiterv1.Tenant {
	return limiterv1.Tenant{Level: limiterv1.Level{Tenant: name, TimeZone: "UTC"}}
}

func hashOf(key string) (config.Hash, string) {
	hash := sha256.Sum256([]byte(key))
	return hash, hex.EncodeToString(hash[:])
}

func credential(key, tenant string) limiterv1.Credential {
	_, name := hashOf(key)
	return limiterv1.Credential{SHA256: name, Name: tenant + "/" + key, Tenant: tenant, User: key, Tier: "gerente"}
}

func nameOf(c limiterv1.Credential) string { return limiterv1.CredentialName(c.Namespace(), c.SHA256) }

func (c *controlPlane) putCredential(credential limiterv1.Credential) int64 {
	c.t.Helper()
	return c.put(limiterv1.CredentialDocument, nameOf(credential), credential)
}

func providerOf(name string, models ...string) limiterv1.Provider {
	p := limiterv1.Provider{Name: name, Protocol: limiterv1.OpenAI, Endpoint: "https://" + name + ".example/v1"}
	for _, model := range models {
		p.Models = append(p.Models, limiterv1.Model{
			Name: model, UpstreamName: model, MaxOutputTokens: 10, Prices: price.Book{price.Default: {Base: price.List{price.Input: money.USD}}},
		})
	}
	return p
}

func wantRunning(t testing.TB, c *config.Config, incarnation string, revision int64) {
	t.Helper()
	if got, want := c.Running(), (config.Running{Incarnation: incarnation, Revision: revision}); got != want {
		t.Errorf("runs %+v, want %+v", got, want)
	}
}

// wantRoutes: the Config has the models, each at its provider, and no others.
func wantRoutes(t testing.TB, c *config.Config, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	var names []string
	for _, route := range c.Routes() {
		names = append(names, route.Model.Name)
		if one, ok := c.Route(route.Model.Name); ok && one == route {
			got[route.Model.Name] = route.Provider.Name
		}
	}
	if !maps.Equal(got, want) || len(names) != len(want) || !slices.IsSorted(names) {
		t.Errorf("routes: got %v, listed as %v, want %v", got, names, want)
	}
}

func TestDocumentsComeAndGo(t *testing.T) {
	ctx := t.Context()
	plane := newControlPlane(t)
	follower, c := newFollower(plane.client)

	follower.Poll(ctx)
	wantRunning(t, c, "", 0)
	if _, ok := c.Tenant("acme"); ok || follower.Failure() != nil {
		t.Errorf("an empty Redis: tenant %t, failure %v", ok, follower.Failure())
	}

	plane.begin("first")
	plane.put(limiterv1.TenantDocument, "acme", tenant("acme"))
	plane.putCredential(credential("gerente-1", "acme"))
	plane.put(limiterv1.ProviderDocument, "fake", providerOf("fake", "mini", "maxi"))
	follower.Poll(ctx)
	wantRunning(t, c, "first", 3)
	wantRoutes(t, c, map[string]string{"mini": "fake", "maxi": "fake"})
	if got, ok := c.Tenant("acme"); !ok || got.Name() != "acme" {
		t.Errorf("tenant acme: %v, %t", got, ok)
	}
	hash, _ := hashOf("gerente-1")
	if diff := cmp.Diff([]limiterv1.Credential{credential("gerente-1", "acme")}, c.Credentials(hash)); diff != "" {
		t.Errorf("credentials (-want +got):\n%s", diff)
	}

	changed := credential("gerente-1", "acme")
	changed.Tier = "corporativo"
	plane.putCredential(changed)
	plane.put(limiterv1.ProviderDocument, "fake", providerOf("fake", "mini"))
	follower.Poll(ctx)
	wantRunning(t, c, "first", 5)
	wantRoutes(t, c, map[string]string{"mini": "fake"})
	if diff := cmp.Diff([]limiterv1.Credential{changed}, c.Credentials(hash)); diff != "" {
		t.Errorf("credentials after the change (-want +got):\n%s", diff)
	}

	plane.withdraw(limiterv1.TenantDocument, "acme")
	plane.withdraw(limiterv1.CredentialDocument, nameOf(changed))
	plane.withdraw(limiterv1.ProviderDocument, "fake")
	follower.Poll(ctx)
	wantRunning(t, c, "first", 8)
	wantRoutes(t, c, map[string]string{})
	if _, ok := c.Tenant("acme"); ok {
		t.Error("tenant acme was withdrawn and is there")
	}
	if got := c.Credentials(hash); len(got) > 0 {
		t.Errorf("the credential was withdrawn, and there is %+v", got)
	}
}

// TestCredentialsOfNamespaces: a hash that is registered in several namespaces is one
// credential in each, which come and go by themselves.
func TestCredentialsOfNamespaces(t *testing.T) {
	plane := newControlPlane(t)
	plane.begin("first")
	follower, c := newFollower(plane.client)
	acme, squatter := credential("key", "acme"), credential("key", "squatter")
	hash, _ := hashOf("key")
	want := func(what string, want ...limiterv1.Credential) {
		t.Helper()
		follower.Poll(t.Context())
		if diff := cmp.Diff(want, c.Credentials(hash)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	plane.putCredential(squatter)
	want("one", squatter)
	plane.putCredential(acme)
	want("both", squatter, acme)
	squatter.Tier = "empleado"
	plane.putCredential(squatter)
	want("one of them changed", acme, squatter)
	plane.withdraw(limiterv1.CredentialDocument, nameOf(squatter))
	want("one of them gone", acme)
}

// TestRouteUnlisted: a model that no provider lists is routed to the first by name of the
// protocol's providers that take such models, at its present prices.
func TestRouteUnlisted(t *testing.T) {
	plane := newControlPlane(t)
	plane.begin("first")
	follower, c := newFollower(plane.client)
	put := func(name string, protocol limiterv1.Protocol, takes bool) {
		p := providerOf(name, "of-"+name)
		p.Protocol = protocol
		if takes {
			p.UnlistedModels = &limiterv1.UnlistedModels{MaxOutputTokens: 7}
		}
		plane.put(limiterv1.ProviderDocument, name, p)
	}
	want := func(protocol limiterv1.Protocol, want string) {
		t.Helper()
		follower.Poll(t.Context())
		route, ok := c.RouteUnlisted(protocol, "x")
		if !ok && want == "" {
			return
		}
		model := providerOf(want, "of-"+want).Models[0]
		model.Name, model.UpstreamName, model.MaxOutputTokens, model.Unlisted = "x", "x", 7, true
		if !ok || route.Provider.Name != want || !reflect.DeepEqual(route.Model, model) {
			t.Errorf("%s: taken %t, to %+v; want %+v of %q", protocol, ok, route, model, want)
		}
	}
	put("a", limiterv1.OpenAI, false)
	want(limiterv1.OpenAI, "")
	put("c", limiterv1.OpenAI, true)
	want(limiterv1.OpenAI, "c")
	put("b", limiterv1.OpenAI, true)
	want(limiterv1.OpenAI, "b")
	want(limiterv1.Gemini, "")
	put("z", limiterv1.Gemini, true)
	want(limiterv1.Gemini, "z")
	put("b", limiterv1.OpenAI, false)
	want(limiterv1.OpenAI, "c")
	plane.withdraw(limiterv1.ProviderDocument, "c")
	want(limiterv1.OpenAI, "")
}

// TestNothingIsReportedBeforeItRuns: P4 rests on it.
func TestNothingIsReportedBeforeItRuns(t *testing.T) {
	plane := newControlPlane(t)
	plane.begin("first")
	for i := range 3 * documents.PageSize {
		plane.put(limiterv1.TenantDocument, fmt.Sprint("tenant-", i), tenant(fmt.Sprint("tenant-", i)))
	}
	follower, c := newFollower(plane.client)
	follower.Poll(t.Context())
	wantRunning(t, c, "first", 3*documents.PageSize)
	for i := range 3 * documents.PageSize {
		if _, ok := c.Tenant(fmt.Sprint("tenant-", i)); !ok {
			t.Fatalf("tenant-%d is not there", i)
		}
	}
	select {
	case <-c.Changed():
	default:
		t.Error("nobody was told of the change")
	}
	follower.Poll(t.Context())
	select {
	case <-c.Changed():
		t.Error("told of a change, and there was none")
	default:
	}
}

func TestBrokenDocuments(t *testing.T) {
	validProvider, bad := providerOf("fake", "mini"), providerOf("fake", "mini")
	bad.Models[0].Prices[price.Default].Base[price.Output] = -1
	relative := providerOf("fake", "mini")
	relative.Endpoint = "api.example/v1"
	bottomless := providerOf("fake", "mini")
	bottomless.UnlistedModels = &limiterv1.UnlistedModels{}
	unknown := providerOf("fake", "mini")
	unknown.Protocol = "Telepathy"
	unbounded := providerOf("fake", "mini")
	unbounded.Models[0].MaxOutputTokens = -1
	backwards := providerOf("fake", "mini")
	backwards.Models[0].PriceChanges = []limiterv1.PriceChange{
		{EffectiveFrom: time.Unix(2, 0), Prices: backwards.Models[0].Prices}, {EffectiveFrom: time.Unix(1, 0), Prices: backwards.Models[0].Prices},
	}
	gerente := credential("gerente-1", "acme")
	nobody := gerente
	nobody.User = ""
	mars := tenant("acme")
	mars.TimeZone = "Mars/Olympus_Mons"
	for name, tc := range map[string]struct {
		kind        limiterv1.DocumentKind
		name        string
		good, wrong any
	}{
		"not JSON":                      {limiterv1.TenantDocument, "acme", tenant("acme"), nil},
		"an unknown time zone":          {limiterv1.TenantDocument, "acme", tenant("acme"), mars},
		"about another tenant":          {limiterv1.TenantDocument, "acme", tenant("acme"), tenant("other")},
		"about another credential":      {limiterv1.CredentialDocument, nameOf(gerente), gerente, credential("empleado-1", "acme")},
		"about another namespace":       {limiterv1.CredentialDocument, nameOf(gerente), gerente, credential("gerente-1", "other")},
		"a credential of nobody":        {limiterv1.CredentialDocument, nameOf(gerente), gerente, nobody},
		"a negative price":              {limiterv1.ProviderDocument, "fake", validProvider, bad},
		"an endpoint that is none":      {limiterv1.ProviderDocument, "fake", validProvider, relative},
		"an unknown protocol":           {limiterv1.ProviderDocument, "fake", validProvider, unknown},
		"a model without its bound":     {limiterv1.ProviderDocument, "fake", validProvider, unbounded},
		"unlisted models without bound": {limiterv1.ProviderDocument, "fake", validProvider, bottomless},
		"prices that come in disorder":  {limiterv1.ProviderDocument, "fake", validProvider, backwards},
		"about another provider":        {limiterv1.ProviderDocument, "fake", validProvider, providerOf("other", "mini")},
	} {
		t.Run(name, func(t *testing.T) {
			plane := newControlPlane(t)
			plane.begin("first")
			follower, c := newFollower(plane.client)
			isThere := func() bool {
				_, tenant := c.Tenant("acme")
				hash, _ := hashOf("gerente-1")
				_, route := c.Route("mini")
				return tenant || len(c.Credentials(hash)) > 0 || route
			}
			put := func(document any) int64 {
				if document == nil {
					return plane.putRaw(tc.kind, tc.name, "{")
				}
				return plane.put(tc.kind, tc.name, document)
			}
			good := put(tc.good)
			follower.Poll(t.Context())
			wantRunning(t, c, "first", good)

			put(tc.wrong)
			plane.put(limiterv1.TenantDocument, "later", tenant("later"))
			follower.Poll(t.Context())
			wantRunning(t, c, "first", good)
			if !isThere() {
				t.Error("what there was before is gone")
			}
			if _, ok := c.Tenant("later"); !ok {
				t.Error("what came later is not there")
			}

			mended := put(tc.good)
			follower.Poll(t.Context())
			wantRunning(t, c, "first", mended)

			put(tc.wrong)
			gone := plane.withdraw(tc.kind, tc.name)
			follower.Poll(t.Context())
			wantRunning(t, c, "first", gone)
			if isThere() {
				t.Error("it was withdrawn and is there")
			}
		})
	}
}

func TestDocumentsOfTheFuture(t *testing.T) {
	plane := newControlPlane(t)
	plane.begin("first")
	follower, c := newFollower(plane.client)
	plane.put(limiterv1.TenantDocument, "acme", tenant("acme"))
	plane.put("quota", "acme", struct{}{})
	follower.Poll(t.Context())
	wantRunning(t, c, "first", 1)
	plane.withdraw("quota", "acme")
	follower.Poll(t.Context())
	wantRunning(t, c, "first", 3)
}

func TestLossOfRedis(t *testing.T) {
	own, err := redis.Start(t.Context(), redis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	plane := &controlPlane{t: t, client: connect(t, own)}
	plane.begin("first")
	plane.put(limiterv1.TenantDocument, "acme", tenant("acme"))
	follower, c := newFollower(plane.client)
	follower.Poll(t.Context())
	wantRunning(t, c, "first", 1)

	if err := own.Stop(); err != nil {
		t.Fatal(err)
	}
	follower.Poll(t.Context())
	if follower.Failure() == nil {
		t.Error("no failure, though Redis is gone")
	}
	wantRunning(t, c, "first", 1)

	if own, err = redis.Start(t.Context(), redis.Options{Port: own.Port}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = own.Stop() }()
	follower.Poll(t.Context())
	if err := follower.Failure(); err != nil {
		t.Errorf("Redis is there again: %v", err)
	}
	wantRunning(t, c, "first", 1)
	if _, ok := c.Tenant("acme"); !ok {
		t.Error("an empty Redis took the last good configuration away")
	}

	plane.refill("second")
	plane.put(limiterv1.TenantDocument, "other", tenant("other"))
	follower.Poll(t.Context())
	wantRunning(t, c, "second", 1)
	if _, ok := c.Tenant("acme"); !ok {
		t.Error("tenant acme has not come again while the configuration is incomplete, and is gone")
	}
	if c.Complete() {
		t.Error("the configuration is complete, and nobody has said so")
	}
	plane.complete("second")
	follower.Poll(t.Context())
	if !c.Complete() {
		t.Error("the configuration is not complete")
	}
	if _, ok := c.Tenant("acme"); ok {
		t.Error("tenant acme is not of this incarnation and is there")
	}
	if _, ok := c.Tenant("other"); !ok {
		t.Error("tenant other is not there")
	}
}

// TestRun: changes come by themselves, and messages make them come at once.
func TestRun(t *testing.T) {
	plane := newControlPlane(t)
	follower, c := newFollower(plane.client)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		follower.Run(ctx)
	}()
	plane.begin("first")
	for i := range 5 {
		want := plane.put(limiterv1.TenantDocument, fmt.Sprint("tenant-", i), tenant(fmt.Sprint("tenant-", i)))
		for c.Running().Revision < want {
			select {
			case <-c.Changed():
			case <-time.After(10 * time.Second):
				t.Fatalf("revision %d never came", want)
			}
		}
		wantRunning(t, c, "first", want)
	}
	stop()
	<-done
}

// TestConfigBecomesWhatRedisHas: the Config ends up as Redis is, whatever was written, in
// any order, over any number of incarnations, and whenever it was read in between.
func TestConfigBecomesWhatRedisHas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		plane := newControlPlane(t)
		follower, c := newFollower(plane.client)
		lives := 1
		plane.begin(fmt.Sprint("life-", lives))
		tenants := map[string]bool{}
		providers := map[string][]string{}
		var revision int64
		name := rapid.SampledFrom([]string{"a", "b", "c"})
		rt.Repeat(map[string]func(*rapid.T){
			"put a tenant": func(rt *rapid.T) {
				n := name.Draw(rt, "tenant")
				tenants[n] = true
				revision = plane.put(limiterv1.TenantDocument, n, tenant(n))
			},
			"withdraw a tenant": func(rt *rapid.T) {
				n := name.Draw(rt, "tenant")
				delete(tenants, n)
				revision = plane.withdraw(limiterv1.TenantDocument, n)
			},
			"put a provider": func(rt *rapid.T) {
				n := name.Draw(rt, "provider")
				providers[n] = rapid.SliceOfDistinct(rapid.SampledFrom([]string{"x", "y", "z"}), rapid.ID).Draw(rt, "models")
				revision = plane.put(limiterv1.ProviderDocument, n, providerOf(n, providers[n]...))
			},
			"withdraw a provider": func(rt *rapid.T) {
				n := name.Draw(rt, "provider")
				delete(providers, n)
				revision = plane.withdraw(limiterv1.ProviderDocument, n)
			},
			"lose everything": func(*rapid.T) {
				lives++
				plane.client.FlushAll(context.Background())
				plane.begin(fmt.Sprint("life-", lives))
				clear(tenants)
				clear(providers)
				revision = 0
			},
			"read": func(*rapid.T) { follower.Poll(context.Background()) },
		})
		follower.Poll(context.Background())
		wantRunning(t, c, fmt.Sprint("life-", lives), revision)
		for _, n := range []string{"a", "b", "c"} {
			if _, ok := c.Tenant(n); ok != tenants[n] {
				t.Errorf("tenant %s: there %t, want %t", n, ok, tenants[n])
			}
		}
		routes := map[string]string{}
		for _, p := range []string{"c", "b", "a"} { // the first by name has a model
			for _, m := range providers[p] {
				routes[m] = p
			}
		}
		wantRoutes(t, c, routes)
		if t.Failed() {
			rt.Fatal("see above")
		}
	})
}

// TestAnEarlierLife: Redis came back from a backup, and counts on from there.
func TestAnEarlierLife(t *testing.T) {
	plane := newControlPlane(t)
	plane.begin("first")
	plane.put(limiterv1.TenantDocument, "acme", tenant("acme"))
	plane.put(limiterv1.TenantDocument, "lost", tenant("lost"))
	plane.put(limiterv1.TenantDocument, "lost-too", tenant("lost-too"))
	follower, c := newFollower(plane.client)
	follower.Poll(t.Context())
	wantRunning(t, c, "first", 3)

	newControlPlane(t)
	plane.begin("first")
	plane.put(limiterv1.TenantDocument, "acme", tenant("acme"))
	follower.Poll(t.Context())
	wantRunning(t, c, "first", 1)
	if _, ok := c.Tenant("lost"); ok {
		t.Error("tenant lost is not in Redis and is there")
	}
}

// BenchmarkChange measures what one change costs beside many other documents: as
// much as beside none.
func BenchmarkChange(b *testing.B) {
	for _, others := range []int{0, 10_000} {
		b.Run(fmt.Sprint("beside ", others), func(b *testing.B) {
			plane := newControlPlane(b)
			plane.begin("first")
			for i := range others {
				plane.putCredential(credential(fmt.Sprint("user-", i), "acme"))
			}
			follower, _ := newFollower(plane.client)
			follower.Poll(context.Background())
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				plane.putCredential(credential("gerente-1", "acme"))
				b.StartTimer()
				follower.Poll(context.Background())
			}
		})
	}
}
