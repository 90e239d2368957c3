package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// healthHandler serves what Kubernetes and Prometheus ask.
func (e *enforcer) healthHandler(registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", probe(func() error { return nil }))
	mux.Handle("GET /readyz", probe(e.ready))
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux
}

func probe(check func() error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := check(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok") // the prober may have gone
	})
}

var (
	errShuttingDown    = errors.New("shutting down")
	errNoConfiguration = errors.New("no configuration: no manager has written to this Redis yet")
)

// ready returns nil once calls can be answered and recorded: the enforcer has loaded a
// configuration that a manager has begun, even an empty one, and Postgres has let this process
// in. It still returns nil if Redis or Postgres is unreachable later: usually, all enforcers lose
// them together, and a share of a limit, or a 503 with Retry-After, serves callers better than
// a Service without endpoints.
func (e *enforcer) ready() error {
	switch {
	case e.shuttingDown.Load():
		return errShuttingDown
	case !e.follower.IsFollowing():
		return e.follower.Failure()
	case !e.hasBegun():
		return errNoConfiguration
	}
	return e.bypass.Ready()
}

func (e *enforcer) hasBegun() bool {
	select {
	case <-e.begun:
		return true
	default:
		return false
	}
}
