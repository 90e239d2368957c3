package probing_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/enforcer/probing"
	"github.com/bursar-dev/bursar/hack/parts/redis"
)

var client *goredis.Client

func TestMain(m *testing.M) {
	os.Exit(redis.Use(func(_ *redis.Server, c *goredis.Client) int {
		client = c
		return m.Run()
	}))
}

// known is a configuration that has every tenant but "missing".
type known struct{}

func (known) Running() config.Running { return config.Running{Incarnation: "i", Revision: 7} }

func (known) Tenant(name string) (*admission.Tenant, bool) {
	tenant, err := admission.NewTenant(limiterv1.Tenant{Level: limiterv1.Level{Tenant: name, TimeZone: "UTC"}})
	return tenant, err == nil && name != "missing"
}

// counting counts probes, and has none decided of "suspended".
type counting struct {
	mu   sync.Mutex
	made map[string]int
}

func (c *counting) Probe(_ context.Context, tenant *admission.Tenant) (limiterv1.ProbeAnswer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made[tenant.Name()]++
	if tenant.Name() == "suspended" {
		return limiterv1.ProbeAnswer{}, errors.New("the limiter is suspended")
	}
	return limiterv1.ProbeAnswer{Levels: []limiterv1.ProbedLevel{{Tenant: tenant.Name(), Shadow: true}}}, nil
}

// TestProber: of many enforcers, one makes each probe that is wanted, and tells the
// control plane what it found.
func TestProber(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	feed := client.Subscribe(ctx, limiterv1.FeedChannel)
	defer func() { _ = feed.Close() }()
	if _, err := feed.Receive(ctx); err != nil {
		t.Fatal(err)
	}
	admitter := &counting{made: map[string]int{}}
	running, stop := context.WithCancel(ctx)
	var probers sync.WaitGroup
	for i := range 3 {
		prober := probing.New(client, known{}, admitter, func() string { return fmt.Sprint("session-", i) }, slog.New(slog.DiscardHandler))
		probers.Go(func() { prober.Run(running) })
	}
	wanted := map[string]bool{"missing": true, "suspended": true}
	for i := range 100 {
		wanted[fmt.Sprint("tenant-", i)] = true
	}
	for tenant := range wanted {
		client.SAdd(ctx, limiterv1.ProbesKey, tenant)
		client.Publish(ctx, limiterv1.ProbesChannel, tenant)
	}
	for left := len(wanted); left > 0; {
		message, err := feed.ReceiveMessage(ctx)
		if err != nil {
			t.Fatalf("%d probes are not answered: %v", left, err)
		}
		about, tenants, _ := strings.Cut(message.Payload, " ")
		if about != limiterv1.FeedProbe {
			t.Fatalf("heard %q", message.Payload)
		}
		left -= len(strings.Fields(tenants))
	}
	stop()
	probers.Wait()
	answers := client.HGetAll(ctx, limiterv1.ProbeAnswersKey).Val()
	for tenant := range wanted {
		var got limiterv1.ProbeAnswer
		if err := json.Unmarshal([]byte(answers[tenant]), &got); err != nil {
			t.Fatalf("answer about %s: %v", tenant, err)
		}
		wantFailure := map[string]string{"missing": "unknown tenant", "suspended": "the limiter is suspended"}[tenant]
		if got.Failure != wantFailure || got.Incarnation != "i" || got.Revision != 7 || !strings.HasPrefix(got.Session, "session-") {
			t.Errorf("answer about %s: %+v, want failure %q of revision 7", tenant, got, wantFailure)
		}
		if made := admitter.made[tenant]; tenant != "missing" && made != 1 {
			t.Errorf("%d probes of %s were made", made, tenant)
		}
	}
}
