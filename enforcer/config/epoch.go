package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// readEpoch reads the epoch, and tells onEpoch if it has changed.
func (f *Follower) readEpoch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	raw, err := f.client.Get(ctx, limiterv1.EpochKey).Bytes()
	if errors.Is(err, redis.Nil) {
		raw, err = []byte("{}"), nil
	}
	if err == nil && string(raw) == f.epoch {
		return nil
	}
	var epoch limiterv1.Epoch
	if err == nil {
		err = json.Unmarshal(raw, &epoch)
	}
	if err != nil {
		return fmt.Errorf("read the epoch: %w", err)
	}
	f.epoch, f.open = string(raw), epoch.State == limiterv1.EpochValid
	f.onEpoch(epoch)
	return nil
}
