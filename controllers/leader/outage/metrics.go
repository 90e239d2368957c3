package outage

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var up = prometheus.NewGaugeVec(prometheus.GaugeOpts{
	Name: "bursar_manager_store_up",
	Help: "Whether a store answers, and Redis takes writes: 1, or 0 after three failed checks in a row.",
}, []string{"store"})

func init() { metrics.Registry.MustRegister(up) }

func measure(store Watched, isUp bool) {
	value := 0.0
	if isUp {
		value = 1
	}
	up.WithLabelValues(strings.ToLower(store.Name)).Set(value)
}
