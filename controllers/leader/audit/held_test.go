package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/controllers/leader/audit"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// holding is a tenant of which an open call, and perhaps more, holds money.
type holding struct {
	*testing.T
	*unseen
	// key and field are the counter of the tenant's year, calls are those of a session.
	key, field, calls string
}

// newHolding is one with an open call that holds so much.
func newHolding(t *testing.T, held money.Nanos) *holding {
	t.Helper()
	tenant, session := uuid.NewString(), uuid.NewString()
	h := &holding{
		T: t, unseen: newUnseen(t, tenant), key: limiterv1.TenantCountersKey(tenant, tenant),
		calls: limiterv1.CallsKey(limiterv1.Shard(tenant), session),
	}
	h.field = limiterv1.MoneyField(h.document.Money[0])
	now := time.Now().Truncate(time.Millisecond)
	testkit.Must(t, client.ZAdd(t.Context(), limiterv1.SessionsKey, goredis.Z{Score: float64(now.UnixMilli()), Member: session}).Err())
	t.Cleanup(func() { client.ZRem(t.Context(), limiterv1.SessionsKey, session) })
	body, err := json.Marshal(limiterv1.OpenCall{
		CallID: "open", Tenant: tenant, Root: tenant, Counters: []limiterv1.CallCounters{{Tenant: tenant, Money: []string{h.field}}},
	})
	testkit.Must(t, err)
	record := limiterv1.CallRecord{Amount: held, AdmittedAt: now, Body: body}
	testkit.Must(t, client.HSet(t.Context(), h.calls, "open", record.Encode()).Err())
	testkit.Must(t, h.counters.Distrust(t.Context(), tenant, tenant))
	h.recount(t)
	h.holds(held)
	return h
}

func (h *holding) counter() limiterv1.MoneyCounter {
	h.Helper()
	raw, err := client.HGet(h.Context(), h.key, h.field).Bytes()
	testkit.Must(h.T, err)
	counter, err := limiterv1.DecodeMoneyCounter(raw)
	testkit.Must(h.T, err)
	return counter
}

func (h *holding) holds(want money.Nanos) {
	h.Helper()
	if held := h.counter().Held; held != want {
		h.Errorf("$%s is held, want $%s", held, want)
	}
}

// hold holds so much more, for no call.
func (h *holding) hold(more money.Nanos) {
	counter := h.counter()
	counter.Held += more
	testkit.Must(h.T, client.HSet(h.Context(), h.key, h.field, counter.Encode()).Err())
}

// audited is what an audit tells.
func (h *holding) audited() []string {
	h.Helper()
	testkit.Must(h.T, h.audit(h.Context()))
	return h.recorded.Take()
}

// TestHeldForNoCall: where more is held than open calls hold, or less, that is told once, and
// the tenant is counted anew, so that what is held is what open calls hold.
func TestHeldForNoCall(t *testing.T) {
	for name, more := range map[string]money.Nanos{"more": 20 * money.Cent, "less": -3 * money.Cent} {
		t.Run(name, func(t *testing.T) {
			h := newHolding(t, 5*money.Cent)
			if told := h.audited(); len(told) > 0 {
				t.Errorf("told %q while an open call holds what is held", told)
			}
			h.hold(more)
			told := h.audited()
			want := "Warning DriftFound limit yearly counts " + (5*money.Cent + more).String() + " USD as held since "
			if len(told) != 1 || !strings.HasPrefix(told[0], want) || !strings.Contains(told[0], "the open calls hold 0.05 USD") {
				t.Errorf("told %q, want %q", told, want)
			}
			if err := h.audit(t.Context()); !errors.Is(err, limiterstore.ErrNotValid) {
				t.Errorf("the next audit: %v, want that the tenant is being counted anew", err)
			}
			h.recount(t)
			h.holds(5 * money.Cent)
			if told := h.audited(); len(told) > 0 {
				t.Errorf("told %q of what was put right", told)
			}
		})
	}
}

// TestUnreadableCallKeepsItsHold: nobody knows what a call holds whose record cannot be read,
// so that nothing is released.
func TestUnreadableCallKeepsItsHold(t *testing.T) {
	for name, record := range map[string]string{
		"no record": "garbage",
		"no body":   string(limiterv1.CallRecord{Amount: 1, AdmittedAt: time.Now(), Body: []byte("garbage")}.Encode()),
	} {
		t.Run(name, func(t *testing.T) {
			h := newHolding(t, 5*money.Cent)
			h.hold(20 * money.Cent)
			testkit.Must(t, client.HSet(t.Context(), h.calls, "unreadable", record).Err())
			for range 2 { // the first would have it counted anew
				if told := h.audited(); len(told) > 0 {
					t.Errorf("told %q", told)
				}
			}
			h.holds(25 * money.Cent)
		})
	}
}

// slowSums is a ledger of which the sums take too long to compare, as they may of a tenant that
// makes very many calls a day.
type slowSums struct{ *budgetstore.LedgerReader }

func (slowSums) UsedOn(ctx context.Context, _ string, _ time.Time) (recorded, summed budgetstore.Used, err error) {
	return recorded, summed, context.DeadlineExceeded
}

// TestCountersAreAuditedWithoutSums: a tenant whose sums cannot be compared is told of, and put
// right, all the same where its counters are wrong.
func TestCountersAreAuditedWithoutSums(t *testing.T) {
	h := newHolding(t, 5*money.Cent)
	h.auditor = audit.New(limiterstore.NewDocuments(client), h.counters, limiterstore.NewFindings(client), slowSums{h.ledger}, events.NewRecorder(h.recorded, nil), 0)
	h.hold(20 * money.Cent)
	if err := h.audit(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the audit: %v, want why the sums were not compared", err)
	}
	if told := h.recorded.Take(); len(told) != 1 || !strings.Contains(told[0], "as held since") {
		t.Errorf("told %q, want one Event of what is held", told)
	}
	h.recount(t)
	h.holds(5 * money.Cent)
}

// TestOlderData: a Redis that has come back with older data, in which the epoch is as valid as it was
// then, is about to be rebuilt: what it counts is compared with nothing, and nothing is told.
func TestOlderData(t *testing.T) {
	ctx := t.Context()
	newHolding(t, money.Cent) // begins an epoch where there is none
	is, err := client.Get(ctx, limiterv1.EpochKey).Result()
	testkit.Must(t, err)
	t.Cleanup(func() { client.Set(context.Background(), limiterv1.EpochKey, is, 0) })
	var epoch limiterv1.Epoch
	testkit.Must(t, json.Unmarshal([]byte(is), &epoch))
	otherRun, rebuilt, newer := epoch, epoch, epoch
	otherRun.Runs = []string{"the run before"}
	rebuilt.State = limiterv1.EpochRebuilding
	newer.Number++
	for name, epoch := range map[string]limiterv1.Epoch{
		"valid in the run before": otherRun, "being rebuilt": rebuilt, "a newer epoch is valid": newer,
	} {
		t.Run(name, func(t *testing.T) {
			testkit.Must(t, client.Set(ctx, limiterv1.EpochKey, is, 0).Err())
			h := newHolding(t, 5*money.Cent)
			h.hold(20 * money.Cent)
			raw, err := json.Marshal(epoch)
			testkit.Must(t, err)
			testkit.Must(t, client.Set(ctx, limiterv1.EpochKey, raw, 0).Err())
			if err := h.audit(ctx); !errors.Is(err, limiterstore.ErrNotValid) {
				t.Errorf("the audit: %v, want that the counters are not valid", err)
			}
			if told := h.recorded.Take(); len(told) > 0 {
				t.Errorf("told %q", told)
			}
			h.holds(25 * money.Cent)
		})
	}
}
