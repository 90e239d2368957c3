package recovery_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/controllers/recovery"
	"github.com/bursar-dev/bursar/hack/parts/redis"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// times is how often something is lost, and seed what the random choices begin from.
// BURSAR_FAULTS and BURSAR_SEED set them.
func times(t *testing.T, few int) (times int, chance *rand.Rand) {
	t.Helper()
	times, err := strconv.Atoi(cmp.Or(os.Getenv("BURSAR_FAULTS"), strconv.Itoa(few)))
	testkit.Must(t, err)
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv("BURSAR_SEED"), strconv.FormatUint(rand.Uint64(), 10)), 10, 64)
	testkit.Must(t, err)
	t.Logf("BURSAR_SEED=%d", seed)
	return times, rand.New(rand.NewPCG(seed, 0))
}

// lives says that a session lives, again and again, until the test ends.
func (w *world) lives(t *testing.T, session string) {
	ctx := t.Context()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_ = w.redis.ZAdd(ctx, limiterv1.SessionsKey, goredis.Z{Score: float64(time.Now().UnixMilli()), Member: session}).Err()
			time.Sleep(50 * time.Millisecond)
		}
	}()
	t.Cleanup(func() { <-done })
}

// forget is how a Redis forgets everything.
func (w *world) forget(t *testing.T) {
	t.Helper()
	testkit.Must(t, w.redis.FlushAll(t.Context()).Err())
}

// TestLostAgainWhileRebuilding: Redis forgets everything as soon as the epoch is being
// rebuilt, again and again. The limiter is open at once after the last time, though the
// enforcer cannot announce for an epoch that is gone.
func TestLostAgainWhileRebuilding(t *testing.T) {
	w := newWorld(t)
	w.announce(t, "live")
	w.lives(t, "live")
	w.start(t, 1)
	epoch := w.completed(t, 0)
	losses, _ := times(t, 5)
	w.silent.Store(true)
	w.seenAlive(t)
	w.forget(t)
	for range losses {
		testkit.Eventually(t, "the epoch is being rebuilt", func() bool {
			now, err := w.epochs.Current(t.Context())
			return err == nil && now.State == limiterv1.EpochRebuilding && now.Number > epoch.Number
		})
		w.forget(t)
	}
	lost := time.Now()
	w.silent.Store(false)
	w.completed(t, epoch.Number)
	t.Logf("lost %d times while it was rebuilt: open %s after the last", losses, time.Since(lost).Round(time.Millisecond))
}

// TestLostInALook: Redis forgets everything between what a look reads. An enforcer that only
// Redis has heard of is waited for nevertheless.
func TestLostInALook(t *testing.T) {
	w := newWorld(t)
	w.announce(t, "live")
	w.beat(t, "live")
	w.start(t, 1)
	epoch := w.completed(t, 0)
	w.silent.Store(true)
	w.beat(t, "live")
	w.seenAlive(t)
	w.losesInLook.Store(true)
	testkit.Eventually(t, "the epoch is being rebuilt", func() bool {
		now, err := w.epochs.Current(t.Context())
		return err == nil && now.Number > epoch.Number
	})
	time.Sleep(500 * time.Millisecond) // in which it would be complete, did nobody wait
	if now, err := w.epochs.Current(t.Context()); err != nil || now.State != limiterv1.EpochRebuilding {
		t.Errorf("epoch %+v, %v, want it to wait for the enforcer that lives", now, err)
	}
	w.silent.Store(false)
	w.completed(t, epoch.Number)
}

// TestLostAtRandom: Redis forgets everything at random moments.
func TestLostAtRandom(t *testing.T) {
	w := newWorld(t)
	w.announce(t, "live")
	w.lives(t, "live")
	w.start(t, 1)
	epoch := w.completed(t, 0)
	losses, chance := times(t, 20)
	var lost time.Time
	for range losses {
		time.Sleep(time.Duration(chance.Int64N(int64(700 * time.Millisecond)))) // when it is lost is what is tried
		now, err := w.epochs.Current(t.Context())
		testkit.Must(t, err)
		epoch.Number = max(epoch.Number, now.Number)
		w.forget(t)
		lost = time.Now()
	}
	w.completed(t, epoch.Number)
	t.Logf("lost %d times: open %s after the last", losses, time.Since(lost).Round(time.Millisecond))
}

// TestSilentSession: an enforcer that ends with Redis is waited for until its life is
// over, and no longer, however often Redis is lost meanwhile.
func TestSilentSession(t *testing.T) {
	w := newWorld(t)
	own, err := redis.Start(t.Context(), redis.Options{Dir: t.TempDir()})
	testkit.Must(t, err)
	t.Cleanup(func() { _ = own.Stop() })
	client := goredis.NewClient(&goredis.Options{Addr: own.Addr})
	t.Cleanup(func() { _ = client.Close() })
	w.redis, w.limiter = client, limiterOn(client)
	w.announce(t, "live")
	w.start(t, 1)
	epoch := w.completed(t, 0)
	w.beat(t, "live")
	w.beat(t, "dead")
	w.seenAlive(t)

	testkit.Must(t, own.Stop())
	time.Sleep(3 * time.Second) // so long Redis is away
	again, err := redis.Start(t.Context(), redis.Options{Dir: t.TempDir(), Port: own.Port})
	testkit.Must(t, err)
	t.Cleanup(func() { _ = again.Stop() })
	back := time.Now()
	time.Sleep(2 * time.Second) // in which it is rebuilt, until it is lost again
	w.forget(t)
	w.completed(t, epoch.Number)
	if took := time.Since(back); took > limiterv1.SessionLife+2*time.Second {
		t.Errorf("open %s after Redis was back, want no more than the life of a session, %s", took, limiterv1.SessionLife)
	} else {
		t.Logf("an enforcer ended with Redis: open %s after Redis was back", took.Round(time.Millisecond))
	}
}

// seenAlive waits until the rebuilder has seen who lives.
func (w *world) seenAlive(t *testing.T) {
	t.Helper()
	before := w.looks.Load()
	testkit.Eventually(t, "the rebuilder has looked twice", func() bool { return w.looks.Load() >= before+2 })
}

// TestAnnouncedInPostgres: a session that Postgres alone has heard of is waited for, and what
// it announces there counts.
func TestAnnouncedInPostgres(t *testing.T) {
	w := newWorld(t)
	w.announce(t, "live")
	w.lives(t, "live")
	w.start(t, 1)
	epoch := w.completed(t, 0)
	w.saysInPostgres(t, "cut-off")
	w.saysInPostgres(t, "has-left")
	_, err := w.enforcer.Exec(t.Context(), "UPDATE limiter_sessions SET has_left = true WHERE session = 'has-left'")
	testkit.Must(t, err)
	w.seenAlive(t)
	w.forget(t)
	var number int64
	testkit.Eventually(t, "an enforcer hears of the epoch that is being rebuilt in Postgres", func() bool {
		var opened int64
		testkit.Must(t, w.enforcer.QueryRow(t.Context(), "SELECT begun, opened FROM limiter_epoch").Scan(&number, &opened))
		return number > epoch.Number && opened == epoch.Number
	})
	time.Sleep(500 * time.Millisecond) // in which it would open, did nobody wait
	if now, err := w.epochs.Current(t.Context()); err != nil || now.State != limiterv1.EpochRebuilding {
		t.Errorf("epoch %+v, %v, want it to wait for the session that is cut off", now, err)
	}

	at := w.now(t)
	for _, call := range []recorded{acmeCall("open", at, 5*money.Cent, false), acmeCall("settled", at, 3*money.Cent, true)} {
		body, err := json.Marshal(call.OpenCall)
		testkit.Must(t, err)
		call.Body = body
		_, err = w.enforcer.Exec(t.Context(), "INSERT INTO limiter_announced_calls (session, epoch, shard, call_id, record) VALUES ('cut-off', $1, $2, $3, $4)",
			number, limiterv1.Shard("acme"), call.CallID, call.Encode())
		testkit.Must(t, err)
	}
	_, err = w.enforcer.Exec(t.Context(), "INSERT INTO limiter_announcements (session, epoch) VALUES ('cut-off', $1)", number)
	testkit.Must(t, err)
	announced := time.Now()
	if open := w.completed(t, epoch.Number); open.Number != number {
		t.Errorf("epoch %d is open, want %d", open.Number, number)
	}
	t.Logf("open %s after a session announced in Postgres", time.Since(announced).Round(time.Millisecond))
	testkit.Must(t, w.recounter().Recount(t.Context(), acme))
	got := w.counter(t, limiterv1.TenantCountersKey("acme", "acme"), limiterv1.MoneyField(daily(limiterv1.PerTenant)))
	if got.Spent != 3*money.Cent || got.Held != 5*money.Cent {
		t.Errorf("%s spent and %s held, want 0.03 and 0.05", got.Spent, got.Held)
	}
	// Should it not come back, others must find it, and adopt its calls.
	if err := w.redis.ZScore(t.Context(), limiterv1.SessionsKey, "cut-off").Err(); err != nil {
		t.Errorf("the session is not among those of Redis: %v", err)
	}
}

// saysInPostgres says there that a session lives.
func (w *world) saysInPostgres(t *testing.T, session string) {
	t.Helper()
	_, err := w.enforcer.Exec(t.Context(),
		"INSERT INTO limiter_sessions (session) VALUES ($1) ON CONFLICT (session) DO UPDATE SET beat_at = clock_timestamp()", session)
	testkit.Must(t, err)
}

// TestSilentInBothStores: an enforcer that ends with Redis is over when Postgres has not heard
// of it for the life of a session: Redis need not count its silence.
func TestSilentInBothStores(t *testing.T) {
	own, err := redis.Start(t.Context(), redis.Options{Dir: t.TempDir()})
	testkit.Must(t, err)
	t.Cleanup(func() { _ = own.Stop() })
	client := goredis.NewClient(&goredis.Options{Addr: own.Addr})
	t.Cleanup(func() { _ = client.Close() })
	w := newWorld(t)
	w.redis, w.limiter = client, limiterOn(client)
	w.announce(t, "live")
	w.start(t, 1)
	epoch := w.completed(t, 0)
	w.beat(t, "dead")
	w.saysInPostgres(t, "dead")
	w.seenAlive(t)
	died := time.Now()
	testkit.Must(t, own.Stop())
	time.Sleep(3 * time.Second) // so long Redis is away
	server, err := redis.Start(t.Context(), redis.Options{Dir: t.TempDir(), Port: own.Port})
	testkit.Must(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	back := time.Now()
	w.completed(t, epoch.Number)
	if took := time.Since(died); took > limiterv1.SessionLife+2*time.Second {
		t.Errorf("open %s after the enforcer died, want the life of a session, %s", took, limiterv1.SessionLife)
	}
	t.Logf("open %s after the enforcer died, %s after Redis was back",
		time.Since(died).Round(time.Millisecond), time.Since(back).Round(time.Millisecond))
}

// TestAnEnforcerKnowsANewerEpoch: if an enforcer knows a newer epoch than Redis has, the data of
// Redis has gone back, whatever else it says.
func TestAnEnforcerKnowsANewerEpoch(t *testing.T) {
	w := newWorld(t)
	w.announce(t, "live")
	w.lives(t, "live")
	w.start(t, 1)
	w.completed(t, 0)
	state, err := json.Marshal(limiterv1.SessionState{Epoch: 57})
	testkit.Must(t, err)
	testkit.Must(t, w.redis.HSet(t.Context(), limiterv1.SessionStatesKey, "live", state).Err())
	w.completed(t, 57)
}

// TestDataGoesBack: in the same run of Redis, with an epoch that is valid there, older data is
// seen by its high-water mark, by the rebuilder that knows it and by another that comes later.
func TestDataGoesBack(t *testing.T) {
	w := newWorld(t)
	w.announce(t, "live")
	w.lives(t, "live")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.rebuilder().Start(ctx)
	}()
	epoch := w.completed(t, 0)
	w.seenAlive(t)
	older := w.redis.Get(t.Context(), limiterv1.MarkKey(0)).Val()
	w.seenAlive(t)
	testkit.Must(t, w.redis.Set(t.Context(), limiterv1.MarkKey(0), older, 0).Err())
	back := time.Now()
	next := w.completed(t, epoch.Number)
	t.Logf("data that went back: open %s after that", time.Since(back).Round(time.Millisecond))

	stop()
	<-ended
	testkit.Must(t, w.redis.Set(t.Context(), limiterv1.MarkKey(0), older, 0).Err())
	w.start(t, 1)
	began := time.Now()
	w.completed(t, next.Number)
	t.Logf("data that went back while no manager ran: open %s after one had started", time.Since(began).Round(time.Millisecond))
}

// goingOn are numbers of which another manager tells Postgres more whenever they are read.
type goingOn struct {
	recovery.Numbers
	goOn func(ctx context.Context) error
	read *atomic.Bool
}

func (n goingOn) Marks(ctx context.Context) (map[uint32]int64, error) {
	if err := n.goOn(ctx); err != nil {
		return nil, err
	}
	marks, err := n.Numbers.Marks(ctx)
	n.read.Store(true)
	return marks, err
}

// TestAnotherManagerGoesOn: a manager that starts while another raises the high-water marks does
// not take the data for older than it is, and leaves the limiter open.
func TestAnotherManagerGoesOn(t *testing.T) {
	w := newWorld(t)
	w.announce(t, "live")
	w.lives(t, "live")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.rebuilder().Start(ctx)
	}()
	epoch := w.completed(t, 0)
	stop()
	<-ended

	numbers := goingOn{w.numbers, func(ctx context.Context) error {
		found, err := w.epochs.Inspect(ctx)
		if err != nil {
			return err
		}
		marks := found.Marks.Above(nil, 1)
		return errors.Join(w.epochs.Raise(ctx, nil, marks), w.numbers.KeepMarks(ctx, marks))
	}, &atomic.Bool{}}
	options := w.options()
	options.Numbers = numbers
	w.run(t, recovery.NewRebuilder(options))
	testkit.Eventually(t, "the new manager has read what Postgres knows", numbers.read.Load)
	w.seenAlive(t)
	if now, err := w.epochs.Current(t.Context()); err != nil || now.Number != epoch.Number || now.State != limiterv1.EpochValid {
		t.Errorf("the epoch is %+v, want still %d: %v", now, epoch.Number, err)
	}
}

// TestDataGoesBackAfterAnEnforcerLeft: older data has a share of an enforcer that gave it
// back and left. Nobody holds it any more, and nobody is charged for it.
func TestDataGoesBackAfterAnEnforcerLeft(t *testing.T) {
	w := newWorld(t)
	w.announce(t, "live")
	w.lives(t, "live")
	w.start(t, 1)
	epoch := w.completed(t, 0)
	w.seenAlive(t)
	older := w.redis.Get(t.Context(), limiterv1.MarkKey(0)).Val()
	w.seenAlive(t)
	for _, session := range []string{"has-left", "dead"} {
		w.saysInPostgres(t, session)
		share := acmeCall("share-of-"+session, w.now(t), 5*money.Cent, false)
		share.Share = true
		w.toRedis(t, session, share)
	}
	_, err := w.enforcer.Exec(t.Context(), "UPDATE limiter_sessions SET has_left = true WHERE session = 'has-left'")
	testkit.Must(t, err)
	testkit.Must(t, w.redis.HSet(t.Context(), limiterv1.AnnouncedKey, "dead", epoch.Number+1).Err())
	testkit.Must(t, w.redis.Set(t.Context(), limiterv1.MarkKey(0), older, 0).Err())
	w.completed(t, epoch.Number)
	for session, want := range map[string]int64{"has-left": 0, "dead": 1} {
		if got := w.redis.HLen(t.Context(), limiterv1.CallsKey(limiterv1.Shard("acme"), session)).Val(); got != want {
			t.Errorf("%d calls of session %s are left, want %d", got, session, want)
		}
	}
}
