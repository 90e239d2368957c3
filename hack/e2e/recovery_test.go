package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	goredis "github.com/redis/go-redis/v9"
)

// away is how long Redis is away in these tests, and old is the age of the snapshot with
// which it comes back; BURSAR_FAULTS_AWAY makes both longer.
func away(t *testing.T) time.Duration { return longer(t, "BURSAR_FAULTS_AWAY") }

// longer is two seconds, unless an environment variable says otherwise.
func longer(t *testing.T, variable string) time.Duration {
	t.Helper()
	raw := os.Getenv(variable)
	if raw == "" {
		return 2 * time.Second
	}
	d, err := time.ParseDuration(raw)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func redisClient(t *testing.T) *goredis.Client {
	t.Helper()
	options, err := goredis.ParseURL(bursar.RedisURL)
	if err != nil {
		t.Fatal(err)
	}
	client := goredis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// load calls the model "penny" of a tenant, a cent a call, through all enforcers until
// it is stopped, and counts the answers by their status.
type load struct {
	tenant   string
	stop     context.CancelFunc
	callers  sync.WaitGroup
	answered [600]atomic.Int64
	failed   atomic.Int64
	// reopened is how long after lost the first call was answered that began after it,
	// in nanoseconds.
	lost, reopened atomic.Int64
}

func startLoad(t *testing.T, tenant string, callers int, pause time.Duration) *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{tenant: tenant, stop: stop}
	for i := range callers {
		url := bursar.EnforcerURLs[i%len(bursar.EnforcerURLs)]
		l.callers.Go(func() {
			for ctx.Err() == nil {
				l.call(ctx, url)
				select {
				case <-ctx.Done():
				case <-time.After(pause):
				}
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

func (l *load) call(ctx context.Context, url string) {
	begun := time.Now()
	// A call that has begun is let finish: its answer counts.
	response, err := chat(context.WithoutCancel(ctx), url, l.tenant, map[string]any{
		"model": "penny", "messages": prompt("[[output=1]]"),
	})
	if err != nil {
		l.failed.Add(1)
		return
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	l.answered[response.StatusCode].Add(1)
	if lost := l.lost.Load(); response.StatusCode == http.StatusOK && lost != 0 && begun.UnixNano() > lost {
		l.reopened.CompareAndSwap(0, time.Now().UnixNano()-lost)
	}
}

func (l *load) lose() {
	l.reopened.Store(0)
	l.lost.Store(time.Now().UnixNano())
}

func (l *load) end() {
	l.stop()
	l.callers.Wait()
}

func (l *load) count(status int) int64 { return l.answered[status].Load() }

// nothingOverspent waits until the tenant's dollar is spent, and checks that it was
// spent once: by the answers, by the ledger, by the provider's bill, and by the
// tenant's status.
func (l *load) nothingOverspent(t *testing.T) {
	t.Helper()
	eventually(t, "the dollar is spent", func() bool { return l.count(http.StatusTooManyRequests) > 0 && l.count(http.StatusOK) >= 100 })
	l.end()
	eventually(t, "the ledger has all", func() bool { calls, _ := ledger(t, l.tenant); return int64(calls) >= l.count(http.StatusOK) })
	calls, cost := ledger(t, l.tenant)
	if calls != 100 || cost != 1_000_000_000 || l.count(http.StatusOK) != 100 {
		t.Errorf("%d calls for %d nano-USD are in the ledger and %d were answered, want 100 for a dollar", calls, cost, l.count(http.StatusOK))
	}
	eventually(t, "the status says so", func() bool { return statusOf(t, l.tenant) == "1.00 0.00 True" })
	t.Logf("200: %d, 429: %d, 503: %d, others failed: %d", l.count(200), l.count(429), l.count(503), l.failed.Load())
}

// statusOf is what is spent and held of the tenant's one limit, and Programmed.
func statusOf(t *testing.T, tenant string) string {
	t.Helper()
	out, err := bursar.RunKubectl(t.Context(), "-n", "e2e", "get", "tenantbudget", tenant, "-o",
		`jsonpath={.status.limits[0].spent} {.status.limits[0].held} {.status.conditions[?(@.type=="Programmed")].status}`)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRedisForgetsEverything: what was spent stays spent.
func TestRedisForgetsEverything(t *testing.T) {
	newTenant(t, "forgotten", "1.00")
	redis := redisClient(t)
	l := startLoad(t, "forgotten", 8, 20*time.Millisecond)
	for i := range 3 {
		before := l.count(http.StatusOK)
		eventually(t, "calls are admitted", func() bool { return l.count(http.StatusOK) >= before+15 })
		l.lose()
		if err := redis.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "calls are admitted again", func() bool { return l.reopened.Load() > 0 })
		t.Logf("FLUSHALL %d: the next call was admitted after %s", i+1, time.Duration(l.reopened.Load()).Round(time.Millisecond))
	}
	l.nothingOverspent(t)
}

// TestRedisComesBackOld: what was spent stays spent when Redis comes back with an old snapshot.
func TestRedisComesBackOld(t *testing.T) {
	newTenant(t, "old", "1.00")
	redis := redisClient(t)
	l := startLoad(t, "old", 8, 200*time.Millisecond)
	eventually(t, "calls are admitted", func() bool { return l.count(http.StatusOK) >= 10 })
	if err := redis.Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	saved := time.Now()
	eventually(t, "more calls are admitted", func() bool { return l.count(http.StatusOK) >= 40 })
	if left := away(t)/2 - time.Since(saved); left > 0 {
		l.end()
		time.Sleep(left)
		l = l.resume(t, 8)
	}
	if err := bursar.StopRedis(true); err != nil {
		t.Fatal(err)
	}
	l.lose()
	if err := bursar.StartRedis(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "calls are admitted again", func() bool { return l.reopened.Load() > 0 })
	t.Logf("snapshot %s old: the next call was admitted after %s",
		time.Since(saved).Round(time.Second), time.Duration(l.reopened.Load()).Round(time.Millisecond))
	l.nothingOverspent(t)
}

// resume goes on with a load that has ended.
func (l *load) resume(t *testing.T, callers int) *load {
	next := startLoad(t, l.tenant, callers, 20*time.Millisecond)
	for status := range l.answered {
		next.answered[status].Add(l.answered[status].Load())
	}
	return next
}

// TestRedisIsAway: while Redis is away, calls are refused with 503; then they are admitted again.
func TestRedisIsAway(t *testing.T) {
	newTenant(t, "away", "1.00")
	l := startLoad(t, "away", 8, 100*time.Millisecond)
	eventually(t, "calls are admitted", func() bool { return l.count(http.StatusOK) >= 20 })
	if err := bursar.StopRedis(false); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	eventually(t, "calls are refused", func() bool { return l.count(http.StatusServiceUnavailable) > 0 })
	admitted := l.count(http.StatusOK)
	time.Sleep(away(t))
	if now := l.count(http.StatusOK); now > admitted+8 { // those that were under way
		t.Errorf("%d calls were admitted without Redis", now-admitted)
	}
	l.lose()
	if err := bursar.StartRedis(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "calls are admitted again", func() bool { return l.reopened.Load() > 0 })
	t.Logf("away for %s: the next call was admitted %s after its start",
		time.Since(begin).Round(time.Second), time.Duration(l.reopened.Load()).Round(time.Millisecond))
	l.nothingOverspent(t)
}

// TestSharesWhileRedisIsAway: a tenant with AllowBounded continues with the shares of its
// enforcers, and spends no more than its limit in all.
func TestSharesWhileRedisIsAway(t *testing.T) {
	for name, loss := range map[string]struct{ lose, find func() error }{
		"hangs":  {bursar.PauseRedis, bursar.ResumeRedis},
		"is-old": {func() error { return bursar.StopRedis(true) }, func() error { return bursar.StartRedis(t.Context()) }},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := "bounded-" + name
			newTenant(t, tenant, "1.00", "onStoreLoss: AllowBounded", "storeLossPercent: 10")
			first := startLoad(t, tenant, 2, time.Millisecond)
			eventually(t, "calls are admitted", func() bool { return first.count(http.StatusOK) >= 10 })
			first.end()
			eventually(t, "each enforcer has a share", func() bool {
				return strings.HasSuffix(statusOf(t, tenant), " 0.20 True")
			})
			before := first.count(http.StatusOK)

			if err := loss.lose(); err != nil {
				t.Fatal(err)
			}
			l := first.resume(t, 16)
			eventually(t, "both shares are spent", func() bool {
				return l.count(http.StatusOK)-before >= 20 && l.count(http.StatusServiceUnavailable) >= 16
			})
			without := l.count(http.StatusOK) - before
			if err := loss.find(); err != nil {
				t.Fatal(err)
			}
			if without != 20 {
				t.Errorf("%d calls of a cent were admitted without Redis, from two shares of ten", without)
			}
			l.nothingOverspent(t)
			// For other calls, too, Redis may have been too late.
			if got := decided(t, tenant, "Bounded"); got < 20 {
				t.Errorf("the ledger has %d calls that were admitted from a share, want 20", got)
			}
		})
	}
}

// decided is how many of the tenant's calls were admitted in a way.
func decided(t *testing.T, tenant, decision string) (calls int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), bursar.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if err := conn.QueryRow(t.Context(), "select count(*) from ai_usage_logs where tenant_id = $1 and decision = $2",
		tenant, decision).Scan(&calls); err != nil {
		t.Fatal(err)
	}
	return calls
}

// TestOpenCallsOutliveRedis: a call that is open when Redis forgets it stays held, and
// is settled.
func TestOpenCallsOutliveRedis(t *testing.T) {
	newTenant(t, "open", "1.00")
	redis := redisClient(t)
	answer := make(chan int, 1)
	go func() {
		response, err := chat(context.Background(), bursar.EnforcerURLs[0], "open", map[string]any{
			"model": "penny", "messages": prompt("[[output=1 pause=1]]"), "stream": true,
		})
		if err != nil {
			answer <- 0
			return
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if !strings.Contains(string(body), "[DONE]") {
			t.Errorf("the stream was cut: %s", body)
		}
		answer <- response.StatusCode
	}()
	eventually(t, "the provider holds the stream", func() bool { return bursar.Provider.Paused() == 1 })
	if err := redis.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the hold is known again", func() bool { return statusOf(t, "open") == "0.00 0.01 True" })
	bursar.Provider.Resume()
	if got := <-answer; got != http.StatusOK {
		t.Errorf("the stream: %d", got)
	}
	eventually(t, "the call is settled", func() bool { return statusOf(t, "open") == "0.01 0.00 True" })
	startLoad(t, "open", 8, time.Millisecond).spendsAllBut(t, 1)
}

// spendsAllBut checks that so many calls less than a hundred are admitted.
func (l *load) spendsAllBut(t *testing.T, calls int64) {
	t.Helper()
	eventually(t, "the dollar is spent", func() bool { return l.count(http.StatusTooManyRequests) > 0 })
	l.end()
	if got := l.count(http.StatusOK); got != 100-calls {
		t.Errorf("%d calls were admitted, want %d", got, 100-calls)
	}
}

// TestRedisMayEvict: a Redis that may evict counters is refused, with a clear message.
func TestRedisMayEvict(t *testing.T) {
	newTenant(t, "evicted", "1.00")
	redis := redisClient(t)
	set := func(policy string) {
		t.Helper()
		if err := redis.ConfigSet(t.Context(), "maxmemory-policy", policy).Err(); err != nil {
			t.Fatal(err)
		}
	}
	set("allkeys-lru")
	defer set("noeviction")
	programmed := func() string {
		out, err := bursar.RunKubectl(t.Context(), "-n", "e2e", "get", "tenantbudget", "evicted", "-o", "json")
		if err != nil {
			t.Fatal(err)
		}
		var budget struct {
			Status struct {
				Conditions []struct{ Type, Status, Reason, Message string }
			}
		}
		if err := json.Unmarshal([]byte(out), &budget); err != nil {
			t.Fatal(err)
		}
		for _, c := range budget.Status.Conditions {
			if c.Type == "Programmed" {
				return fmt.Sprintf("%s %s: %s", c.Status, c.Reason, c.Message)
			}
		}
		return ""
	}
	const want = `False LimiterSuspended: maxmemory-policy of Redis is "allkeys-lru", which may evict counters: set it to noeviction`
	eventually(t, "the budget says why: "+want, func() bool { return programmed() == want })
	response, err := chat(t.Context(), bursar.EnforcerURLs[0], "evicted", map[string]any{"model": "penny", "messages": prompt("[[output=1]]")})
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		t.Errorf("a call was answered %s", response.Status)
	}
	set("noeviction")
	eventually(t, "it is in order again", func() bool { return strings.HasPrefix(programmed(), "True Programmed") })
	startLoad(t, "evicted", 8, time.Millisecond).spendsAllBut(t, 0)
}

// TestALimitThatIsNewCountsWhatWasSpent: a new limit also counts what was spent before it existed.
func TestALimitThatIsNewCountsWhatWasSpent(t *testing.T) {
	newTenant(t, "later", "9.00")
	for range 30 {
		response, err := chat(t.Context(), bursar.EnforcerURLs[0], "later", map[string]any{"model": "penny", "messages": prompt("[[output=1]]")})
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	if err := bursar.Apply(t.Context(), strings.Replace(tenantYAML("later", "9.00"), "limits: [",
		`limits: [{name: quarterly, period: Quarter, amount: "1.00"}, {name: each-user, period: Quarter, amount: "0.70", per: User}, `, 1)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new limit has counted", func() bool { return statusOf(t, "later") == "0.30 0.00 True" })
	l := startLoad(t, "later", 8, time.Millisecond)
	eventually(t, "the user's 70 cents are spent", func() bool { return l.count(http.StatusTooManyRequests) > 0 })
	l.end()
	if got := l.count(http.StatusOK); got != 40 {
		t.Errorf("%d calls were admitted, want 40", got)
	}
}

// newTenant applies a tenant and waits until it is enforced.
func newTenant(t *testing.T, name, amount string, more ...string) {
	t.Helper()
	// A rung makes it news when the money is spent.
	more = append(more, "ladder: [{atPercent: 100, action: Warn}]")
	if err := bursar.Apply(t.Context(), tenantYAML(name, amount, more...)); err != nil {
		t.Fatal(err)
	}
	programmed(t)
}
