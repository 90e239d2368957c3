package admission_test

import (
	"context"
	"errors"
	"testing"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// scriptedStore answers as it was told and remembers what it was asked.
type scriptedStore struct {
	replies []admission.AdmitReply
	err     error
	asked   []admission.AdmitRequest
	settled []admission.SettleRequest
}

func (s *scriptedStore) Admit(_ context.Context, r admission.AdmitRequest) (admission.AdmitReply, error) {
	s.asked = append(s.asked, r)
	if s.err != nil {
		return admission.AdmitReply{}, s.err
	}
	reply := s.replies[min(len(s.asked), len(s.replies))-1]
	for _, a := range r.Accounts {
		for range a.Buckets {
			reply.Debts = append(reply.Debts, 0)
		}
	}
	return reply, nil
}

func (s *scriptedStore) Take(context.Context, admission.TakeRequest) error { return nil }

func (s *scriptedStore) Settle(_ context.Context, r admission.SettleRequest) error {
	s.settled = append(s.settled, r)
	return nil
}

func (s *scriptedStore) Forget(context.Context, string, []string) error { return nil }

func (s *scriptedStore) ForgetOwners(context.Context, string, string, ...limiterv1.Owner) error {
	return nil
}

func tenant(t *testing.T) *admission.Tenant {
	t.Helper()
	tenant, err := admission.NewTenant(limiterv1.Tenant{Level: limiterv1.Level{
		Tenant: "acme", TimeZone: "America/Argentina/Buenos_Aires",
		Money: []limiterv1.MoneyLimit{
			{Name: "daily", Per: limiterv1.PerTenant, Period: period.Day, Amount: 5 * money.USD},
			{Name: "each-user", Per: limiterv1.PerUser, Period: period.Day, Amount: money.USD},
		},
		Rates: []limiterv1.RateLimit{
			{Name: "tiers/empleado", Per: limiterv1.PerUser, Selector: limiterv1.Selector{Tiers: []string{"empleado"}}, Unit: limiterv1.Requests, Count: 5, Burst: 5, Window: 60_000},
			{Name: "tiers/gerente", Per: limiterv1.PerUser, Selector: limiterv1.Selector{Tiers: []string{"gerente"}}, Unit: limiterv1.Requests, Count: 20, Burst: 20, Window: 60_000},
			{Name: "org/tokens", Per: limiterv1.PerTenant, Unit: limiterv1.Tokens, Count: 1000, Burst: 1000, Window: 60_000},
		},
		Ladder: []limiterv1.Rung{{AtPercent: 80, Action: limiterv1.Warn}, {AtPercent: 90, Action: limiterv1.Trip}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return tenant
}

func call(tier string, bound money.Nanos, tokens int64) admission.Request {
	return admission.Request{ID: "id", Subject: admission.Subject{Tenant: "acme", User: "user", Tier: tier}, Bound: bound, Tokens: tokens}
}

func TestAdmitAsksAgainWithTheTimeOfTheStore(t *testing.T) {
	now := time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC) // far from the clock of any machine this runs on
	store := &scriptedStore{replies: []admission.AdmitReply{
		{Verdict: admission.PeriodTurned, Now: now},
		{Verdict: admission.Admitted, Now: now, AdmittedAt: now},
	}}
	admitter := admission.NewAdmitter(store)
	for range 2 {
		d, err := admitter.Admit(context.Background(), tenant(t), call("empleado", money.Cent, 10))
		if err != nil || d.Hold == nil || !d.Hold.AdmittedAt().Equal(now) {
			t.Fatalf("got %+v, %v; want a hold of %s", d, err, now)
		}
	}
	if len(store.asked) != 3 {
		t.Errorf("asked %d times, want 3: the second call knows the store's clock", len(store.asked))
	}
	want := period.Span{Start: time.Date(2031, 5, 6, 3, 0, 0, 0, time.UTC), End: time.Date(2031, 5, 7, 3, 0, 0, 0, time.UTC)}
	for _, request := range store.asked[1:] {
		if got := request.Accounts[0].Money[0].Span; got != want {
			t.Errorf("asked for the day %v, want %v", got, want)
		}
	}
}

func TestAdmitGivesUpOnAClockThatJumps(t *testing.T) {
	store := &scriptedStore{replies: []admission.AdmitReply{{Verdict: admission.PeriodTurned}}}
	_, err := admission.NewAdmitter(store).Admit(context.Background(), tenant(t), call("empleado", money.Cent, 10))
	if !errors.Is(err, admission.ErrStoreUnavailable) {
		t.Errorf("got %v, want %v", err, admission.ErrStoreUnavailable)
	}
}

func TestAdmitFailsClosed(t *testing.T) {
	store := &scriptedStore{err: errors.New("connection refused")}
	d, err := admission.NewAdmitter(store).Admit(context.Background(), tenant(t), call("empleado", money.Cent, 10))
	if !errors.Is(err, admission.ErrStoreUnavailable) || d.Hold != nil {
		t.Errorf("got %+v, %v; want no hold and %v", d, err, admission.ErrStoreUnavailable)
	}
}

func TestAdmitRefusesBoundsOutOfRange(t *testing.T) {
	for name, c := range map[string]admission.Request{
		"negative bound":  call("empleado", -1, 10),
		"above the most":  call("empleado", money.Max+1, 10),
		"negative tokens": call("empleado", 1, -1),
	} {
		store := &scriptedStore{replies: []admission.AdmitReply{{Verdict: admission.Admitted}}}
		if _, err := admission.NewAdmitter(store).Admit(context.Background(), tenant(t), c); err == nil || len(store.asked) != 0 {
			t.Errorf("%s: error %v after %d questions to the store, want an error before the first", name, err, len(store.asked))
		}
	}
}

func TestOnlyLimitsThatApplyAreAsked(t *testing.T) {
	for name, test := range map[string]struct {
		call    admission.Request
		money   []string
		buckets []string
	}{
		"a tier with a limit":    {call("gerente", 1, 10), []string{"daily", "each-user"}, []string{"org/tokens", "tiers/gerente"}},
		"a tier without a limit": {call("corporativo", 1, 10), []string{"daily", "each-user"}, []string{"org/tokens"}},
		"a call that is free":    {call("empleado", 0, 10), nil, []string{"org/tokens", "tiers/empleado"}},
	} {
		store := &scriptedStore{replies: []admission.AdmitReply{{Verdict: admission.Admitted}}}
		if _, err := admission.NewAdmitter(store).Admit(context.Background(), tenant(t), test.call); err != nil {
			t.Fatal(err)
		}
		var gotMoney, gotBuckets []string
		for _, a := range store.asked[0].Accounts {
			for _, c := range a.Money {
				gotMoney = append(gotMoney, c.Limit.Name)
			}
			for _, c := range a.Buckets {
				gotBuckets = append(gotBuckets, c.Limit.Name)
			}
		}
		if !equal(gotMoney, test.money) || !equal(gotBuckets, test.buckets) {
			t.Errorf("%s: asked %v and %v, want %v and %v", name, gotMoney, gotBuckets, test.money, test.buckets)
		}
	}
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestRefusalSaysWhichLimitAndWhatMendsIt(t *testing.T) {
	for name, test := range map[string]struct {
		reply admission.AdmitReply
		call  admission.Request
		want  admission.Refusal
	}{
		"the breaker": {
			admission.AdmitReply{Refusing: 1, Spent: 450 * money.Cent, Held: money.Cent}, call("empleado", money.Cent, 10),
			admission.Refusal{Reason: ledgerv1.BreakerOpen, Tenant: "acme", Limit: "daily", Per: limiterv1.PerTenant, Period: period.Day, Amount: 5 * money.USD, Spent: 450 * money.Cent, Held: money.Cent},
		},
		"a user's budget": {
			admission.AdmitReply{Refusing: 2, Spent: 80 * money.Cent, Held: 20 * money.Cent}, call("empleado", money.Cent, 10),
			admission.Refusal{Reason: ledgerv1.BudgetExhausted, Tenant: "acme", Limit: "each-user", Per: limiterv1.PerUser, Owner: limiterv1.Owner{User: "user"}, Period: period.Day, Amount: money.USD, Spent: 80 * money.Cent, Held: 20 * money.Cent},
		},
		"an empty bucket": {
			// 5 a minute: one each 12 s, of which a quarter has passed.
			admission.AdmitReply{Refusing: 4, Debts: []int64{0, 5*60_000 - 15_000}}, call("empleado", money.Cent, 10),
			admission.Refusal{Reason: ledgerv1.RateLimited, Tenant: "acme", Limit: "tiers/empleado", Per: limiterv1.PerUser, Owner: limiterv1.Owner{User: "user"}, Unit: limiterv1.Requests, Burst: 5, RetryAfter: 9 * time.Second},
		},
		"a bucket that is too small": {
			admission.AdmitReply{Refusing: 3, Debts: []int64{0, 0}}, call("empleado", money.Cent, 1001),
			admission.Refusal{Reason: ledgerv1.TooLarge, Tenant: "acme", Limit: "org/tokens", Per: limiterv1.PerTenant, Unit: limiterv1.Tokens, Burst: 1000, Remaining: 1000},
		},
	} {
		test.reply.Verdict, test.reply.Now = admission.Refused, time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
		store := &scriptedStore{replies: []admission.AdmitReply{test.reply}}
		d, err := admission.NewAdmitter(store).Admit(context.Background(), tenant(t), test.call)
		if err != nil || d.Refusal == nil {
			t.Fatalf("%s: got %+v, %v; want a refusal", name, d, err)
		}
		got := *d.Refusal
		if got.Period != "" && !got.ResetsAt.Equal(store.asked[0].Accounts[0].Money[0].Span.End) {
			t.Errorf("%s: resets at %s, want %s", name, got.ResetsAt, store.asked[0].Accounts[0].Money[0].Span.End)
		}
		got.ResetsAt = time.Time{}
		test.want.Bound, test.want.Tokens = test.call.Bound, test.call.Tokens
		if got != test.want {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, test.want)
		}
	}
}

func TestSettleGivesTokensBackAndNoRequests(t *testing.T) {
	for name, test := range map[string]struct {
		used int64
		want []int64
	}{
		"fewer than bound":  {used: 3, want: []int64{7}},
		"all of the bound":  {used: 10, want: nil},
		"more than bound":   {used: 12, want: []int64{-2}},
		"call was not made": {used: 0, want: []int64{10}},
	} {
		store := &scriptedStore{replies: []admission.AdmitReply{{Verdict: admission.Admitted}}}
		d, err := admission.NewAdmitter(store).Admit(context.Background(), tenant(t), call("empleado", money.Cent, 10))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Hold.Settle(context.Background(), 1, test.used, nil); err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, a := range store.settled[0].Accounts {
			for _, check := range a.Buckets {
				if check.Limit.Name != "org/tokens" {
					t.Errorf("%s: %s gets something back, want only tokens", name, check.Limit.Name)
				}
				got = append(got, check.Need)
			}
		}
		if len(got) != len(test.want) || len(got) > 0 && got[0] != test.want[0] {
			t.Errorf("%s: gave back %v, want %v", name, got, test.want)
		}
	}
}

// TestUnknownAmountIsNotRemembered: a limit whose amount a script could not mend refuses
// calls only until the amount is counted anew, not until its period turns.
func TestUnknownAmountIsNotRemembered(t *testing.T) {
	store := &scriptedStore{replies: []admission.AdmitReply{
		{Verdict: admission.Refused, Refusing: 1, Spent: limiterv1.UnknownAmount},
		{Verdict: admission.Refused, Refusing: 1, Held: limiterv1.UnknownAmount},
		{Verdict: admission.Admitted},
	}}
	admitter, tenant := admission.NewAdmitter(store), tenant(t)
	call := admission.Request{ID: "call", Subject: admission.Subject{Tenant: "acme", User: "user"}, Bound: money.Cent}
	for range 2 {
		if d, err := admitter.Admit(t.Context(), tenant, call); !errors.Is(err, admission.ErrSuspended) || d.Hold != nil || d.Refusal != nil {
			t.Errorf("beside an unknown amount: %+v, %v, want %v", d, err, admission.ErrSuspended)
		}
	}
	if d, err := admitter.Admit(t.Context(), tenant, call); err != nil || d.Hold == nil {
		t.Errorf("when it is known again: %+v, %v, want a hold", d, err)
	}
}
