package redis_test

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/bursar-dev/bursar/hack/parts/redis"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestSentinelPromotesTheReplica: what the master was told is there when it is gone.
func TestSentinelPromotesTheReplica(t *testing.T) {
	servers, err := redis.StartSentinel(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := servers.Stop(); err != nil {
			t.Error(err)
		}
	})
	options, err := goredis.ParseFailoverURL(servers.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := goredis.NewFailoverClient(options)
	defer func() { _ = client.Close() }()
	if err := client.Set(t.Context(), "key", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if replicas, err := client.Wait(t.Context(), 1, 10*time.Second).Result(); err != nil || replicas != 1 {
		t.Fatalf("%d replicas have the key, want 1: %v", replicas, err)
	}
	servers.Master.Crash()
	testkit.EventuallySucceeds(t, "the replica has taken over", func() error {
		return client.Set(t.Context(), "another", "value", 0).Err()
	})
	if got, err := client.Get(t.Context(), "key").Result(); got != "value" {
		t.Errorf("the promoted replica has %q under the key, want value: %v", got, err)
	}
}
