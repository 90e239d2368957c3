package feed

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// heard counts messages by what they are about.
var heard = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "bursar_manager_feed_messages_total",
	Help: "Messages from enforcers that the manager received, by subject.",
}, []string{"about"})

var enforcers = prometheus.NewGauge(prometheus.GaugeOpts{
	Name: "bursar_manager_live_enforcers",
	Help: "Live enforcer sessions at the last check; NaN if Redis did not answer.",
})

func init() {
	metrics.Registry.MustRegister(heard, enforcers)
	for _, about := range []string{limiterv1.FeedTenant, limiterv1.FeedSession, limiterv1.FeedEpoch, limiterv1.FeedProbe, unknown} {
		heard.WithLabelValues(about)
	}
}

// unknown stands for what the manager does not know.
const unknown = "unknown"

// noteEnforcers sets the metric to what a look at the enforcers found.
func noteEnforcers(now look) {
	if now.failed {
		enforcers.Set(math.NaN())
		return
	}
	enforcers.Set(float64(len(now.Sessions)))
}

// label keeps what others may publish on the channel out of the metric's labels.
func label(about string) string {
	switch about {
	case limiterv1.FeedTenant, limiterv1.FeedSession, limiterv1.FeedEpoch, limiterv1.FeedProbe:
		return about
	}
	return unknown
}
