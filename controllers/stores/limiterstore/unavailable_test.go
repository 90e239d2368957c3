package limiterstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// operations are one of each type of what is stored.
func operations(client goredis.UniversalClient) map[string]func(context.Context) error {
	documents, counters := limiterstore.NewDocuments(client), limiterstore.NewCounters(client)
	return map[string]func(context.Context) error{
		"put": func(ctx context.Context) error {
			_, err := documents.Put(ctx, acme, document("u", 1, "UTC"))
			return err
		},
		"withdraw": func(ctx context.Context) error { _, err := documents.Withdraw(ctx, acme, "u"); return err },
		"observe":  func(ctx context.Context) error { _, err := documents.Observe(ctx, acme); return err },
		"list":     func(ctx context.Context) error { _, err := documents.List(ctx, acme); return err },
		"epoch":    func(ctx context.Context) error { _, err := limiterstore.NewEpochs(client).Current(ctx); return err },
		"read": func(ctx context.Context) error {
			_, err := counters.Read(ctx, "acme", "acme", limiterv1.MoneyLimit{Name: "daily"})
			return err
		},
		"close": func(ctx context.Context) error {
			_, err := counters.SuspendTenant(ctx, limiterstore.TenantCounters{Root: "acme", Tenant: "acme"}, true, "daily")
			return err
		},
	}
}

// TestUnavailable: where Redis gives no answer, the error says so; an answer that is an
// error is another matter.
func TestUnavailable(t *testing.T) {
	newStore(t)
	nowhere := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	defer func() { _ = nowhere.Close() }()
	for name, operation := range operations(nowhere) {
		if err := operation(t.Context()); !errors.Is(err, limiterstore.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
	}
	late, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	for name, operation := range operations(client) {
		if err := operation(late); !errors.Is(err, limiterstore.ErrUnavailable) {
			t.Errorf("%s in no time: %v, want ErrUnavailable", name, err)
		}
	}
	for _, key := range []string{limiterv1.DocumentsKey, limiterv1.EpochKey, limiterv1.TenantCountersKey("acme", "acme")} {
		testkit.Must(t, client.Del(t.Context(), key).Err())
		testkit.Must(t, client.SAdd(t.Context(), key, "not what it is").Err())
	}
	for name, operation := range operations(client) {
		if err := operation(t.Context()); err == nil || errors.Is(err, limiterstore.ErrUnavailable) {
			t.Errorf("%s of a key that holds something else: %v, want another error", name, err)
		}
	}
}
