package recovery

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// What this manager finds of the limiter: every one looks, and whose turn it is rebuilds.
var (
	epoch = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "bursar_manager_epoch", Help: "Epoch in Redis when the manager last checked.",
	})
	epochValid = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "bursar_manager_epoch_valid", Help: "1 if that epoch is valid in every shard of Redis, so that paid calls can be admitted, otherwise 0.",
	})
	failures = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "bursar_manager_limiter_failures_total", Help: "Failed checks of the limiter's state; it is checked twice a second.",
	})
	rebuilds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "bursar_manager_rebuild_seconds",
		Help:    "Seconds for which the limiter was suspended while it was rebuilt under a new epoch, for successful rebuilds.",
		Buckets: prometheus.ExponentialBuckets(0.05, 2, 13), // 50 ms to 3.4 min
	})
)

func init() { metrics.Registry.MustRegister(epoch, epochValid, failures, rebuilds) }

func noteLook(found limiterstore.Inspection) {
	epoch.Set(float64(found.Epoch.Number))
	epochValid.Set(0)
	if found.Epoch.State == limiterv1.EpochValid && found.Whole() {
		epochValid.Set(1)
	}
}

func noteRebuilt(number int64, begin time.Time) {
	epoch.Set(float64(number))
	epochValid.Set(1)
	rebuilds.Observe(time.Since(begin).Seconds())
}
