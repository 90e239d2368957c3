package proxy_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	apiidentity "github.com/bursar-dev/bursar/api/identity"
	"github.com/bursar-dev/bursar/api/identity/identify"
	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/answercache"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/enforcer/identity"
	"github.com/bursar-dev/bursar/enforcer/protocol"
	"github.com/bursar-dev/bursar/enforcer/provider"
	"github.com/bursar-dev/bursar/enforcer/proxy"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// admittedAt is when the fake store admits calls.
var admittedAt = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// fakeStore admits every call, unless told what to reply, and remembers holds.
type fakeStore struct {
	mu    sync.Mutex
	reply *admission.AdmitReply
	// decide, if set, may reply otherwise; asked counts the questions.
	decide  func(admission.AdmitRequest) *admission.AdmitReply
	asked   int
	err     error
	settles error // what Settle answers
	admits  []admission.AdmitRequest
	ends    map[string]admission.SettleRequest
}

func (s *fakeStore) Take(context.Context, admission.TakeRequest) error { return nil }

func (s *fakeStore) Admit(_ context.Context, r admission.AdmitRequest) (admission.AdmitReply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.err != nil {
		return admission.AdmitReply{}, s.err
	}
	if s.decide != nil {
		if reply := s.decide(r); reply != nil {
			return *reply, nil
		}
	}
	s.admits = append(s.admits, r)
	reply := admission.AdmitReply{Now: admittedAt, AdmittedAt: admittedAt}
	if s.reply != nil {
		reply = *s.reply
	}
	for _, check := range bucketsOf(r.Accounts)[len(reply.Debts):] {
		reply.Debts = append(reply.Debts, check.Limit.Bucket().Points(check.Need))
	}
	return reply, nil
}

func (s *fakeStore) questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func bucketsOf(accounts []admission.Account) (all []admission.BucketCheck) {
	for _, a := range accounts {
		all = append(all, a.Buckets...)
	}
	return all
}

func (s *fakeStore) Settle(_ context.Context, r admission.SettleRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settles != nil {
		return s.settles
	}
	s.ends[r.CallID] = r
	return nil
}

func (s *fakeStore) Forget(context.Context, string, []string) error { return nil }

func (s *fakeStore) ForgetOwners(context.Context, string, string, ...limiterv1.Owner) error {
	return nil
}

// fail has every admission fail from now on.
func (s *fakeStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// setSettles says what Settle answers from now on.
func (s *fakeStore) setSettles(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settles = err
}

// held is how many calls are admitted and not settled.
func (s *fakeStore) held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.admits) - len(s.ends)
}

// fakeLedger remembers what it was given.
type fakeLedger[T any] struct {
	mu    sync.Mutex
	given []T
}

func (l *fakeLedger[T]) Add(one T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.given = append(l.given, one)
}

func (l *fakeLedger[T]) all() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.given)
}

// fakeConfig has one tenant, whose users have the keys "key" and "key-of-another",
// and the model mini.
type fakeConfig struct {
	tenant *admission.Tenant
	// poor is a tenant whose user has the key "key-without-budget"; nil until it has one.
	poor    *admission.Tenant
	routes  []*config.Route
	taker   *limiterv1.Provider
	running config.Running
	issuers sync.Map // claim iss -> *identify.Issuer
	members *apiidentity.Directory
}

func (c *fakeConfig) Credentials(hash [sha256.Size]byte) []limiterv1.Credential {
	switch hash {
	case sha256.Sum256([]byte("key")):
		return []limiterv1.Credential{{Name: "acme/gerente-1-key", Tenant: "acme", User: "gerente-1", Tier: "gerente"}}
	case sha256.Sum256([]byte("key-of-another")):
		return []limiterv1.Credential{{Name: "acme/gerente-3-key", Tenant: "acme", User: "gerente-3", Tier: "gerente"}}
	case sha256.Sum256([]byte("key-without-budget")):
		return []limiterv1.Credential{{Name: "poor/gerente-2-key", Tenant: "poor", User: "gerente-2", Tier: "gerente"}}
	case sha256.Sum256([]byte("key-of-server")):
		return []limiterv1.Credential{{
			Name: "acme/server-key", Tenant: "acme", User: "server", Tier: "servicio",
			ActFor: &limiterv1.ActFor{Users: []string{"shop-*"}, Tiers: []string{"gerente"}},
		}}
	case sha256.Sum256([]byte("key-for-some-models")):
		return []limiterv1.Credential{{Name: "acme/some-key", Tenant: "acme", User: "gerente-1", Tier: "gerente", Models: []string{"auto", "text-*"}}}
	case sha256.Sum256([]byte("key-that-expired")):
		expired := time.Unix(1, 0)
		return []limiterv1.Credential{{Name: "acme/old-key", Tenant: "acme", User: "gerente-1", ExpiresAt: &expired}}
	}
	return nil
}

func (c *fakeConfig) Tenant(name string) (*admission.Tenant, bool) {
	if name == "poor" {
		return c.poor, c.poor != nil
	}
	return c.tenant, name == "acme"
}

func (c *fakeConfig) RouteUnlisted(protocol limiterv1.Protocol, model string) (*config.Route, bool) {
	if c.taker == nil || c.taker.Protocol != protocol {
		return nil, false
	}
	unlisted := c.taker.Unlisted()
	unlisted.Name, unlisted.UpstreamName = model, model
	return &config.Route{Provider: *c.taker, Model: unlisted}, true
}

func (c *fakeConfig) Routes() []*config.Route { return c.routes }
func (c *fakeConfig) Issuer(iss string) (*identify.Issuer, bool) {
	issuer, ok := c.issuers.Load(iss)
	if !ok {
		return nil, false
	}
	return issuer.(*identify.Issuer), true
}

func (c *fakeConfig) Members() *apiidentity.Directory { return c.members }

func (c *fakeConfig) Complete() bool { return c.running.Incarnation != "" }
func (c *fakeConfig) Route(model string) (*config.Route, bool) {
	for _, route := range c.routes {
		if route.Model.Name == model {
			return route, true
		}
	}
	return nil, false
}

// dollarADay is a tenant with limits of each kind.
var dollarADay = limiterv1.Tenant{Level: limiterv1.Level{
	Tenant: "acme", TimeZone: "America/Argentina/Buenos_Aires",
	Money: []limiterv1.MoneyLimit{
		{Name: "daily", Per: limiterv1.PerTenant, Period: period.Day, Amount: money.USD},
		{Name: "each-user", Per: limiterv1.PerUser, Period: period.Month, Amount: money.USD / 2},
	},
	Rates: []limiterv1.RateLimit{
		{Name: "org/tokens", Per: limiterv1.PerTenant, Unit: limiterv1.Tokens, Count: 200_000, Burst: 200_000, Window: 60_000},
		{Name: "tiers/gerente", Per: limiterv1.PerUser, Unit: limiterv1.Requests, Count: 20, Burst: 20, Window: 60_000},
	},
	Ladder: []limiterv1.Rung{{AtPercent: 90, Action: limiterv1.Trip}},
}}

// mini costs 1,000 nano-USD an input token, 100 a cached one, 10,000 an output token.
var mini = limiterv1.Model{
	Name: "mini", UpstreamName: "mini-2026", MaxOutputTokens: 100,
	Prices: flat(price.List{price.Input: money.USD, price.CachedInput: money.USD / 10, price.Output: 10 * money.USD}),
}

// flat is a book of one list.
func flat(list price.List) price.Book { return price.Book{price.Default: {Base: list}} }

// door is a proxy that listens, before an upstream.
type door struct {
	t        testing.TB
	url      string
	server   *httptest.Server
	proxy    *proxy.Proxy
	calls    *call.Calls
	store    *fakeStore
	ledger   *fakeLedger[ledgerv1.Entry]
	refusals *fakeLedger[ledgerv1.Refusal]
	config   *fakeConfig
}

// doorOptions are what a door is made of.
type doorOptions struct {
	call.Options
	door proxy.Options
	// wantKeys is told which IdentityProvider's keys are to be fetched.
	wantKeys func(ctx context.Context, provider string) error
}

// newDoor is a door before an upstream, which is nil where nobody listens.
func newDoor(t testing.TB, upstream http.HandlerFunc, change ...func(*doorOptions)) *door {
	t.Helper()
	tenant, err := admission.NewTenant(dollarADay)
	if err != nil {
		t.Fatal(err)
	}
	provided := httptest.NewServer(upstream)
	t.Cleanup(provided.Close)
	if upstream == nil {
		provided.Close()
	}
	d := &door{
		t: t, store: &fakeStore{ends: map[string]admission.SettleRequest{}}, ledger: &fakeLedger[ledgerv1.Entry]{}, refusals: &fakeLedger[ledgerv1.Refusal]{},
		config: &fakeConfig{
			tenant:  tenant,
			running: config.Running{Incarnation: "first", Revision: 1},
			members: apiidentity.NewDirectory(),
			routes: []*config.Route{{
				Provider: limiterv1.Provider{Name: "fake", Protocol: limiterv1.OpenAI, Endpoint: provided.URL + "/v1"},
				Model:    mini,
			}},
		},
	}
	client := provider.NewClient(t.TempDir())
	t.Cleanup(client.Close)
	begun := make(chan struct{})
	close(begun)
	options := doorOptions{
		Options: call.Options{
			Protocols: protocol.Protocols(), Config: d.config, Admitter: admission.NewAdmitter(d.store), Ledger: d.ledger, Refusals: d.refusals,
			Answers: answercache.New(1 << 20),
			Metrics: call.NewMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler),
			Session: "session-1", Begun: begun,
		},
		door: proxy.Options{Client: client, MaxRequestBytes: 1 << 20, RequestMemory: 64 << 20, DrainTimeout: time.Minute},
	}
	for _, f := range change {
		f(&options)
	}
	options.Identifier = identity.NewIdentifier(identity.Options{
		Config: d.config, Protocols: options.Protocols, WantKeys: options.wantKeys,
	})
	d.calls = call.New(options.Options)
	options.door.Calls = d.calls
	d.proxy = proxy.New(options.door)
	d.server = httptest.NewServer(d.proxy)
	d.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(d.server.Close)
	d.url = d.server.URL
	return d
}

// chat is a request that may cost 100 output tokens and its own length.
const chat = `{"model":"mini","messages":[{"role":"user","content":"hi"}]}`

const streamedChat = `{"model":"mini","messages":[{"role":"user","content":"hi"}],"stream":true}`

// boundOf is what a request of this length holds.
func boundOf(body string) money.Nanos { return money.Nanos(len(body)*1000 + 100*10_000) }

func (d *door) request(method, path, body string) *http.Request {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), method, d.url+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer key")
	return request
}

// reply is what a client sees; err is why it does not see all of it.
type reply struct {
	status int
	header http.Header
	body   string
	err    error
	// trailer is what follows the body.
	trailer http.Header
}

func (d *door) do(request *http.Request) reply {
	d.t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return reply{err: err}
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(body), err, response.Trailer}
}

func (d *door) call(body string) reply {
	d.t.Helper()
	return d.do(d.request(http.MethodPost, "/v1/chat/completions", body))
}

// ending is the one call's end, once it is settled.
func (d *door) ending() (ledgerv1.Entry, admission.SettleRequest) {
	d.t.Helper()
	testkit.Eventually(d.t, "the call is settled", func() bool { return len(d.ledger.all()) > 0 })
	entry := d.ledger.all()[0]
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	return entry, d.store.ends[entry.CallID]
}

var errLost = errors.New("connection refused")
