package call

import (
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/protocol"
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
			Help: "Requests by decision (admitted; refused; shadowed: admitted by Shadow, would be refused under Enforce) and, for refusals, by error code.",
		}, []string{"decision", "reason"}),
		fallbacks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bursar_enforcer_fallbacks_total",
			Help: "Requests that a fallback (Cache, CheapestModel, Message) answered instead of a refusal for money, by the error code of that refusal. They are not counted as refused; those of CheapestModel are counted as admitted calls.",
		}, []string{"fallback", "reason"}),
		replays: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bursar_enforcer_replays_total",
			Help: "Requests that got the stored answer of an earlier call with the same Idempotency-Key.",
		}),
		shares: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bursar_enforcer_bounded_admissions_total",
			Help: "Calls admitted from a tenant's reserve while the limiter's store was unavailable. They are also counted as admitted.",
		}),
		admission: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "bursar_enforcer_admission_seconds",
			Help:    "Time the limiter's store took to decide on a call.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 15), // 0.1 ms to 1.6 s
		}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "bursar_enforcer_open_calls",
			Help: "Admitted calls that are not settled yet.",
		}),
		ends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bursar_enforcer_settled_calls_total",
			Help: "Settled calls by outcome (Settled, Voided, ChargedSeen, ChargedHold).",
		}, []string{"outcome"}),
		overruns: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bursar_enforcer_overruns_total",
			Help: "Calls that cost more than their hold, because the provider reported more usage than it was bound to.",
		}),
		settle: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "bursar_enforcer_settle_seconds",
			Help:    "Time from the end of a call until its cost was posted.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 12), // 0.1 ms to 7 min
		}),
	}
	m.answers = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bursar_enforcer_provider_answers_total",
		Help: "Calls by provider (the ModelProvider's name) and answer: 401, 403 and 404 by the status, other statuses as 1xx to 5xx, none when there was no answer, cut when the answer was cut off, left when its client disconnected and the provider was told to stop.",
	}, []string{"provider", "answer"})
	m.header = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "bursar_enforcer_provider_header_seconds",
		Help:    "Time from sending a call to a provider until the header of its answer arrived. For an answer that is not streamed, that is most of its time.",
		Buckets: prometheus.ExponentialBuckets(0.05, 2, 13), // 50 ms to 3.4 min
	}, []string{"provider"})
	registry.MustRegister(m.admissions, m.fallbacks, m.replays, m.shares, m.admission, m.open, m.ends, m.overruns, m.settle,
		m.answers, m.header)
	m.begin()
	return m
}

// begin begins the series that are known in advance at zero, so that their first increase
// can be seen.
func (m *Metrics) begin() {
	m.admissions.WithLabelValues("admitted", "")
	for _, fallback := range limiterv1.FallbackKinds() {
		for _, code := range []string{codeBudgetExhausted, codeBreakerOpen} {
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
	m.answers.WithLabelValues(provider, answerLabel(status)).Inc()
	m.header.WithLabelValues(provider).Observe(time.Since(sent).Seconds())
}

// answerLabel is the label of an answer by its status. Those by which a provider tells that
// its ModelProvider is wrong have one of their own.
func answerLabel(status int) string {
	switch status {
	case protocol.StatusUnauthorized, protocol.StatusForbidden, protocol.StatusNotFound:
		return strconv.Itoa(status)
	}
	return fmt.Sprintf("%dxx", status/100)
}

// cut counts an answer that did not come to its end, beside the answer itself.
func (m *Metrics) cut(provider string) { m.answers.WithLabelValues(provider, "cut").Inc() }

// left counts an answer that was not read to its end, as its client had gone.
func (m *Metrics) left(provider string) { m.answers.WithLabelValues(provider, "left").Inc() }

func (m *Metrics) settled(e *ledgerv1.Entry, ended time.Time) {
	m.open.Dec()
	m.ends.WithLabelValues(string(e.Outcome)).Inc()
	m.settle.Observe(time.Since(ended).Seconds())
	if e.Overrun() > 0 {
		m.overruns.Inc()
	}
}
