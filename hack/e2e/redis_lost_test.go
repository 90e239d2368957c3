package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bursar-dev/bursar/api/money"
)

// TestRedisLosesEverything: Redis forgets all in the midst of calls. Nothing is
// admitted until the counters are what the ledger says, and so a budget of one
// dollar gives a hundred calls of a cent, those before and those after together.
func TestRedisLosesEverything(t *testing.T) {
	const fit = 100
	options, err := redis.ParseURL(bursar.RedisURL)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	if err := bursar.Apply(t.Context(), tenantYAML("forgotten", "1.00")); err != nil {
		t.Fatal(err)
	}
	programmed(t)

	// A stream is open all the time, and must be counted, too.
	stream, err := chat(t.Context(), bursar.EnforcerURLs[0], "forgotten", map[string]any{
		"model": "gpt-4o", "stream": true, "max_completion_tokens": 1000,
		"messages": prompt("Tell me a story [[output=1000 hold=4]]"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Body.Close() }()

	var admitted, refused, unavailable atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var load sync.WaitGroup
	for i := range 4 {
		load.Go(func() {
			for ctx.Err() == nil {
				response, err := chat(t.Context(), bursar.EnforcerURLs[i%2], "forgotten", map[string]any{
					"model": "penny", "messages": prompt("Hello [[first=40ms]]"),
				})
				if err != nil {
					t.Error(err)
					return
				}
				switch answer := answerOf(response); answer {
				case "200":
					admitted.Add(1)
				case "429 budget_exhausted":
					refused.Add(1)
				case "503 limiter_unavailable":
					unavailable.Add(1)
					time.Sleep(10 * time.Millisecond) // as a client would, and longer
				default:
					t.Errorf("answer %s", answer)
				}
			}
		})
	}
	eventually(t, "a part of the budget is spent", func() bool { return admitted.Load() >= fit/4 })
	lost := time.Now()
	before := admitted.Load()
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing is admitted", func() bool { return unavailable.Load() > 0 })
	at := admitted.Load()
	eventually(t, "calls are admitted again", func() bool { return admitted.Load() > at+8 })
	t.Logf("%d calls before, reopened %s after FLUSHALL, %d refused meanwhile", before, time.Since(lost).Round(time.Millisecond), unavailable.Load())
	eventually(t, "the budget is gone", func() bool { return refused.Load() > 20 })
	stop()
	load.Wait()
	bursar.Provider.Release()
	if answer := answerOf(stream); stream.StatusCode != http.StatusOK {
		t.Errorf("the stream: %s", answer)
	}
	held := money.Nanos(10_000_000)
	_ = held
	eventually(t, "ledger and counters agree, with nothing held", func() bool {
		_, cost := ledger(t, "forgotten")
		out, err := bursar.RunKubectl(t.Context(), "-n", "e2e", "get", "tenantbudget", "forgotten", "-o",
			`jsonpath={.status.limits[0].spent}/{.status.limits[0].held}`)
		if err != nil {
			t.Fatal(err)
		}
		return strings.HasPrefix(out, money.Nanos(cost).String()+"/0")
	})
	calls, cost := ledger(t, "forgotten")
	if money.Nanos(cost) > money.USD {
		t.Errorf("%s were spent in %d calls, of one dollar", money.Nanos(cost), calls)
	}
	if int64(calls) != admitted.Load()+1 {
		t.Errorf("the ledger has %d calls, %d were answered", calls, admitted.Load()+1)
	}
	fmt.Println("spent", money.Nanos(cost), "in", calls, "calls")
}
