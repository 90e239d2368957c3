package call

import (
	"fmt"
	"slices"
	"strings"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// ProviderReports take what is seen of providers, for the control plane.
type ProviderReports interface {
	// Failed notes why a provider gave no answer.
	Failed(provider limiterv1.Provider, err error)
	// Answered notes the status of an answer to a call of a model at an endpoint; model is
	// empty if the provider does not list it, or if the status says nothing of it. It reports
	// whether the provider answers all calls of that model so, as far as is known.
	Answered(provider limiterv1.Provider, model, endpoint string, status int) (broken bool)
}

// noReports ignores all reports.
type noReports struct{}

func (noReports) Failed(limiterv1.Provider, error) {}

func (noReports) Answered(limiterv1.Provider, string, string, int) bool { return false }

// troubles are what callers are told of each trouble, after "The provider of model ... ".
var troubles = map[limiterv1.ProviderTrouble]string{
	limiterv1.CredentialFileMissing: "cannot be called: Bursar has no key for it",
	limiterv1.HostNotFound:          "could not be reached: its host name was not found",
	limiterv1.ConnectionRefused:     "could not be reached: it refused the connection",
	limiterv1.ConnectionTimedOut:    "could not be reached: the connection timed out",
	limiterv1.ConnectionFailed:      "could not be reached: the connection failed",
	limiterv1.TLSFailed:             "could not be reached: there was no secure connection (TLS)",
}

// reportAnswer reports the status of the provider's answer, and returns what Answered says of it.
func (c *Call) reportAnswer(status int) (broken bool) {
	return c.calls.Providers.Answered(c.route.Provider, c.blamed(status), c.Endpoint.Path(), status)
}

// withhold takes the next bytes of an answer that may say that the provider rejects Bursar's
// key. It returns what the client may see: nothing, until the answer is too long to say that.
func (c *Call) withhold(piece []byte) []byte {
	f := &c.forward
	f.first = append(f.first, piece...)
	if len(f.first) <= protocol.MaxRejection {
		return nil
	}
	first := f.first
	f.rejects, f.first = nil, nil
	c.reportAnswer(f.status)
	return first
}

// rejectedKey is the refusal of a call whose answer says, in its body alone, that the provider
// rejects Bursar's key; nil for every other.
func (c *Call) rejectedKey() *Problem {
	f := &c.forward
	if f.rejects == nil {
		return nil
	}
	rejects := f.rejects(f.first)
	f.rejects = nil
	if !rejects {
		c.reportAnswer(f.status)
		return nil
	}
	f.first = nil
	c.reportAnswer(protocol.StatusUnauthorized)
	return c.unusableAnswer(f.status)
}

// operators ends a message about what callers cannot mend. It says whom to tell, and what.
func (c *Call) operators() string {
	return fmt.Sprintf(" Your request did not cause this: the operator of Bursar must fix it. Report call %s.", c.id)
}

// blamed is the name of the model that the status of an answer says something about. It is
// empty if the call's provider does not list the model, or if what was denied or not found may be
// something else that the caller has named.
func (c *Call) blamed(status int) string {
	if c.asked.refers && (status == protocol.StatusForbidden || status == protocol.StatusNotFound) {
		return ""
	}
	if slices.ContainsFunc(c.route.Provider.Models, func(m limiterv1.Model) bool { return m.Name == c.model.Name }) {
		return c.model.Name
	}
	return ""
}

// unreached is the refusal of a call whose provider could not be asked. Trying again helps
// if the network is to blame.
func (c *Call) unreached(err error) *Problem {
	trouble := limiterv1.TroubleOf(err)
	why, known := troubles[trouble]
	if !known {
		why = "could not be reached"
	}
	problem := providerFault("provider_unreachable", "Provider unreachable",
		fmt.Sprintf("The provider of model %q %s.%s", c.model.Name, why, c.operators()))
	if trouble == limiterv1.CredentialFileMissing {
		return problem.finally()
	}
	return problem
}

// unusable reports whether an answer is of no use to a client: a redirect; a rejection of
// Bursar's key; a denial or a "not found" in a form that no client can read; or one that all
// calls of the model get, so that none of them is to blame.
func unusable(status int, header protocol.Header, broken bool) bool {
	switch {
	case status < 200, status >= 300 && status < 400, status == protocol.StatusUnauthorized:
		return true
	case status == protocol.StatusForbidden, status == protocol.StatusNotFound:
		return broken || !isJSON(header)
	}
	return false
}

func isJSON(header protocol.Header) bool {
	kind := mediaType(header)
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// unusableAnswer is the refusal of a call whose provider answered about Bursar's own
// account or address, which clients must not see.
func (c *Call) unusableAnswer(status int) *Problem {
	c.calls.Log.Warn("a provider rejected Bursar's request", "provider", c.route.Provider.Name, "call", c.id, "status", status)
	return providerFault("provider_refused", "Provider refused",
		fmt.Sprintf("The provider of model %q rejected Bursar's request with status %d.%s", c.model.Name, status, c.operators())).finally()
}
