package modelprovider

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// remedies say, for each trouble, what was seen and what to do, after "2 of 3 live
// enforcers: ". "%s" stands for what the trouble is about.
var remedies = map[limiterv1.ProviderTrouble]string{
	limiterv1.NotFound:              "the provider answers 404 to calls of %s: check spec.endpoint, which ends with the version of the API, and the models' upstreamName",
	limiterv1.HostNotFound:          "the host name of spec.endpoint is not in DNS (%s): check it, and the enforcers' DNS",
	limiterv1.ConnectionRefused:     "nothing listens at spec.endpoint (%s): check its host and port",
	limiterv1.ConnectionTimedOut:    "connections to spec.endpoint (%s) time out: check its host and port, and whether network policies and firewalls let the enforcers through",
	limiterv1.ConnectionFailed:      "connections to spec.endpoint (%s) fail: check the enforcers' network",
	limiterv1.TLSFailed:             "no secure connection to spec.endpoint (%s): check that it speaks TLS and that the enforcers trust its certificate",
	limiterv1.CredentialFileMissing: "the file %s is missing, unreadable or empty in the directory that the enforcers mount (--provider-credentials-dir): put the key there, such as in the Secret bursar-provider-credentials",
	limiterv1.KeyRejected:           "the provider rejects the API key in the file %s: replace it in the Secret that the enforcers mount",
	limiterv1.KeyForbidden:          "the provider denies the API key calls of %s (403): grant it access at the provider, or remove the models",
}

// reachable is the verdict on whether calls get answers.
func (s *scope) reachable() verdict.Verdict {
	of := func(r limiterv1.ProviderReport) limiterv1.ProviderTrouble { return r.Reachable }
	return s.seen(v1alpha1.ConditionReachable, of, v1alpha1.ReasonAnswered, "the provider answers calls")
}

// credentialValid is the verdict on whether the provider accepts the key.
func (s *scope) credentialValid() verdict.Verdict {
	if s.Object.Spec.CredentialFile == "" {
		return verdict.True(v1alpha1.ReasonKeyNotNeeded, "spec.credentialFile is not set: calls are made without a key")
	}
	of := func(r limiterv1.ProviderReport) limiterv1.ProviderTrouble { return r.Credential }
	return s.seen(v1alpha1.ConditionCredentialValid, of, v1alpha1.ReasonKeyAccepted, "the provider accepts the key")
}

// seen is the verdict of a condition by the troubles that enforcers report. The trouble that most
// of them report counts, and any trouble takes precedence over success.
func (s *scope) seen(
	condition string, of func(limiterv1.ProviderReport) limiterv1.ProviderTrouble, works, message string,
) verdict.Verdict {
	counts := map[limiterv1.ProviderTrouble]int{}
	for _, report := range s.reports {
		counts[of(report)]++
	}
	worst, most := limiterv1.ProviderTrouble(""), 0
	for _, trouble := range slices.Sorted(maps.Keys(counts)) {
		if remedies[trouble] != "" && counts[trouble] > most {
			worst, most = trouble, counts[trouble]
		}
	}
	switch {
	case worst != "":
		return verdict.False(string(worst), s.count(most)+fmt.Sprintf(remedies[worst], s.about(worst, of)))
	case counts[limiterv1.NoTrouble] > 0:
		return verdict.True(works, message)
	}
	return s.untried(condition, counts)
}

// count says how many enforcers have seen something.
func (s *scope) count(enforcers int) string {
	return fmt.Sprintf("%d of %d live enforcers: ", enforcers, len(s.reports))
}

// about is what a trouble is about.
func (s *scope) about(trouble limiterv1.ProviderTrouble, of func(limiterv1.ProviderReport) limiterv1.ProviderTrouble) string {
	switch trouble {
	case limiterv1.NotFound, limiterv1.KeyForbidden:
		models := map[string]bool{}
		for _, report := range s.reports {
			if of(report) == trouble {
				for _, model := range report.Models {
					models[model] = true
				}
			}
		}
		return verdict.Some(slices.Sorted(maps.Keys(models)), maxNamed)
	case limiterv1.CredentialFileMissing, limiterv1.KeyRejected:
		return fmt.Sprintf("%q", s.Object.Spec.CredentialFile)
	}
	return s.Object.Spec.Endpoint
}

// maxNamed is how many models a message names.
const maxNamed = 5

// untried is the verdict while no live enforcer has seen anything. What enforcers that have
// ended have seen of this generation stands until others see something.
func (s *scope) untried(condition string, counts map[limiterv1.ProviderTrouble]int) verdict.Verdict {
	before := meta.FindStatusCondition(s.Object.Status.Conditions, condition)
	fileIsThere := counts[limiterv1.Untried] > 0
	switch {
	case before == nil || before.Status == metav1.ConditionUnknown || before.ObservedGeneration != s.Object.Generation:
	case before.Reason == v1alpha1.ReasonCredentialFileMissing && fileIsThere, before.Reason == v1alpha1.ReasonKeyNotNeeded:
	default:
		return verdict.Verdict{Status: before.Status, Reason: before.Reason, Message: before.Message}
	}
	return verdict.Unknown(v1alpha1.ReasonUntried, "no enforcer has called the provider yet: make a call, or set spec.checkInterval to have it checked without one")
}
