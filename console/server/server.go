package server

import (
	"cmp"
	"context"
	"errors"
	"io"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/bursar-dev/bursar/console/signin"
)

const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = time.Minute
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
	maxBodyBytes      = 1 << 20
)

// Options are what a Server is made with.
type Options struct {
	// Address is the address of API and pages, and HealthAddress that of probes and metrics.
	Address, HealthAddress string
	API                    http.Handler
	// Pages serve everything but the API; nil for nothing.
	Pages http.Handler
	// SignIn finds the caller of a request, and signs people in; if it is nil, only the API identifies callers.
	SignIn *signin.SignIn
	// Ready returns nil when requests can be answered.
	Ready    func() error
	Registry *prometheus.Registry
	// Tracer makes a span for each request; nil for none.
	Tracer trace.Tracer
	Log    *slog.Logger
	// WriteTimeout bounds an answer, from the request to the last byte that the client takes, so that a client
	// that does not read occupies nothing here. 0 is a minute.
	WriteTimeout time.Duration
	// ShutdownGrace is how long requests in progress may take to finish.
	ShutdownGrace time.Duration
}

// Server serves the console. Its ports are open from New on.
type Server struct {
	options  Options
	api      *http.Server
	health   *http.Server
	apiAt    net.Listener
	healthAt net.Listener
	ending   chan struct{}
}

// New opens the ports.
func New(options Options) (s *Server, err error) {
	s = &Server{options: options, ending: make(chan struct{})}
	within := cmp.Or(options.WriteTimeout, writeTimeout)
	s.api, s.health = newServer(s.answer(s.handler()), within), newServer(s.healthHandler(), within)
	if s.apiAt, err = net.Listen("tcp", options.Address); err != nil {
		return nil, err
	}
	if s.healthAt, err = net.Listen("tcp", options.HealthAddress); err != nil {
		return nil, errors.Join(err, s.apiAt.Close())
	}
	return s, nil
}

func newServer(handler http.Handler, within time.Duration) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: within, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       stdlog.New(io.Discard, "", 0), // what it writes quotes what clients send
	}
}

// handler serves the API and the pages to callers, and signs people in.
func (s *Server) handler() http.Handler {
	pages := s.options.Pages
	if pages == nil {
		pages = http.NotFoundHandler()
	}
	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, apiPrefix) {
			s.options.API.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	}))
	if s.options.SignIn == nil {
		return handler
	}
	return s.options.SignIn.Middleware(handler)
}

// isHTTPS reports whether browsers reach the console by https.
func (s *Server) isHTTPS() bool {
	signIn := s.options.SignIn
	return signIn != nil && signIn.PublicURL != nil && signIn.PublicURL.Scheme == "https"
}

// Handler answers as the console does at its address.
func (s *Server) Handler() http.Handler { return s.api.Handler }

// Address is where the console is served.
func (s *Server) Address() string { return s.apiAt.Addr().String() }

// HealthAddress is where probes and metrics are served.
func (s *Server) HealthAddress() string { return s.healthAt.Addr().String() }

// Run serves until the context ends or a port fails, and then lets requests in progress finish.
func (s *Server) Run(ctx context.Context) error {
	s.options.Log.Info("console is serving", "address", s.Address(), "health", s.HealthAddress())
	serving, failed := errgroup.WithContext(ctx)
	for server, at := range map[*http.Server]net.Listener{s.api: s.apiAt, s.health: s.healthAt} {
		serving.Go(func() error {
			if err := server.Serve(at); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	}
	<-failed.Done() // the context has ended, or a port has failed, without which the other is useless
	close(s.ending)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.ShutdownGrace)
	defer cancel()
	err := s.api.Shutdown(grace)
	return errors.Join(err, s.health.Close(), serving.Wait())
}
