package admission_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// slowStore takes a while for each admission, unless its context ends before.
type slowStore struct {
	scriptedStore
	takes time.Duration
	// timedOut are how many admissions had no answer.
	timedOut int
}

func (s *slowStore) Admit(ctx context.Context, r admission.AdmitRequest) (admission.AdmitReply, error) {
	select {
	case <-time.After(s.takes):
		return s.scriptedStore.Admit(ctx, r)
	case <-ctx.Done():
		s.timedOut++
		return admission.AdmitReply{}, ctx.Err()
	}
}

// TestDecideBy: the deadline of a call applies to everything that the Store is asked about it, together.
func TestDecideBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{takes: 1500 * time.Millisecond, scriptedStore: scriptedStore{replies: []admission.AdmitReply{
			{Verdict: admission.PeriodTurned, Now: time.Now()}, {Verdict: admission.Admitted, Now: time.Now(), AdmittedAt: time.Now()},
		}}}
		begun, c := time.Now(), call("empleado", money.Cent, 10)
		c.DecideBy = begun.Add(2 * time.Second)
		_, err := admission.NewAdmitter(store).Admit(t.Context(), tenant(t), c)
		if !errors.Is(err, admission.ErrStoreUnavailable) || time.Since(begun) != 2*time.Second || len(store.asked) != 1 {
			t.Errorf("got %v after %s and %d answers, want %v after 2s and one answer", err, time.Since(begun), len(store.asked), admission.ErrStoreUnavailable)
		}
	})
}

// TestShareIsNotDecidedByItsCaller: a share is taken after the call that wants it, and may outlast its deadline.
func TestShareIsNotDecidedByItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant, err := admission.NewTenant(limiterv1.Tenant{Level: limiterv1.Level{
			Tenant: "acme", TimeZone: "UTC", StoreLossPercent: 10,
			Money: []limiterv1.MoneyLimit{{Name: "daily", Per: limiterv1.PerTenant, Period: period.Day, Amount: 5 * money.USD}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		store := &slowStore{takes: time.Second, scriptedStore: scriptedStore{replies: []admission.AdmitReply{
			{Verdict: admission.Admitted, Now: time.Now(), AdmittedAt: time.Now()},
		}}}
		admitter := admission.NewAdmitter(store)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c := call("", money.Cent, 10)
		c.DecideBy = time.Now().Add(1500 * time.Millisecond)
		if _, err := admitter.Admit(ctx, tenant, c); err != nil {
			t.Fatal(err)
		}
		go admitter.Run(ctx)
		time.Sleep(1500 * time.Millisecond) // of the bubble
		synctest.Wait()
		if shares, _ := admitter.Shares(); shares != 1 || store.timedOut != 0 {
			t.Errorf("got %d shares, and %d admissions without an answer, want one and none", shares, store.timedOut)
		}
	})
}
