package store

import (
	"context"
	"fmt"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// pageSize is how many calls are read at once, more or less.
const pageSize = 500

// Settled calls take with the entries of the session's settled calls, page by page, in
// no particular order and some perhaps twice, until there are no more or take fails.
func (s *Store) Settled(ctx context.Context, take func(entries [][]byte) error) error {
	for shard := range uint32(limiterv1.Shards) {
		if err := s.settledIn(ctx, limiterv1.CallsKey(shard, s.session), take); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) settledIn(ctx context.Context, key string, take func(entries [][]byte) error) error {
	for cursor, more := uint64(0), true; more; more = cursor != 0 {
		var idsAndRecords []string
		var err error
		if idsAndRecords, cursor, err = s.client.HScan(ctx, key, cursor, "", pageSize).Result(); err != nil {
			return fmt.Errorf("read settled calls: %w", err)
		}
		var entries [][]byte
		for i := 1; i < len(idsAndRecords); i += 2 {
			record, err := limiterv1.DecodeCallRecord([]byte(idsAndRecords[i]))
			if err == nil && record.Settled && len(record.Body) > 0 { // else open, voided, or the fence
				entries = append(entries, record.Body)
			}
		}
		if err := take(entries); err != nil {
			return err
		}
	}
	return nil
}
