package limiterstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// Epoch is the generation of the counters; the first one begins when there is none.
func (s *Store) Epoch(ctx context.Context) (epoch limiterv1.Epoch, err error) {
	raw, err := s.client.Get(ctx, limiterv1.EpochKey).Bytes()
	if errors.Is(err, redis.Nil) {
		return s.firstEpoch(ctx)
	}
	if err == nil {
		err = json.Unmarshal(raw, &epoch)
	}
	if err != nil {
		return limiterv1.Epoch{}, fmt.Errorf("read the epoch: %w", err)
	}
	return epoch, nil
}

func (s *Store) firstEpoch(ctx context.Context) (limiterv1.Epoch, error) {
	first := limiterv1.Epoch{Number: 1, State: limiterv1.EpochOpen}
	raw, err := json.Marshal(first)
	if err != nil {
		return limiterv1.Epoch{}, err
	}
	if err := s.client.SetNX(ctx, limiterv1.EpochKey, raw, 0).Err(); err != nil {
		return limiterv1.Epoch{}, fmt.Errorf("begin the first epoch: %w", err)
	}
	return s.Epoch(ctx)
}

// Open makes the counters of a tenant and its ancestors valid under the epoch,
// where they are not valid under another.
func (s *Store) Open(ctx context.Context, tenant limiterv1.Tenant) error {
	epoch, err := s.Epoch(ctx)
	if err != nil {
		return err
	}
	for _, level := range append([]limiterv1.Level{tenant.Level}, tenant.Ancestors...) {
		key := limiterv1.TenantCountersKey(tenant.Root(), level.Tenant)
		if err := s.client.HSetNX(ctx, key, limiterv1.EpochField, epoch.Token()).Err(); err != nil {
			return fmt.Errorf("open the counters of tenant %s: %w", level.Tenant, err)
		}
	}
	return nil
}
