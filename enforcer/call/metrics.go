package call

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// Metrics count calls. Labels have few values: none is a tenant's,
// a user's or a model's name, of which there may be any number; those are in the
// ledger. Providers are few, and named by the cluster's administrators.
type Metrics struct {
	admissions *prometheus.CounterVec
	fallbacks  *prometheus.CounterVec
	replays    prometheus.Counter
	shares     prometheus.Counter
	admission  prometheus.Histogram
	open       prometheus.Gauge
	ends       *prometheus.CounterVec
	overruns   prometheus.Counter
	settle     prometheus.Histogram
	answers    *prometheus.CounterVec
	header     *prometheus.HistogramVec
}

// NewMetrics makes Metrics and registers them.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		admissions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bursar_enforcer_admissions_total",
			Help: "Requests by decision (admitted, refused; shadowed for an admission that would be refused but for Shadow), and, for refusals, by their error code.",
		}, []string{"decision", "reason"}),
		fallbacks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bursar_enforcer_fallbacks_total",
			Help: "Requests that money refused and a fallback answered (Cache, CheapestModel, Message), by the error code that they had got without. None is counted as refused; those of CheapestModel are calls, and counted as admitted.",
		}, []string{"fallback", "reason"}),
		replays: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bursar_enforcer_replays_total",
			Help: "Requests that got the answer of the call that had their Idempotency-Key before.",
		}),
		shares: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bursar_enforcer_bounded_admissions_total",
			Help: "Calls that were admitted from a tenant's share while the limiter's store was lost. They are counted as admitted, too.",
		}),
		admission: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "bursar_enforcer_admission_seconds",
			Help:    "Time that the limiter's store took to decide on a call.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 15), // 0.1 ms to 1.6 s
		}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "bursar_enforcer_open_calls",
			Help: "Calls that were admitted and are not settled.",
		}),
		ends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bursar_enforcer_settled_calls_total",
			Help: "Calls that were settled, by outcome (Settled, Voided, ChargedHold).",
		}, []string{"outcome"}),
		overruns: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bursar_enforcer_overruns_total",
			Help: "Calls that cost more than was held for them, because the provider reported more than its bound.",
		}),
		settle: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "bursar_enforcer_settle_seconds",
			Help:    "Time from the end of a call until its cost was posted.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 12), // 0.1 ms to 7 min
		}),
	}
	m.answers = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bursar_enforcer_provider_answers_total",
		Help: "Calls by provider (the ModelProvider's name) and answer: 1xx to 5xx by the status, none when there was no answer, cut when it did not come to its end.",
	}, []string{"provider", "answer"})
	m.header = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "bursar_enforcer_provider_header_seconds",
		Help:    "Time that a provider took from the sending of a call to the header of its answer; of a whole answer that is most of its time.",
		Buckets: prometheus.ExponentialBuckets(0.05, 2, 13), // 50 ms to 3.4 min
	}, []string{"provider"})
	registry.MustRegister(m.admissions, m.fallbacks, m.replays, m.shares, m.admission, m.open, m.ends, m.overruns, m.settle,
		m.answers, m.header)
	m.begin()
	return m
}

// begin makes what is known to be counted begin at zero, so that its first increase
// can be seen.
func (m *Metrics) begin() {
	m.admissions.WithLabelValues("admitted", "")
	for _, fallback := range limiterv1.FallbackKinds() {
		for _, code := range []string{"budget_exhausted", "breaker_open"} {
			m.fallbacks.WithLabelValues(string(fallback), code)
		}
	}
	for _, outcome := range ledgerv1.Outcomes() {
		m.ends.WithLabelValues(string(outcome))
	}
}

func (m *Metrics) asked(since time.Time) { m.admission.Observe(time.Since(since).Seconds()) }

func (m *Metrics) admitted() {
	m.admissions.WithLabelValues("admitted", "").Inc()
	m.open.Inc()
}

// bounded counts what was admitted while the store was lost.
func (m *Metrics) bounded() { m.shares.Inc() }

// shadowed counts, beside the admission itself, what would have been refused.
func (m *Metrics) shadowed(r *Problem) { m.admissions.WithLabelValues("shadowed", r.Code).Inc() }

// refused counts what was refused before it was admitted.
func (m *Metrics) refused(r *Problem) {
	if !r.afterwards {
		m.admissions.WithLabelValues("refused", r.Code).Inc()
	}
}

func (m *Metrics) fellBack(fallback limiterv1.FallbackKind, from *Problem) {
	m.fallbacks.WithLabelValues(string(fallback), from.Code).Inc()
}

// answered counts what a provider answered to a call that was sent then; status is 0
// when it did not.
func (m *Metrics) answered(provider string, status int, sent time.Time) {
	if status == 0 {
		m.answers.WithLabelValues(provider, "none").Inc()
		return
	}
	m.answers.WithLabelValues(provider, fmt.Sprintf("%dxx", status/100)).Inc()
	m.header.WithLabelValues(provider).Observe(time.Since(sent).Seconds())
}

// cut counts an answer that did not come to its end, beside the answer itself.
func (m *Metrics) cut(provider string) { m.answers.WithLabelValues(provider, "cut").Inc() }

func (m *Metrics) settled(e *ledgerv1.Entry, ended time.Time) {
	m.open.Dec()
	m.ends.WithLabelValues(string(e.Outcome)).Inc()
	m.settle.Observe(time.Since(ended).Seconds())
	if e.Overrun() > 0 {
		m.overruns.Inc()
	}
}
