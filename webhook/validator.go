package webhook

import (
	"context"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// refused are the reasons for which an object is rejected. Other reasons for which it has
// no effect may pass without a change of it: an object that it names may yet be created.
var refused = sets.New(
	v1alpha1.ReasonInvalid,
	v1alpha1.ReasonConflicted,
	v1alpha1.ReasonNamespaceNotDelegated,
	v1alpha1.ReasonParentCycle,
	v1alpha1.ReasonParentTooDeep,
	v1alpha1.ReasonParentChanged,
	v1alpha1.ReasonAncestorRequired,
	v1alpha1.ReasonMemberNotAllowed,
)

// byOthers are the reasons in refused that other objects cause.
var byOthers = refused.Clone().Delete(v1alpha1.ReasonInvalid)

// catchUp bounds how long the manager may take to hear of other objects: one that was
// applied together with them, and after them, must not be refused for that.
const (
	catchUp   = time.Second
	lookAgain = 100 * time.Millisecond
)

// warnWithin bounds how long the search for warnings waits for stores. The API server
// waits for twice as long.
const warnWithin = 1500 * time.Millisecond

// askedWithin bounds how long a request waits for Postgres to record who made it. A change
// whose request is not recorded has nobody's name.
const askedWithin = time.Second

// asked records who asks for a change of an object. The gist identifies what is asked for.
func (v validator[T]) asked(ctx context.Context, object T, gist string) {
	request, err := admission.RequestFromContext(ctx)
	if err != nil || v.changes == nil || ptr.Deref(request.DryRun, false) {
		return
	}
	askedCtx, cancel := context.WithTimeout(ctx, askedWithin)
	defer cancel()
	err = v.changes.Asked(askedCtx, budgetstore.ChangeRequest{
		UID: string(object.GetUID()), Generation: object.GetGeneration(), Gist: gist, User: userOf(request.UserInfo),
	})
	if err != nil {
		log.FromContext(ctx).Error(err, "Failed to record who asked for a change")
	}
}

// userOf is who makes a request: if the console makes it for a person, the person, too. The extra
// value can be believed: the API server has it from its own authentication, or from a client that
// may impersonate with it.
func userOf(user authenticationv1.UserInfo) string {
	if people := user.Extra[v1alpha1.PersonExtra]; len(people) > 0 {
		return strings.Join(people, ", ") + " via " + user.Username
	}
	return user.Username
}

// rules are what there is to say about the objects of a kind.
type rules[T client.Object] interface {
	// kind is the kind's name.
	kind() string
	// spec is what is decided on.
	spec(object T) any
	// decide decides whether the object is to have effect.
	decide(ctx context.Context, object T) (acceptance.Decision, error)
	// warn says what may not be meant in an object that is not refused: one that is
	// created if was is nil, otherwise changed.
	warn(ctx context.Context, was, is T) []string
	// warnOfDeletion says what else ends with an object that is about to be deleted.
	warnOfDeletion(ctx context.Context, object T) []string
}

// validator answers the API server by the rules of a kind.
type validator[T client.Object] struct {
	rules[T]
	// changes records who asks for what; nil if nothing does.
	changes Changes
}

// register makes the manager serve the rules of a kind.
func register[T client.Object](mgr ctrl.Manager, object T, r rules[T], changes Changes) error {
	return ctrl.NewWebhookManagedBy(mgr, object).WithValidator(validator[T]{r, changes}).Complete()
}

// ValidateCreate answers whether an object may be created.
func (v validator[T]) ValidateCreate(ctx context.Context, object T) (admission.Warnings, error) {
	// It counts as younger than all that exist, even those of the same second.
	newest := object.DeepCopyObject().(T)
	newest.SetCreationTimestamp(metav1.NewTime(time.Now().Add(24 * time.Hour)))
	var none T
	return v.answer(ctx, none, newest)
}

// ValidateUpdate answers whether an object may be changed.
func (v validator[T]) ValidateUpdate(ctx context.Context, was, is T) (admission.Warnings, error) {
	if !is.GetDeletionTimestamp().IsZero() || equality.Semantic.DeepEqual(v.spec(was), v.spec(is)) {
		return nil, nil
	}
	return v.answer(ctx, was, is)
}

// ValidateDelete lets everything go, and says what goes with it.
func (v validator[T]) ValidateDelete(ctx context.Context, was T) (admission.Warnings, error) {
	if !was.GetDeletionTimestamp().IsZero() {
		return nil, nil
	}
	v.asked(ctx, was, budgetstore.GistOfDeletion)
	ctx, cancel := context.WithTimeout(ctx, warnWithin)
	defer cancel()
	return clip(v.warnOfDeletion(ctx, was)), nil
}

func (v validator[T]) answer(ctx context.Context, was, is T) (admission.Warnings, error) {
	decided, err := v.decideCaughtUp(ctx, is)
	if err != nil {
		// The controller decides again, and waits for what could not be read.
		log.FromContext(ctx).Error(err, "Failed to validate an object on admission")
		return admission.Warnings{"the webhook failed to validate this object: see the condition Accepted"}, nil
	}
	if refused.Has(decided.Reason) {
		kind := v1alpha1.GroupVersion.WithKind(v.kind()).GroupKind()
		return nil, apierrors.NewInvalid(kind, is.GetName(), decided.Errors)
	}
	recorded := make(chan struct{})
	go func() {
		defer close(recorded)
		v.asked(ctx, is, budgetstore.Gist(v.spec(is)))
	}()
	defer func() { <-recorded }()
	var warnings []string
	if decided.Status == metav1.ConditionFalse {
		for _, why := range decided.Whys() {
			warnings = append(warnings, "has no effect yet: "+why)
		}
	}
	warnCtx, cancel := context.WithTimeout(ctx, warnWithin)
	defer cancel()
	return clip(append(warnings, v.warn(warnCtx, was, is)...)), nil
}

// decideCaughtUp decides. While other objects are in the way, it decides again, for catchUp:
// what the manager knows of them may be a moment old.
func (v validator[T]) decideCaughtUp(ctx context.Context, is T) (decided acceptance.Decision, err error) {
	stands := wait.PollUntilContextTimeout(ctx, lookAgain, catchUp, true, func(ctx context.Context) (bool, error) {
		decided, err = v.decide(ctx, is)
		return !byOthers.Has(decided.Reason), err
	})
	if wait.Interrupted(stands) {
		return decided, nil
	}
	return decided, stands
}

// The API server cuts longer warnings, and drops what is too much in all.
const (
	maxWarning  = 256
	maxWarnings = 12
)

// clip makes warnings fit.
func clip(warnings []string) admission.Warnings {
	if len(warnings) > maxWarnings {
		warnings = append(warnings[:maxWarnings-1:maxWarnings-1], "more warnings are not shown")
	}
	for i, warning := range warnings {
		if runes := []rune(warning); len(runes) > maxWarning {
			warnings[i] = string(runes[:maxWarning-3]) + "..."
		}
	}
	return warnings
}
