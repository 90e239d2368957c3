package rollup

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	rolledUp = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "bursar_manager_usage_rolled_up_timestamp_seconds",
		Help: "Unix time at which the leader last rolled up what was used; 0 if it has not yet. Sums are right without, and slower to read.",
	})
	usersUntil = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "bursar_manager_usage_users_until_timestamp_seconds",
		Help: "Unix time until which the leader has made sums of each user; 0 if it has made none yet.",
	})
	unknownZones = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "bursar_manager_usage_tenants_with_unknown_time_zone",
		Help: "Tenants whose time zone Postgres does not know, so that the sums of what they used follow UTC; the log of the leader names them.",
	})
	failures = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "bursar_manager_usage_roll_up_failures_total",
		Help: "Failed attempts to roll up what was used; each is retried.",
	})
)

func init() { metrics.Registry.MustRegister(rolledUp, usersUntil, unknownZones, failures) }
