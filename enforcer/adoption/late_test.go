package adoption_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	goredis "github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/redisclient"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/adoption"
	"github.com/bursar-dev/bursar/enforcer/ledger"
	"github.com/bursar-dev/bursar/enforcer/store"
	"github.com/bursar-dev/bursar/hack/parts/controlplane"
	"github.com/bursar-dev/bursar/hack/parts/documents"
	"github.com/bursar-dev/bursar/hack/parts/ledgerdb"
	"github.com/bursar-dev/bursar/hack/parts/redis"
	"github.com/bursar-dev/bursar/hack/testkit"
)

var (
	client    *goredis.Client
	databases *ledgerdb.Server
)

func TestMain(m *testing.M) {
	os.Exit(redis.Use(func(_ *redis.Server, c *goredis.Client) int {
		client = c
		return ledgerdb.Use(func(s *ledgerdb.Server) int {
			databases = s
			return m.Run()
		})
	}))
}

var discard = slog.New(slog.DiscardHandler)

// world is two enforcers on one limiter and one ledger: the owner of calls, which is
// declared dead, and the survivor that adopts it.
type world struct {
	admin, enforcer *pgxpool.Pool
	doc             limiterv1.Tenant
	tenant          *admission.Tenant

	owner    *store.Store
	session  string
	admitter *admission.Admitter
	recorder *ledger.Writer

	adopter *adoption.Adopter
	// writing writes what the adopter takes to the ledger.
	writing *watchedWriter
	auditor *controlplane.Auditor
	// wrong is what the last counter said that was wrong on purpose.
	wrong money.Nanos
}

func newPools(t *testing.T) (admin, enforcer *pgxpool.Pool) {
	t.Helper()
	db, err := databases.NewDatabase(t.Context())
	testkit.Must(t, err)
	connect := func(dsn string) *pgxpool.Pool {
		pool, err := pgxpool.New(t.Context(), dsn)
		testkit.Must(t, err)
		t.Cleanup(pool.Close)
		return pool
	}
	return connect(db.Admin), connect(db.Enforcer)
}

// newWorld makes a world whose tenant, and each user of it, has a dollar a year.
func newWorld(t testkit.T, admin, enforcer *pgxpool.Pool) *world {
	t.Helper()
	ctx := context.Background()
	w := &world{admin: admin, enforcer: enforcer, session: uuid.NewString()}
	w.doc = limiterv1.Tenant{Sources: []limiterv1.Source{{Kind: "TenantBudget", Namespace: "e", Name: "budget", UID: "uid"}}, Level: limiterv1.Level{
		Tenant: uuid.NewString(), TimeZone: "UTC",
		Money: []limiterv1.MoneyLimit{
			{Name: "yearly", Per: limiterv1.PerTenant, Period: period.Year, Amount: money.USD},
			{Name: "each-user", Per: limiterv1.PerUser, Period: period.Year, Amount: money.USD},
		},
		Rates: []limiterv1.RateLimit{{Name: "p/flight", Per: limiterv1.PerTenant, Unit: limiterv1.InFlight, Burst: 1000}},
	}}
	_, err := documents.Put(ctx, client, w.doc)
	testkit.Must(t, err)
	w.tenant, err = admission.NewTenant(w.doc)
	testkit.Must(t, err)
	w.owner = newStore(t, w.session)
	w.admitter = admission.NewAdmitter(w.owner)
	w.recorder = ledger.NewWriter(enforcer, w.owner, discard)
	survivor, session := newStore(t, uuid.NewString()), uuid.NewString()
	w.writing = &watchedWriter{LedgerWriter: ledger.NewWriter(enforcer, survivor, discard)}
	w.adopter = adoption.New(client, survivor, w.writing, func() string { return session }, discard)
	w.auditor = controlplane.NewAuditor(client, admin)
	w.live(t, w.session)
	w.recount(t) // so that what follows is counted by what is marked as valid
	return w
}

func newStore(t testkit.T, session string) *store.Store {
	t.Helper()
	masters, err := redisclient.Masters(context.Background(), client)
	testkit.Must(t, err)
	epoch := limiterv1.Epoch{Number: 1, State: limiterv1.EpochValid}
	for _, master := range masters {
		epoch.Runs = append(epoch.Runs, master.Run)
	}
	s := store.New(client, session)
	s.SetEpoch(epoch)
	return s
}

// live makes a session one of those whose calls are counted.
func (w *world) live(t testkit.T, session string) {
	t.Helper()
	testkit.Must(t, client.ZAdd(context.Background(), limiterv1.SessionsKey, goredis.Z{Score: float64(time.Now().UnixMilli()), Member: session}).Err())
}

// notice makes the owner notice that it was declared dead: it goes on as another session.
func (w *world) notice(t testkit.T) {
	t.Helper()
	w.session = uuid.NewString()
	w.live(t, w.session)
	w.owner = w.owner.Next(w.session)
	w.admitter.Use(w.owner)
}

func (w *world) recount(t testkit.T) {
	t.Helper()
	testkit.Must(t, controlplane.Recount(context.Background(), client, w.admin, w.doc))
}

// openCall is a call of the owner's, and what it is going to cost.
type openCall struct {
	hold  *admission.Hold
	entry ledgerv1.Entry
}

// admit admits a call, if it fits.
func (w *world) admit(t testkit.T, bound, cost money.Nanos) (call openCall, admitted bool) {
	t.Helper()
	request := admission.Request{
		ID: uuid.NewString(), Subject: admission.Subject{Tenant: w.doc.Tenant, User: "user", Tier: "tier"}, Bound: bound, Tokens: 1,
	}
	request.Entry = ledgerv1.Entry{OpenCall: limiterv1.OpenCall{
		CallID: request.ID, Tenant: w.doc.Tenant, User: "user", Tier: "tier", Root: w.doc.Tenant,
	}, Provider: "p", ModelAsked: "m", ModelUsed: "m", Endpoint: "/", Session: w.session, Held: bound}
	d, err := w.admitter.Admit(context.Background(), w.tenant, request)
	if errors.Is(err, admission.ErrSuspended) { // declared dead, and does not know yet
		return openCall{}, false
	}
	testkit.Must(t, err)
	if d.Hold == nil {
		return openCall{}, false
	}
	entry := request.Entry
	entry.AdmittedAt, entry.SettledAt = d.Hold.AdmittedAt(), d.Hold.AdmittedAt()
	entry.Outcome, entry.Cost = ledgerv1.Settled, cost
	return openCall{d.Hold, entry}, true
}

// settle ends a call with the truth, and takes it to the ledger.
func (w *world) settle(ctx context.Context, call openCall) error {
	err := call.hold.Settle(ctx, call.entry.Cost, 1, &call.entry)
	if err != nil && !errors.Is(err, admission.ErrFenced) {
		return err
	}
	if _, err := w.recorder.Write(ctx, []ledgerv1.Entry{call.entry}); err != nil {
		return err
	}
	return w.owner.Forget(ctx, call.entry.Root, []string{call.entry.CallID})
}

// check holds the ledger against the truth, and the counters against the ledger.
func (w *world) check(t testkit.T, truth map[string]money.Nanos) {
	t.Helper()
	ctx := context.Background()
	w.recount(t)
	rows, err := w.admin.Query(ctx, "SELECT call_id, cost_nanos FROM ai_usage_logs WHERE tenant_id = $1", w.doc.Tenant)
	testkit.Must(t, err)
	var sum money.Nanos
	recorded := 0
	for rows.Next() {
		var id string
		var cost int64
		testkit.Must(t, rows.Scan(&id, &cost))
		recorded++
		sum += money.Nanos(cost)
		if want, ok := truth[id]; !ok || want != money.Nanos(cost) {
			t.Fatalf("call %s: the ledger has %s, the truth is %s", id, money.Nanos(cost), want)
		}
	}
	if recorded != len(truth) {
		t.Fatalf("the ledger has %d rows of %d calls", recorded, len(truth))
	}
	for _, key := range []string{
		limiterv1.TenantCountersKey(w.doc.Tenant, w.doc.Tenant),
		limiterv1.CountersKey(w.doc.Tenant, limiterv1.Epoch{Number: 1}, w.doc.Tenant, limiterv1.Owner{User: "user"}),
	} {
		counter := counterOf(t, key)
		if counter.Spent != sum || counter.Held != 0 {
			t.Fatalf("%s: spent %s and held %s, the ledger says %s", key, counter.Spent, counter.Held, sum)
		}
	}
}

func counterOf(t testkit.T, key string) limiterv1.MoneyCounter {
	t.Helper()
	raw, err := client.HGet(context.Background(), key, limiterv1.MoneyField(limiterv1.MoneyLimit{Period: period.Year})).Bytes()
	if errors.Is(err, goredis.Nil) {
		return limiterv1.MoneyCounter{}
	}
	testkit.Must(t, err)
	counter, err := limiterv1.DecodeMoneyCounter(raw)
	testkit.Must(t, err)
	return counter
}

// TestTheTruthReachesTheLedger: the owner that was declared dead and its adopter end a call, in
// either order and at any point of each other's work. The ledger has what the call has cost, once,
// and after a recount the counters have it, too.
func TestTheTruthReachesTheLedger(t *testing.T) {
	admin, enforcer := newPools(t)
	for name, do := range map[string]func(*testing.T, *world, openCall){
		"fenced, the truth, adopted": func(t *testing.T, w *world, call openCall) {
			testkit.Must(t, w.adopter.Fence(t.Context(), w.session))
			testkit.Must(t, w.settle(t.Context(), call))
			testkit.Must(t, w.adopter.Adopt(t.Context(), w.session))
		},
		"adopted, the truth": func(t *testing.T, w *world, call openCall) {
			testkit.Must(t, w.adopter.Adopt(t.Context(), w.session))
			w.notice(t)
			testkit.Must(t, w.settle(t.Context(), call))
		},
		"adopted, a recount, the truth, twice": func(t *testing.T, w *world, call openCall) {
			testkit.Must(t, w.adopter.Adopt(t.Context(), w.session))
			w.recount(t)
			w.notice(t)
			testkit.Must(t, w.settle(t.Context(), call))
			w.recount(t)
			testkit.Must(t, w.settle(t.Context(), call))
		},
		"charged by an adopter that dies, the truth, adopted": func(t *testing.T, w *world, call openCall) {
			w.writing.before = func() error { return errDies }
			if err := w.adopter.Adopt(t.Context(), w.session); !errors.Is(err, errDies) {
				t.Fatalf("the first adoption: %v", err)
			}
			w.writing.before = nil
			testkit.Must(t, w.settle(t.Context(), call))
			testkit.Must(t, w.adopter.Adopt(t.Context(), w.session))
		},
		"the truth in Postgres alone, adopted": func(t *testing.T, w *world, call openCall) {
			_, err := w.recorder.Write(t.Context(), []ledgerv1.Entry{call.entry})
			testkit.Must(t, err)
			testkit.Must(t, w.adopter.Adopt(t.Context(), w.session))
		},
		"adopted, the truth in Postgres alone": func(t *testing.T, w *world, call openCall) {
			testkit.Must(t, w.adopter.Adopt(t.Context(), w.session))
			_, err := w.recorder.Write(t.Context(), []ledgerv1.Entry{call.entry})
			testkit.Must(t, err)
		},
		"forgotten, the truth": func(t *testing.T, w *world, call openCall) {
			testkit.Must(t, client.Del(t.Context(), limiterv1.CallsKey(limiterv1.Shard(w.doc.Tenant), w.session)).Err())
			testkit.Must(t, w.settle(t.Context(), call))
		},
		"forgotten, a recount, declared dead, the truth": func(t *testing.T, w *world, call openCall) {
			testkit.Must(t, client.Del(t.Context(), limiterv1.CallsKey(limiterv1.Shard(w.doc.Tenant), w.session)).Err())
			testkit.Must(t, w.owner.Recount(t.Context(), w.doc.Tenant, []string{w.doc.Tenant}))
			w.recount(t)
			testkit.Must(t, w.adopter.Adopt(t.Context(), w.session))
			w.notice(t)
			testkit.Must(t, w.settle(t.Context(), call))
		},
		// The answer to the first is lost; the call is read back and forgotten.
		"posted, read back and forgotten, posted again": func(t *testing.T, w *world, call openCall) {
			testkit.Must(t, call.hold.Settle(t.Context(), call.entry.Cost, 1, &call.entry))
			run, stop := context.WithCancel(t.Context())
			defer stop()
			go w.recorder.Run(run)
			_, err := w.recorder.ReadBack(t.Context())
			testkit.Must(t, err)
			testkit.Must(t, w.recorder.Flush(t.Context()))
			testkit.Must(t, w.settle(t.Context(), call))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, admin, enforcer)
			call, ok := w.admit(t, 10*money.Cent, 3*money.Cent)
			if !ok {
				t.Fatal("not admitted")
			}
			do(t, w, call)
			w.check(t, map[string]money.Nanos{call.entry.CallID: 3 * money.Cent})
		})
	}
}

// TestAdoptedAfterTheClockIsSetBack: a session that died when the clock of Redis was an hour
// ahead is adopted as soon as any.
func TestAdoptedAfterTheClockIsSetBack(t *testing.T) {
	admin, enforcer := newPools(t)
	w := newWorld(t, admin, enforcer)
	call, admitted := w.admit(t, money.Cent, money.Cent)
	if !admitted {
		t.Fatal("not admitted")
	}
	testkit.Must(t, client.ZAdd(t.Context(), limiterv1.SessionsKey,
		goredis.Z{Score: float64(time.Now().Add(time.Hour).UnixMilli()), Member: w.session}).Err())
	go w.adopter.Run(t.Context())
	testkit.Within(t, 5*limiterv1.SessionLife, "the session is adopted", func() bool {
		return errors.Is(client.ZScore(t.Context(), limiterv1.SessionsKey, w.session).Err(), goredis.Nil)
	})
	w.check(t, map[string]money.Nanos{call.entry.CallID: money.Cent})
}

// TestForgottenAndFree: Redis has forgotten a call, but not what it holds, and the call ends without
// cost; its user has made no other. Nothing stays held.
func TestForgottenAndFree(t *testing.T) {
	admin, enforcer := newPools(t)
	w := newWorld(t, admin, enforcer)
	call, _ := w.admit(t, 10*money.Cent, 0)
	testkit.Must(t, client.HDel(t.Context(), limiterv1.CallsKey(limiterv1.Shard(w.doc.Tenant), w.session), call.entry.CallID).Err())
	testkit.Must(t, w.settle(t.Context(), call))
	w.check(t, map[string]money.Nanos{call.entry.CallID: 0})
}

// TestTheTruthAndAnAdopterAtOnce: the owner awakes while it is adopted, a hundred times.
func TestTheTruthAndAnAdopterAtOnce(t *testing.T) {
	admin, enforcer := newPools(t)
	var amended int64
	for range 100 {
		w := newWorld(t, admin, enforcer)
		call, _ := w.admit(t, 10*money.Cent, 3*money.Cent)
		w.notice(t)
		var both sync.WaitGroup
		both.Go(func() {
			if err := w.adopter.Adopt(t.Context(), call.entry.Session); err != nil {
				t.Error(err)
			}
		})
		both.Go(func() {
			time.Sleep(time.Duration(rand.Int64N(int64(15 * time.Millisecond)))) // which comes first is what is tried
			for err := errors.New("not yet"); err != nil; {
				if err = w.settle(t.Context(), call); err != nil && !errors.Is(err, admission.ErrSuspended) {
					t.Error(err)
					return
				}
			}
		})
		both.Wait()
		amended += w.recorder.Late().Amended.Load()
		w.check(t, map[string]money.Nanos{call.entry.CallID: 3 * money.Cent})
	}
	t.Logf("of 100 calls, %d had been charged in full in the ledger", amended)
}

// TestAnyOrder runs random histories of calls that are admitted, settled, lost by Redis,
// adopted, settled late, and told to the ledger alone. In the end the ledger has what each call
// has cost, once; the counters are equal to the ledger; and a limit was exceeded by no more than
// the cost of the calls that ended after Redis had lost them. Audits report no drift meanwhile.
func TestAnyOrder(t *testing.T) {
	admin, enforcer := newPools(t)
	late := 0
	rapid.Check(t, func(t *rapid.T) {
		h := &history{world: newWorld(t, admin, enforcer), truth: map[string]money.Nanos{}, forgotten: map[string]bool{}}
		t.Repeat(map[string]func(*rapid.T){
			"admit":   h.admitOne,
			"settle":  h.settleOne,
			"again":   h.settleAgain,
			"forget":  h.forgetOne,
			"fence":   func(t *rapid.T) { testkit.Must(t, h.adopter.Fence(context.Background(), h.session)) },
			"adopt":   h.adoptNow,
			"alone":   h.recordAlone,
			"audit":   func(t *rapid.T) { h.audit(t, "between two steps") },
			"notice":  func(t *rapid.T) { h.adoptLater(); h.notice(t) },
			"recount": func(t *rapid.T) { h.recount(t) },
		})
		for len(h.open) > 0 {
			h.settleOne(t)
		}
		for _, dead := range append(h.dead, h.session) {
			testkit.Must(t, h.adopter.Adopt(context.Background(), dead))
			h.audit(t, "between two adoptions")
		}
		h.check(t, h.truth)
		h.audit(t, "at rest")
		var spent money.Nanos
		for _, cost := range h.truth {
			spent += cost
		}
		if spent > money.USD+h.lost {
			t.Errorf("%s spent of %s, and no more than %s was lost", spent, money.USD, h.lost)
		}
		late += h.late
	})
	t.Logf("%d calls ended late", late)
	if late == 0 {
		t.Error("no call ended late: the test shows nothing")
	}
}

type history struct {
	*world
	open, ended []openCall
	truth       map[string]money.Nanos
	// dead are the sessions that the owner had, lost the bounds of the calls that were
	// forgotten while they were open, and late how many ended after that or in a dead
	// session.
	dead []string
	lost money.Nanos
	late int
	// forgotten are the calls that Redis has forgotten while they were open.
	forgotten map[string]bool
}

func (h *history) admitOne(t *rapid.T) {
	bound := money.Nanos(rapid.Int64Range(1, 30).Draw(t, "bound")) * money.Cent
	cost := money.Nanos(rapid.Int64Range(0, int64(bound/money.Cent)).Draw(t, "cost")) * money.Cent
	if call, ok := h.admit(t, bound, cost); ok {
		h.open = append(h.open, call)
	}
}

func (h *history) settleOne(t *rapid.T) {
	if len(h.open) == 0 {
		return
	}
	i := rapid.IntRange(0, len(h.open)-1).Draw(t, "which")
	call := h.open[i]
	err := h.settle(context.Background(), call)
	if errors.Is(err, admission.ErrSuspended) { // it was declared dead, and must know to go on
		h.adoptLater()
		h.notice(t)
		err = h.settle(context.Background(), call)
	}
	testkit.Must(t, err)
	if call.entry.Session != h.session {
		h.late++
	}
	h.open = append(h.open[:i], h.open[i+1:]...)
	h.ended = append(h.ended, call)
	h.truth[call.entry.CallID] = call.entry.Cost
}

// audit audits the tenant, unless Redis has lost a record of it and nothing else, which it does
// not by itself, and which audits tell of.
func (h *history) audit(t *rapid.T, when string) {
	if len(h.forgotten) == 0 {
		h.world.audit(t, when)
	}
}

// recordAlone tells the ledger alone of the end of a call that Redis knows, as an enforcer does that
// ends while Redis hangs.
func (h *history) recordAlone(t *rapid.T) {
	if len(h.open) == 0 {
		return
	}
	i := rapid.IntRange(0, len(h.open)-1).Draw(t, "which")
	call := h.open[i]
	if h.forgotten[call.entry.CallID] {
		return
	}
	_, err := h.recorder.Write(context.Background(), []ledgerv1.Entry{call.entry})
	testkit.Must(t, err)
	h.late++
	h.open = append(h.open[:i], h.open[i+1:]...)
	h.ended = append(h.ended, call)
	h.truth[call.entry.CallID] = call.entry.Cost
}

// adoptNow adopts the present session, unless the adopter dies in the midst of it. Audits look
// at what there is before and after the ledger is told.
func (h *history) adoptNow(t *rapid.T) {
	dies := rapid.IntRange(0, 2).Draw(t, "dies") == 0
	h.writing.before = func() error {
		h.audit(t, "before the ledger is told what was adopted")
		if dies {
			return errDies
		}
		return nil
	}
	h.writing.after = func() error {
		h.audit(t, "after the ledger was told what was adopted")
		return nil
	}
	if err := h.adopter.Adopt(context.Background(), h.session); !errors.Is(err, errDies) {
		testkit.Must(t, err)
	}
	h.writing.before, h.writing.after = nil, nil
}

// adoptLater makes the present session one that is to be adopted.
func (h *history) adoptLater() { h.dead = append(h.dead, h.session) }

// settleAgain repeats what was done before.
func (h *history) settleAgain(t *rapid.T) {
	if len(h.ended) > 0 {
		call := h.ended[rapid.IntRange(0, len(h.ended)-1).Draw(t, "which")]
		_, err := h.recorder.Write(context.Background(), []ledgerv1.Entry{call.entry})
		testkit.Must(t, err)
	}
}

// forgetOne makes Redis lose the record of an open call.
func (h *history) forgetOne(t *rapid.T) {
	if len(h.open) == 0 {
		return
	}
	call := h.open[rapid.IntRange(0, len(h.open)-1).Draw(t, "which")]
	key := limiterv1.CallsKey(limiterv1.Shard(h.doc.Tenant), call.entry.Session)
	gone, err := client.HDel(context.Background(), key, call.entry.CallID).Result()
	testkit.Must(t, err)
	if gone > 0 {
		h.forgotten[call.entry.CallID] = true
		h.lost += call.hold.Bound()
		testkit.Must(t, h.owner.Recount(context.Background(), h.doc.Tenant, []string{h.doc.Tenant}))
	}
}
