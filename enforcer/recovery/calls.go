package recovery

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

//go:embed announce.lua
var announceLua string

var announceScript = redis.NewScript(announceLua)

// pageSize is how many calls one request to Redis or Postgres leaves, drops or reads.
const pageSize = 500

// records are calls, by shard and ID, as they are stored in Redis.
type records map[uint32]map[string]limiterv1.CallRecord

func (r records) put(root, id string, record limiterv1.CallRecord) {
	shard := limiterv1.Shard(root)
	if r[shard] == nil {
		r[shard] = map[string]limiterv1.CallRecord{}
	}
	r[shard][id] = record
}

// recordsOf are the calls that a session has open, and those that it has settled and that
// the ledger may not have. A call in both has ended: its settled record counts.
func recordsOf(open []admission.OpenCall, settled []ledgerv1.Entry) records {
	all := records{}
	for _, call := range open {
		if !call.Record.Settled || len(call.Record.Body) > 0 { // otherwise it was voided
			all.put(call.Root, call.ID, call.Record)
		}
	}
	for _, entry := range settled {
		all.put(entry.Root, entry.CallID, limiterv1.CallRecord{
			Settled: true, Amount: entry.Cost, AdmittedAt: entry.AdmittedAt, Body: entry.Encode(),
		})
	}
	return all
}

// leave replaces the session's calls in Redis by those that are announced. Settled calls that
// only Redis has stay: there may have been no room for them in memory.
func (a *Announcer) leave(ctx context.Context, epoch limiterv1.Epoch, session string, calls records) error {
	sizes := make([]*redis.IntCmd, limiterv1.Shards)
	_, err := a.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for shard := range sizes {
			sizes[shard] = pipe.HLen(ctx, limiterv1.CallsKey(uint32(shard), session))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for calls of the session in Redis: %w", err)
	}
	for shard := range uint32(limiterv1.Shards) {
		if sizes[shard].Val() == 0 && len(calls[shard]) == 0 {
			continue
		}
		if err := a.leaveIn(ctx, epoch, session, shard, calls[shard]); err != nil {
			return fmt.Errorf("leave the calls of the session in Redis: %w", err)
		}
	}
	return nil
}

func (a *Announcer) leaveIn(
	ctx context.Context, epoch limiterv1.Epoch, session string, shard uint32, calls map[string]limiterv1.CallRecord,
) error {
	stale, err := a.stale(ctx, limiterv1.CallsKey(shard, session), calls)
	if err != nil {
		return err
	}
	if err := a.drop(ctx, epoch.Token(), session, shard, stale); err != nil {
		return err
	}
	return a.put(ctx, epoch.Token(), session, shard, calls)
}

// put leaves calls of the session in a shard, unless the epoch with the token is open there.
func (a *Announcer) put(ctx context.Context, token, session string, shard uint32, calls map[string]limiterv1.CallRecord) error {
	put := make([]any, 0, 2*len(calls))
	for id, record := range calls {
		put = append(put, id, record.Encode())
	}
	for page := range slices.Chunk(put, 2*pageSize) {
		if err := a.change(ctx, token, session, shard, nil, page); err != nil {
			return err
		}
	}
	return nil
}

// drop drops calls of the session in a shard, unless the epoch with the token is open there.
func (a *Announcer) drop(ctx context.Context, token, session string, shard uint32, ids []string) error {
	for page := range slices.Chunk(ids, pageSize) {
		if err := a.change(ctx, token, session, shard, page, nil); err != nil {
			return err
		}
	}
	return nil
}

// change drops some calls and puts others, given by their ids and records in turn.
func (a *Announcer) change(ctx context.Context, token, session string, shard uint32, drop []string, put []any) error {
	keys := []string{limiterv1.CallsKey(shard, session), limiterv1.ShardEpochKey(shard)}
	args := []any{token, len(drop)}
	for _, id := range drop {
		args = append(args, id)
	}
	answer, err := announceScript.Run(ctx, a.Redis, keys, append(args, put...)...).Text()
	switch {
	case err == nil && answer == "late":
		return errLate
	case err == nil && answer == "fenced":
		return errDead
	}
	return err
}

// stale are the IDs of calls under a key that are not announced and can be dropped. A settled
// call with an entry for the ledger is not stale: a recount leaves it out if the ledger has it.
func (a *Announcer) stale(ctx context.Context, key string, calls map[string]limiterv1.CallRecord) (ids []string, err error) {
	for cursor, more := uint64(0), true; more; more = cursor != 0 {
		var page []string
		if page, cursor, err = a.Redis.HScan(ctx, key, cursor, "", pageSize).Result(); err != nil {
			return nil, err
		}
		for i := 0; i+1 < len(page); i += 2 {
			id := page[i]
			record, err := limiterv1.DecodeCallRecord([]byte(page[i+1]))
			isSettled := err == nil && record.Settled && len(record.Body) > 0
			if _, announced := calls[id]; !announced && !isSettled && id != limiterv1.FencedField {
				ids = append(ids, id)
			}
		}
	}
	return ids, nil
}
