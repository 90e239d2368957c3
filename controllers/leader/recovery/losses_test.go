package recovery_test

import (
	"cmp"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/hack/parts/redis"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// times is how often something is lost, and seed what chance begins from: more and another
// one by BURSAR_FAULTS and BURSAR_SEED.
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
