package identityprovider

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	fetchesTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bursar_manager_identity_key_fetches_total",
		Help: "Fetches of the signing keys of issuers, by IdentityProvider and result: success or failure.",
	}, []string{"identity_provider", "result"})
	fetchedAt = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "bursar_manager_identity_keys_fetched_timestamp_seconds",
		Help: "Unix time at which the signing keys of an issuer were fetched last, by IdentityProvider.",
	}, []string{"identity_provider"})
)

func init() { metrics.Registry.MustRegister(fetchesTotal, fetchedAt) }

// noteFetch counts a fetch of an IdentityProvider's keys.
func noteFetch(provider string, err error, now time.Time) {
	succeeded, failed := fetchesTotal.WithLabelValues(provider, "success"), fetchesTotal.WithLabelValues(provider, "failure")
	if err != nil {
		failed.Inc()
		return
	}
	succeeded.Inc()
	fetchedAt.WithLabelValues(provider).Set(float64(now.Unix()))
}

// forgetFetches removes the metrics of an IdentityProvider that is being deleted.
func forgetFetches(provider string) {
	fetchesTotal.DeletePartialMatch(prometheus.Labels{"identity_provider": provider})
	fetchedAt.DeletePartialMatch(prometheus.Labels{"identity_provider": provider})
}
