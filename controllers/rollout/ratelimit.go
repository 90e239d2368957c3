package rollout

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
)

// perSecond is how many writes of figures a manager makes per second on average, and burst
// how many it makes at once after a quiet time. No second has more than the sum of both.
const (
	perSecond = 30
	burst     = 20
)

// StatusRateLimiter limits the writes of statuses that differ only in figures, so that ten
// thousand busy budgets do not overload the API server. It must never delay a status that
// differs in anything else.
//
// Objects get their turns in the order in which they ask. A few objects never wait; of ten
// thousand, each has a turn every few minutes.
type StatusRateLimiter struct {
	limiter *rate.Limiter
	mu      sync.Mutex
	turns   map[types.UID]time.Time
}

// NewStatusRateLimiter makes a StatusRateLimiter.
func NewStatusRateLimiter() *StatusRateLimiter {
	return &StatusRateLimiter{limiter: rate.NewLimiter(perSecond, burst), turns: map[types.UID]time.Time{}}
}

// Delay is how long the object has to wait for its turn. Zero means that its turn is now,
// and uses the turn up.
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
