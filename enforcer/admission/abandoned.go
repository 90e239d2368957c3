package admission

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// abandonedRetry is how often a void is tried while the Store does not answer.
	abandonedRetry = 250 * time.Millisecond
	// abandonedFor is how long a voided call is remembered by the Store, so that
	// an admission that was under way all the time still finds it ended.
	abandonedFor = time.Minute
	// abandonedAtOnce is how many calls are voided at once: the Store ends them together, and what
	// they hold refuses others until then.
	abandonedAtOnce = 64
	// abandonedMost bounds the memory spent on calls that may hold money. Beyond
	// it a hold may stay until its period turns: too little is admitted then, and
	// never too much.
	abandonedMost = 10_000
)

// abandoned voids the calls whose admission ended without an answer. The Store
// may have taken their holds, and nobody else knows of them.
type abandoned struct {
	wake chan struct{}
	// fenced is called with a hold that another session may have charged in full, because
	// this session was declared dead.
	fenced func(*Hold)

	mu sync.Mutex
	// calls are the calls to void. A call is removed once it is voided.
	calls []Hold
}

func newAbandoned() *abandoned {
	return &abandoned{wake: make(chan struct{}, 1)}
}

// add adds a hold that its Store may have taken.
func (a *abandoned) add(hold Hold) {
	a.mu.Lock()
	if len(a.calls) < abandonedMost {
		a.calls = append(a.calls, hold)
	}
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// next returns the calls to void next, without removing them.
func (a *abandoned) next() []Hold {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls[:min(len(a.calls), abandonedAtOnce)])
}

// remove removes the first count calls, and appends those to try again: the Store may answer for the
// others sooner.
func (a *abandoned) remove(count int, again []Hold) {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.calls[:count])
	if a.calls = append(a.calls[count:], again...); len(a.calls) == 0 {
		a.calls = nil // frees the memory of a burst
	}
}

func (a *abandoned) len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.calls)
}

func (a *abandoned) run(ctx context.Context) {
	for {
		var retry <-chan time.Time
		if calls := a.next(); len(calls) > 0 {
			again := a.void(ctx, calls)
			if ctx.Err() != nil {
				return
			}
			if a.remove(len(calls), again); len(again) == 0 {
				continue
			}
			retry = time.After(abandonedRetry)
		}
		select {
		case <-ctx.Done():
			return
		case <-a.wake:
		case <-retry:
		}
	}
}

// void voids calls, and returns those for which the Store did not answer.
func (a *abandoned) void(ctx context.Context, calls []Hold) (again []Hold) {
	failed := make([]error, len(calls))
	var all sync.WaitGroup
	for i := range calls {
		all.Go(func() { failed[i] = calls[i].void(ctx) })
	}
	all.Wait()
	for i, err := range failed {
		switch {
		case errors.Is(err, ErrFenced):
			a.fenced(&calls[i])
		case err != nil:
			again = append(again, calls[i])
		}
	}
	return again
}

// flush waits until all calls are voided.
func (a *abandoned) flush(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for a.len() > 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d calls whose admission got no reply were not voided: %w", a.len(), ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

// void ends the call's hold, and lets the Store forget the call when no admission
// of it can be under way any more.
func (h *Hold) void(ctx context.Context) error {
	if err := h.Settle(ctx, 0, 0, nil); err != nil {
		return err
	}
	time.AfterFunc(abandonedFor, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = h.store.Forget(ctx, h.request.Root, []string{h.request.CallID}) // an error leaves a few bytes behind
	})
	return nil
}
