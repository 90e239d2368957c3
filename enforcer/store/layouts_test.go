package store_test

import (
	"context"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
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
)

//go:embed testdata/layouts/*.lua
var layoutFiles embed.FS

// layout is a way to keep six limits in Redis, and settled calls until the ledger
// has them. All share the rules of testdata/layouts, so that they differ in the
// layout alone.
type layout struct {
	state, outbox string
	// perLimit: each limit has a key, else the tenant and the user have.
	perLimit bool
}

var layouts = []layout{
	{state: "hash-per-limit", outbox: "hash", perLimit: true},
	{state: "hash-of-packed", outbox: "hash"},
	{state: "two-strings", outbox: "hash"},
	{state: "two-strings", outbox: "list"},
	{state: "two-strings", outbox: "stream"},
}

func (l layout) String() string { return l.state + ",outbox-" + l.outbox }

const redisClock = "redis.call('TIME')"

func (l layout) script(t testing.TB, operation, clock string) *redis.Script {
	t.Helper()
	var text strings.Builder
	for _, file := range []string{l.state, "outbox-" + l.outbox, "rules", operation} {
		raw, err := layoutFiles.ReadFile("testdata/layouts/" + file + ".lua")
		if err != nil {
			t.Fatal(err)
		}
		text.Write(raw)
	}
	return redis.NewScript(strings.ReplaceAll(text.String(), redisClock, clock))
}

// measured is a limiter as a benchmark calls it.
type measured struct {
	admit  func(id string) (admitted bool, err error)
	settle func(id string) error // and forget
	// forgets is the command that forgets a call.
	forgets string
}

// limiter is a limiter with this layout for such limits.
func (l layout) limiter(t testing.TB, client *redis.Client, limits sixLimitsOf, clock string, now func() time.Time) measured {
	t.Helper()
	ctx, name := context.Background(), uuid.NewString()
	keys := []string{"calls:" + name, "outbox:" + name, "tenant:" + name, "user:" + name}
	if l.perLimit {
		keys = keys[:2]
		for i := range 6 {
			keys = append(keys, fmt.Sprintf("limit-%d:%s", i, name))
		}
	}
	admit, settle := l.script(t, "admit", clock), l.script(t, "settle", clock)
	m := measured{
		admit: func(id string) (bool, error) {
			return admit.Run(ctx, client, keys, id, "record", limits.pack(limits.bound, now(), 1)).Bool()
		},
	}
	forget := func(string) error { return client.HDel(ctx, keys[0], name).Err() }
	switch m.forgets = "hdel"; l.outbox {
	case "hash":
		forget = func(id string) error { return client.HDel(ctx, keys[0], id).Err() }
	case "list":
		m.forgets, forget = "lpop", func(string) error { return client.LPop(ctx, keys[1]).Err() }
	case "stream":
		m.forgets, forget = "xdel", func(id string) error { return client.XDel(ctx, keys[1], id).Err() }
	}
	m.settle = func(id string) error {
		posted, err := settle.Run(ctx, client, keys, id, ledgerEntry, limits.pack(limits.cost, now(), 0)).Text()
		if err != nil {
			return fmt.Errorf("settle: %w", err)
		}
		return forget(posted)
	}
	return m
}

// settledEntry is as long as entries are, and so is ledgerEntry.
var (
	settledEntry = ledgerv1.Entry{ModelAsked: strings.Repeat("m", 400-len(ledgerv1.Entry{}.Encode()))}
	ledgerEntry  = settledEntry.Encode()
)

// sixLimitsOf are the limits of some size: a day and a month for the
// tenant, a day and a month for the user, and a bucket for each.
type sixLimitsOf struct {
	amounts       [4]money.Nanos
	requests      [2]int64 // a second, and at once
	bound, cost   money.Nanos
	tripAtPercent int64
}

func plenty() sixLimitsOf {
	return sixLimitsOf{
		amounts:  [4]money.Nanos{money.Max, money.Max, money.Max, money.Max},
		requests: [2]int64{1_000_000, 1_000_000}, bound: money.Cent, cost: 1, tripAtPercent: 90,
	}
}

var sixPeriods = [4]period.Kind{period.Day, period.Month, period.Day, period.Month}

// money are the limits as the product has them.
func (l sixLimitsOf) money() (limits []limiterv1.MoneyLimit) {
	for i, kind := range sixPeriods {
		per := []limiterv1.Scope{limiterv1.PerTenant, limiterv1.PerUser}[i/2]
		limits = append(limits, limiterv1.MoneyLimit{Name: string(kind) + string(per), Per: per, Period: kind, Amount: l.amounts[i]})
	}
	return limits
}

func (l sixLimitsOf) rates() (limits []limiterv1.RateLimit) {
	for i, per := range []limiterv1.Scope{limiterv1.PerTenant, limiterv1.PerUser} {
		limits = append(limits, limiterv1.RateLimit{
			Name: "policy/" + string(per), Per: per, Unit: limiterv1.Requests,
			Count: l.requests[i], Burst: l.requests[i], Window: 1000,
		})
	}
	return limits
}

func (l sixLimitsOf) ladder() []limiterv1.Rung {
	return []limiterv1.Rung{{AtPercent: 80, Action: limiterv1.Warn}, {AtPercent: int32(l.tripAtPercent), Action: limiterv1.Trip}}
}

// pack are the numbers that testdata/layouts/rules.lua wants.
func (l sixLimitsOf) pack(amount money.Nanos, now time.Time, need int64) []byte {
	level := limiterv1.Level{Ladder: l.ladder()}
	numbers := []int64{int64(amount)}
	for i, limit := range l.money() {
		trip, _ := level.TripAt(limit)
		numbers = append(numbers, int64(limit.Amount), int64(trip), period.Containing(limit.Period, time.UTC, now).Start.UnixMilli())
		if i%2 == 1 {
			rate := l.rates()[i/2]
			numbers = append(numbers, rate.Burst*1000, rate.Count, need*1000)
		}
	}
	var packed []byte
	for _, n := range numbers {
		packed = binary.LittleEndian.AppendUint64(packed, math.Float64bits(float64(n)))
	}
	return packed
}

// product is the product's own limiter for the same limits.
func (l sixLimitsOf) product(t testing.TB, client *redis.Client, s *store.Store) measured {
	t.Helper()
	ctx := context.Background()
	admitter := admission.NewAdmitter(s)
	tenant := newTenant(t, l.money(), l.rates(), l.ladder()...)
	var holds sync.Map
	return measured{
		admit: func(id string) (bool, error) {
			call := newCall(tenant, l.bound)
			call.ID = id
			d, err := admitter.Admit(ctx, tenant, call)
			if err != nil || d.Hold == nil {
				return false, err
			}
			holds.Store(id, d.Hold)
			return true, nil
		},
		settle: func(id string) error {
			hold, _ := holds.LoadAndDelete(id)
			if err := hold.(*admission.Hold).Settle(ctx, l.cost, 0, &settledEntry); err != nil {
				return err
			}
			return s.Forget(ctx, tenant.Name(), []string{id})
		},
		forgets: "hdel",
	}
}

// TestLayoutsDecideAlike: what the benchmark compares does the same as the product.
func TestLayoutsDecideAlike(t *testing.T) {
	clock := newStoppedClock(t)
	limits := sixLimitsOf{
		amounts:  [4]money.Nanos{70 * money.Cent, 4 * money.USD, 60 * money.Cent, 5 * money.USD},
		requests: [2]int64{3, 2}, bound: 3 * money.Cent, cost: 2 * money.Cent, tripAtPercent: 90,
	}
	now := time.Date(2031, time.January, 30, 23, 59, 0, 0, time.UTC)
	wall := func() time.Time { return now }
	s := store.NewWithClock(clock.client, uuid.NewString(), clock.luaSource())
	s.SetEpoch(testEpoch(clock.client))
	const productName = "product"
	all := map[string]measured{productName: limits.product(t, clock.client, s)}
	for _, l := range layouts {
		all[l.String()] = l.limiter(t, clock.client, limits, clock.luaSource(), wall)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var open []string
	count := map[bool]int{}
	settleAllBut := func(left int) {
		for ; len(open) > left; open = open[1:] {
			for name, m := range all {
				if err := m.settle(open[0]); err != nil {
					t.Fatal(name, err)
				}
			}
		}
	}
	for range 2000 {
		next := now.Add(time.Duration(random.IntN(800)) * time.Millisecond)
		if random.IntN(40) == 0 {
			next = next.Add(6 * time.Hour)
		}
		if next.Day() != now.Day() {
			settleAllBut(0) // the layouts do not count the period before
		}
		if now = next; clock.set(now) != nil {
			t.Fatal("the clock stands still")
		}
		id := uuid.NewString()
		want, err := all[productName].admit(id)
		if err != nil {
			t.Fatal(err)
		}
		count[want]++
		for name, m := range all {
			if name == productName {
				continue
			}
			if got, err := m.admit(id); err != nil || got != want {
				t.Fatalf("%s admits at %s: %t, %v; want %t", name, now, got, err, want)
			}
		}
		if want {
			open = append(open, id)
		}
		settleAllBut(3)
	}
	t.Logf("%d calls admitted and %d refused, by all alike", count[true], count[false])
	if count[true] < 100 || count[false] < 100 {
		t.Errorf("%d calls were admitted and %d refused: too few to compare", count[true], count[false])
	}
}

// BenchmarkLayouts measures what an admission under six limits costs, by the layout
// of their state: Redis' own time a call, and how long the caller waits for the
// admission. A call is admitted, settled and forgotten; "admit" rows admit alone.
func BenchmarkLayouts(b *testing.B) {
	ctx := context.Background()
	never := func(string) error { return nil }
	nothing := redis.NewScript("return 1")
	for _, callers := range []int{1, 16, 64} {
		bench := func(name string, with func(*redis.Client) measured, alsoCommands ...string) {
			b.Run(fmt.Sprintf("%s/callers=%d", name, callers), func(b *testing.B) {
				client := newClient(b)
				m := with(client)
				measureCalls(b, client, callers, m, append(alsoCommands, m.forgets))
			})
		}
		bench("ping", func(client *redis.Client) measured {
			return measured{admit: func(string) (bool, error) { return true, client.Ping(ctx).Err() }, settle: never}
		}, "ping")
		bench("return-1", func(client *redis.Client) measured {
			return measured{admit: func(string) (bool, error) { return nothing.Run(ctx, client, []string{"key"}).Bool() }, settle: never}
		}, "evalsha")
		product := func(client *redis.Client) measured {
			return plenty().product(b, client, newStore(client, uuid.NewString()))
		}
		bench("product/admit", func(client *redis.Client) measured { m := product(client); m.settle = never; return m }, "evalsha")
		bench("product/call", product, "evalsha")
		for _, l := range layouts {
			with := func(client *redis.Client) measured { return l.limiter(b, client, plenty(), redisClock, time.Now) }
			if l.outbox == "hash" {
				bench(l.state+"/admit", func(client *redis.Client) measured { m := with(client); m.settle = never; return m }, "evalsha")
			}
			bench(l.String()+"/call", with, "evalsha")
		}
	}
}

// benchmarkSlices is in how many slices, one after the other, a benchmark makes its
// calls.
const benchmarkSlices = 20

// measureCalls makes b.N calls by so many callers, and reports the time of Redis in
// the commands, its processor time in all, and the time that callers waited for admissions.
// The clock of Redis runs on while another program has its core, and that leaves caches cold,
// so that both times are those of the slice of the calls that took the least.
func measureCalls(b *testing.B, client *redis.Client, callers int, m measured, commands []string) {
	call := func() (wait time.Duration, err error) {
		id, begin := uuid.NewString(), time.Now()
		admitted, err := m.admit(id)
		wait = time.Since(begin)
		if err == nil && !admitted {
			err = errors.New("refused")
		}
		if err == nil {
			err = m.settle(id)
		}
		return wait, err
	}
	if _, err := call(); err != nil { // loads the scripts
		b.Fatal(err)
	}
	waits, least, leastOfAll := make([]time.Duration, b.N), math.Inf(1), math.Inf(1)
	b.ResetTimer()
	for slice := range slices.Chunk(waits, max(1, b.N/benchmarkSlices)) {
		if err := client.ConfigResetStat(context.Background()).Err(); err != nil {
			b.Fatal(err)
		}
		begin := processorTime(b, client)
		var next atomic.Int64
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for i := next.Add(1) - 1; i < int64(len(slice)); i = next.Add(1) - 1 {
					var err error
					if slice[i], err = call(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		leastOfAll = min(leastOfAll, (processorTime(b, client)-begin)/float64(len(slice)))
		least = min(least, commandTime(b, client, commands)/float64(len(slice)))
	}
	b.StopTimer()
	slices.Sort(waits)
	micros := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	b.ReportMetric(least, "redis-us/call")
	b.ReportMetric(leastOfAll, "redis-cpu-us/call")
	b.ReportMetric(micros(waits[b.N/2]), "p50-us")
	b.ReportMetric(micros(waits[b.N*99/100]), "p99-us")
	b.ReportMetric(0, "ns/op") // a call is many things
}

// processorTime is the processor time of Redis until now, in microseconds.
func processorTime(b *testing.B, client *redis.Client) (sum float64) {
	info, err := client.InfoMap(context.Background(), "cpu").Result()
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"used_cpu_user_main_thread", "used_cpu_sys_main_thread"} {
		seconds, err := strconv.ParseFloat(info["CPU"][name], 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += seconds * 1e6
	}
	return sum
}

var commandStat = regexp.MustCompile(`cmdstat_(\w+):calls=\d+,usec=(\d+)`)

// commandTime is the time of Redis in commands, in microseconds. That of a script
// contains that of the commands in it, which are counted by themselves too.
func commandTime(b *testing.B, client *redis.Client, commands []string) (sum float64) {
	stats, err := client.Info(context.Background(), "commandstats").Result()
	if err != nil {
		b.Fatal(err)
	}
	for _, match := range commandStat.FindAllStringSubmatch(stats, -1) {
		if slices.Contains(commands, match[1]) {
			usec, err := strconv.ParseFloat(match[2], 64)
			if err != nil {
				b.Fatal(err)
			}
			sum += usec
		}
	}
	return sum
}
