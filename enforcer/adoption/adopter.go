package adoption

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
)

//go:embed declare.lua
var declareLua string

var declareScript = redis.NewScript(declareLua)

const (
	// lookEvery is how often the living look for the dead.
	lookEvery = limiterv1.Heartbeat
	// lookTimeout bounds one look.
	lookTimeout = lookEvery
	// adoptTimeout bounds one attempt to adopt a session. The next attempt continues
	// with what is left.
	adoptTimeout = time.Minute
	// pageSize is roughly how many calls are ended together.
	pageSize = 500
	// longestOpen is how long ago an open call can have been admitted at most: LONGEST in
	// counters.lua.
	longestOpen = 400 * 24 * time.Hour
	// rest is the pause before a session of which some calls could not be adopted is tried again.
	rest = 10 * time.Minute
)

// Settler ends the open calls of dead sessions.
type Settler interface {
	// SettleAdopted ends an open call with a cost, and keeps its entry for the ledger, if there
	// is one. It reports whether it did so: a call that has ended before stays as it is.
	SettleAdopted(
		ctx context.Context, dead string, call limiterv1.OpenCall, cost money.Nanos, entry *ledgerv1.Entry) (ended bool, err error)
}

// LedgerWriter takes settled calls.
type LedgerWriter interface {
	// WriteAdopted writes entries, some of which the ledger may have, and returns those that
	// it has now. It fails if the ledger had another end of some, and the recount of their
	// tenants could not be requested.
	WriteAdopted(ctx context.Context, entries []ledgerv1.Entry) (written []ledgerv1.Entry, err error)
}

// Adopter adopts the sessions of enforcers that have died.
type Adopter struct {
	client redis.UniversalClient
	store  Settler
	ledger LedgerWriter
	self   func() string
	log    *slog.Logger

	// watched has the last heartbeat of each session, and when it was first seen, by the
	// clock of Redis.
	watched map[string]silence
	// lookedAt is the time of the last look, by the clock of Redis.
	lookedAt time.Time
	// resting has the sessions that could not be adopted in full, and when to try each
	// again, by the clock of Redis.
	resting map[string]time.Time

	adopted Adopted
}

// Adopted counts what was adopted since the process began.
type Adopted struct {
	// Sessions are those that were adopted in full.
	Sessions atomic.Int64
	// Charged are the open calls that were charged in full, Recorded all calls that were
	// written to the ledger, and Left those that stay in Redis until somebody mends them.
	Charged, Recorded, Left atomic.Int64
}

// Adopted are the counts until now.
func (a *Adopter) Adopted() *Adopted { return &a.adopted }

// silence is a session's last heartbeat, and when it was first seen.
type silence struct {
	beat  float64
	since time.Time
}

// New makes an Adopter for the session whose ID self returns.
func New(client redis.UniversalClient, store Settler, ledger LedgerWriter, self func() string, log *slog.Logger) *Adopter {
	return &Adopter{
		client: client, store: store, ledger: ledger, self: self, log: log,
		watched: map[string]silence{}, resting: map[string]time.Time{},
	}
}

// Run adopts until ctx ends.
func (a *Adopter) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		for _, dead := range a.look(ctx) {
			a.tryAdopt(ctx, dead)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look finds the sessions that were silent for limiterv1.SessionLife while Redis
// answered all the time: while it does not, a living session cannot be heard either.
func (a *Adopter) look(ctx context.Context) (dead []string) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	pipe := a.client.Pipeline()
	beats, clock := pipe.ZRangeWithScores(ctx, limiterv1.SessionsKey, 0, -1), pipe.Time(ctx)
	if _, err := pipe.Exec(ctx); err != nil {
		clear(a.watched)
		return nil
	}
	now := clock.Val()
	if gap := now.Sub(a.lookedAt); gap < 0 || gap > 2*lookEvery {
		clear(a.watched) // this process, or Redis, has slept
	}
	a.lookedAt = now
	watched := map[string]silence{}
	for _, beat := range beats.Val() {
		session, _ := beat.Member.(string)
		silent, known := a.watched[session]
		if !known || silent.beat != beat.Score {
			silent = silence{beat.Score, now}
		}
		watched[session] = silent
		if session != a.self() && now.Sub(silent.since) >= limiterv1.SessionLife && now.After(a.resting[session]) {
			dead = append(dead, session)
		}
	}
	a.watched = watched
	return dead
}

// tryAdopt adopts a session unless it lives or another adopts it.
func (a *Adopter) tryAdopt(ctx context.Context, dead string) {
	ctx, cancel := context.WithTimeout(ctx, adoptTimeout)
	defer cancel()
	mine, err := a.declare(ctx, dead)
	if err != nil || !mine {
		return // it lives or is another's, or Redis does not answer, which others log
	}
	begin := time.Now()
	sum, err := a.adopt(ctx, dead)
	a.adopted.Charged.Add(int64(sum.charged))
	a.adopted.Recorded.Add(int64(sum.recorded))
	a.adopted.Left.Add(int64(sum.left))
	switch {
	case err != nil:
		a.log.Error("failed to adopt a dead session; will retry", "dead", dead, "charged", sum.charged, "recorded", sum.recorded, "error", err)
	case sum.charged+sum.recorded+sum.left > 0:
		a.log.Info("adopted a dead session", "dead", dead, "charged", sum.charged, "recorded", sum.recorded,
			"left", sum.left, "took", time.Since(begin).String())
	}
}

func (a *Adopter) declare(ctx context.Context, dead string) (mine bool, err error) {
	keys := []string{limiterv1.SessionsKey, limiterv1.FenceKey(dead), limiterv1.AdopterKey(dead)}
	return declareScript.Run(ctx, a.client, keys, dead, a.self(), a.watched[dead].beat,
		limiterv1.SessionLife.Milliseconds(), limiterv1.FenceTime.Milliseconds()).Bool()
}

// summary counts what became of the calls of a session.
type summary struct {
	// charged are the open calls, which were charged in full, recorded all that the
	// ledger has, and left those that it will never have.
	charged, recorded, left int
}

// adopt fences the session in every shard, and then ends the calls that it left.
func (a *Adopter) adopt(ctx context.Context, dead string) (sum summary, err error) {
	shards, err := a.fence(ctx, dead)
	if err != nil {
		return sum, err
	}
	for _, shard := range shards {
		if err := a.adoptShard(ctx, dead, shard, &sum); err != nil {
			return sum, err
		}
	}
	if sum.left > 0 { // the session stays, and is tried again after a rest
		a.resting[dead] = a.lookedAt.Add(rest)
		return sum, nil
	}
	delete(a.resting, dead)
	if err := a.bury(ctx, dead); err != nil {
		return sum, err
	}
	a.adopted.Sessions.Add(1)
	return sum, nil
}

// fence makes every shard refuse the session's scripts, and returns the shards in
// which it has calls. In the others, the fence expires.
func (a *Adopter) fence(ctx context.Context, dead string) (shards []uint32, err error) {
	pipe := a.client.Pipeline()
	sizes := make([]*redis.IntCmd, limiterv1.Shards)
	for shard := range sizes {
		key := limiterv1.CallsKey(uint32(shard), dead)
		pipe.HSet(ctx, key, limiterv1.FencedField, 1)
		sizes[shard] = pipe.HLen(ctx, key)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("fence: %w", err)
	}
	pipe = a.client.Pipeline()
	for shard, size := range sizes {
		if size.Val() == 1 {
			pipe.PExpire(ctx, limiterv1.CallsKey(uint32(shard), dead), limiterv1.FenceTime)
		} else {
			shards = append(shards, uint32(shard))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("fence: %w", err)
	}
	return shards, nil
}

// adoptShard ends the session's calls in a shard and writes them to the ledger.
func (a *Adopter) adoptShard(ctx context.Context, dead string, shard uint32, sum *summary) error {
	key := limiterv1.CallsKey(shard, dead)
	now, err := a.client.Time(ctx).Result()
	if err != nil {
		return fmt.Errorf("read the time: %w", err)
	}
	for cursor, more := uint64(0), true; more; more = cursor != 0 {
		var records []string
		if records, cursor, err = a.client.HScan(ctx, key, cursor, "", pageSize).Result(); err != nil {
			return fmt.Errorf("read the calls: %w", err)
		}
		if err := a.endAll(ctx, dead, key, records, now, sum); err != nil {
			return err
		}
	}
	size, err := a.client.HLen(ctx, key).Result()
	if err != nil {
		return fmt.Errorf("count the calls: %w", err)
	}
	if size > 1 {
		sum.left += int(size - 1)
		return nil
	}
	if err := a.client.PExpire(ctx, key, limiterv1.FenceTime).Err(); err != nil {
		return fmt.Errorf("remove the fence: %w", err)
	}
	return nil
}

// endAll ends calls, given as IDs and records in turn, writes them to the ledger,
// and then drops them from Redis.
func (a *Adopter) endAll(ctx context.Context, dead, key string, records []string, now time.Time, sum *summary) error {
	var entries []ledgerv1.Entry
	var done []string
	for i := 0; i+1 < len(records); i += 2 {
		id, raw := records[i], []byte(records[i+1])
		if id == limiterv1.FencedField {
			continue
		}
		entry, charged, err := a.end(ctx, dead, key, id, raw, now)
		switch {
		case errors.Is(err, errNothing):
			done = append(done, id)
		case errors.Is(err, errUnreadable):
			a.log.Error("failed to adopt a call of a dead session; leaving it in Redis", "dead", dead, "call", id, "error", err)
		case err != nil:
			return err
		default:
			entries = append(entries, entry)
			sum.charged += charged
		}
	}
	written, err := a.ledger.WriteAdopted(ctx, entries)
	for _, e := range written {
		done = append(done, e.CallID)
	}
	sum.recorded += len(written)
	return errors.Join(err, a.forget(ctx, key, done))
}

var (
	// errUnreadable means that this enforcer cannot read a record.
	errUnreadable = errors.New("the record of a call is unreadable")
	// errNothing means that there is nothing to write to the ledger: the call was never
	// made, or another has written it.
	errNothing = errors.New("there is nothing to record of the call")
)

// end ends a call, if it is open, and returns its entry for the ledger, and how
// many calls were charged.
func (a *Adopter) end(ctx context.Context, dead, key, id string, raw []byte, now time.Time) (entry ledgerv1.Entry, charged int, err error) {
	record, entry, err := read(id, raw)
	if errors.Is(err, errUnreadable) || err == nil && !record.Settled && !plausible(record.AdmittedAt, now) {
		record, entry, err = a.salvage(dead, id, raw, now)
	}
	if err != nil || record.Settled {
		return entry, 0, err
	}
	call := entry.OpenCall
	if call.Probe {
		if _, err := a.store.SettleAdopted(ctx, dead, call, 0, nil); err != nil {
			return ledgerv1.Entry{}, 0, err
		}
		return ledgerv1.Entry{}, 0, errNothing
	}
	entry.Counters = nil // only an open call needs them
	entry.Outcome, entry.Cost = ledgerv1.ChargedHold, record.Amount
	entry.AdmittedAt, entry.SettledAt = record.AdmittedAt, now.UTC()
	ended, err := a.store.SettleAdopted(ctx, dead, call, entry.Cost, &entry)
	if err != nil {
		return ledgerv1.Entry{}, 0, err
	}
	if !ended {
		entry, err = a.ended(ctx, key, id)
		return entry, 0, err
	}
	return entry, 1, nil
}

// read reads the record of a call, and the entry in it.
func read(id string, raw []byte) (record limiterv1.CallRecord, entry ledgerv1.Entry, err error) {
	record, err = limiterv1.DecodeCallRecord(raw)
	if err == nil && record.Settled && len(record.Body) == 0 {
		return record, ledgerv1.Entry{}, errNothing
	}
	if err == nil {
		entry, err = ledgerv1.Decode(record.Body)
	}
	if err != nil || entry.CallID != id {
		return record, ledgerv1.Entry{}, errors.Join(errUnreadable, err)
	}
	return record, entry, nil
}

// plausible reports whether a call that is open now can have been admitted at that time;
// see read_call in counters.lua.
func plausible(admittedAt, now time.Time) bool {
	return admittedAt.After(now.Add(-longestOpen)) && admittedAt.Before(now.Add(limiterv1.MostAhead))
}

// salvage reads only the entry of a record whose amount or time cannot be right: an open call
// is charged the hold that its entry has, as if admitted now. settle.lua reports the corrupt
// record, and has the call's counters counted anew.
func (a *Adopter) salvage(dead, id string, raw []byte, now time.Time) (limiterv1.CallRecord, ledgerv1.Entry, error) {
	body, settled, err := limiterv1.BodyOfCallRecord(raw)
	if err != nil {
		return limiterv1.CallRecord{}, ledgerv1.Entry{}, errors.Join(errUnreadable, err)
	}
	if settled && len(body) == 0 {
		return limiterv1.CallRecord{}, ledgerv1.Entry{}, errNothing
	}
	entry, err := ledgerv1.Decode(body)
	if err != nil || entry.CallID != id {
		return limiterv1.CallRecord{}, ledgerv1.Entry{}, errors.Join(errUnreadable, err)
	}
	a.log.Error("the record of a call of a dead session is corrupt; charging what its entry says", "dead", dead, "call", id, "held", entry.Held)
	return limiterv1.CallRecord{Settled: settled, Amount: entry.Held, AdmittedAt: now.UTC(), Body: body}, entry, nil
}

// ended is the entry of a call that has ended since its record was read: by its own session,
// which had only slept, or by an earlier adopter, which may also have written it to the
// ledger.
func (a *Adopter) ended(ctx context.Context, key, id string) (ledgerv1.Entry, error) {
	raw, err := a.client.HGet(ctx, key, id).Bytes()
	if errors.Is(err, redis.Nil) {
		return ledgerv1.Entry{}, errNothing
	}
	if err != nil {
		return ledgerv1.Entry{}, fmt.Errorf("read the call again: %w", err)
	}
	record, entry, err := read(id, raw)
	if err == nil && !record.Settled {
		err = errUnreadable // an ended call never becomes open again
	}
	return entry, err
}

// forget drops calls that need nothing more.
func (a *Adopter) forget(ctx context.Context, key string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	if err := a.client.HDel(ctx, key, ids...).Err(); err != nil {
		return fmt.Errorf("forget: %w", err)
	}
	return nil
}

// bury removes the session: nobody needs to look for it any more.
func (a *Adopter) bury(ctx context.Context, dead string) error {
	pipe := a.client.TxPipeline()
	pipe.ZRem(ctx, limiterv1.SessionsKey, dead)
	pipe.HDel(ctx, limiterv1.SessionStatesKey, dead)
	pipe.Publish(ctx, limiterv1.FeedChannel, limiterv1.FeedSession+" "+dead)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("remove a dead session: %w", err)
	}
	return nil
}
