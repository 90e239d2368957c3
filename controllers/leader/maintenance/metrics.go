package maintenance

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	maintained = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "bursar_manager_ledger_maintained_timestamp_seconds",
		Help: "When the leader last saw to it that the ledger has partitions for the months to come; 0 when it has not.",
	})
	maintenanceFailures = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "bursar_manager_ledger_maintenance_failures_total",
		Help: "Attempts to migrate the schema or to make partitions that failed, and are made again.",
	})
)

func init() { metrics.Registry.MustRegister(maintained, maintenanceFailures) }
