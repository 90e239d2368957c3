package admission

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// abandonedRetry is how often a void is tried while the Store does not answer.
	abandonedRetry = 250 * time.Millisecond
	// abandonedFor is how long a voided call is remembered by the Store, so that
	// an admission that was under way all the time still finds it ended.
	abandonedFor = time.Minute
	// abandonedMost bounds the memory spent on calls that may hold money. Beyond
	// it a hold may stay until its period turns: too little is admitted then, and
	// never too much.
	abandonedMost = 10_000
)

// abandoned voids the calls whose admission ended without an answer. The Store
// may have taken their holds, and nobody else knows of them.
type abandoned struct {
	wake chan struct{}

	mu    sync.Mutex
	calls []Hold
}

func newAbandoned() *abandoned {
	return &abandoned{wake: make(chan struct{}, 1)}
}

// add adds a call that may have a hold in the store.
func (a *abandoned) add(store Store, call AdmitRequest) {
	a.mu.Lock()
	if len(a.calls) < abandonedMost {
		a.calls = append(a.calls, Hold{store: store, request: call})
	}
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *abandoned) take() []Hold {
	a.mu.Lock()
	defer a.mu.Unlock()
	calls := a.calls
	a.calls = nil
	return calls
}

func (a *abandoned) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.wake:
		}
		for _, hold := range a.take() {
			hold.void(ctx)
		}
	}
}

// void ends the call's hold, tries until the Store answers, and lets the Store
// forget the call when no admission of it can be under way any more.
func (h *Hold) void(ctx context.Context) {
	for {
		err := h.Settle(ctx, 0, 0, nil)
		if err == nil {
			break
		}
		if errors.Is(err, ErrFenced) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(abandonedRetry):
		}
	}
	time.AfterFunc(abandonedFor, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = h.store.Forget(ctx, h.request.Root, []string{h.request.CallID}) // an error leaves a few bytes behind
	})
}
