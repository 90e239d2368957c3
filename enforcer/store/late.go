package store

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

var recountScript = redis.NewScript(limiterv1.RecountLua)

// Late is how a call ended that was not open in a live session.
type Late string

// The late ends.
const (
	// Owned: the session was declared dead, and ended the call itself before its adopter
	// did.
	Owned Late = "owned"
	// Posted: the limiter did not know the call any more. Its cost is posted in addition to
	// what it may have been charged before, until its tenants are recounted.
	Posted Late = "posted"
)

// OnLate has f called with each call that ended late. It must be called before the first
// SetEpoch, and applies to the Stores of later sessions too.
func (s *Store) OnLate(f func(late Late, callID string)) { s.epoch.onLate = f }

func (e *validEpoch) noteLate(late Late, callID string) {
	if e.onLate != nil {
		e.onLate(late, callID)
	}
}

// Next makes the Store of the session that follows this one in the same process. Both know
// the same epoch. From now on, the calls of this session are settled as those of a dead one.
func (s *Store) Next(session string) *Store {
	next := &Store{client: s.client, session: session, epoch: s.epoch}
	s.next.Store(next)
	return next
}

// settleFenced ends a call of this session, which was declared dead, in the way its adopter
// does, except that it knows the true cost. Whichever of the two comes first ends the hold.
// If the dead session has no record of the call, the session that follows posts the cost and
// has the counters recounted: the call may have been charged, or may have been lost.
func (s *Store) settleFenced(ctx context.Context, epoch *validEpoch, r admission.SettleRequest) error {
	own := settlementOf(s.session, r)
	own.isDead = true
	switch answer, err := epoch.settleCall(ctx, own); {
	case err != nil:
		return fmt.Errorf("settle: %w", err)
	case answer == "closed":
		return admission.ErrSuspended
	case answer == "settled":
		epoch.noteLate(Owned, r.CallID)
		return nil
	case answer == "repeated" || len(r.Entry) == 0:
		return admission.ErrFenced
	}
	next := s.next.Load()
	if next == nil {
		return fmt.Errorf("%w: the session was declared dead, and the next has not begun", admission.ErrSuspended)
	}
	if err := next.settle(ctx, epoch, r); err != nil {
		return err
	}
	return admission.ErrFenced
}

// Recount has the control plane count the money of tenants anew, whatever epoch there is.
func (s *Store) Recount(ctx context.Context, root string, tenants []string) error {
	err := recountScript.Run(ctx, s.client, limiterv1.RecountKeys(root, tenants), limiterv1.RecountNews(tenants)...).Err()
	if err != nil {
		return fmt.Errorf("have tenants recounted: %w", err)
	}
	return nil
}
