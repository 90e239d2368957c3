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
	// moment is how long enforcers have to follow before a status says that they did not, and
	// what an object names has to come, if both were applied together.
	moment = 2 * time.Second
	// turn is how long another object, on which this one depends, has to be looked at. Of
	// ten thousand that are applied at once it may be the last.
	turn = 10 * time.Minute
)

// stage is what the status of a generation waits for, in the order in which it does.
type stage int

const (
	// untilFound is for what the object names to be there.
	untilFound stage = iota + 1
	// untilDecided is for another object to be looked at.
	untilDecided
	// untilRun is for enforcers to follow.
	untilRun
)

// bounds are how long it is waited.
var bounds = map[stage]time.Duration{untilFound: moment, untilDecided: turn, untilRun: moment}

// notFound are the reasons for which an object is not accepted whose cause may come in a moment, if it
// was applied together with it.
var notFound = []string{v1alpha1.ReasonTargetNotFound, v1alpha1.ReasonParentNotFound, v1alpha1.ReasonIdentityProviderNotFound}

// Debouncer delays the writing of statuses that will not be true for long: while a new
// generation is on its way to the enforcers, or what it names is on its way to this manager,
// which takes a moment, the status may still speak of the one before.
//
// It must never delay what a status that speaks of the present generation would have to
// take back.
type Debouncer struct {
	mu      sync.Mutex
	objects map[types.UID]generation
	// swept is when entries of objects that are gone were last removed.
	swept time.Time
}

type generation struct {
	number int64
	stage  stage
	// since is when it came to the stage.
	since time.Time
}

// NewDebouncer makes a Debouncer.
func NewDebouncer() *Debouncer { return &Debouncer{objects: map[types.UID]generation{}} }

// Delay is how long the status of an object may still wait for more to be said of its
// present generation; zero when it is to be written now. It is written at once when it
// speaks of that generation already, and when waiting for enforcers is not all there is
// to be said.
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

// stageOf is what is to be waited for; false when the rollout is complete, or will not change by
// itself.
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

// sweep leaves out the objects that went while they were waited for.
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
