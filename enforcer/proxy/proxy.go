package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/answercache"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/enforcer/identity"
	"github.com/bursar-dev/bursar/enforcer/ledger"
	"github.com/bursar-dev/bursar/enforcer/protocol"
	"github.com/bursar-dev/bursar/enforcer/provider"
)

// Config is the configuration that calls are made by.
type Config interface {
	identity.Credentials
	Tenant(name string) (*admission.Tenant, bool)
	Route(model string) (*config.Route, bool)
	Routes() []*config.Route
	RouteUnlisted(protocol limiterv1.Protocol, model string) (*config.Route, bool)
	Running() config.Running
}

// Admitter admits calls.
type Admitter interface {
	Admit(ctx context.Context, tenant *admission.Tenant, call admission.Call) (admission.Decision, error)
	AdmitBounded(tenant *admission.Tenant, call admission.Call) (*admission.Hold, bool)
	// Now is the time by which calls are admitted.
	Now() time.Time
}

// Ledger takes calls that were settled.
type Ledger interface {
	Add(ledger.Entry)
}

// Refusals takes calls that a limit refused.
type Refusals interface {
	Add(ledger.Refusal)
}

// Options are what a Proxy is made of.
type Options struct {
	// Protocols are those that are served; nil means all of protocol.Protocols.
	Protocols []protocol.Protocol
	Config    Config
	Admitter  Admitter
	Client    *provider.Client
	Ledger    Ledger
	Refusals  Refusals
	// Answers keeps answers for the fallback Cache.
	Answers *answercache.Cache
	// Claims say which call has the name in an Idempotency-Key, and Replays keeps
	// the answers of those that have one.
	Claims  Claims
	Replays *answercache.Cache
	Metrics *Metrics
	Log     *slog.Logger
	// Tracer makes spans of calls; nil for none.
	Tracer trace.Tracer
	// Session is the session that the holds belong to.
	Session string
	// Begun is closed when others know of that session: no call is taken before.
	Begun <-chan struct{}
	// MaxRequestBytes is the size of the largest request body that is read.
	MaxRequestBytes int64
	// DrainTimeout is how long an answer is read on after its client has gone.
	DrainTimeout time.Duration
}

// Proxy is an http.Handler that passes calls to providers.
type Proxy struct {
	Options
	identifier   *identity.Identifier
	endpoints    []endpoint
	writeTimeout time.Duration

	// calls counts those that were admitted and are not settled, givenUp those that
	// were not and will not be.
	calls   sync.WaitGroup
	givenUp atomic.Int64
	// forwarding ends when answers that are under way must be cut, settling when
	// calls that could not be settled must be given up.
	forwarding, settling context.Context
	cut, giveUp          context.CancelFunc
}

// endpoint is what is served at the paths that a pattern describes.
type endpoint struct {
	path     string
	method   string
	protocol protocol.Protocol
	serve    http.HandlerFunc
}

// New makes a Proxy.
func New(options Options) *Proxy {
	if options.Protocols == nil {
		options.Protocols = protocol.Protocols()
	}
	p := &Proxy{
		Options:      options,
		identifier:   identity.NewIdentifier(options.Config, options.Protocols, time.Now),
		writeTimeout: defaultWriteTimeout,
	}
	p.forwarding, p.cut = context.WithCancel(context.Background())
	p.settling, p.giveUp = context.WithCancel(context.Background())
	for _, spoken := range options.Protocols {
		p.endpoints = append(p.endpoints, p.endpointsOf(spoken)...)
	}
	return p
}

// endpointsOf are what is served to clients of a protocol.
func (p *Proxy) endpointsOf(spoken protocol.Protocol) (all []endpoint) {
	if lister, ok := spoken.(protocol.ModelLister); ok {
		all = append(all, endpoint{lister.ModelsPath(), http.MethodGet, spoken, p.serveModels(lister)})
	}
	for _, e := range spoken.Endpoints() {
		all = append(all, endpoint{e.Path(), http.MethodPost, spoken, p.serveCalls(e)})
	}
	return all
}

// ServeHTTP serves a request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch endpoint, ok := p.at(r.URL.Path); {
	case !ok:
		p.refuse(w, unknownPath(r), protocol.AtPath(p.Protocols, r.URL.Path))
	case r.Method != endpoint.method:
		p.refuse(w, wrongMethod(r, endpoint.method), endpoint.protocol)
	default:
		endpoint.serve(w, r)
	}
}

// at is the endpoint at a path, if there is one.
func (p *Proxy) at(path string) (endpoint, bool) {
	for _, e := range p.endpoints {
		if _, ok := protocol.MatchPath(e.path, path); ok {
			return e, true
		}
	}
	return endpoint{}, false
}

// Cut ends all answers that are under way, as if their providers had.
func (p *Proxy) Cut() { p.cut() }

// Drain waits until all calls are settled. When ctx ends before that, the rest is
// given up: what their calls hold in Redis is left to be charged in full.
// REQUIRES: no handler runs, and none will.
func (p *Proxy) Drain(ctx context.Context) error {
	stop := context.AfterFunc(ctx, p.giveUp)
	defer stop()
	p.calls.Wait()
	if n := p.givenUp.Load(); n > 0 {
		return fmt.Errorf("%d calls were not settled", n)
	}
	return nil
}

func (p *Proxy) refuse(w http.ResponseWriter, r *refusal, spoken protocol.Protocol) {
	p.Metrics.refused(r)
	r.protocol = spoken
	r.write(w)
}
