package rollout

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

// StatusRateLimiter shares out the writes of statuses that differ in figures alone, so
// that ten thousand busy budgets cost the API server no more than it can bear. It must
// never delay what has changed in more than figures.
//
// It gives objects their turns in the order in which they ask. Few objects never wait;
// ten thousand have a turn in some minutes.
type StatusRateLimiter struct {
	limiter *rate.Limiter
	mu      sync.Mutex
	turns   map[types.UID]time.Time
}

// NewStatusRateLimiter makes a StatusRateLimiter.
func NewStatusRateLimiter() *StatusRateLimiter {
	return &StatusRateLimiter{limiter: rate.NewLimiter(perSecond, burst), turns: map[types.UID]time.Time{}}
}

// Delay is how long the object has to wait for its turn; zero when it is now, which
// uses it up.
func (l *StatusRateLimiter) Delay(object types.UID, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	turn, isWaiting := l.turns[object]
	if !isWaiting {
		turn = now.Add(l.limiter.ReserveN(now, 1).DelayFrom(now))
	}
	if turn.After(now) {
		l.turns[object] = turn
		return turn.Sub(now)
	}
	delete(l.turns, object)
	return 0
}

// Forget gives up the object's turn: it is gone, or was written for another reason.
func (l *StatusRateLimiter) Forget(object types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.turns, object)
}
