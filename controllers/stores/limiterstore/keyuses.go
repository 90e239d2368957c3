package limiterstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// KeyUses is where enforcers say when API keys were used.
type KeyUses struct{ client redis.UniversalClient }

// NewKeyUses makes KeyUses.
func NewKeyUses(client redis.UniversalClient) *KeyUses { return &KeyUses{client: client} }

// Since returns when keys were last used, by the names of their documents. It leaves out keys
// that were last used before from.
func (u *KeyUses) Since(ctx context.Context, from time.Time) (map[string]time.Time, error) {
	found, err := u.client.ZRangeByScoreWithScores(ctx, limiterv1.KeyUsesKey, &redis.ZRangeBy{
		Min: strconv.FormatInt(from.Unix(), 10), Max: "+inf",
	}).Result()
	if err != nil {
		return nil, fmt.Errorf("read when keys were used: %w", unanswered(err))
	}
	uses := make(map[string]time.Time, len(found))
	for _, use := range found {
		if name, ok := use.Member.(string); ok {
			uses[name] = time.Unix(int64(use.Score), 0).UTC()
		}
	}
	return uses, nil
}

// Drop drops what is older than a time.
func (u *KeyUses) Drop(ctx context.Context, before time.Time) error {
	err := u.client.ZRemRangeByScore(ctx, limiterv1.KeyUsesKey, "-inf", "("+strconv.FormatInt(before.Unix(), 10)).Err()
	if err != nil {
		return fmt.Errorf("drop when keys were used: %w", unanswered(err))
	}
	return nil
}
