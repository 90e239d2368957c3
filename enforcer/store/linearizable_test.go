package store_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// budget is the model: one limit, as if calls came one after the other.
type budget struct{ spent, held money.Nanos }

// step is what was asked: to admit a bound, or to settle it with a cost.
type step struct {
	settle      bool
	bound, cost money.Nanos
}

const linearizableLimit = 100

var budgetModel = porcupine.Model{
	Init: func() any { return budget{} },
	Step: func(state, input, output any) (bool, any) {
		b, in := state.(budget), input.(step)
		if in.settle {
			return true, budget{b.spent + in.cost, b.held - in.bound}
		}
		fits := b.spent+b.held+in.bound <= linearizableLimit
		if fits {
			b.held += in.bound
		}
		return output.(bool) == fits, b
	},
}

// TestTwoEnforcersAreAsOne records what six callers through two enforcers see of one
// tenant, and checks that it could have been seen of a limiter that does one thing
// at a time: each operation at one moment between its beginning and its end.
func TestTwoEnforcersAreAsOne(t *testing.T) {
	for i := range 200 {
		tenant := newTenant(t, []limiterv1.MoneyLimit{{Name: "yearly", Per: limiterv1.PerTenant, Period: "Year", Amount: linearizableLimit}}, nil)
		enforcers := []admission.Store{newStore(newClient(t), uuid.NewString()), newStore(newClient(t), uuid.NewString())}
		if !porcupine.CheckOperations(budgetModel, record(t, tenant, enforcers)) {
			t.Fatalf("history %d is none of a limiter that does one thing at a time", i)
		}
	}
}

// TestTheCheckCatchesRaces plants what known gateways do: they look, and count
// afterwards.
func TestTheCheckCatchesRaces(t *testing.T) {
	for range 50 {
		tenant := newTenant(t, []limiterv1.MoneyLimit{{Name: "yearly", Per: limiterv1.PerTenant, Period: "Year", Amount: linearizableLimit}}, nil)
		racy := &lookThenCount{Store: newStore(newClient(t), uuid.NewString())}
		if !porcupine.CheckOperations(budgetModel, record(t, tenant, []admission.Store{racy, racy})) {
			return
		}
	}
	t.Error("50 histories of a limiter that looks and counts afterwards passed")
}

// lookThenCount decides by what it has seen a moment ago.
type lookThenCount struct {
	admission.Store
	mu          sync.Mutex
	spent, held money.Nanos
}

func (l *lookThenCount) Admit(ctx context.Context, r admission.AdmitRequest) (admission.AdmitReply, error) {
	l.mu.Lock()
	used := l.spent + l.held
	l.mu.Unlock()
	time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if used+r.Bound > linearizableLimit {
		return admission.AdmitReply{Verdict: admission.Refused, Now: now, Refusing: 1, Held: l.held}, nil
	}
	l.held += r.Bound
	return admission.AdmitReply{Now: now, AdmittedAt: now}, nil
}

func (l *lookThenCount) Settle(_ context.Context, r admission.SettleRequest) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spent += r.Cost
	l.held -= r.Cost // this fake's calls cost what was held
	return nil
}

// record lets callers admit and settle, and notes when each began and ended.
func record(t *testing.T, tenant *admission.Tenant, stores []admission.Store) []porcupine.Operation {
	t.Helper()
	const callers, calls = 6, 6
	begin := time.Now()
	var mu sync.Mutex
	var history []porcupine.Operation
	note := func(caller int, in step, began time.Time, out bool) {
		ended := time.Since(begin)
		mu.Lock()
		defer mu.Unlock()
		history = append(history, porcupine.Operation{
			ClientId: caller, Input: in, Output: out, Call: int64(began.Sub(begin)), Return: int64(ended),
		})
	}
	var all sync.WaitGroup
	for caller := range callers {
		admitter := admission.NewAdmitter(stores[caller%len(stores)])
		all.Go(func() {
			for range calls {
				in := step{bound: money.Nanos(1 + rand.IntN(30))}
				in.cost = in.bound
				began := time.Now()
				d, err := admitter.Admit(t.Context(), tenant, newCall(tenant, in.bound))
				if err != nil {
					t.Error(err)
					return
				}
				note(caller, in, began, d.Hold != nil)
				if d.Hold == nil {
					continue
				}
				in.settle, began = true, time.Now()
				if _, fake := stores[0].(*lookThenCount); !fake {
					in.cost = money.Nanos(rand.IntN(int(in.bound) + 1))
				}
				if err := d.Hold.Settle(t.Context(), in.cost, 0, nil); err != nil {
					t.Error(err)
				}
				note(caller, in, began, true)
			}
		})
	}
	all.Wait()
	return history
}
