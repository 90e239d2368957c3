package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/store"
)

// lossy is a Store that is lost at times.
type lossy struct {
	*store.Store
	lost atomic.Bool
	// unanswered are the admissions that it did not answer, and the voids, by call:
	// what is voided later is remembered for a while.
	mu         sync.Mutex
	unanswered map[string]bool
}

var errLost = errors.New("the store is lost")

func (s *lossy) Admit(ctx context.Context, r admission.AdmitRequest) (admission.AdmitReply, error) {
	if s.lost.Load() {
		s.note(r.CallID)
		return admission.AdmitReply{}, errLost
	}
	return s.Store.Admit(ctx, r)
}

func (s *lossy) note(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unanswered[call] = true
}

func (s *lossy) wasUnanswered(call string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unanswered[call]
}

func (s *lossy) Settle(ctx context.Context, r admission.SettleRequest) error {
	if s.lost.Load() {
		s.note(r.CallID)
		return errLost
	}
	return s.Store.Settle(ctx, r)
}

func (s *lossy) Take(ctx context.Context, r admission.TakeRequest) error {
	if s.lost.Load() {
		return errLost
	}
	return s.Store.Take(ctx, r)
}

// TestSharesKeepTheLimits: whatever is admitted while the store is there and while it
// is lost, the calls one by one never come to more than a limit; and when all have
// ended, the counters say what they cost, and nothing of a share is left.
func TestSharesKeepTheLimits(t *testing.T) {
	client := newClient(t)
	bounded := 0
	rapid.Check(t, func(t *rapid.T) {
		h := newShareHistory(t, client)
		defer h.stop()
		t.Repeat(map[string]func(*rapid.T){
			"admit":  h.admit,
			"settle": h.settle,
			"lose":   func(*rapid.T) { h.lose() },
			"find":   func(*rapid.T) { h.store.lost.Store(false) },
			"":       h.checkLimits,
		})
		h.checkAtRest(t)
		bounded += h.bounded
	})
	if bounded == 0 {
		t.Error("no call was admitted from a share: the test shows nothing")
	}
	t.Logf("%d calls were admitted from shares", bounded)
}

type shareHistory struct {
	client   *goredis.Client
	store    *lossy
	session  string
	admitter *admission.Admitter
	tenant   *admission.Tenant
	doc      limiterv1.Tenant
	stop     context.CancelFunc
	open     []shareCall
	// cost is what calls cost that have ended, by user; bounded is how many calls
	// were admitted from a share.
	cost    map[string]money.Nanos
	ended   int
	bounded int
}

type shareCall struct {
	hold *admission.Hold
	user string
}

func newShareHistory(t *rapid.T, client *goredis.Client) *shareHistory {
	amount := func(name string) money.Nanos { return money.Nanos(rapid.Int64Range(0, 400).Draw(t, name)) }
	percent := func(name string) int32 { return int32(rapid.IntRange(1, 50).Draw(t, name)) }
	doc := limiterv1.Tenant{Level: limiterv1.Level{
		Tenant: uuid.NewString(), TimeZone: "UTC", StoreLossPercent: percent("percent"), Money: []limiterv1.MoneyLimit{
			{Name: "all", Per: limiterv1.PerTenant, Period: period.Year, Amount: amount("amount")},
			{Name: "each", Per: limiterv1.PerUser, Period: period.Year, Amount: amount("amount of a user")},
		},
	}}
	if rapid.Bool().Draw(t, "has a parent") {
		doc.Ancestors = []limiterv1.Level{{
			Tenant: uuid.NewString(), TimeZone: "UTC", StoreLossPercent: percent("percent of the parent"), Money: []limiterv1.MoneyLimit{
				{Name: "group", Per: limiterv1.PerTenant, Period: period.Year, Amount: amount("amount of the parent")},
			},
		}}
	}
	tenant, err := admission.NewTenant(doc)
	if err == nil {
		err = openTenant(client, doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	session := uuid.NewString()
	s := &lossy{Store: newStore(client, session), unanswered: map[string]bool{}}
	ctx, stop := context.WithCancel(context.Background())
	h := &shareHistory{
		client: client, store: s, session: session, admitter: admission.NewAdmitter(s), tenant: tenant, doc: doc,
		stop: stop, cost: map[string]money.Nanos{},
	}
	go h.admitter.Run(ctx)
	return h
}

// lose loses the store. The pause is no condition: how far the taking of shares has come
// by then is part of what is tried, and the test fails when it never came far enough.
func (h *shareHistory) lose() {
	time.Sleep(2 * time.Millisecond)
	h.store.lost.Store(true)
}

func (h *shareHistory) admit(t *rapid.T) {
	call := newCall(h.tenant, money.Nanos(rapid.Int64Range(1, 30).Draw(t, "bound")))
	call.Subject.User = rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "user")
	d, err := h.admitter.Admit(context.Background(), h.tenant, call)
	hold := d.Hold
	if errors.Is(err, admission.ErrStoreUnavailable) {
		call.ID = uuid.NewString()
		var ok bool
		if hold, ok = h.admitter.AdmitBounded(h.tenant, call); ok {
			h.bounded++
		}
	} else if err != nil {
		t.Fatal(err)
	}
	if hold != nil {
		h.open = append(h.open, shareCall{hold, call.Subject.User})
	}
}

func (h *shareHistory) settle(t *rapid.T) {
	if len(h.open) == 0 {
		t.Skip("no call is open")
	}
	i := rapid.IntRange(0, len(h.open)-1).Draw(t, "which")
	h.end(t, i, money.Nanos(rapid.Int64Range(0, int64(h.open[i].hold.Bound())).Draw(t, "cost")))
}

// end ends a call, unless the store is lost.
func (h *shareHistory) end(t *rapid.T, i int, cost money.Nanos) {
	call := h.open[i]
	err := call.hold.Settle(context.Background(), cost, 0, &ledgerv1.Entry{})
	if errors.Is(err, errLost) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	call.hold.Done()
	h.cost[call.user] += cost
	h.ended++
	h.open = append(h.open[:i], h.open[i+1:]...)
}

func (h *shareHistory) checkLimits(t *rapid.T) {
	users := map[string]money.Nanos{}
	var all money.Nanos
	for user, cost := range h.cost {
		users[user] += cost
		all += cost
	}
	for _, call := range h.open {
		users[call.user] += call.hold.Bound()
		all += call.hold.Bound()
	}
	if limit := h.doc.Money[0].Amount; all > limit {
		t.Fatalf("calls of the tenant come to %d, more than its %d", all, limit)
	}
	for _, parent := range h.doc.Ancestors {
		limit := parent.Money[0].Amount
		if all > limit {
			t.Fatalf("calls of the tenant come to %d, more than the %d of its parent", all, limit)
		}
		if shares, most := h.shares(t), limit.Share(parent.StoreLossPercent); shares > most {
			t.Fatalf("shares hold %d of the %d of the parent, which gives %d at most", shares, limit, most)
		}
	}
	for user, sum := range users {
		if limit := h.doc.Money[1].Amount; sum > limit {
			t.Fatalf("calls of user %s come to %d, more than %d", user, sum, limit)
		}
	}
}

// checkAtRest ends all calls. A share may be on its way then: what is so at rest comes
// to be so.
func (h *shareHistory) checkAtRest(t *rapid.T) {
	h.store.lost.Store(false)
	for len(h.open) > 0 {
		h.end(t, 0, 1)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	for {
		if err := h.admitter.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		problem := h.notAtRest(t)
		if problem == "" {
			return
		}
		if ctx.Err() != nil {
			t.Fatal(problem)
		}
		time.Sleep(time.Millisecond)
	}
}

// notAtRest is what is not as it has to be when all calls have ended.
func (h *shareHistory) notAtRest(t *rapid.T) string {
	spent, held := h.counted(t)
	var want money.Nanos
	for _, cost := range h.cost {
		want += cost
	}
	if spent != want || held != 0 {
		return fmt.Sprintf("counted %d spent and %d held, the calls cost %d", spent, held, want)
	}
	kept := 0
	for id, record := range h.records(t) {
		if !record.Settled {
			return fmt.Sprintf("call %s is left open", id)
		}
		switch {
		case len(record.Body) > 0:
			kept++
		case !h.store.wasUnanswered(id):
			return fmt.Sprintf("call %s, which was voided at once, is remembered", id)
		}
	}
	if kept != h.ended {
		return fmt.Sprintf("%d calls wait for the ledger, %d have ended", kept, h.ended)
	}
	return ""
}

// records are the calls of the session, as others find them.
func (h *shareHistory) records(t *rapid.T) map[string]limiterv1.CallRecord {
	raw, err := h.client.HGetAll(context.Background(), limiterv1.CallsKey(limiterv1.Shard(h.doc.Root()), h.session)).Result()
	if err != nil {
		t.Fatal(err)
	}
	records := map[string]limiterv1.CallRecord{}
	for id, value := range raw {
		if records[id], err = limiterv1.DecodeCallRecord([]byte(value)); err != nil {
			t.Fatalf("call %s: %v", id, err)
		}
	}
	return records
}

// shares is what shares hold.
func (h *shareHistory) shares(t *rapid.T) (held money.Nanos) {
	for id, record := range h.records(t) {
		if record.Settled {
			continue
		}
		call, err := record.OpenCall()
		if err != nil {
			t.Fatalf("call %s: %v", id, err)
		}
		if call.Share {
			held += record.Amount
		}
	}
	return held
}

func (h *shareHistory) counted(t *rapid.T) (spent, held money.Nanos) {
	key := limiterv1.TenantCountersKey(h.doc.Root(), h.doc.Tenant)
	raw, err := h.client.HGet(context.Background(), key, limiterv1.MoneyField(h.doc.Money[0])).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	counter, err := limiterv1.DecodeMoneyCounter(raw)
	if err != nil {
		t.Fatal(err)
	}
	return counter.Spent, counter.Held
}
