package config

import (
	"crypto/sha256"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/bursar-dev/bursar/api/identity/identify"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// Hash is the SHA-256 of a credential.
type Hash = [sha256.Size]byte

// Running names a configuration.
type Running struct {
	// Incarnation and Revision are as in limiterv1.SessionState. An empty
	// Incarnation means that no configuration was found yet.
	Incarnation string
	Revision    int64
}

// Config is a configuration that changes while it is read. Its exported methods are
// safe for concurrent use and do not block. A change costs as much as what it changes,
// however large the rest is; only routes are all made anew, see there.
type Config struct {
	// Known has the credentials, IdentityProviders and members that identify callers.
	*identify.Known
	tenants sync.Map // name -> *admission.Tenant
	routes  atomic.Pointer[routes]
	// providers are what routes is made of. Only the Follower uses them.
	providers map[string]source

	running  atomic.Pointer[Running]
	complete atomic.Bool
	changed  chan struct{}
}

// New makes an empty Config. A Follower fills it.
func New() *Config {
	c := &Config{Known: identify.NewKnown(), providers: map[string]source{}, changed: make(chan struct{}, 1)}
	c.routes.Store(newRoutes(nil))
	c.running.Store(&Running{})
	return c
}

// Tenant is the configuration of a tenant, if it has one.
func (c *Config) Tenant(name string) (*admission.Tenant, bool) {
	tenant, ok := c.tenants.Load(name)
	if !ok {
		return nil, false
	}
	return tenant.(*admission.Tenant), true
}

// Route is the route to the model that callers know by a name, if there is one.
func (c *Config) Route(model string) (*Route, bool) {
	route, ok := c.routes.Load().byModel[model]
	return route, ok
}

// RouteUnlisted is the route to a model that no provider lists, if a provider of the protocol
// takes such models.
func (c *Config) RouteUnlisted(protocol limiterv1.Protocol, model string) (*Route, bool) {
	route, ok := c.routes.Load().unlisted[protocol]
	if !ok {
		return nil, false
	}
	route.Model.Name, route.Model.UpstreamName = model, model
	return &route, true
}

// Routes are all routes in the order of their models' names. They must not be changed.
func (c *Config) Routes() []*Route { return c.routes.Load().sorted }

// Providers are the providers of all routes, in the order of their names.
func (c *Config) Providers() []limiterv1.Provider {
	byName := map[string]limiterv1.Provider{}
	for _, route := range c.Routes() {
		byName[route.Provider.Name] = route.Provider
	}
	providers := make([]limiterv1.Provider, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		providers = append(providers, byName[name])
	}
	return providers
}

// Running is the newest configuration that is run in full.
func (c *Config) Running() Running { return *c.running.Load() }

// Complete reports whether the configuration has all documents. It does not while Redis is
// being filled again after a loss: what is not found then may come in a moment.
func (c *Config) Complete() bool { return c.complete.Load() }

func (c *Config) setComplete(complete bool) { c.complete.Store(complete) }

// Changed receives after Running has changed; one message may stand for several changes.
func (c *Config) Changed() <-chan struct{} { return c.changed }

func (c *Config) setRunning(running Running) {
	if running == c.Running() {
		return
	}
	c.running.Store(&running)
	select {
	case c.changed <- struct{}{}:
	default:
	}
}
