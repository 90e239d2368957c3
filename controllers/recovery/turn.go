package recovery

import (
	"context"
	"fmt"
	"reflect"

	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// turn is a group of levels that are made valid together. Each is of another tenant and locked: nobody
// else in this process sets its counters meanwhile.
type turn struct {
	levels []levelCounters
	// documents are, for each level, the indexes of the documents that have it.
	documents [][]int
	locks     []lock
}

// lock is a mutex that can be waited for until a context ends.
type lock chan struct{}

func (l lock) tryLock() bool {
	select {
	case l <- struct{}{}:
		return true
	default:
		return false
	}
}

// lock waits for the lock until ctx ends.
func (l lock) lock(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l lock) unlock() { <-l }

// takeTurn takes the next level of each document. left is what is left of each, from the root down. A
// level is left for a later turn if the turn has a different level of the same tenant, or if somebody else
// is setting its counters. If there is nothing else to do, takeTurn waits for the latter until ctx ends.
// The turn is empty once nothing is left.
func (o *Recounter) takeTurn(ctx context.Context, left [][]levelCounters) (*turn, error) {
	const busy = -1
	next, places := &turn{}, map[string]int{} // where in the turn the level of a tenant is, or busy
	var waiting []int                         // the documents whose next level is locked by others
	for document, levels := range left {
		if len(levels) == 0 {
			continue
		}
		level := levels[0]
		place, seen := places[level.name()]
		switch {
		case !seen && o.lockOf(level).tryLock():
			places[level.name()] = len(next.levels)
			next.add(level, document, o.lockOf(level))
		case !seen:
			places[level.name()] = busy
			waiting = append(waiting, document)
		case place != busy && next.levels[place].own == level.own && reflect.DeepEqual(next.levels[place].Level, level.Level):
			next.documents[place] = append(next.documents[place], document)
		}
	}
	if len(next.levels) == 0 && len(waiting) > 0 {
		level := left[waiting[0]][0]
		if err := o.lockOf(level).lock(ctx); err != nil { // holding no other lock, so that nobody waits for this one
			return nil, fmt.Errorf("tenant %s: %w: somebody else is setting them: %w", level.TenantCounters.Tenant, limiterstore.ErrNotValid, err)
		}
		next.add(level, waiting[0], o.lockOf(level))
	}
	return next, nil
}

func (t *turn) add(level levelCounters, document int, lock lock) {
	t.levels, t.documents, t.locks = append(t.levels, level), append(t.documents, []int{document}), append(t.locks, lock)
}

// makeTurnValid makes the counters of a turn valid, and then releases its locks.
func (o *Recounter) makeTurnValid(ctx context.Context, t *turn) []error {
	defer t.end()
	return o.makeValid(ctx, t.levels)
}

// end releases the locks.
func (t *turn) end() {
	for _, lock := range t.locks {
		lock.unlock()
	}
}

// name names the tenant of the level in its budget tree.
func (l levelCounters) name() string { return l.Root + "/" + l.TenantCounters.Tenant }

func (o *Recounter) lockOf(level levelCounters) lock {
	found, _ := o.locks.LoadOrStore(level.name(), make(lock, 1))
	return found.(lock)
}
