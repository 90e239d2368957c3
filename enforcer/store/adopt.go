package store

import (
	"context"
	"fmt"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// SettleAdopted runs settle.lua for an open call of a session that was declared
// dead, and charges it in full. That the call was ended before is no error: then
// nothing changes.
func (s *Store) SettleAdopted(
	ctx context.Context, dead string, call limiterv1.OpenCall, record limiterv1.CallRecord, entry []byte,
) error {
	open, done, err := s.epoch.enter()
	if err != nil {
		return err
	}
	defer done()
	keys := []string{limiterv1.CallsKey(limiterv1.Shard(call.Root), dead)}
	var fields []any
	numbers := []int64{int64(record.Amount), number(true)}
	var buckets []int64
	message := limiterv1.FeedTenant
	for _, c := range call.Counters {
		if c.User == "" {
			keys = append(keys, limiterv1.TenantCountersKey(call.Root, c.Tenant))
			message += " " + c.Tenant
		} else {
			keys = append(keys, limiterv1.UserCountersKey(call.Root, open.Epoch, c.Tenant, c.User))
		}
		numbers = append(numbers, int64(len(c.Money)), int64(len(c.InFlight)), 0)
		for _, field := range c.Money {
			fields = append(fields, field)
		}
		for _, field := range c.InFlight {
			fields, buckets = append(fields, field), append(buckets, 0, 1)
		}
	}
	args := []any{call.CallID, entry, limiterv1.FeedChannel, message, packNumbers(append(numbers, buckets...))}
	answer, err := open.run(ctx, open.settle, keys, append(args, fields...)).Text()
	switch {
	case err != nil:
		return fmt.Errorf("settle an adopted call: %w", err)
	case answer == "closed":
		return admission.ErrClosed
	case answer == "settled":
		// The rungs are not known here: let who watches them look.
		_ = s.client.Publish(ctx, limiterv1.FeedChannel, message).Err() // only a hint
	}
	return nil
}
