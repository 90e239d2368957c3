package recovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/retry"
)

// EpochSetter is where calls are admitted.
type EpochSetter interface {
	// SetEpoch tells the epoch. When it returns, nothing is under way any more that
	// was asked under the one before.
	SetEpoch(epoch limiterv1.Epoch)
}

// Calls knows which calls are open.
type Calls interface {
	OpenCalls() []admission.OpenCall
}

// Ledger takes settled calls.
type Ledger interface {
	// Unwritten are those that were added and that the ledger may not have.
	Unwritten() []ledgerv1.Entry
}

// Announcer says which calls a session has open, or settled and not yet in the ledger, for
// every epoch that is rebuilt. It needs no ledger that answers.
type Announcer struct {
	client  redis.UniversalClient
	limiter EpochSetter
	calls   Calls
	ledger  Ledger
	// session is the one that this process has now.
	session func() string
	log     *slog.Logger
	epochs  chan announcement
	// told is the epoch that was told last.
	told atomic.Pointer[limiterv1.Epoch]
	// over ends what is announced for that epoch.
	over context.CancelFunc
}

// announcement is an epoch that is to be announced for, until another is told.
type announcement struct {
	limiterv1.Epoch
	until context.Context
	end   context.CancelFunc
}

// announceAgain is the longest pause before a failed announcement is made again: nobody
// is admitted anything before it is heard.
const announceAgain = 250 * time.Millisecond

// NewAnnouncer makes an Announcer. The caller must also start Run.
func NewAnnouncer(
	client redis.UniversalClient, limiter EpochSetter, calls Calls, ledger Ledger, session func() string, log *slog.Logger,
) *Announcer {
	return &Announcer{
		client: client, limiter: limiter, calls: calls, ledger: ledger, session: session, log: log,
		epochs: make(chan announcement, 1), over: func() {},
	}
}

// SetEpoch tells the limiter of an epoch and, if that is being rebuilt, announces
// what is open.
func (a *Announcer) SetEpoch(epoch limiterv1.Epoch) {
	a.log.Info("epoch", "number", epoch.Number, "state", epoch.State, "reason", epoch.Reason)
	a.over()
	a.limiter.SetEpoch(epoch)
	a.told.Store(&epoch)
	select {
	case <-a.epochs: // which nobody waits for any more
	default:
	}
	until, end := context.WithCancel(context.Background())
	a.over = end
	a.epochs <- announcement{epoch, until, end}
}

// Epoch is the epoch that was told last; zero before the first.
func (a *Announcer) Epoch() limiterv1.Epoch {
	if told := a.told.Load(); told != nil {
		return *told
	}
	return limiterv1.Epoch{}
}

// Run announces until ctx ends.
func (a *Announcer) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case epoch := <-a.epochs:
			if epoch.State == limiterv1.EpochRebuilding {
				stop := context.AfterFunc(ctx, epoch.end)
				a.announceUntilHeard(epoch)
				stop()
			}
		}
	}
}

// announceUntilHeard announces until that succeeds, or another epoch is told.
func (a *Announcer) announceUntilHeard(epoch announcement) {
	begin, failure := time.Now(), ""
	err := retry.UntilWithin(epoch.until, announceAgain, func(ctx context.Context) error {
		return a.announce(ctx, epoch.Epoch)
	}, func(err error, pause time.Duration) {
		if err.Error() != failure { // it is tried often
			a.log.Error("failed to announce the open calls; will retry", "epoch", epoch.Number, "error", err, "after", pause.String())
		}
		failure = err.Error()
	})
	if err == nil {
		a.log.Info("announced the open calls", "epoch", epoch.Number, "took", time.Since(begin).String())
	}
}

func (a *Announcer) announce(ctx context.Context, epoch limiterv1.Epoch) error {
	session := a.session()
	if err := a.mustLive(ctx, session); err != nil {
		return err
	}
	// In this order: a call that is done meanwhile is in both, and a call in neither
	// there is none.
	open := a.calls.OpenCalls()
	calls := recordsOf(open, a.ledger.Unwritten())
	if err := a.leave(ctx, epoch, session, calls); err != nil {
		return err
	}
	if err := a.client.HSet(ctx, limiterv1.AnnouncedKey, session, epoch.Number).Err(); err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	return nil
}

var (
	errDead = errors.New("the session was declared dead: its successor announces")
	errLate = errors.New("the epoch was opened without this session")
)

func (a *Announcer) mustLive(ctx context.Context, session string) error {
	dead, err := a.client.Exists(ctx, limiterv1.FenceKey(session)).Result()
	if err == nil && dead > 0 {
		err = errDead
	}
	return err
}

