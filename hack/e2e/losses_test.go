package e2e

import (
	"cmp"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"
)

// chance begins from a seed, which the log has, and BURSAR_SEED sets.
func chance(t *testing.T) *rand.Rand {
	t.Helper()
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv("BURSAR_SEED"), strconv.FormatUint(rand.Uint64(), 10)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("BURSAR_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// TestRedisForgetsAgainAndAgain: Redis loses its data again and again, also while the limiter is
// rebuilt. Calls are admitted soon after the last time.
func TestRedisForgetsAgainAndAgain(t *testing.T) {
	newTenant(t, "again", "1.00")
	redis, chance := redisClient(t), chance(t)
	l := startLoad(t, "again", 4, 400*time.Millisecond) // so slowly that there is money left at the end
	for range 2 {
		before := l.count(http.StatusOK)
		eventually(t, "calls are admitted", func() bool { return l.count(http.StatusOK) >= before+5 })
		for range 20 {
			time.Sleep(time.Duration(chance.Int64N(int64(300 * time.Millisecond)))) // when it is lost is what is tried
			if err := redis.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
		}
		l.lose()
		eventually(t, "calls are admitted again", func() bool { return l.reopened.Load() > 0 })
		t.Logf("FLUSHALL at 20 random moments: the next call was admitted %s after the last",
			time.Duration(l.reopened.Load()).Round(time.Millisecond))
	}
	l.end()
	l.resume(t, 8).nothingOverspent(t)
}

// TestRedisEndsWithAnEnforcer: Redis and an enforcer are lost together. The rebuild waits for the dead
// enforcer's open calls for the life of a session, and then calls are admitted again.
func TestRedisEndsWithAnEnforcer(t *testing.T) {
	newTenant(t, "together", "1.00")
	enforcer, err := bursar.StartEnforcer(t.Context(), "enforcer-that-dies")
	if err != nil {
		t.Fatal(err)
	}
	programmed(t)
	l := startLoad(t, "together", 8, 20*time.Millisecond)
	eventually(t, "calls are admitted", func() bool { return l.count(http.StatusOK) >= 20 })
	enforcer.Kill()
	if err := bursar.StopRedis(true); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second) // so long Redis is away
	l.lose()
	if err := bursar.StartRedis(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "calls are admitted again", func() bool { return l.reopened.Load() > 0 })
	t.Logf("Redis and an enforcer ended, and Redis was back after 3 s: the next call was admitted %s after its start",
		time.Duration(l.reopened.Load()).Round(time.Millisecond))
	l.nothingOverspent(t)
}
