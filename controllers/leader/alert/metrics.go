package alert

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// attempts counts attempts to deliver alerts, by channel and by how they ended.
var attempts = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "bursar_manager_alert_delivery_attempts_total",
	Help: "Attempts to deliver alerts, by channel, and by result: delivered, failed (and retried), abandoned.",
}, []string{"channel", "result"})

// How an attempt ended.
const (
	resultDelivered = "delivered"
	resultFailed    = "failed"
	resultAbandoned = "abandoned"
)

func init() {
	metrics.Registry.MustRegister(attempts)
	for _, channel := range ledgerv1.Channels() {
		for _, result := range []string{resultDelivered, resultFailed, resultAbandoned} {
			attempts.WithLabelValues(string(channel), result) // so that the first one can be seen
		}
	}
}

func count(d budgetstore.Delivery, result string) {
	attempts.WithLabelValues(string(d.Channel), result).Inc()
}
