package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/enforcer/ledger"
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

// ready is nil when calls can be admitted: Redis answers, and its configuration,
// which may be empty, is loaded.
func (e *enforcer) ready() error {
	if e.shuttingDown.Load() {
		return errShuttingDown
	}
	return e.follower.Failure()
}

// registerMetrics registers what is measured outside of the proxy.
func registerMetrics(registry *prometheus.Registry, running *config.Config, writer *ledger.Writer, recorder *ledger.Recorder) {
	gauge := func(name, help string, value func() float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	counter := func(name, help string, value func() float64) {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
	}
	gauge("bursar_enforcer_config_revision", "Revision of the configuration that is run in full.",
		func() float64 { return float64(running.Running().Revision) })
	gauge("bursar_enforcer_ledger_waiting", "Settled calls that wait to be written to the ledger.",
		func() float64 { return float64(writer.Waiting()) })
	gauge("bursar_enforcer_ledger_missing", "Settled calls that wait in Redis alone to be written to the ledger.",
		func() float64 { return float64(writer.Missing()) })
	counter("bursar_enforcer_ledger_refused_total", "Settled calls that the ledger refused for good; they stay in Redis.",
		func() float64 { return float64(writer.Refused()) })
	counter("bursar_enforcer_ledger_left_total", "Settled calls for which the ledger's queue had no room; they stay in Redis until the ledger takes them.",
		func() float64 { return float64(writer.Left()) })
	counter("bursar_enforcer_refusals_recorded_total", "Refused calls that were put on record.",
		func() float64 { return float64(recorder.Recorded()) })
	counter("bursar_enforcer_refusals_left_out_total", "Refused calls that were not put on record, because there were too many at once.",
		func() float64 { return float64(recorder.LeftOut()) })
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}
