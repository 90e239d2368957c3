package limiterstore

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/bursar-dev/bursar/api/redisclient"
)

var changes = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "bursar_manager_document_changes_total",
	Help: "Changes to the configuration that enforcers run, by kind of document and operation.",
}, []string{"kind", "change"})

var failures = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "bursar_manager_redis_failures_total",
	Help: "Commands and connections that failed, by kind of failure (unreachable, timeout, refused).",
}, []string{"failure"})

func init() {
	metrics.Registry.MustRegister(changes, failures)
	for _, failure := range redisclient.Failures {
		failures.WithLabelValues(string(failure))
	}
}

// CountFailures has the failures of a client counted.
func CountFailures(client redis.UniversalClient) {
	redisclient.OnFailure(client, func(f redisclient.Failure) { failures.WithLabelValues(string(f)).Inc() })
}
