package e2e

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// corrupt is a counter that cannot be right.
type corrupt struct {
	name string
	// ofUser has it planted in the counters of the user rather than of the tenant.
	ofUser bool
	// whileOpen has it planted while a call is open, which then ends.
	whileOpen bool
	plant     func(raw []byte) []byte
}

// number replaces one of a counter's numbers: 0 and 1 are the bounds of the period, 2 is
// what is spent, 3 what is held, and 4 to 6 are those of the previous period.
func number(i int, n float64) func([]byte) []byte {
	return func(raw []byte) []byte {
		binary.LittleEndian.PutUint64(raw[8*i:], math.Float64bits(n))
		return raw
	}
}

// TestRedisIsCorrupt: whatever corrupt value a counter has, the next call finds it, the manager
// counts it anew from the ledger, the limit holds to the cent, and an Event reports it.
func TestRedisIsCorrupt(t *testing.T) {
	t.Parallel()
	cases := []corrupt{
		{name: "spent is no number", plant: number(2, math.NaN())},
		{name: "spent is negative", plant: number(2, -1)},
		{name: "held is infinite", plant: number(3, math.Inf(1))},
		{name: "held is less than the call's", whileOpen: true, plant: number(3, 0)},
		{name: "the period before is no number", plant: number(6, math.NaN())},
		{name: "a fraction is spent", plant: number(2, 0.5)},
		{name: "not a counter", plant: func([]byte) []byte { return []byte("garbage") }},
		{name: "a user's spent is no number", ofUser: true, plant: number(2, math.NaN())},
		{name: "a user's is not a counter", ofUser: true, plant: func([]byte) []byte { return nil }},
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "counter\tplanted (spent, held)\tfound by\tafter (spent, held)\tadmitted of 10")
	for i, c := range cases {
		_, _ = fmt.Fprintln(w, c.name+"\t"+c.try(t, fmt.Sprintf("corrupt-%d", i)))
	}
	_ = w.Flush()
	t.Logf("\n%s", table.String())
	// One tenant after another is audited.
	testkit.Within(t, 3*time.Minute, "DriftFound is raised on every budget", func() bool {
		told, err := bursar.RunKubectl(t.Context(), "-n", "e2e", "get", "events", "-o",
			`jsonpath={range .items[?(@.reason=="DriftFound")]}{.involvedObject.name}: {.message}{"\n"}{end}`)
		if err != nil {
			return false
		}
		for i := range cases {
			if !strings.Contains(told, fmt.Sprintf("corrupt-%d: counter ", i)) {
				return false
			}
		}
		return true
	})
}

// try plants the case in the counters of a new tenant of ten cents, and returns its row.
func (c corrupt) try(t *testing.T, tenant string) string {
	t.Helper()
	newTenant(t, tenant, "0.10")
	if err := bursar.Apply(t.Context(), strings.Replace(tenantYAML(tenant, "0.10"), "limits: [",
		`limits: [{name: each, period: Month, amount: "0.10", per: User}, `, 1)); err != nil {
		t.Fatal(err)
	}
	programmed(t)
	redis := redisClient(t)
	call := func() int {
		response, err := chat(t.Context(), bursar.EnforcerURLs[0], tenant, map[string]any{"model": "penny", "messages": prompt("[[output=1]]")})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		return response.StatusCode
	}
	admitted := 0
	count := func(status int) int {
		if status == http.StatusOK {
			admitted++
		}
		return status
	}
	eventually(t, "three calls are admitted", func() bool { count(call()); return admitted == 3 })
	eventually(t, "the ledger has them", func() bool { calls, _ := ledger(t, tenant); return calls == 3 })
	end := func() {}
	if c.whileOpen {
		end = openCall(t, tenant)
		admitted++
	}
	key, field := c.where(t, redis, tenant)
	raw, err := redis.HGet(t.Context(), key, field).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	planted := c.plant(raw)
	if err := redis.HSet(t.Context(), key, field, planted).Err(); err != nil {
		t.Fatal(err)
	}
	before := amounts(planted)
	end()
	found := "its end"
	if !c.whileOpen {
		found = fmt.Sprintf("a call: %d", count(call()))
	}
	eventually(t, c.name+": calls are decided again", func() bool {
		status := count(call())
		return status == http.StatusTooManyRequests
	})
	eventually(t, c.name+": the counter is the ledger's", func() bool {
		raw, _ := redis.HGet(t.Context(), key, field).Bytes()
		return amounts(raw) == "0.10, 0.00"
	})
	if admitted != 10 {
		t.Errorf("%s: %d calls of a cent were admitted, want 10 for ten cents", c.name, admitted)
	}
	return fmt.Sprintf("%s\t%s\t0.10, 0.00\t%d", before, found, admitted)
}

// where is the counter that the case is about.
func (c corrupt) where(t *testing.T, redis *goredis.Client, tenant string) (key, field string) {
	t.Helper()
	if !c.ofUser {
		return limiterv1.TenantCountersKey(tenant, tenant), limiterv1.MoneyField(limiterv1.MoneyLimit{Period: period.Year})
	}
	epoch, err := limiterstore.NewEpochs(redis).Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return limiterv1.CountersKey(tenant, epoch, tenant, limiterv1.Owner{User: "user"}), limiterv1.MoneyField(limiterv1.MoneyLimit{Period: period.Month})
}

// openCall makes a call that stays open until it is ended.
func openCall(t *testing.T, tenant string) (end func()) {
	t.Helper()
	done := make(chan int, 1)
	go func() {
		response, err := chat(context.Background(), bursar.EnforcerURLs[0], tenant, map[string]any{
			"model": "penny", "messages": prompt("[[output=1 pause=1]]"), "stream": true,
		})
		if err != nil {
			done <- 0
			return
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		done <- response.StatusCode
	}()
	eventually(t, "the provider holds the stream", func() bool { return bursar.Provider.Paused() == 1 })
	return func() {
		bursar.Provider.Resume()
		if got := <-done; got != http.StatusOK {
			t.Errorf("the stream: %d", got)
		}
	}
}

// amounts are what a counter says is spent and held.
func amounts(raw []byte) string {
	if len(raw) != 7*8 {
		return fmt.Sprintf("%d bytes", len(raw))
	}
	one := func(i int) string {
		n := math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:]))
		if n != math.Trunc(n) || math.IsInf(n, 0) {
			return fmt.Sprint(n)
		}
		return money.Nanos(n).String()
	}
	return one(2) + ", " + one(3)
}
