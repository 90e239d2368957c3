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
	// MaxRequestBytes is the size of the largest request body that is read, and
	// RequestMemory how much memory all bodies together may take. No body is larger than a
	// third of that.
	MaxRequestBytes, RequestMemory int64
	// AllowedOrigins are the origins whose pages may call: a scheme, a host and a port that is
	// not the scheme's own. None means that no page may.
	AllowedOrigins []string
	// DrainTimeout is how long an answer is read on after its client has gone.
	DrainTimeout time.Duration
}

// Proxy is an http.Handler that passes calls to providers.
type Proxy struct {
	Options
	endpoints []endpoint
	// exact are those of the endpoints that are found without looking through all.
	exact    map[target]endpoint
	timeouts timeouts
	maxBody  int64
	bodies   *bodies
	failures *failures

	// ending ends when requests are to be read no longer.
	ending      context.Context
	stopReading context.CancelFunc
	// forwarding ends when answers that are under way must be cut, with the cause call.ErrStopped.
	forwarding context.Context
	cut        context.CancelCauseFunc
}

// endpoint is what is served at the paths that a pattern describes.
type endpoint struct {
	path     string
	method   string
	protocol protocol.Protocol
	serve    http.HandlerFunc
	// open is whether the pattern also describes paths of methods that are not served: with
	// another method, there is nothing.
	open bool
}

// New makes a Proxy.
func New(options Options) *Proxy {
	p := &Proxy{Options: options, timeouts: defaultTimeouts, bodies: newBodies(options.RequestMemory), failures: newFailures()}
	p.maxBody = min(options.MaxRequestBytes, p.bodies.largest())
	p.ending, p.stopReading = context.WithCancel(context.Background())
	p.forwarding, p.cut = context.WithCancelCause(context.Background())
	for _, spoken := range options.Calls.Protocols {
		p.endpoints = append(p.endpoints, p.endpointsOf(spoken)...)
	}
	p.exact = p.exactly()
	return p
}

// endpointsOf are what is served to clients of a protocol.
func (p *Proxy) endpointsOf(spoken protocol.Protocol) (all []endpoint) {
	if lister, ok := spoken.(protocol.ModelLister); ok {
		for _, path := range lister.ModelsPaths() {
			all = append(all, endpoint{path: path, method: http.MethodGet, protocol: spoken, serve: p.serveModels(path)})
			if _, ok := spoken.(protocol.ModelDescriber); ok {
				all = append(all, endpoint{
					path: protocol.ModelPattern(path), method: http.MethodGet, protocol: spoken, serve: p.serveModel(path), open: true,
				})
			}
		}
	}
	for _, e := range spoken.Endpoints() {
		all = append(all, endpoint{path: e.Path(), method: http.MethodPost, protocol: spoken, serve: p.serveCalls(e)})
	}
	return all
}

// ServeHTTP serves a request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1) {
		// A proxy in between may see another end of the request than this server does
		// (RFC 9112, 6.1): what follows must not be taken for the next request.
		w.Header().Set("Connection", "close")
	}
	if p.allowOrigin(w.Header(), r) && isPreflight(r) {
		p.hurryRest(w)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	switch endpoint, path, ok := p.find(r); {
	case !ok:
		p.refuse(w, unknownPath(r), protocol.AtPath(p.Calls.Protocols, r.URL.Path))
	case r.Method != endpoint.method:
		p.refuse(w, wrongMethod(r, endpoint.method), endpoint.protocol)
	default:
		endpoint.serve(w, withPath(r, path))
	}
}

// MemoryInUse is how many bytes the bodies of requests take.
func (p *Proxy) MemoryInUse() int64 { return p.bodies.inUse() }

// StopReading gives the requests that are still being read a few seconds to come to their
// end.
func (p *Proxy) StopReading() { p.stopReading() }

// Cut ends all answers that are under way, as if their providers had.
func (p *Proxy) Cut() { p.cut(call.ErrStopped) }
