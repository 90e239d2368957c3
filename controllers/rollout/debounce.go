package rollout

import (
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

const (
	// moment is how long a status waits for enforcers to follow before it says that they have not,
	// and for an object that this one names, which may have been applied together with it.
	moment = 2 * time.Second
	// turn is how long a status waits for a decision on another object on which this one depends.
	// That may be the last of ten thousand that were applied at once.
	turn = 10 * time.Minute
)

// stage is what the status of a generation waits for, in this order.
type stage int

const (
	// untilFound waits for the objects that this one names.
	untilFound stage = iota + 1
	// untilDecided waits for the decision on another object.
	untilDecided
	// untilRun waits for enforcers to follow.
	untilRun
)

// bounds are how long a status waits at most in each stage.
var bounds = map[stage]time.Duration{untilFound: moment, untilDecided: turn, untilRun: moment}

// notFound are the reasons for which an object is not accepted that may vanish in a moment, because the
// object that is missing was applied together with it.
var notFound = []string{v1alpha1.ReasonTargetNotFound, v1alpha1.ReasonParentNotFound, v1alpha1.ReasonIdentityProviderNotFound}

// Debouncer delays writing statuses that will be outdated in a moment. While a new generation
// is on its way to the enforcers, or the objects that it names are on their way to this manager,
// the status may still be that of the previous generation.
//
// It must never delay the correction of a status that is already about the present generation.
type Debouncer struct {
	mu      sync.Mutex
	objects map[types.UID]generation
	// swept is when entries of objects that are gone were last removed.
	swept time.Time
}

type generation struct {
	number int64
	stage  stage
	// since is when the generation came to the stage.
	since time.Time
}

// NewDebouncer makes a Debouncer.
func NewDebouncer() *Debouncer { return &Debouncer{objects: map[types.UID]generation{}} }

// Delay is how long the status of an object may still wait for its present generation to get
// further; zero if the status has to be written now. It is written at once if it is already
// about that generation, or if the generation will not get further by itself.
func (d *Debouncer) Delay(object conditions.Object, accepted verdict.Verdict, rollout conditions.Rollout, now time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, waits := stageOf(accepted, rollout)
	if !waits || object.GetProgrammedStatus().ObservedGeneration == object.GetGeneration() {
		delete(d.objects, object.GetUID())
		return 0
	}
	seen, found := d.objects[object.GetUID()]
	if !found || seen.number != object.GetGeneration() || at > seen.stage {
		d.sweep(now)
		seen = generation{object.GetGeneration(), at, now}
		d.objects[object.GetUID()] = seen
	}
	return max(min(bounds[at], bounds[seen.stage])-now.Sub(seen.since), 0)
}

// stageOf is what the status waits for; false if the rollout is complete, or will not get further
// by itself.
func stageOf(accepted verdict.Verdict, rollout conditions.Rollout) (at stage, waits bool) {
	switch {
	case rollout.Err != nil || accepted.Reason == v1alpha1.ReasonInternalError:
		return 0, false
	case slices.Contains(notFound, accepted.Reason):
		return untilFound, true
	case accepted.Status == metav1.ConditionUnknown:
		return untilDecided, true
	case accepted.Holds() && rollout.All > 0 && !rollout.Programmed(accepted).Holds():
		return untilRun, true
	}
	return 0, false
}

// sweep removes the entries of objects that were deleted while their statuses waited.
func (d *Debouncer) sweep(now time.Time) {
	if now.Sub(d.swept) < turn {
		return
	}
	d.swept = now
	for uid, seen := range d.objects {
		if now.Sub(seen.since) > 2*turn {
			delete(d.objects, uid)
		}
	}
}
