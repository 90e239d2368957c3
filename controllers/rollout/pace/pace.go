package pace

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
)

// perSecond is how many writes of figures a manager makes in a second over time, and
// burst how many it makes at once after a quiet time: in no second more than both.
const (
	perSecond = 30
	burst     = 20
)

// Pacer gives objects their turns to have their figures written, in the order in
// which they ask. Few objects never wait; ten thousand have a turn in some minutes.
type Pacer struct {
	limiter *rate.Limiter
	mu      sync.Mutex
	turns   map[types.UID]time.Time
}

// New makes a Pacer.
func New() *Pacer {
	return &Pacer{limiter: rate.NewLimiter(perSecond, burst), turns: map[types.UID]time.Time{}}
}

// Wait is how long the object has to wait for its turn; zero when it is now, which
// uses it up.
func (p *Pacer) Wait(object types.UID, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	turn, isWaiting := p.turns[object]
	if !isWaiting {
		turn = now.Add(p.limiter.ReserveN(now, 1).DelayFrom(now))
	}
	if turn.After(now) {
		p.turns[object] = turn
		return turn.Sub(now)
	}
	delete(p.turns, object)
	return 0
}

// Forget gives up the object's turn: it is gone, or was written for another reason.
func (p *Pacer) Forget(object types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.turns, object)
}
