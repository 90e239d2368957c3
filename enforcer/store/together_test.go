package store_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// writes counts the scripts that are about to be sent, and those that are: none while it is shut.
type writes struct {
	begun, scripts atomic.Int64
	shut           sync.RWMutex
}

func (w *writes) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return next(ctx, network, address)
	}
}

func (w *writes) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "evalsha" {
			w.note(1)
		}
		return next(ctx, cmd)
	}
}

func (w *writes) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() == "evalsha" {
			w.note(int64(len(cmds)))
		}
		return next(ctx, cmds)
	}
}

func (w *writes) note(scripts int64) {
	w.begun.Add(scripts)
	w.shut.RLock()
	defer w.shut.RUnlock()
	w.scripts.Add(scripts)
}

// TestCallsShareScripts: a script is run once for calls that come at the same time, each has its own
// answer, also in a Redis that has to be given the scripts first.
func TestCallsShareScripts(t *testing.T) {
	client, seen := newClient(t), &writes{}
	m := plenty().product(t, client, newStore(client, uuid.NewString()))
	testkit.Must(t, client.ScriptFlush(t.Context()).Err())
	client.AddHook(seen)
	const callers, each = 64, 20
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range each {
				id := uuid.NewString()
				if admitted, err := m.admit(id); err != nil || !admitted {
					t.Errorf("admitted: %t, %v", admitted, err)
					return
				}
				if err := m.settle(id); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	// The test forgets each call by itself.
	if scripts := seen.scripts.Load() - callers*each; scripts > callers*each {
		t.Errorf("%d calls were admitted and settled by %d scripts; want one for each at most", callers*each, scripts)
	}
}

// TestSettlementsGoWithAdmissions: settlements that have waited are sent with the next admission, and
// each has its own answer.
func TestSettlementsGoWithAdmissions(t *testing.T) {
	client := newClient(t)
	s := newStore(client, uuid.NewString())
	s.LetSettlementsWait()
	admitter, tenant := admission.NewAdmitter(s), newTenant(t, dollarAYear(), nil)
	admit := func() *admission.Hold {
		result, err := admitter.Admit(t.Context(), tenant, newCall(tenant, money.Cent))
		testkit.Must(t, err)
		return result.Hold
	}
	const calls = 3
	var holds []*admission.Hold
	for range calls {
		holds = append(holds, admit())
	}
	settled := make(chan error, calls)
	for _, hold := range holds {
		go func() { settled <- hold.Settle(t.Context(), money.Cent, 1, &settledEntry) }()
	}
	testkit.Eventually(t, "all settlements wait", func() bool { return s.WaitingSettlements() == calls })
	seen := &sentWrites{}
	client.AddHook(seen)
	admit()
	for range calls {
		testkit.Must(t, <-settled)
	}
	if n := len(seen.all); n != 1 {
		t.Errorf("an admission and settlements were sent with %d writes, want 1", n)
	}
}

// TestNobodyWaitsForTheWritesOfOthers: a caller whose time is over has an error, whatever others
// wait for, and what it asked for is not sent any more.
func TestNobodyWaitsForTheWritesOfOthers(t *testing.T) {
	client, seen := newClient(t), &writes{}
	s := newStore(client, uuid.NewString())
	admitter, tenant := admission.NewAdmitter(s), newTenant(t, plenty().money(), plenty().rates())
	_, err := admitter.Admit(t.Context(), tenant, newCall(tenant, 1)) // loads the scripts
	testkit.Must(t, err)
	client.AddHook(seen)
	seen.shut.Lock()
	const under = 4 // as many as may be under way at once
	answers := make(chan error, under)
	for n := range int64(under) {
		go func() {
			_, err := admitter.Admit(context.Background(), tenant, newCall(tenant, 1))
			answers <- err
		}()
		testkit.Eventually(t, "it is under way", func() bool { return seen.begun.Load() == n+1 }) // else the next would wait with it
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := admitter.Admit(ctx, tenant, newCall(tenant, 1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that its time is over", err)
	}
	seen.shut.Unlock()
	for range under {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	if n := seen.scripts.Load(); n != under {
		t.Errorf("%d scripts were sent, want %d", n, under)
	}
}

// TestAFailedScriptFailsOneCall: calls that a script is run for together have their answers when it
// fails for one of them.
func TestAFailedScriptFailsOneCall(t *testing.T) {
	client, seen := newClient(t), &writes{}
	s := newStore(client, uuid.NewString())
	admitter, tenant := admission.NewAdmitter(s), newTenant(t, plenty().money(), plenty().rates())
	admit := func(user string) error {
		call := newCall(tenant, 1)
		call.Subject.User = user
		result, err := admitter.Admit(t.Context(), tenant, call)
		if err == nil && result.Hold == nil {
			err = fmt.Errorf("refused: %+v", result.Refusal)
		}
		return err
	}
	testkit.Must(t, admit("somebody")) // loads the scripts
	broken := limiterv1.CountersKey(tenant.Name(), testEpoch(client), tenant.Name(), limiterv1.Owner{User: "broken"})
	testkit.Must(t, client.Set(t.Context(), broken, "no hash", 0).Err())
	client.AddHook(seen)
	seen.shut.Lock()
	const others = 40 // more than can be under way alone
	answers := make(chan error, others)
	for i := range others {
		go func() { answers <- admit(fmt.Sprint("user ", i)) }()
	}
	failed := make(chan error, 1)
	go func() { failed <- admit("broken") }()
	time.Sleep(50 * time.Millisecond) // until they wait for each other
	seen.shut.Unlock()
	for range others {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	if err := <-failed; !errors.Is(err, admission.ErrStoreUnavailable) {
		t.Errorf("a call whose counters are no hash: %v, want %v", err, admission.ErrStoreUnavailable)
	}
}
