package limiterstore

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// WantedKeys is where enforcers say which issuers' keys they miss.
type WantedKeys struct{ client redis.UniversalClient }

// NewWantedKeys makes WantedKeys.
func NewWantedKeys(client redis.UniversalClient) *WantedKeys { return &WantedKeys{client: client} }

// Take returns the names of the IdentityProviders, each once. An enforcer that misses a key
// later says so again.
func (w *WantedKeys) Take(ctx context.Context) ([]string, error) {
	names, err := w.client.HKeys(ctx, limiterv1.WantedKeysKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read which keys enforcers miss: %w", unanswered(err))
	}
	if len(names) == 0 {
		return nil, nil
	}
	if err := w.client.HDel(ctx, limiterv1.WantedKeysKey, names...).Err(); err != nil {
		return nil, fmt.Errorf("take out which keys enforcers miss: %w", unanswered(err))
	}
	return names, nil
}
