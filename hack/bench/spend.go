package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/store"
)

// spend lets all tenants spend for some time, by the scripts that enforcers run. In
// the middle of it, breakers open.
func (b *bench) spend(ctx context.Context) error {
	epoch, err := limiterstore.NewEpochs(b.redis).Current(ctx)
	if err != nil {
		return err
	}
	limiter := store.New(b.redis, "bench")
	limiter.SetEpoch(epoch)
	s := &spender{admitter: admission.NewAdmitter(limiter), store: limiter}
	for i := range b.budgets {
		tenant, err := b.tenant(ctx, name(i))
		if err != nil {
			return err
		}
		s.tenants = append(s.tenants, tenant)
	}
	if err := b.mark(ctx); err != nil {
		return err
	}
	begin := time.Now()
	spending, spendCtx := errgroup.WithContext(ctx)
	calls := 0
	spending.Go(func() (err error) {
		calls, err = s.spread(spendCtx, b.calls, b.busy)
		return err
	})
	spending.Go(func() error { return b.trip(spendCtx, s) })
	if err := spending.Wait(); err != nil {
		return err
	}
	fmt.Printf("%d calls were settled\n", calls)
	return b.wrote(ctx, time.Since(begin))
}

// tenant is a tenant as enforcers know it.
func (b *bench) tenant(ctx context.Context, name string) (*admission.Tenant, error) {
	observed, err := limiterstore.NewDocuments(b.redis).Observe(ctx, limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: name})
	if err != nil {
		return nil, err
	}
	var document limiterv1.Tenant
	if err := json.Unmarshal(observed.Body, &document); err != nil {
		return nil, err
	}
	return admission.NewTenant(document)
}

// trip spends what is left up to the Trip rung of some tenants, one after the other,
// and sees how soon that shows.
func (b *bench) trip(ctx context.Context, s *spender) error {
	var shown []time.Duration
	for i := range b.changes {
		if err := pause(ctx, b.busy/time.Duration(b.changes+1)); err != nil {
			return err
		}
		at := i*b.budgets/b.changes + 1
		begin, err := s.exhaust(ctx, s.tenants[at])
		if err != nil {
			return err
		}
		if err := until(ctx, "the breaker of "+name(at)+" is open", func() (bool, error) { return b.seen.isOpen(name(at)), nil }); err != nil {
			return err
		}
		shown = append(shown, time.Since(begin))
	}
	report("an open breaker shows after", shown)
	return nil
}

// spender makes calls of no provider.
type spender struct {
	admitter *admission.Admitter
	store    *store.Store
	tenants  []*admission.Tenant
}

// spread makes so many calls a second, of one tenant after the other.
func (s *spender) spread(ctx context.Context, perSecond int, long time.Duration) (calls int, err error) {
	const beats = 20 // a second
	beat := time.NewTicker(time.Second / beats)
	defer beat.Stop()
	for end := time.Now().Add(long); time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return calls, context.Cause(ctx)
		case <-beat.C:
		}
		for range perSecond / beats {
			if _, err := s.call(ctx, s.tenants[calls%len(s.tenants)], money.Cent); err != nil {
				return calls, err
			}
			calls++
		}
	}
	return calls, nil
}

// exhaust makes calls until one is refused for money, and says when the one before ended.
func (s *spender) exhaust(ctx context.Context, tenant *admission.Tenant) (last time.Time, err error) {
	for admitted := true; admitted && err == nil; {
		last = time.Now()
		admitted, err = s.call(ctx, tenant, 50*money.Cent)
	}
	return last, err
}

// call makes a call that costs so much, unless it is refused for money.
func (s *spender) call(ctx context.Context, tenant *admission.Tenant, cost money.Nanos) (admitted bool, err error) {
	call := admission.Request{
		ID: uuid.NewString(), Model: "none", Bound: cost, Tokens: 1,
		Subject: admission.Subject{Tenant: tenant.Name(), User: "user", Tier: "tier"},
	}
	decision, err := s.admitter.Admit(ctx, tenant, call)
	switch {
	case err != nil:
		return false, err
	case decision.Refusal != nil && decision.Refusal.ByMoney():
		return false, nil // its breaker is open
	case decision.Hold == nil:
		return false, errors.New("refused although there is money left")
	}
	if err := decision.Hold.Settle(ctx, cost, 1, nil); err != nil {
		return false, err
	}
	decision.Hold.Done()
	return true, s.store.Forget(ctx, tenant.Document().Root(), []string{call.ID})
}
