package proxy

import (
	"context"
	"net/http"
	"time"

	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/enforcer/protocol"
	"github.com/bursar-dev/bursar/enforcer/provider"
)

// Options are what a Proxy is made of.
type Options struct {
	Calls  *call.Calls
	Client *provider.Client
	// MaxRequestBytes is the size of the largest request body that is read.
	MaxRequestBytes int64
	// DrainTimeout is how long an answer is read on after its client has gone.
	DrainTimeout time.Duration
}

// Proxy is an http.Handler that passes calls to providers.
type Proxy struct {
	Options
	endpoints    []endpoint
	writeTimeout time.Duration

	// forwarding ends when answers that are under way must be cut.
	forwarding context.Context
	cut        context.CancelFunc
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
	p := &Proxy{Options: options, writeTimeout: defaultWriteTimeout}
	p.forwarding, p.cut = context.WithCancel(context.Background())
	for _, spoken := range options.Calls.Protocols {
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
		p.refuse(w, unknownPath(r), protocol.AtPath(p.Calls.Protocols, r.URL.Path))
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
