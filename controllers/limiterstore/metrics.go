package limiterstore

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var changes = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "bursar_manager_document_changes_total",
	Help: "Changes of the configuration that enforcers run, by kind of document and what was done to it.",
}, []string{"kind", "change"})

func init() { metrics.Registry.MustRegister(changes) }
