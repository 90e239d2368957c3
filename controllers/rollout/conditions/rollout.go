package conditions

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// Rollout is how far a generation of an object has got on its way to the enforcers.
type Rollout struct {
	// Err is why that is unknown; nil while phases run.
	Err error
	// Revision is the number of the configuration that contains the generation;
	// zero when none does.
	Revision int64
	// Behind is how many documents that inherit from the object have another
	// generation of it.
	Behind int
	// Lacking is how many of the Selected tenants that the object selects have no document,
	// or one without the generation.
	Lacking, Selected int
	// LeftOut is why the object will not be in force for some tenants to which it applies;
	// empty if there are none.
	LeftOut string
	// Running is how many live enforcers run that revision, of All.
	Running, All int
	// Unproven is a document that no probe has confirmed yet; nil when there is none.
	Unproven *limiterstore.Proof
}

// RolloutOf is the rollout of an object's generation, by one document and the enforcers that
// run it.
func RolloutOf(observed limiterstore.Observation, object metav1.Object) Rollout {
	rollout := Rollout{All: len(observed.Sessions)}
	if observed.Contains(string(object.GetUID()), object.GetGeneration()) {
		rollout.Revision = observed.Revision
		rollout.Running, _ = observed.Running(observed.Revision)
	}
	return rollout
}

// Inherited adds the documents of other tenants. The generation has to be in all of those that
// inherit from the object, and the fleet has to run them.
func (r Rollout) Inherited(fleet limiterstore.Fleet, documents []limiterstore.Observation, object Object) Rollout {
	uid := string(object.GetUID())
	var newest int64
	for _, document := range documents {
		switch {
		case document.Contains(uid, object.GetGeneration()):
			newest = max(newest, document.Revision)
		case document.From(uid):
			r.Behind++
		}
	}
	if r.Revision == 0 {
		return r
	}
	if IsProgrammed(object) {
		// They have contained the generation since that revision. Their later changes do not
		// concern the object.
		newest = min(newest, object.GetProgrammedStatus().Revision)
	}
	r.Revision = max(r.Revision, newest)
	r.Running, _ = fleet.Running(r.Revision)
	if r.Behind > 0 || r.Lacking > 0 {
		r.Running = 0
	}
	return r
}

// Arrived reports whether every live enforcer says that it runs the generation.
func (r Rollout) Arrived() bool {
	return r.Err == nil && r.Revision > 0 && r.Behind == 0 && r.Lacking == 0 && r.All > 0 && r.Running == r.All
}

// Probed adds the results of probes. A contradiction of a document takes precedence over
// a missing answer.
func (r Rollout) Probed(proofs ...limiterstore.Proof) Rollout {
	for i, proof := range proofs {
		isUnknown := proof.Revision > 0 && !proof.Answered
		if proof.Contradiction != "" || isUnknown && r.Unproven == nil {
			r.Unproven = &proofs[i]
		}
		if proof.Contradiction != "" {
			break
		}
	}
	return r
}

// Programmed is the verdict on whether every live enforcer runs the generation, and a probe
// has confirmed that calls are admitted by it.
func (r Rollout) Programmed(accepted verdict.Verdict) verdict.Verdict {
	switch {
	case isUndetermined(accepted):
		return Undetermined("whether the object is valid")
	case r.Err != nil:
		return failure(r.Err)
	case !accepted.Holds():
		return verdict.False(v1alpha1.ReasonNotAccepted, "not accepted: see the condition Accepted")
	case r.LeftOut != "":
		return verdict.False(v1alpha1.ReasonTooManyLimits, r.LeftOut)
	case r.Revision == 0:
		return verdict.False(v1alpha1.ReasonEnforcersPending, "no compiled configuration contains this generation yet")
	case r.Lacking > 0:
		return verdict.False(v1alpha1.ReasonEnforcersPending,
			fmt.Sprintf("the configurations of %d of %d selected tenants do not contain this generation yet", r.Lacking, r.Selected))
	case r.Behind > 0:
		return verdict.False(v1alpha1.ReasonEnforcersPending, childrenBehind(r.Behind))
	case r.All == 0:
		return verdict.False(v1alpha1.ReasonNoEnforcers, "no enforcer is running: check the Deployment bursar-enforcer, that its redis-url names the same Redis as the manager's, and that this Redis takes writes")
	}
	count := fmt.Sprintf("%d of %d live enforcers run revision %d", r.Running, r.All, r.Revision)
	if r.Running < r.All {
		return verdict.False(v1alpha1.ReasonEnforcersPending, count)
	}
	if r.Unproven != nil {
		return unproven(*r.Unproven, count)
	}
	return verdict.True(v1alpha1.ReasonProgrammed, count)
}

// childrenBehind says how many child tenants' configurations lack the generation.
func childrenBehind(tenants int) string {
	if tenants == 1 {
		return "the configuration of a child tenant does not contain this generation yet"
	}
	return fmt.Sprintf("the configurations of %d child tenants do not contain this generation yet", tenants)
}

// unproven is the verdict if all enforcers report the generation, but no probe has confirmed
// it.
func unproven(proof limiterstore.Proof, count string) verdict.Verdict {
	if proof.Contradiction == "" {
		return verdict.False(v1alpha1.ReasonProbePending,
			fmt.Sprintf("%s; waiting for the answer to a probe of tenant %s through one of them", count, proof.Tenant))
	}
	return verdict.False(v1alpha1.ReasonProbeFailed,
		fmt.Sprintf("%s, but a probe of tenant %s through enforcer %s found: %s", count, proof.Tenant, proof.By, proof.Contradiction))
}

// Ready is the verdict on whether an object is enforced as written.
func Ready(accepted, programmed verdict.Verdict) verdict.Verdict {
	switch {
	case isUndetermined(accepted):
		return verdict.Unknown(v1alpha1.ReasonNotEnforced, accepted.Message)
	case !accepted.Holds():
		return verdict.False(v1alpha1.ReasonNotEnforced, accepted.Message)
	case !programmed.Holds():
		return verdict.Verdict{Status: programmed.Status, Reason: v1alpha1.ReasonNotEnforced, Message: programmed.Message}
	}
	return verdict.True(v1alpha1.ReasonEnforced, "enforced as written")
}

// Common is the part of a status that every kind has: how far the rollout has got, then
// Ready, Accepted, Programmed, Reconciling and Stalled, then what further conditions the
// kind has.
func (r Rollout) Common(
	object Object, now time.Time, accepted, programmed, ready verdict.Verdict, further ...Typed,
) v1alpha1.ProgrammedStatus {
	status := Common(object, now, accepted, programmed, ready, further...)
	status.Revision = r.Revision
	if r.Err == nil {
		status.Enforcers = &v1alpha1.EnforcerCount{Ready: int32(r.Running), Total: int32(r.All)}
	}
	return status
}

// Common is like Rollout.Common, for an object of which nothing is on its way to the enforcers.
func Common(
	object Object, now time.Time, accepted, programmed, ready verdict.Verdict, further ...Typed,
) v1alpha1.ProgrammedStatus {
	reconciling, stalled := kstatus(accepted, programmed, ready)
	verdicts := append([]Typed{
		{v1alpha1.ConditionReady, ready},
		{v1alpha1.ConditionAccepted, accepted},
		{v1alpha1.ConditionProgrammed, programmed},
		{v1alpha1.ConditionReconciling, reconciling},
		{v1alpha1.ConditionStalled, stalled},
	}, further...)
	return v1alpha1.ProgrammedStatus{
		ObservedGeneration: object.GetGeneration(),
		Conditions:         Build(object.GetProgrammedStatus().Conditions, object.GetGeneration(), now, verdicts...),
	}
}

// Object is an object of any of the kinds.
type Object interface {
	metav1.Object
	GetProgrammedStatus() *v1alpha1.ProgrammedStatus
}

// IsProgrammed reports whether the object's status says that its present
// generation is programmed.
func IsProgrammed(object Object) bool {
	return IsTrue(object.GetProgrammedStatus().Conditions, v1alpha1.ConditionProgrammed, object.GetGeneration())
}
