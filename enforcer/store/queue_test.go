package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// sentWrites has the arguments of what is sent with each write, and lets none through while it is shut.
type sentWrites struct {
	shut sync.RWMutex

	mu  sync.Mutex
	all [][]any
}

func (w *sentWrites) DialHook(next redis.DialHook) redis.DialHook { return next }

func (w *sentWrites) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		w.note(cmd)
		return next(ctx, cmd)
	}
}

func (w *sentWrites) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		w.note(cmds...)
		return next(ctx, cmds)
	}
}

func (w *sentWrites) note(cmds ...redis.Cmder) {
	if cmds[0].Name() != "evalsha" {
		return
	}
	w.mu.Lock()
	var args []any
	for _, cmd := range cmds {
		args = append(args, cmd.Args()...)
	}
	w.all = append(w.all, args)
	w.mu.Unlock()
	w.shut.RLock()
	defer w.shut.RUnlock()
}

// has is how many of the calls were sent.
func (w *sentWrites) has(ids map[any]bool) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, args := range w.all {
		for _, arg := range args {
			if id, ok := arg.(string); ok && ids[id] {
				n++
			}
		}
	}
	return n
}

// admitWhileShut has calls admitted that all wait for each other, the last for all others, and returns
// what was sent with each write.
func admitWhileShut(t *testing.T, of func(i int) (*admission.Tenant, admission.Request), calls int) (writes [][]any) {
	client, seen := newClient(t), &sentWrites{}
	s := newStore(client, uuid.NewString())
	admitter := admission.NewAdmitter(s)
	tenant, first := of(0)
	_, err := admitter.Admit(t.Context(), tenant, first) // loads the scripts
	testkit.Must(t, err)
	client.AddHook(seen)
	seen.shut.Lock()
	var all sync.WaitGroup
	ids := map[any]bool{}
	waitForEachOther := func() {
		testkit.Eventually(t, "the calls wait for each other", func() bool { return s.Waiting()+seen.has(ids) == len(ids) })
	}
	for i := range calls {
		if i == calls-1 {
			waitForEachOther()
		}
		tenant, call := of(i)
		ids[call.ID] = true
		all.Go(func() {
			if result, err := admitter.Admit(context.Background(), tenant, call); err != nil || result.Hold == nil {
				t.Errorf("call %d: %+v, %v", i, result.Refusal, err)
			}
		})
	}
	waitForEachOther()
	seen.shut.Unlock()
	all.Wait()
	return seen.all
}

// TestTenantsTakeTurns: a call waits for what is under way, and not for all that another tenant asks
// for.
func TestTenantsTakeTurns(t *testing.T) {
	loud, quiet := newTenant(t, plenty().money(), nil), newTenant(t, plenty().money(), nil)
	const calls = 500
	writes := admitWhileShut(t, func(i int) (*admission.Tenant, admission.Request) {
		tenant := loud
		if i == calls-1 {
			tenant = quiet
		}
		return tenant, newCall(tenant, 1)
	}, calls)
	key := limiterv1.TenantCountersKey(quiet.Name(), quiet.Name())
	before := slices.IndexFunc(writes, func(args []any) bool { return slices.Contains(args, any(key)) })
	const underWay = 4 // as many as may be, and each of them is followed by one
	if before > 2*underWay {
		t.Errorf("%d of %d writes come before the call of a quiet tenant, want %d at most", before, len(writes), 2*underWay)
	}
}

// TestCallsOfManyLimitsAreSentByThemselves: however many limits each call counts in, Redis never
// checks so many limits at once that others wait for long.
func TestCallsOfManyLimitsAreSentByThemselves(t *testing.T) {
	var limits []limiterv1.MoneyLimit
	for i := range 16 {
		limits = append(limits, limiterv1.MoneyLimit{
			Name: fmt.Sprint("limit-", i), Per: limiterv1.PerGroup, Period: period.Year, Amount: money.USD,
			Selector: limiterv1.Selector{Tiers: []string{"tier", fmt.Sprint(i)}},
		})
	}
	tenant := newTenant(t, limits, nil)
	const calls, groups = 64, 20
	writes := admitWhileShut(t, func(i int) (*admission.Tenant, admission.Request) {
		call := newCall(tenant, 1)
		for g := range groups {
			call.Subject.Groups = append(call.Subject.Groups, fmt.Sprintf("group-%d-%d", i, g))
		}
		return tenant, call
	}, calls)
	const most = 1000
	for _, args := range writes {
		checked := 0
		for _, arg := range args {
			if field, ok := arg.(string); ok && strings.HasPrefix(field, "money:") {
				checked++
			}
		}
		if checked > most {
			t.Errorf("one write has %d limits checked, want %d at most", checked, most)
		}
	}
}
