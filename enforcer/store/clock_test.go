package store_test

import (
	"context"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/redisclient"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/hack/parts/redis"
	"github.com/bursar-dev/bursar/hack/testkit"
)

var server *redis.Server

func TestMain(m *testing.M) {
	os.Exit(redis.Use(func(s *redis.Server, _ *goredis.Client) int {
		server = s
		return m.Run()
	}))
}

func newClient(t testing.TB) *goredis.Client {
	t.Helper()
	options, err := goredis.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := goredis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// stoppedClock stands where Redis' own clock stands in the scripts, and moves when
// it is told to.
type stoppedClock struct{ client *goredis.Client }

const clockKey = "clock"

func newStoppedClock(t *testing.T) *stoppedClock {
	c := &stoppedClock{client: newClient(t)}
	c.begin(t)
	t.Cleanup(func() { c.begin(t) })
	return c
}

// begin lets time begin anew, whatever it was in another test or history.
func (c *stoppedClock) begin(t testkit.T) {
	keys := make([]string, limiterv1.Shards)
	for shard := range keys {
		keys[shard] = limiterv1.ClockKey(uint32(shard))
	}
	if err := c.client.Del(context.Background(), keys...).Err(); err != nil {
		t.Fatal(err)
	}
}

// luaSource is the Lua expression that reads the clock in the form of TIME's answer.
func (c *stoppedClock) luaSource() string { return "redis.call('LRANGE', '" + clockKey + "', 0, 1)" }

func (c *stoppedClock) set(now time.Time) error {
	ctx := context.Background()
	_, err := c.client.TxPipelined(ctx, func(p goredis.Pipeliner) error {
		p.Del(ctx, clockKey)
		p.RPush(ctx, clockKey, strconv.FormatInt(now.Unix(), 10), strconv.Itoa(now.Nanosecond()/1000))
		return nil
	})
	return err
}

// testEpoch is the epoch under which tests count, valid in a Redis.
func testEpoch(client goredis.UniversalClient) limiterv1.Epoch {
	masters, err := redisclient.Masters(context.Background(), client)
	if err != nil {
		panic(err)
	}
	epoch := limiterv1.Epoch{Number: 1, State: limiterv1.EpochValid}
	for _, master := range masters {
		epoch.Runs = append(epoch.Runs, master.Run)
	}
	return epoch
}

// newBystander is a tenant without limits in the shard of another, by whose calls an enforcer
// hears what the time is there.
func newBystander(t testkit.T, client goredis.UniversalClient, other limiterv1.Tenant) *admission.Tenant {
	doc := limiterv1.Tenant{Level: limiterv1.Level{Tenant: uuid.NewString(), TimeZone: "UTC"}}
	for limiterv1.Shard(doc.Tenant) != limiterv1.Shard(other.Root()) {
		doc.Tenant = uuid.NewString()
	}
	testkit.Must(t, openTenant(client, doc))
	tenant, err := admission.NewTenant(doc)
	testkit.Must(t, err)
	return tenant
}

// openTenant sets the counters of a new tenant and of its ancestors: nothing spent.
func openTenant(client goredis.UniversalClient, doc limiterv1.Tenant) error {
	for _, l := range append([]limiterv1.Level{doc.Level}, doc.Ancestors...) {
		fields := []any{limiterv1.EpochField, limiterv1.Epoch{Number: 1}.Token()}
		for _, limit := range l.Money {
			if limit.Per == limiterv1.PerTenant {
				fields = append(fields, limiterv1.MoneyField(limit), make([]byte, 7*8)) // nothing of a period long past
			}
		}
		if err := client.HSet(context.Background(), limiterv1.TenantCountersKey(doc.Root(), l.Tenant), fields...).Err(); err != nil {
			return err
		}
	}
	return nil
}
