package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// rebuild suspends the limiter under a new epoch, and makes the epoch valid once everything
// that only enforcers knew is in Postgres and in Redis.
func (r *Rebuilder) rebuild(ctx context.Context, found limiterstore.Inspection) error {
	begin := time.Now()
	first := r.last == 0 && found.Epoch.Number == 0 && r.known == 0 // nothing can have been admitted
	number, err := r.begin(ctx, found)
	if err != nil {
		return err
	}
	if !first {
		if err := r.awaitAnnouncements(ctx, number, found.Runs()); err != nil {
			return err
		}
	}
	if err := r.dropEnded(ctx); err != nil {
		return err
	}
	now, err := r.epochs.Inspect(ctx)
	if err != nil {
		return err
	}
	if !isRebuilding(now.Epoch, number, found.Runs()) || !slices.Equal(now.Runs(), found.Runs()) || now.Marks.Behind(r.marks) {
		return errLost
	}
	if err := r.configuration.restore(ctx); err != nil {
		return err
	}
	if err := r.numbers.Complete(ctx, number); err != nil {
		return err
	}
	if err := r.epochs.Complete(ctx, number, found.Runs(), r.marks); err != nil {
		if errors.Is(err, limiterstore.ErrGoneBack) {
			return errLost
		}
		return err
	}
	r.last = number
	noteRebuilt(number, begin)
	_ = r.numbers.ForgetBefore(ctx, number) // an error leaves rows behind until the next time
	r.configuration.recount(ctx)
	log.FromContext(ctx).Info("The limiter admits calls", "epoch", number, "took", time.Since(begin).String())
	return nil
}

// begin begins a new epoch, or continues one that another manager has begun and not
// completed. It does not continue an epoch that some shard already has as valid, because
// enforcers can no longer announce calls for it there.
func (r *Rebuilder) begin(ctx context.Context, found limiterstore.Inspection) (number int64, err error) {
	e := found.Epoch
	isWhole := found.Gaps == limiterv1.Shards && !found.Marks.Behind(r.marks)
	if isRebuilding(e, e.Number, found.Runs()) && e.Number >= max(r.last, r.known) && isWhole {
		return e.Number, r.numbers.Begin(ctx, e.Number)
	}
	if number, err = r.numbers.Next(ctx, max(e.Number, r.known)); err != nil {
		return 0, err
	}
	log.FromContext(ctx).Info("Rebuilding the limiter", "epoch", number, "was", found.Epoch.Number, "gaps", found.Gaps,
		"behind", found.Marks.Behind(r.marks), "known", r.known)
	if err := r.epochs.Begin(ctx, e, number, found.Runs()); err != nil {
		return 0, err
	}
	r.keptAt = time.Time{} // tell Postgres at once
	if err := r.raise(ctx, nil, found.Marks, newMarks); err != nil {
		return 0, err
	}
	// Postgres comes after Redis: an enforcer that hears of an epoch in Postgres believes
	// no older one in Redis.
	return number, r.numbers.Begin(ctx, number)
}

// awaitAnnouncements waits until every live session has announced its open calls. It also
// waits for sessions that Redis has lost, each until the life of a session has passed
// since its last heartbeat, however often Redis is lost meanwhile. It returns errLost
// when the epoch is no longer being rebuilt, because then nobody announces for it.
func (r *Rebuilder) awaitAnnouncements(ctx context.Context, number int64, runs []string) error {
	tick := time.NewTicker(announceEvery)
	defer tick.Stop()
	tell := time.After(tellAfter)
	for {
		missing, err := r.awaited(ctx, number, runs)
		if err != nil {
			return err
		}
		if len(missing) == 0 && r.sessions.all() {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for enforcers to announce their open calls (sessions %v): %w", missing, ctx.Err())
		case <-tell:
			log.FromContext(ctx).Info("Waiting for enforcers to announce their open calls", "epoch", number, "sessions", missing)
		case <-tick.C:
		}
	}
}

// awaited are the sessions that have not announced yet for an epoch that is being rebuilt.
func (r *Rebuilder) awaited(ctx context.Context, number int64, runs []string) ([]string, error) {
	announced, err := r.epochs.Announced(ctx, number)
	if err != nil {
		return nil, err
	}
	if time.Since(r.sessions.postgres.askedAt) >= askPostgresEvery {
		r.hearPostgres(ctx)
		if err := r.takeIn(ctx, number, announced); err != nil {
			return nil, err
		}
	}
	fleet, err := r.enforcers.Fleet(ctx)
	if err != nil {
		return nil, err
	}
	// The epoch is read last: if it is still the same, so it was for what was read before.
	epoch, err := r.epochs.Current(ctx)
	if err != nil {
		return nil, err
	}
	if !isRebuilding(epoch, number, runs) || newest(fleet) > number {
		return nil, errLost
	}
	r.sessions.redis.take(fleet.Silent, time.Now())
	return r.sessions.awaited(announced), nil
}

// takeIn copies to Redis the calls that sessions have announced in Postgres, and adds these
// sessions to announced.
func (r *Rebuilder) takeIn(ctx context.Context, number int64, announced map[string]bool) error {
	sessions, err := r.numbers.Announced(ctx, number)
	if err != nil {
		return err
	}
	for _, session := range sessions {
		if announced[session] {
			continue
		}
		calls := map[uint32]map[string][]byte{}
		err := r.numbers.AnnouncedCalls(ctx, number, session, func(shard uint32, id string, record []byte) {
			if calls[shard] == nil {
				calls[shard] = map[string][]byte{}
			}
			calls[shard][id] = record
		})
		if err != nil {
			return err
		}
		if err := r.calls.Announce(ctx, number, session, calls); err != nil {
			return err
		}
		announced[session] = true
		log.FromContext(ctx).Info("Enforcer announced its open calls in Postgres", "epoch", number, "session", session)
	}
	return nil
}

// isRebuilding reports whether an epoch is the one with a number, being rebuilt in runs.
func isRebuilding(epoch limiterv1.Epoch, number int64, runs []string) bool {
	return epoch.Number == number && epoch.State == limiterv1.EpochRebuilding && slices.Equal(epoch.Runs, runs)
}

// dropEnded drops calls that older data of Redis has brought back: those that the ledger
// has, and those of sessions that have left. The latter may be shares that were given back,
// which the ledger never has.
func (r *Rebuilder) dropEnded(ctx context.Context) error {
	left, err := r.numbers.Left(ctx)
	if err != nil {
		return err
	}
	for shard := range uint32(limiterv1.Shards) {
		if err := r.dropEndedIn(ctx, shard, left); err != nil {
			return err
		}
	}
	return nil
}

func (r *Rebuilder) dropEndedIn(ctx context.Context, shard uint32, left map[string]bool) error {
	calls, _, err := r.calls.InShard(ctx, shard)
	if err != nil || len(calls) == 0 {
		return err
	}
	var recorded map[string]budgetstore.RecordedCall
	err = r.ledger.Read(ctx, func(ledger budgetstore.LedgerSnapshot) error {
		recorded, err = ledger.Recorded(ctx, idsOf(calls))
		return err
	})
	if err != nil {
		return err
	}
	for _, call := range calls {
		if _, ended := recorded[call.ID]; ended || left[call.Session] {
			err = errors.Join(err, r.calls.Drop(ctx, shard, call.Session, call.ID))
		}
	}
	return err
}

func idsOf(calls []limiterstore.StoredCall) []string {
	ids := make([]string, len(calls))
	for i, call := range calls {
		ids[i] = call.ID
	}
	return ids
}
