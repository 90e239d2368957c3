package patience

import (
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
)

const (
	// moment is how long enforcers have to follow before a status says that they did not.
	moment = 2 * time.Second
	// turn is how long another object, on which this one depends, has to be looked at. Of
	// ten thousand that are applied at once it may be the last.
	turn = 10 * time.Minute
)

// Patience remembers since when generations of objects are on their way.
type Patience struct {
	mu      sync.Mutex
	objects map[types.UID]generation
	// swept is when those were left out last that nobody asks for any more.
	swept time.Time
}

type generation struct {
	number int64
	since  time.Time
	// bound is how long it is waited from then on.
	bound time.Duration
}

// New makes a Patience.
func New() *Patience { return &Patience{objects: map[types.UID]generation{}} }

// Left is how long the status of an object may still wait for more to be said of its
// present generation; zero when it is to be written now. It is written at once when it
// speaks of that generation already, and when waiting for enforcers is not all there is
// to be said.
func (p *Patience) Left(object conditions.Object, accepted conditions.Verdict, rollout conditions.Rollout, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	longest := bound(accepted, rollout)
	if longest == 0 || object.Programming().ObservedGeneration == object.GetGeneration() {
		delete(p.objects, object.GetUID())
		return 0
	}
	seen, found := p.objects[object.GetUID()]
	// What waited for another object begins to wait for enforcers when that was looked at.
	if !found || seen.number != object.GetGeneration() || longest < seen.bound {
		p.sweep(now)
		seen = generation{object.GetGeneration(), now, longest}
		p.objects[object.GetUID()] = seen
	}
	return max(seen.bound-now.Sub(seen.since), 0)
}

// bound is how long it is to be waited in all for a rollout to change; zero when it is
// complete, or will not change by itself.
func bound(accepted conditions.Verdict, rollout conditions.Rollout) time.Duration {
	switch {
	case rollout.Err != nil:
		return 0
	case accepted.Status == metav1.ConditionUnknown:
		return turn
	case accepted.Holds() && rollout.All > 0 && !rollout.Programmed(accepted).Holds():
		return moment
	}
	return 0
}

// sweep leaves out the objects that went while they were waited for.
func (p *Patience) sweep(now time.Time) {
	if now.Sub(p.swept) < turn {
		return
	}
	p.swept = now
	for uid, seen := range p.objects {
		if now.Sub(seen.since) > 2*turn {
			delete(p.objects, uid)
		}
	}
}
