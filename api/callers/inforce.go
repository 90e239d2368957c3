package callers

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Standing is what the manager has decided about an object, by its status.
type Standing int

// The manager's decisions.
const (
	// Undecided: it has not looked at the object as it is now. What was in force before stays.
	Undecided Standing = iota
	// InForce: it has accepted the object as it is.
	InForce
	// Refused: the object is to have no effect as it is.
	Refused
)

// StandingOf is what the status of an object says about its current generation.
func StandingOf(object interface {
	metav1.Object
	GetProgrammedStatus() *v1alpha1.ProgrammedStatus
}) Standing {
	if !object.GetDeletionTimestamp().IsZero() {
		return Refused
	}
	accepted := meta.FindStatusCondition(object.GetProgrammedStatus().Conditions, v1alpha1.ConditionAccepted)
	switch {
	case accepted == nil || accepted.ObservedGeneration != object.GetGeneration():
		return Undecided
	case accepted.Status == metav1.ConditionTrue:
		return InForce
	case accepted.Status == metav1.ConditionFalse:
		return Refused
	}
	return Undecided
}

// Fetched is an IdentityProvider with what its status says of the issuer: the keys that were
// fetched last and, if the issuer is the cluster, its name. REQUIRES: StandingOf says that it
// is in force, so that the status is about the current spec.
func Fetched(provider *v1alpha1.IdentityProvider) (limiterv1.IdentityProvider, error) {
	document, errs := IdentityProvider(provider)
	if len(errs) > 0 {
		return limiterv1.IdentityProvider{}, errs.ToAggregate()
	}
	if provider.Spec.Issuer.Cluster && provider.Status.Issuer != "" {
		document.Issuers = []string{provider.Status.Issuer}
	}
	if keys := provider.Status.Keys; keys != nil && len(document.Keys) == 0 {
		document.Keys, document.KeysAt = json.RawMessage(keys.JWKS), keys.ChangedAt.UTC()
	}
	return document, nil
}
