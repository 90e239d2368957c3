package server

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// healthHandler serves Kubernetes' probes and Prometheus.
func (s *Server) healthHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", probe(func() error { return nil }))
	mux.Handle("GET /readyz", probe(s.ready))
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.options.Registry, promhttp.HandlerOpts{}))
	return mux
}

var errEnding = errors.New("shutting down")

func (s *Server) ready() error {
	select {
	case <-s.ending:
		return errEnding
	default:
		return s.options.Ready()
	}
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
