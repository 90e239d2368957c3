package admission_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// deafStore answers no admission, and settles calls except those it is deaf to.
type deafStore struct {
	scriptedStore
	mu   sync.Mutex
	deaf map[string]bool
}

func newDeafStore(deaf ...string) *deafStore {
	s := &deafStore{scriptedStore: scriptedStore{err: errors.New("no answer")}, deaf: map[string]bool{}}
	for _, id := range deaf {
		s.deaf[id] = true
	}
	return s
}

func (s *deafStore) Settle(ctx context.Context, r admission.SettleRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deaf[r.CallID] {
		return errors.New("no answer")
	}
	return s.scriptedStore.Settle(ctx, r)
}

// voided are the calls that are voided, sorted.
func (s *deafStore) voided() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, r := range s.settled {
		ids = append(ids, r.CallID)
	}
	slices.Sort(ids)
	return strings.Join(ids, "")
}

// abandon gives up the admission of calls.
func abandon(t *testing.T, admitter *admission.Admitter, ids ...string) {
	t.Helper()
	for _, id := range ids {
		c := call("empleado", money.Cent, 10)
		c.ID = id
		if _, err := admitter.Admit(t.Context(), tenant(t), c); !errors.Is(err, admission.ErrStoreUnavailable) {
			t.Fatalf("call %s: %v, want %v", id, err, admission.ErrStoreUnavailable)
		}
	}
}

// TestFlushWaitsForAbandonedCalls: when Flush returns, all are voided, those that
// were waiting behind one that the Store had no answer for too.
func TestFlushWaitsForAbandonedCalls(t *testing.T) {
	store := newDeafStore("b")
	admitter := admission.NewAdmitter(store)
	abandon(t, admitter, "a", "b", "c", "d")
	running, stop := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { admitter.Run(running) })
	defer run.Wait()
	defer stop()

	testkit.Eventually(t, "a, c and d are voided", func() bool { return store.voided() == "acd" })
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := admitter.Flush(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a call that is not voided, Flush returned %v", err)
	}
	store.mu.Lock()
	store.deaf = nil
	store.mu.Unlock()
	if err := admitter.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := store.voided(); got != "abcd" {
		t.Errorf("after Flush, voided are %q, want abcd", got)
	}
}

// togetherStore answers no admission, and settles calls once so many of them are being settled.
type togetherStore struct {
	scriptedStore
	all sync.WaitGroup
}

func (s *togetherStore) Settle(context.Context, admission.SettleRequest) error {
	s.all.Done()
	s.all.Wait()
	return nil
}

// TestAbandonedCallsAreVoidedTogether: what they hold may refuse other calls, so they do not wait for each other.
func TestAbandonedCallsAreVoidedTogether(t *testing.T) {
	store := &togetherStore{scriptedStore: scriptedStore{err: errors.New("no answer")}}
	store.all.Add(3)
	admitter := admission.NewAdmitter(store)
	abandon(t, admitter, "a", "b", "c")
	go admitter.Run(t.Context())
	atMost, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := admitter.Flush(atMost); err != nil {
		t.Errorf("three calls that are settled together: %v", err)
	}
}

// TestFlushOfNothing does not wait, and not for Run either.
func TestFlushOfNothing(t *testing.T) {
	if err := admission.NewAdmitter(newDeafStore()).Flush(t.Context()); err != nil {
		t.Error(err)
	}
}
