package maintenance

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	maintained = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "bursar_manager_ledger_maintained_timestamp_seconds",
		Help: "Unix time at which the leader last ensured that the ledger has partitions for the coming months; 0 if it has not yet.",
	})
	maintenanceFailures = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "bursar_manager_ledger_maintenance_failures_total",
		Help: "Failed attempts to migrate the schema or to create partitions; each is retried.",
	})
)

func init() { metrics.Registry.MustRegister(maintained, maintenanceFailures) }
