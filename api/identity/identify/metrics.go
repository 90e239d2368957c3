package identify

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bursar-dev/bursar/api/identity"
)

// Metrics count how callers are identified. A nil one counts nothing.
type Metrics struct {
	identifications *prometheus.CounterVec
	wanted          prometheus.Counter
}

// identified is the result for a caller who was identified.
const identified = "Identified"

// NewMetrics makes Metrics of a program, such as "enforcer", and registers them.
func NewMetrics(program string, registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		identifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bursar_" + program + "_identifications_total",
			Help: "Requests by the kind of their credential (key, token, none) and by result: Identified, or why the caller could not be identified.",
		}, []string{"credential", "result"}),
		wanted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bursar_" + program + "_wanted_keys_total",
			Help: "Times that the manager was asked to fetch the keys of an IdentityProvider, because a token named one that is not known; at most once a minute for each.",
		}),
	}
	registry.MustRegister(m.identifications, m.wanted)
	m.begin()
	return m
}

// begin sets the counters of known labels to zero, so that their first increase is
// visible.
func (m *Metrics) begin() {
	for _, kind := range []by{byKey, byToken} {
		m.identifications.WithLabelValues(string(kind), identified)
	}
	for _, reason := range []identity.Reason{identity.Expired, identity.UnknownIssuer, identity.UnknownKey, identity.BadSignature} {
		m.identifications.WithLabelValues(string(byToken), string(reason))
	}
}

func (m *Metrics) identified(kind by, err error) {
	if m == nil {
		return
	}
	result := identified
	var why *Error
	if errors.As(err, &why) {
		result = string(why.Reason)
	}
	m.identifications.WithLabelValues(string(kind), result).Inc()
}

func (m *Metrics) keysWanted() {
	if m != nil {
		m.wanted.Inc()
	}
}
