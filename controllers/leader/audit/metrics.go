package audit

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	audits = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bursar_manager_audits_total",
		Help: "Comparisons of a tenant's counters with the ledger and the open calls, by result: clean, drift, skipped (too busy, or being set), failed.",
	}, []string{"result"})
	tenantsWithDrift = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "bursar_manager_audit_tenants_with_drift",
		Help: "Tenants with money counters that differ from the ledger, or from what open calls hold.",
	})
	tenantsWithWrongSums = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "bursar_manager_audit_tenants_with_wrong_sums",
		Help: "Tenants with sums of what was used on a day that differ from the ledger.",
	})
	drift = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "bursar_manager_audit_drift_usd",
		Help: "Sum of the differences between these counters and the ledger or the open calls, in US dollars.",
	})
)

func init() {
	metrics.Registry.MustRegister(audits, tenantsWithDrift, tenantsWithWrongSums, drift)
	for _, result := range []string{"clean", "drift", "skipped", "failed"} {
		audits.WithLabelValues(result) // so that the first one can be seen
	}
}
