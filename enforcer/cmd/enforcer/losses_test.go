package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/hack/parts/controlplane"
	"github.com/bursar-dev/bursar/hack/parts/redis"
	"github.com/bursar-dev/bursar/hack/parts/relay"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// recovered has the limiter rebuilt whenever that is needed, after the epoch that configure has
// opened. It returns once the manager knows the configuration: what is lost before, controllers
// would have to put again, and there are none here.
func (w *world) recovered(tenants ...limiterv1.Tenant) {
	w.t.Helper()
	if len(tenants) == 0 {
		tenants = []limiterv1.Tenant{acme}
	}
	_, err := w.ledger.Exec(w.t.Context(), "UPDATE limiter_epoch SET taken = 1, opened = 1")
	testkit.Must(w.t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		controlplane.Recover(w.t.Context(), w.redis, w.ledger, tenants...)
	}()
	w.t.Cleanup(func() { <-done })
	testkit.Eventually(w.t, "the configuration is complete", func() bool {
		both, err := w.redis.MGet(w.t.Context(), limiterv1.IncarnationKey, limiterv1.CompleteKey).Result()
		return err == nil && both[0] != nil && both[0] == both[1]
	})
	for range 2 { // the mark is raised before the configuration is copied
		mark := w.redis.Get(w.t.Context(), limiterv1.MarkKey(0)).Val()
		testkit.Eventually(w.t, "the manager has looked", func() bool { return w.redis.Get(w.t.Context(), limiterv1.MarkKey(0)).Val() != mark })
	}
}

// reachedBy is a way to a server that can be cut.
func (w *world) reachedBy(url string) (r *relay.Relay, through string) {
	w.t.Helper()
	r, through, err := relay.StartTo(url)
	testkit.Must(w.t, err)
	w.t.Cleanup(func() { _ = r.Stop() })
	return r, through
}

// currentEpoch is the epoch in Redis.
func (w *world) currentEpoch() (epoch limiterv1.Epoch) {
	w.t.Helper()
	raw, _ := w.redis.Get(w.t.Context(), limiterv1.EpochKey).Bytes()
	if len(raw) > 0 {
		testkit.Must(w.t, json.Unmarshal(raw, &epoch))
	}
	return epoch
}

// allRun waits until enforcers run a revision.
func (w *world) allRun(revision int64, enforcers ...*running) {
	w.t.Helper()
	for _, e := range enforcers {
		testkit.Eventually(w.t, "the enforcer runs the configuration", func() bool { return w.runs(e, revision) })
	}
}

// inOrder waits until the ledger has so many rows, and compares it with the bill, and the counters of
// the present epoch with the ledger.
func (w *world) inOrder(calls int) {
	w.t.Helper()
	rows := w.rows(calls)
	w.likeTheBill(rows)
	w.epoch = w.currentEpoch().Number
	w.atRest(rows)
}

// penny is a call of a cent.
var penny = chat("penny", "[[output=1]]")

// spend makes calls of a cent through enforcers, side by side, until the limit refuses,
// and returns how many were admitted.
func spend(t *testing.T, enforcers ...*running) (admitted int) {
	t.Helper()
	var mu sync.Mutex
	var callers sync.WaitGroup
	deadline := time.Now().Add(30 * time.Second)
	for _, e := range enforcers {
		for range 4 {
			callers.Go(func() {
				for time.Now().Before(deadline) {
					switch got := e.call("gerente-1", penny); got.status {
					case http.StatusOK:
						mu.Lock()
						admitted++
						mu.Unlock()
					case http.StatusTooManyRequests:
						return
					}
				}
				t.Error("the limit does not refuse")
			})
		}
	}
	callers.Wait()
	return admitted
}

// admitsAgain waits until an enforcer admits a call of a cent, and returns how long it took.
func admitsAgain(t *testing.T, e *running) time.Duration {
	t.Helper()
	since := time.Now()
	testkit.Eventually(t, "a call is admitted again", func() bool { return e.call("gerente-1", penny).status == http.StatusOK })
	return time.Since(since).Round(time.Millisecond)
}

// TestForgottenWhileOneCannotReachTheLedger: Redis forgets everything while Postgres is
// out of one enforcer's reach. Its settled calls, which no ledger has, count all the same,
// and nobody waits for Postgres.
func TestForgottenWhileOneCannotReachTheLedger(t *testing.T) {
	w := newWorld(t)
	revision := w.configure()
	w.recovered()
	toPostgres, url := w.reachedBy(w.database.Enforcer)
	first, cutOff := w.start(), w.start(func(o *options) { o.databaseURL = url })
	w.allRun(revision, first, cutOff)
	admitted := 0
	call := func(calls int) {
		for range calls {
			if got := cutOff.call("gerente-1", penny); got.status != http.StatusOK {
				t.Fatalf("call: %d %s", got.status, got.body)
			}
			admitted++
		}
	}
	call(30)
	w.rows(30)
	toPostgres.Cut()
	call(20)
	stream := cutOff.open("gerente-1", chat("penny", "[[output=1 pause=1]]", `"stream":true`))
	testkit.Eventually(t, "the provider holds the stream", func() bool { return w.provider.Paused() == 1 })
	admitted++

	testkit.Must(t, w.redis.FlushAll(t.Context()).Err())
	took := admitsAgain(t, first)
	admitted++
	w.provider.Resume()
	if got := stream.read(); !strings.HasSuffix(got.body, "data: [DONE]\n\n") {
		t.Errorf("the stream: %s %v", got.body, got.err)
	}
	if admitted += spend(t, first, cutOff); admitted != 100 {
		t.Errorf("%d calls of a cent were admitted of a dollar", admitted)
	}
	toPostgres.Mend()
	w.inOrder(admitted)
	t.Logf("20 settled calls only in memory, 1 open: the next call was admitted %s after the loss; $%.2f of $1.00", took, float64(admitted)/100)
}

// cutEnforcer is an enforcer whose ways to Redis and Postgres can be cut.
type cutEnforcer struct {
	*running
	redis, postgres *relay.Relay
}

// startCuttable starts one.
func (w *world) startCuttable() *cutEnforcer {
	w.t.Helper()
	c := &cutEnforcer{}
	var toRedis, toPostgres string
	c.redis, toRedis = w.reachedBy(w.redisURL)
	c.postgres, toPostgres = w.reachedBy(w.database.Enforcer)
	c.running = w.start(func(o *options) { o.redisURL, o.databaseURL = toRedis, toPostgres })
	return c
}

// pauses opens so many streams of a cent each, which the provider holds back.
func (r *running) pauses(streams int, paused func() int) (open []*opened) {
	r.t.Helper()
	before := paused()
	for range streams {
		stream := r.open("gerente-1", chat("penny", "[[output=1 pause=1]]", `"stream":true`))
		if stream.status != http.StatusOK {
			r.t.Fatalf("a stream: %d", stream.status)
		}
		open = append(open, stream)
	}
	testkit.Eventually(r.t, "the provider holds the streams", func() bool { return paused() == before+streams })
	return open
}

// TestForgottenWhileOneIsCutOff: Redis forgets everything while it is out of reach of an
// enforcer that has half of the money open in calls. The others wait for it, it hears of
// that from Postgres, and the calls count.
func TestForgottenWhileOneIsCutOff(t *testing.T) {
	w := newWorld(t)
	revision := w.configure()
	w.recovered()
	first, cut := w.start(), w.startCuttable()
	w.allRun(revision, first, cut.running)
	streams := cut.pauses(50, w.provider.Paused)
	testkit.Eventually(t, "Postgres knows the session", func() bool { return w.inPostgres(cut.session.ID()) })

	cut.redis.Cut()
	testkit.Must(t, w.redis.FlushAll(t.Context()).Err())
	took := admitsAgain(t, first)
	admitted := 1 + spend(t, first)
	if admitted != 50 {
		t.Errorf("%d calls of a cent were admitted beside the 50 that are open, of a dollar", admitted)
	}
	if got := cut.call("gerente-1", penny); got.status != http.StatusServiceUnavailable {
		t.Errorf("a call without Redis: %d %s", got.status, got.body)
	}
	cut.redis.Mend()
	w.provider.Resume()
	for _, stream := range streams {
		if got := stream.read(); !strings.HasSuffix(got.body, "data: [DONE]\n\n") {
			t.Errorf("a stream: %s %v", got.body, got.err)
		}
	}
	w.inOrder(100)
	t.Logf("50 calls open in an enforcer that Redis is out of reach of: the next call was admitted %s after the loss; $%.2f of $1.00",
		took, float64(admitted+50)/100)
}

// tries makes so many calls of a cent at once, and returns how many were admitted.
func (r *running) tries(calls int) int {
	var admitted atomic.Int64
	var callers sync.WaitGroup
	for range calls {
		callers.Go(func() {
			if r.call("gerente-1", penny).status == http.StatusOK {
				admitted.Add(1)
			}
		})
	}
	callers.Wait()
	return int(admitted.Load())
}

// inPostgres is whether Postgres knows a session.
func (w *world) inPostgres(session string) (known bool) {
	w.t.Helper()
	testkit.Must(w.t, w.ledger.QueryRow(w.t.Context(), "SELECT exists(SELECT FROM limiter_sessions WHERE session = $1)", session).Scan(&known))
	return known
}

// bounded is acme with a fifth of the smallest limit held beforehand by each enforcer.
func bounded() limiterv1.Tenant {
	tenant := acme
	tenant.StoreLossPercent = 20
	return tenant
}

// TestForgottenShare: a share that Redis has forgotten is not spent any more.
func TestForgottenShare(t *testing.T) {
	w := newWorld(t)
	revision, err := w.put(bounded(), keyOf("gerente-1", "gerente"), w.fake())
	testkit.Must(t, err)
	w.recovered()
	first, cut := w.start(), w.startCuttable()
	w.allRun(revision, first, cut.running)
	admitted := 0
	testkit.Eventually(t, "the enforcer has a share", func() bool {
		if cut.call("gerente-1", penny).status == http.StatusOK {
			admitted++
		}
		return w.counter(ofTenant).Held >= 20*money.Cent // beside it, calls of a cent may not be settled yet
	})
	testkit.Eventually(t, "Postgres knows the session", func() bool { return w.inPostgres(cut.session.ID()) })

	cut.redis.Cut()
	testkit.Must(t, w.redis.FlushAll(t.Context()).Err())
	took := admitsAgain(t, first)
	admitted++
	admitted += cut.tries(30) // it would admit twenty from its share
	if admitted += spend(t, first); admitted != 100 {
		t.Errorf("%d calls of a cent were admitted of a dollar", admitted)
	}
	t.Logf("a share that Redis has forgotten: the next call was admitted %s after the loss; $%.2f of $1.00", took, float64(admitted)/100)
	cut.redis.Mend()
	rows := w.rows(admitted)
	w.epoch = w.currentEpoch().Number
	w.atRest(rows)
}

// TestForgottenOutOfReachOfBoth: an enforcer reaches neither Redis nor Postgres while Redis forgets
// everything. The rebuild waits for it until it was silent for the life of a session. After that, the
// limit is exceeded by no more than its open calls held and what was left of its share.
func TestForgottenOutOfReachOfBoth(t *testing.T) {
	w := newWorld(t)
	revision, err := w.put(bounded(), keyOf("gerente-1", "gerente"), w.fake())
	testkit.Must(t, err)
	w.recovered()
	first, cut := w.start(), w.startCuttable()
	w.allRun(revision, first, cut.running)
	const open, share = 30, 20
	streams := cut.pauses(open, w.provider.Paused)
	testkit.Eventually(t, "the enforcer has a share", func() bool { return w.counter(ofTenant).Held == (open+share)*money.Cent })
	testkit.Eventually(t, "Postgres knows the session", func() bool { return w.inPostgres(cut.session.ID()) })

	cut.redis.Cut()
	cut.postgres.Cut()
	testkit.Must(t, w.redis.FlushAll(t.Context()).Err())
	took := admitsAgain(t, first)
	if took < limiterv1.SessionLife-limiterv1.Heartbeat-time.Second || took > limiterv1.SessionLife+2*time.Second {
		t.Errorf("the next call was admitted %s after the loss, want about the life of a session, %s", took, limiterv1.SessionLife)
	}
	admitted := 1 + spend(t, first)
	fromShare := cut.tries(30)
	if admitted > 100 || fromShare > share {
		t.Errorf("%d calls of a cent were admitted by the limiter, and %d from a share of %d", admitted, fromShare, share)
	}
	cut.redis.Mend()
	cut.postgres.Mend()
	testkit.Eventually(t, "the enforcer is back", func() bool {
		return cut.call("gerente-1", penny).status == http.StatusTooManyRequests
	})
	w.provider.Resume()
	for _, stream := range streams {
		stream.read()
	}
	rows := w.rows(admitted + open + fromShare)
	w.likeTheBill(rows)
	t.Logf("out of reach of both stores: the next call was admitted %s after the loss; $%.2f of $1.00, of which $%.2f were open and $%.2f of a share",
		took, float64(len(rows))/100, float64(open)/100, float64(fromShare)/100)
}

// TestOlderDataInTheSameRun: a Redis copies the older data of another, and is a master again at once,
// with the same run ID and the same epoch. Nothing is admitted by its counters.
func TestOlderDataInTheSameRun(t *testing.T) {
	w := newWorld(t)
	own, err := redis.Start(t.Context(), redis.Options{Dir: t.TempDir()})
	testkit.Must(t, err)
	t.Cleanup(func() { _ = own.Stop() })
	w.redisURL, w.redis = own.URL, connect(t, own.Addr)
	revision := w.configure()
	w.recovered()
	e := w.start()
	w.allRun(revision, e)
	admitted := e.tries(10)
	replica, err := redis.Start(t.Context(), redis.Options{Dir: t.TempDir()})
	testkit.Must(t, err)
	t.Cleanup(func() { _ = replica.Stop() })
	older := connect(t, replica.Addr)
	w.demotes(older, own.Port)
	// The backlog for its replica makes another run of it.
	testkit.Eventually(t, "another epoch is valid", func() bool {
		return w.currentEpoch().Number > 1 && w.currentEpoch().State == limiterv1.EpochValid
	})
	testkit.Eventually(t, "calls are admitted", func() bool {
		n := e.tries(1)
		admitted += n
		return n == 1
	})
	testkit.Eventually(t, "the replica has it all", func() bool {
		return older.Get(t.Context(), limiterv1.EpochKey).Val() == w.redis.Get(t.Context(), limiterv1.EpochKey).Val()
	})
	testkit.Must(t, older.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err())
	admitted += e.tries(95 - admitted)

	before := w.currentEpoch().Number
	w.copies(w.redis, replica.Port)
	back := time.Now()
	admitted += e.tries(85) // there would be money for them
	testkit.Eventually(t, "another epoch is valid", func() bool {
		return w.currentEpoch().Number > before && w.currentEpoch().State == limiterv1.EpochValid
	})
	took := time.Since(back)
	admitted += spend(t, e)
	if admitted > 100 {
		t.Errorf("%d calls of a cent were admitted of a dollar", admitted)
	}
	rows := w.rows(admitted)
	w.likeTheBill(rows)
	t.Logf("data of 11 calls came back after 95, in the same run: rebuilt %s after that, while 85 calls waited; $%.2f of $1.00", took.Round(time.Millisecond), float64(admitted)/100)
	testkit.Must(t, e.shutDown()) // before its Redis goes
}

// copies makes a Redis copy the data of another one, and then a master again.
func (w *world) copies(client *goredis.Client, port int) {
	w.t.Helper()
	w.demotes(client, port)
	testkit.Must(w.t, client.Do(w.t.Context(), "REPLICAOF", "NO", "ONE").Err())
}

// demotes makes a Redis a replica of another one, whose data it has then.
func (w *world) demotes(client *goredis.Client, port int) {
	w.t.Helper()
	testkit.Must(w.t, client.ConfigSet(w.t.Context(), "repl-diskless-sync-delay", "0").Err())
	testkit.Must(w.t, client.Do(w.t.Context(), "REPLICAOF", "127.0.0.1", port).Err())
	testkit.Eventually(w.t, "the data is copied", func() bool {
		return strings.Contains(client.Info(w.t.Context(), "replication").Val(), "master_link_status:up")
	})
}
