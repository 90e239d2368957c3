package call_test

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"slices"
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
	"github.com/bursar-dev/bursar/enforcer/idempotency"
	"github.com/bursar-dev/bursar/enforcer/identity"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// admittedAt is when the fake store admits calls.
var admittedAt = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world is what calls are made in, behind a door.
type world struct {
	calls    *call.Calls
	store    *fakeStore
	config   *fakeConfig
	ledger   *added[ledgerv1.Entry]
	refusals *added[ledgerv1.Refusal]
}

// newWorld is a world with a tenant, whose provider is at the endpoint.
func newWorld(t *testing.T, document limiterv1.Tenant, endpoint string) *world {
	t.Helper()
	tenant, err := admission.NewTenant(document)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		store: &fakeStore{}, ledger: &added[ledgerv1.Entry]{}, refusals: &added[ledgerv1.Refusal]{},
		config: &fakeConfig{tenant: tenant, route: config.Route{
			Provider: limiterv1.Provider{Name: "fake", Protocol: limiterv1.OpenAI, Endpoint: endpoint},
			Model: limiterv1.Model{
				Name: "mini", UpstreamName: "mini-2026", MaxOutputTokens: 100,
				Prices: price.Book{price.Default: {Base: price.List{price.Input: money.USD, price.Output: 10 * money.USD}}},
			},
		}},
	}
	begun := make(chan struct{})
	close(begun)
	w.calls = call.New(call.Options{
		Identifier: identity.NewIdentifier(identity.Options{Config: w.config, Protocols: protocol.Protocols()}),
		Config:     w.config, Admitter: admission.NewAdmitter(w.store), Ledger: w.ledger, Refusals: w.refusals,
		Answers: answercache.New(1 << 20), Claims: &fakeClaims{}, Replays: answercache.New(1 << 20),
		Metrics: call.NewMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler),
		Session: "session-1", Begun: begun,
	})
	return w
}

// acme is a tenant with a dollar a day, whose breaker opens at 90 cents, and a user with
// 20 requests a minute.
func acme() limiterv1.Tenant {
	return limiterv1.Tenant{Level: limiterv1.Level{
		Tenant: "acme", TimeZone: "UTC",
		Money:  []limiterv1.MoneyLimit{{Name: "daily", Per: limiterv1.PerTenant, Period: period.Day, Amount: money.USD}},
		Rates:  []limiterv1.RateLimit{{Name: "tiers/gerente", Per: limiterv1.PerUser, Unit: limiterv1.Requests, Count: 20, Burst: 20, Window: 60_000}},
		Ladder: []limiterv1.Rung{{AtPercent: 90, Action: limiterv1.Trip}},
	}}
}

// fakeStore decides by what is said to be spent and left, and holds nothing.
type fakeStore struct {
	mu        sync.Mutex
	spent     money.Nanos
	exhausted bool // the bucket
	admits    int
	settled   []money.Nanos
}

func (s *fakeStore) Admit(_ context.Context, r admission.AdmitRequest) (admission.AdmitReply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reply := admission.AdmitReply{Verdict: admission.Refused, Now: admittedAt, Spent: s.spent}
	for _, account := range r.Accounts {
		for _, check := range account.Buckets {
			debt := check.Limit.Bucket().Points(check.Need)
			if s.exhausted {
				debt = check.Limit.Bucket().Capacity()
			}
			reply.Debts = append(reply.Debts, debt)
		}
	}
	money, isWaived := r.Accounts[0].Money, false
	switch {
	case len(money) > 0 && (s.spent >= money[0].Trip || s.spent+r.Bound > money[0].Limit.Amount):
		reply.Refusing, isWaived = 1, money[0].Waived
	case s.exhausted:
		reply.Refusing = len(money) + 1
	}
	if reply.Refusing == 0 || isWaived {
		s.admits++
		reply.Verdict, reply.AdmittedAt = admission.Admitted, admittedAt
	}
	return reply, nil
}

func (s *fakeStore) Settle(_ context.Context, r admission.SettleRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled = append(s.settled, r.Cost)
	return nil
}

func (s *fakeStore) Take(context.Context, admission.TakeRequest) error { return nil }

func (s *fakeStore) Forget(context.Context, string, []string) error { return nil }

func (s *fakeStore) ForgetOwners(context.Context, string, string, ...limiterv1.Owner) error {
	return nil
}

// set changes what the store decides by.
func (s *fakeStore) set(change func(*fakeStore)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// fakeConfig has one tenant, a user of it with the key "key", and one model.
type fakeConfig struct {
	tenant *admission.Tenant
	route  config.Route
}

func (c *fakeConfig) Credentials(hash [sha256.Size]byte) []limiterv1.Credential {
	if hash != sha256.Sum256([]byte("key")) {
		return nil
	}
	return []limiterv1.Credential{{Name: "acme/gerente-1-key", Tenant: "acme", User: "gerente-1", Tier: "gerente"}}
}

func (c *fakeConfig) Complete() bool { return true }

func (c *fakeConfig) Issuer(string) (*identify.Issuer, bool) { return nil, false }

func (c *fakeConfig) Members() *apiidentity.Directory { return apiidentity.NewDirectory() }

func (c *fakeConfig) Tenant(name string) (*admission.Tenant, bool) { return c.tenant, name == "acme" }

func (c *fakeConfig) Route(model string) (*config.Route, bool) {
	return &c.route, model == c.route.Model.Name
}

func (c *fakeConfig) Routes() []*config.Route { return []*config.Route{&c.route} }

func (c *fakeConfig) RouteUnlisted(limiterv1.Protocol, string) (*config.Route, bool) {
	return nil, false
}

// fakeClaims has one name.
type fakeClaims struct {
	mu       sync.Mutex
	standing *idempotency.Claim
}

func (c *fakeClaims) Take(_ context.Context, claim idempotency.Claim) (idempotency.Claim, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.standing != nil {
		return *c.standing, false, nil
	}
	c.standing = &claim
	return claim, true, nil
}

func (c *fakeClaims) Release(context.Context, idempotency.Claim) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.standing = nil
	return nil
}

func (c *fakeClaims) Keep(context.Context, idempotency.Claim) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.standing.Made = true
	return nil
}

func (c *fakeClaims) Interrupted(context.Context, idempotency.Claim) (bool, error) { return false, nil }

// added remembers what it was given.
type added[T any] struct {
	mu  sync.Mutex
	all []T
}

func (a *added[T]) Add(one T) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, one)
}

func (a *added[T]) list() []T {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.all)
}
