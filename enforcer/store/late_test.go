package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/store"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// told takes entries for the ledger.
type told struct {
	mu      sync.Mutex
	entries []ledgerv1.Entry
}

func (l *told) Add(e ledgerv1.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
}

func (l *told) take() (entries []ledgerv1.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries, l.entries = l.entries, nil
	return entries
}

// sharing is a session that takes shares of a tenant, which has a dollar a year.
type sharing struct {
	client   *goredis.Client
	session  string
	doc      limiterv1.Tenant
	tenant   *admission.Tenant
	store    *store.Store
	ledger   *told
	admitter *admission.Admitter
}

// newSharing begins a session, and makes a call by which it hears of the tenant. It runs
// until the test ends.
func newSharing(t *testing.T) *sharing {
	t.Helper()
	w := &sharing{client: newClient(t), session: uuid.NewString(), ledger: &told{}}
	w.doc = limiterv1.Tenant{Level: limiterv1.Level{StoreLossPercent: 10, Tenant: uuid.NewString(), TimeZone: "UTC", Money: dollarAYear()}}
	tenant, err := admission.NewTenant(w.doc)
	testkit.Must(t, err)
	testkit.Must(t, openTenant(w.client, w.doc))
	w.tenant, w.store = tenant, newStore(w.client, w.session)
	w.admitter = admission.NewAdmitter(w.store)
	w.admitter.RecordIn(w.ledger)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.admitter.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	d, err := w.admitter.Admit(t.Context(), tenant, newCall(tenant, money.Cent))
	testkit.Must(t, err)
	testkit.Must(t, d.Hold.Settle(t.Context(), 0, 0, nil))
	return w
}

// admitBounded admits a call from the session's share, once the session knows of it.
func (w *sharing) admitBounded(t *testing.T) (hold *admission.Hold) {
	t.Helper()
	testkit.Eventually(t, "a call is admitted from the share", func() (admitted bool) {
		hold, admitted = w.admitter.AdmitBounded(w.tenant, newCall(w.tenant, money.Cent))
		return admitted
	})
	return hold
}

// TestSharesOfADeadSession: once a session knows that it was declared dead, it admits
// nothing, not even from its shares, and gives them back; where its adopter has charged
// them, the ledger is told that they cost nothing.
func TestSharesOfADeadSession(t *testing.T) {
	for name, adopted := range map[string]bool{"before it is adopted": false, "after that": true} {
		t.Run(name, func(t *testing.T) {
			w := newSharing(t)
			client, session, doc, tenant := w.client, w.session, w.doc, w.tenant
			s, ledger, admitter := w.store, w.ledger, w.admitter
			held := func() money.Nanos {
				raw, err := client.HGet(t.Context(), limiterv1.TenantCountersKey(doc.Tenant, doc.Tenant), limiterv1.MoneyField(limiterv1.MoneyLimit{Period: period.Year})).Bytes()
				testkit.Must(t, err)
				counter, err := limiterv1.DecodeMoneyCounter(raw)
				testkit.Must(t, err)
				return counter.Held
			}
			testkit.Eventually(t, "the share is held", func() bool { return held() == 10*money.Cent })
			testkit.Must(t, w.admitBounded(t).Settle(t.Context(), 0, 0, nil))

			calls := limiterv1.CallsKey(limiterv1.Shard(doc.Tenant), session)
			testkit.Must(t, client.HSet(t.Context(), calls, limiterv1.FencedField, 1).Err())
			if adopted {
				chargeAll(t, s, session, calls)
			}
			_, err := admitter.Admit(t.Context(), tenant, newCall(tenant, money.Cent))
			if !errors.Is(err, admission.ErrSuspended) || errors.Is(err, admission.ErrStoreUnavailable) {
				t.Errorf("admitted in a dead session: %v, want %v", err, admission.ErrSuspended)
			}
			if _, ok := admitter.AdmitBounded(tenant, newCall(tenant, money.Cent)); ok {
				t.Error("a call was admitted from the share of a dead session")
			}
			admitter.Use(s.Next(uuid.NewString()))
			if _, ok := admitter.AdmitBounded(tenant, newCall(tenant, money.Cent)); ok {
				t.Error("a call was admitted from the share of the session before")
			}
			testkit.Eventually(t, "the share is given back", func() bool { return held() == 0 })
			testkit.Must(t, admitter.Flush(t.Context()))
			entries := ledger.take()
			if !adopted && len(entries) > 0 {
				t.Errorf("the ledger is told %+v of what nobody has charged", entries)
			}
			if adopted && (len(entries) != 1 || entries[0].Outcome != ledgerv1.Voided || entries[0].Cost != 0 || entries[0].AdmittedAt.IsZero() || !entries[0].Share) {
				t.Errorf("the ledger is told %+v, want that the share cost nothing", entries)
			}
		})
	}
}

// TestForgottenSharesOfADeadSession: a session is declared dead, its share is charged in full,
// and then Redis forgets all of that. The ledger is told that the share cost nothing, once
// the calls that were admitted from it have ended.
func TestForgottenSharesOfADeadSession(t *testing.T) {
	for name, knows := range map[string]bool{"it knows that it was": true, "it does not": false} {
		t.Run(name, func(t *testing.T) {
			w := newSharing(t)
			client, session, doc := w.client, w.session, w.doc
			s, ledger, admitter := w.store, w.ledger, w.admitter
			open := w.admitBounded(t)

			calls := limiterv1.CallsKey(limiterv1.Shard(doc.Tenant), session)
			testkit.Must(t, client.HSet(t.Context(), calls, limiterv1.FencedField, 1).Err())
			chargeAll(t, s, session, calls)
			if knows {
				admitter.Use(s.Next(uuid.NewString()))
			}
			testkit.Must(t, client.Del(t.Context(), calls, limiterv1.TenantCountersKey(doc.Tenant, doc.Tenant)).Err())
			testkit.Must(t, openTenant(client, doc))
			admitter.OpenCalls()
			if told := ledger.take(); knows == (len(told) > 0) {
				t.Errorf("while a call is open that the share stands for, the ledger is told %+v", told)
			} else {
				ledger.entries = told
			}
			if err := open.Settle(t.Context(), money.Cent, 1, &ledgerv1.Entry{}); knows != errors.Is(err, admission.ErrFenced) {
				t.Errorf("the call ends with %v", err)
			}
			var entries []ledgerv1.Entry
			testkit.Eventually(t, "the ledger is told of the share", func() bool {
				entries = append(entries, ledger.take()...)
				return len(entries) == 1
			})
			if e := entries[0]; e.Outcome != ledgerv1.Voided || e.Cost != 0 || !e.Share {
				t.Errorf("the ledger is told %+v, want that the share cost nothing", e)
			}
		})
	}
}

// chargeAll charges the open calls of a session in full, as its adopter does.
func chargeAll(t *testing.T, s interface {
	SettleAdopted(context.Context, string, limiterv1.OpenCall, money.Nanos, *ledgerv1.Entry) (bool, error)
}, session, calls string) {
	t.Helper()
	records, err := newClient(t).HGetAll(t.Context(), calls).Result()
	testkit.Must(t, err)
	for id, raw := range records {
		record, err := limiterv1.DecodeCallRecord([]byte(raw))
		if err != nil || record.Settled {
			continue // the fence, or what has ended
		}
		entry, err := ledgerv1.Decode(record.Body)
		testkit.Must(t, err)
		entry.CallID = id
		ended, err := s.SettleAdopted(t.Context(), session, entry.OpenCall, record.Amount, &entry)
		if testkit.Must(t, err); !ended {
			t.Errorf("call %s was not charged", id)
		}
	}
}
