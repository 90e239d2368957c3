package recovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/retry"
)

// EpochSetter admits calls under the epoch that it was told last.
type EpochSetter interface {
	// SetEpoch sets the epoch. When it returns, no request that was made under the
	// previous epoch is still under way.
	SetEpoch(epoch limiterv1.Epoch)
}

// Calls knows which calls are open.
type Calls interface {
	// OpenCalls returns the open calls, and forgets all shares, as ForgetShares does.
	OpenCalls() []admission.OpenCall
	// ForgetShares forgets all shares: Redis does not know their holds any more.
	ForgetShares()
}

// Ledger takes settled calls.
type Ledger interface {
	// Unwritten are the calls that were added and that the ledger may not have.
	Unwritten() []ledgerv1.Entry
}

// Announcer announces, for every epoch that is rebuilt, which calls the session has open, and
// which it has settled that the ledger may not have. It does so in Redis or, if that does not
// answer, in Postgres.
type Announcer struct {
	AnnouncerOptions
	epochs chan announcement

	mu sync.Mutex
	// told is the epoch that was told last, and over ends the attempts to announce for it.
	told atomic.Pointer[limiterv1.Epoch]
	over context.CancelFunc
	// known is the number of the newest epoch that was heard of, valid that of the epoch that
	// was last told as valid, and announced that of the last epoch that was announced for.
	known, announced atomic.Int64
	valid            int64
}

// AnnouncerOptions are what an Announcer works with.
type AnnouncerOptions struct {
	Redis    redis.UniversalClient
	Database Database
	Limiter  EpochSetter
	Calls    Calls
	Ledger   Ledger
	// Session is the session that this process has now.
	Session func() string
	Log     *slog.Logger
}

// announcement is an epoch, and what Run needs to announce for it until another epoch is told.
type announcement struct {
	limiterv1.Epoch
	// byPostgres is whether the epoch was heard of by way of Postgres.
	byPostgres bool
	// missed is whether the epoch was opened without the calls that this process knows.
	missed bool
	until  context.Context
	end    context.CancelFunc
}

const (
	// announceAgain is the longest pause before a failed announcement is repeated: no call
	// is admitted before it is heard.
	announceAgain = 250 * time.Millisecond
	// redisTimeout bounds an announcement in Redis, before Postgres is tried.
	redisTimeout = 5 * time.Second
)

// NewAnnouncer makes an Announcer. The caller must also start Run.
func NewAnnouncer(options AnnouncerOptions) *Announcer {
	return &Announcer{AnnouncerOptions: options, epochs: make(chan announcement, 1), over: func() {}}
}

// SetEpoch tells the limiter of the epoch that Redis has and, if that epoch is being rebuilt,
// announces the session's calls. An epoch that is older than one that this process knows is
// not believed: the data of Redis has gone back.
func (a *Announcer) SetEpoch(epoch limiterv1.Epoch) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.Known(); epoch.Number > 0 && epoch.Number < known {
		epoch = limiterv1.Epoch{
			Number: known, State: limiterv1.EpochRefused,
			Reason: fmt.Sprintf("the data of Redis has gone back to epoch %d", epoch.Number),
		}
	}
	a.tell(announcement{Epoch: epoch})
}

// Hear is told the numbers of the last epoch that has begun and of the last that was opened,
// as Postgres has them. If one is newer than what this process knows, Redis is out of reach, or
// is not the one that others use, and Hear tells the limiter. An opened epoch admits calls only
// once Redis has it.
func (a *Announcer) Hear(begun, opened int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch known := a.Known(); {
	case begun > known && begun > opened:
		a.tell(announcement{Epoch: limiterv1.Epoch{Number: begun, State: limiterv1.EpochRebuilding}, byPostgres: true})
	case opened > known:
		a.tell(announcement{Epoch: limiterv1.Epoch{
			Number: opened, State: limiterv1.EpochRefused, Reason: "it was opened without this enforcer, which has not found it in Redis yet",
		}})
	}
}

// tell tells of an epoch. REQUIRES: mu is locked.
func (a *Announcer) tell(next announcement) {
	a.Log.Info("the limiter has a new epoch", "number", next.Number, "state", next.State, "reason", next.Reason, "byPostgres", next.byPostgres)
	a.over()
	if next.State != limiterv1.EpochRebuilding && next.Number != 0 && next.Number != a.valid && next.Number != a.announced.Load() {
		a.Calls.ForgetShares() // the epoch was opened without them
		next.missed = next.State == limiterv1.EpochValid
	}
	a.Limiter.SetEpoch(next.Epoch)
	a.told.Store(&next.Epoch)
	a.known.Store(max(a.Known(), next.Number))
	if next.State == limiterv1.EpochValid {
		a.valid = next.Number
	}
	select {
	case <-a.epochs: // the previous epoch, if Run has not taken it yet
	default:
	}
	next.until, next.end = context.WithCancel(context.Background())
	a.over = next.end
	a.epochs <- next
}

// Known is the number of the newest epoch that was heard of; zero before the first.
func (a *Announcer) Known() int64 { return a.known.Load() }

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
			stop := context.AfterFunc(ctx, epoch.end)
			switch {
			case epoch.State == limiterv1.EpochRebuilding:
				a.announceUntilHeard(epoch)
			case epoch.missed:
				a.makeUpFor(epoch)
			}
			stop()
		}
	}
}

// announceUntilHeard announces until that succeeds, or another epoch is told.
func (a *Announcer) announceUntilHeard(epoch announcement) {
	begin, failure := time.Now(), ""
	err := retry.UntilWithin(epoch.until, announceAgain, func(ctx context.Context) error {
		return a.announce(ctx, epoch)
	}, func(err error, pause time.Duration) {
		if err.Error() != failure { // attempts are frequent: log each failure once
			a.Log.Error("failed to announce the open calls; will retry", "epoch", epoch.Number, "error", err, "after", pause.String())
		}
		failure = err.Error()
	})
	if err == nil {
		a.announced.Store(epoch.Number)
		a.Log.Info("announced the open calls", "epoch", epoch.Number, "took", time.Since(begin).String())
	}
}

// announce announces in one of the two stores. It first tries the one by which it has heard of the
// epoch.
func (a *Announcer) announce(ctx context.Context, epoch announcement) error {
	session := a.Session()
	// Open calls are read before settled ones: a call that ends in between is then in both, and
	// never in neither.
	open := a.Calls.OpenCalls()
	calls := recordsOf(open, a.Ledger.Unwritten())
	ways := []func(context.Context, limiterv1.Epoch, string, records) error{a.announceInRedis, a.announceInPostgres}
	if epoch.byPostgres {
		slices.Reverse(ways)
	}
	err := ways[0](ctx, epoch.Epoch, session, calls)
	if err == nil || errors.Is(err, errDead) || errors.Is(err, errLate) {
		return err
	}
	other := ways[1](ctx, epoch.Epoch, session, calls)
	if other == nil {
		return nil
	}
	return errors.Join(err, other)
}

func (a *Announcer) announceInRedis(ctx context.Context, epoch limiterv1.Epoch, session string, calls records) error {
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	if err := a.mustLive(ctx, session); err != nil {
		return err
	}
	if err := a.leave(ctx, epoch, session, calls); err != nil {
		return err
	}
	if err := a.Redis.HSet(ctx, limiterv1.AnnouncedKey, session, epoch.Number).Err(); err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	return nil
}

var (
	errDead = errors.New("the session was declared dead: its successor announces")
	errLate = errors.New("the epoch was opened without this session")
)

func (a *Announcer) mustLive(ctx context.Context, session string) error {
	dead, err := a.Redis.Exists(ctx, limiterv1.FenceKey(session)).Result()
	if err == nil && dead > 0 {
		err = errDead
	}
	return err
}
