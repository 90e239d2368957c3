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

var errShuttingDown = errors.New("shutting down")

// ready is nil when calls can be answered: a configuration, which may be empty, is loaded.
// Redis may be away since: all enforcers miss it together, as a rule, and callers are
// better off with what is held for that, or with a 503 that says when to come again, than
// with a Service that has nobody.
func (e *enforcer) ready() error {
	switch {
	case e.shuttingDown.Load():
		return errShuttingDown
	case e.follower.IsFollowing():
		return nil
	}
	return e.follower.Failure()
}
