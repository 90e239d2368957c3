package feed

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// Waiting remembers which objects of a kind wait for the enforcers, and for which
// revision. Each is reconciled once, when all enforcers run that revision, and not
// whenever one of them gets further: while thousands of objects are applied, each such
// step would have thousands of objects reconciled.
type Waiting struct {
	mu      sync.Mutex
	objects map[types.NamespacedName]int64
	// reached is the revision that every enforcer runs, as of the last look.
	reached int64
	// late receives when an object begins to wait for a revision that has been reached
	// already; nil if nothing listens.
	late chan<- struct{}
}

// NewWaiting makes a Waiting.
func NewWaiting() *Waiting {
	return &Waiting{objects: map[types.NamespacedName]int64{}}
}

// tell sets the channel that receives when an object begins to wait for a revision that has been
// reached already.
func (w *Waiting) tell(late chan<- struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late = late
}

// Note records how far the rollout of an object has got.
func (w *Waiting) Note(object client.Object, rollout conditions.Rollout) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := client.ObjectKeyFromObject(object)
	switch {
	case rollout.Err != nil || rollout.Revision == 0 || rollout.All == 0 || rollout.Arrived():
		delete(w.objects, key)
		return
	case rollout.Behind > 0:
		// The others will have it in a later revision, which is not known yet.
		w.objects[key] = max(w.reached, rollout.Revision) + 1
		return
	}
	w.objects[key] = rollout.Revision
	if rollout.Revision <= w.reached {
		select {
		case w.late <- struct{}{}:
		default:
		}
	}
}

// arrived removes and returns the objects whose revision the fleet has reached.
func (w *Waiting) arrived(fleet limiterstore.Fleet) (keys []types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reached = fleet.Reached()
	for key, revision := range w.objects {
		if revision <= w.reached {
			keys = append(keys, key)
			delete(w.objects, key)
		}
	}
	return keys
}

// forget removes all objects, because all are about to be reconciled.
func (w *Waiting) forget(fleet limiterstore.Fleet) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reached = fleet.Reached()
	clear(w.objects)
}
