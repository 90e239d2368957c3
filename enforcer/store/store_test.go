package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/store"
	"github.com/bursar-dev/bursar/hack/testkit"
)

func newTenant(t testing.TB, limits []limiterv1.MoneyLimit, rates []limiterv1.RateLimit, ladder ...limiterv1.Rung) *admission.Tenant {
	t.Helper()
	doc := limiterv1.Tenant{Level: limiterv1.Level{
		Tenant: uuid.NewString(), TimeZone: "UTC", Money: limits, Rates: rates, Ladder: ladder,
	}}
	tenant, err := admission.NewTenant(doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := openTenant(newClient(t), doc); err != nil {
		t.Fatal(err)
	}
	return tenant
}

func newCall(tenant *admission.Tenant, bound money.Nanos) admission.Request {
	return admission.Request{
		ID:      uuid.NewString(),
		Subject: admission.Subject{Tenant: tenant.Name(), User: "user", Tier: "tier"},
		Bound:   bound,
		Tokens:  10,
	}
}

func newStore(client redis.UniversalClient, session string) *store.Store {
	s := store.New(client, session)
	s.SetEpoch(testEpoch(client))
	return s
}

func dollarAYear() []limiterv1.MoneyLimit {
	return []limiterv1.MoneyLimit{{Name: "yearly", Per: limiterv1.PerTenant, Period: period.Year, Amount: money.USD}}
}

// TestAsManyAreAdmittedAsFit: of 200 concurrent calls of one cent, through two
// enforcers, exactly 100 fit into one dollar, in every run.
func TestAsManyAreAdmittedAsFit(t *testing.T) {
	const runs, calls, fit = 20, 200, 100
	for run := range runs {
		tenant := newTenant(t, dollarAYear(), nil)
		enforcers := []*admission.Admitter{
			admission.NewAdmitter(newStore(newClient(t), uuid.NewString())),
			admission.NewAdmitter(newStore(newClient(t), uuid.NewString())),
		}
		var admitted atomic.Int64
		var all sync.WaitGroup
		for i := range calls {
			all.Go(func() {
				d, err := enforcers[i%2].Admit(context.Background(), tenant, newCall(tenant, money.Cent))
				switch {
				case err != nil:
					t.Error(err)
				case d.Hold != nil:
					admitted.Add(1)
				case d.Refusal.Reason != ledgerv1.BudgetExhausted:
					t.Errorf("refused because of %s, want %s", d.Refusal.Reason, ledgerv1.BudgetExhausted)
				}
			})
		}
		all.Wait()
		if got := admitted.Load(); got != fit {
			t.Errorf("run %d: %d calls admitted, want %d", run, got, fit)
		}
	}
}

// TestSettlingFreesWhatWasNotNeeded: the difference between bound and cost is
// there for the next call at once.
func TestSettlingFreesWhatWasNotNeeded(t *testing.T) {
	ctx := context.Background()
	tenant := newTenant(t, dollarAYear(), nil)
	admitter := admission.NewAdmitter(newStore(newClient(t), "session"))
	first, err := admitter.Admit(ctx, tenant, newCall(tenant, money.USD))
	if err != nil || first.Hold == nil {
		t.Fatalf("first call: %+v, %v", first, err)
	}
	second, err := admitter.Admit(ctx, tenant, newCall(tenant, money.Cent))
	if err != nil || second.Refusal == nil || second.Refusal.Held != money.USD {
		t.Fatalf("while all is held: %+v, %v", second, err)
	}
	if err := first.Hold.Settle(ctx, 99*money.Cent, 1, nil); err != nil {
		t.Fatal(err)
	}
	third, err := admitter.Admit(ctx, tenant, newCall(tenant, money.Cent))
	if err != nil || third.Hold == nil {
		t.Fatalf("after settling 0.99: %+v, %v", third.Refusal, err)
	}
}

// TestCrossingARungIsNews: the feed hears of the tenant when spent reaches a rung,
// and not before.
func TestCrossingARungIsNews(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client := newClient(t)
	feed := client.Subscribe(ctx, limiterv1.FeedChannel)
	defer func() { _ = feed.Close() }()
	if _, err := feed.Receive(ctx); err != nil {
		t.Fatal(err)
	}
	tenant := newTenant(t, dollarAYear(), nil, limiterv1.Rung{AtPercent: 80, Action: limiterv1.Warn})
	admitter := admission.NewAdmitter(newStore(client, "session"))
	spend := func(cost money.Nanos) {
		t.Helper()
		d, err := admitter.Admit(ctx, tenant, newCall(tenant, cost))
		if err != nil || d.Hold == nil {
			t.Fatalf("%+v, %v", d.Refusal, err)
		}
		if err := d.Hold.Settle(ctx, cost, 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	spend(79 * money.Cent)
	if err := client.Publish(ctx, limiterv1.FeedChannel, "end of silence").Err(); err != nil {
		t.Fatal(err)
	}
	spend(money.Cent)
	for _, want := range []string{"end of silence", "tenant " + tenant.Name()} {
		message, err := feed.ReceiveMessage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if message.Payload != want {
			t.Errorf("heard %q, want %q", message.Payload, want)
		}
	}
}

// TestAbandonedAdmissionHoldsNothing: a call whose admission timed out, and may or
// may not have been decided, ends up holding nothing, whichever came first.
func TestAbandonedAdmissionHoldsNothing(t *testing.T) {
	ctx := context.Background()
	client := newClient(t)
	tenant := newTenant(t, dollarAYear(), nil)
	s := newStore(client, "session")
	late := &lateStore{Store: s}
	admitter := admission.NewAdmitter(late)
	running, stop := context.WithCancel(ctx)
	defer stop()
	go admitter.Run(running)

	if _, err := admitter.Admit(ctx, tenant, newCall(tenant, money.USD)); err == nil {
		t.Fatal("want an error from a store that answers too late")
	}
	patient := admission.NewAdmitter(s)
	testkit.EventuallySucceeds(t, "the abandoned call holds its bound no more", func() error {
		d, err := patient.Admit(ctx, tenant, newCall(tenant, money.USD))
		testkit.Must(t, err)
		if d.Hold == nil {
			return fmt.Errorf("refused: %+v", d.Refusal)
		}
		return nil
	})
}

// lateStore decides, and loses the answer.
type lateStore struct{ admission.Store }

func (s *lateStore) Admit(ctx context.Context, r admission.AdmitRequest) (admission.AdmitReply, error) {
	if _, err := s.Store.Admit(ctx, r); err != nil {
		return admission.AdmitReply{}, err
	}
	return admission.AdmitReply{}, context.DeadlineExceeded
}

// TestSettled: what a session left with its settled calls is there until it is told to
// forget them, and nothing of its open calls or of other sessions'.
func TestSettled(t *testing.T) {
	ctx := t.Context()
	client, session := newClient(t), uuid.NewString()
	s := newStore(client, session)
	want := map[string]string{}
	for i := range 3 { // in several shards
		tenant := newTenant(t, dollarAYear(), nil)
		for _, by := range []*store.Store{s, newStore(client, uuid.NewString())} {
			admitter := admission.NewAdmitter(by)
			for j := range 3 {
				d, err := admitter.Admit(ctx, tenant, newCall(tenant, money.Cent))
				if err != nil || d.Hold == nil {
					t.Fatalf("%+v, %v", d, err)
				}
				if j == 0 {
					continue // stays open
				}
				entry := ledgerv1.Entry{ModelAsked: fmt.Sprint(by == s, i, j)}
				if err := d.Hold.Settle(ctx, money.Cent, 1, &entry); err != nil {
					t.Fatal(err)
				}
				if by == s {
					want[string(entry.Encode())] = ""
				}
			}
		}
	}
	got := map[string]string{}
	take := func(entries [][]byte) error {
		for _, e := range entries {
			got[string(e)] = ""
		}
		return nil
	}
	if err := s.Settled(ctx, take); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	broken := errors.New("no more")
	if err := s.Settled(ctx, func([][]byte) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}
