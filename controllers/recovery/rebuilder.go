package recovery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/redisclient"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

const (
	// lookEvery is how often Redis is looked at.
	lookEvery = 500 * time.Millisecond
	// lookTimeout bounds one look, and rebuildTimeout one attempt to rebuild.
	lookTimeout, rebuildTimeout = 5 * time.Second, 5 * time.Minute
	// keepMarksEvery is how often Postgres is told of the high-water marks, and newMarks how
	// much is added to them with an epoch: more than other managers may have seen.
	keepMarksEvery, newMarks = 10 * time.Second, 1000
	// keepTimeEvery is how often the limiter's time is moved on where it is ahead of the clock.
	keepTimeEvery = limiterv1.LongestGap / 6
	// postgresTimeout is how long Postgres may take to say which sessions live.
	postgresTimeout = time.Second
	// announceEvery is how often the rebuilder checks which sessions have announced, and
	// askPostgresEvery how often Postgres is asked for that.
	announceEvery, askPostgresEvery = 20 * time.Millisecond, 100 * time.Millisecond
	// tellAfter is how long announcements are waited for before the log names the sessions that
	// are missing.
	tellAfter = 3 * time.Second
	// oldestVersion is the first major version of Redis that forgets scripts when it
	// is started again, and does not hand them to replicas.
	oldestVersion = 7
)

// errLost means that Redis has lost the epoch while it was being rebuilt.
var errLost = errors.New("the epoch was lost again while the limiter was being rebuilt: the rebuild starts over")

// Epochs is the epoch in Redis.
type Epochs interface {
	Current(ctx context.Context) (limiterv1.Epoch, error)
	Inspect(ctx context.Context) (limiterstore.Inspection, error)
	Begin(ctx context.Context, seen limiterv1.Epoch, number int64, runs []string) error
	Complete(ctx context.Context, number int64, runs []string, seen limiterstore.Marks) error
	Refuse(ctx context.Context, reason string) error
	Announced(ctx context.Context, number int64) (map[string]bool, error)
	Raise(ctx context.Context, seen, marks limiterstore.Marks) error
	KeepTime(ctx context.Context) error
}

// Enforcers are the enforcers that work under the epoch.
type Enforcers interface {
	Fleet(ctx context.Context) (limiterstore.Fleet, error)
}

// Calls are the open and settled calls of sessions in Redis.
type Calls interface {
	OpenCalls
	Announce(ctx context.Context, number int64, session string, calls map[uint32]map[string][]byte) error
	Drop(ctx context.Context, shard uint32, session string, ids ...string) error
}

// Numbers is what Postgres knows of epochs: their numbers, the sessions and what they have
// announced there, and the high-water marks.
type Numbers interface {
	Last(ctx context.Context) (int64, error)
	Next(ctx context.Context, seen int64) (int64, error)
	Begin(ctx context.Context, number int64) error
	Complete(ctx context.Context, number int64) error
	Sessions(ctx context.Context, within time.Duration) (live map[string]time.Duration, left []string, err error)
	Left(ctx context.Context) (map[string]bool, error)
	Announced(ctx context.Context, number int64) ([]string, error)
	AnnouncedCalls(ctx context.Context, number int64, session string, take func(shard uint32, id string, record []byte)) error
	ForgetBefore(ctx context.Context, number int64) error
	Marks(ctx context.Context) (map[uint32]int64, error)
	KeepMarks(ctx context.Context, marks map[uint32]int64) error
}

// LedgerReader reads the ledger.
type LedgerReader interface {
	Read(ctx context.Context, read func(budgetstore.LedgerSnapshot) error) error
}

// Turn decides which manager rebuilds.
type Turn interface {
	// Take takes the turn, or keeps it, and reports whether it is this manager's.
	Take(ctx context.Context) (bool, error)
	// End lets another manager have it.
	End(ctx context.Context) error
}

// Rebuilder begins a new epoch whenever Redis cannot be trusted with the old one.
//
// It works in every manager, and one of them rebuilds. Postgres decides which one, so
// that nothing depends on the API server. Should two rebuild nevertheless, because one
// was paused in the middle of it, the one with the newer epoch wins.
type Rebuilder struct {
	epochs    Epochs
	enforcers Enforcers
	calls     Calls
	numbers   Numbers
	ledger    LedgerReader
	turn      Turn
	// configuration is restored together with the counters.
	configuration *configuration
	// leads is closed once this manager leads. The leader rebuilds first; other managers do if
	// it does not.
	leads <-chan struct{}
	// looks is how many looks in a row have found something to rebuild.
	looks int

	// last is the number of the newest epoch that became valid, as far as this manager knows;
	// -1 before Postgres was asked.
	last int64
	// known is the number of the newest epoch that an enforcer knows. If it is newer than the
	// epoch in Redis, the data of Redis has gone back.
	known int64
	// sessions are the sessions whose announcements a rebuild waits for.
	sessions sessions
	// marks are the high-water marks of the data, and keptAt is when Postgres was last told.
	marks  limiterstore.Marks
	keptAt time.Time
	// timeKeptAt is when the limiter's time was last moved on.
	timeKeptAt time.Time
	// failure is what was logged last.
	failure string
}

// RebuilderOptions are what a Rebuilder works with.
type RebuilderOptions struct {
	Epochs         Epochs
	Enforcers      Enforcers
	Calls          Calls
	Numbers        Numbers
	Ledger         LedgerReader
	Turn           Turn
	Configurations Configurations
	Recounter      *Recounter
	// Leads is closed once this manager leads.
	Leads <-chan struct{}
}

// NewRebuilder makes a Rebuilder.
func NewRebuilder(o RebuilderOptions) *Rebuilder {
	return &Rebuilder{
		epochs: o.Epochs, enforcers: o.Enforcers, calls: o.Calls, numbers: o.Numbers, ledger: o.Ledger, turn: o.Turn,
		configuration: newConfiguration(o.Configurations, o.Recounter), leads: o.Leads, last: -1,
	}
}

// NeedLeaderElection lets every manager work: one that cannot reach the API server does not
// lead, and is needed nevertheless.
func (r *Rebuilder) NeedLeaderElection() bool { return false }

// Start works until ctx ends.
func (r *Rebuilder) Start(ctx context.Context) error {
	defer r.configuration.stop()
	for {
		err := r.look(ctx)
		r.note(ctx, err)
		pause := lookEvery
		if errors.Is(err, errLost) {
			pause = announceEvery
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// note logs a failure unless the last look failed in the same way.
func (r *Rebuilder) note(ctx context.Context, err error) {
	failure := ""
	if err != nil {
		failures.Inc()
		epochValid.Set(0)
		failure = err.Error()
	}
	if failure != r.failure && failure != "" && ctx.Err() == nil {
		log.FromContext(ctx).Error(err, "Failed to check the limiter's state")
	}
	r.failure = failure
}

// look looks at Redis, and rebuilds the epoch if it has to be.
func (r *Rebuilder) look(ctx context.Context) error {
	lookCtx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	r.hearPostgres(lookCtx)
	// The fleet is read before the epoch. In the other order, Redis could lose its data in
	// between, and an empty fleet would be believed because of the epoch that was there before.
	fleet, err := r.enforcers.Fleet(lookCtx)
	if err != nil {
		return err // a Redis that does not answer admits nothing
	}
	// Postgres is read before the epoch, too. Other managers go on meanwhile: in the other
	// order, Redis could seem to have gone back.
	if err := r.recall(lookCtx); err != nil {
		return err
	}
	found, err := r.epochs.Inspect(lookCtx)
	if err != nil {
		return err
	}
	noteLook(found)
	r.known = newest(fleet)
	unfit := Unfit(found.Servers)
	isValid := found.Epoch.Number >= max(r.last, r.known) && found.Whole() && !found.Marks.Behind(r.marks)
	if unfit == "" && isValid {
		r.last = found.Epoch.Number
		r.remember(fleet)
		if err := r.raise(lookCtx, found.Marks, found.Marks, 1); err != nil {
			return err
		}
		if err := r.keepTime(lookCtx); err != nil {
			return err
		}
		if err := r.configuration.remember(lookCtx); !errors.Is(err, limiterstore.ErrConfigurationLost) {
			r.looks = 0
			return err
		}
	}
	if mine, err := r.takeTurn(lookCtx); err != nil || !mine {
		return err
	}
	defer func() { _ = r.turn.End(context.WithoutCancel(lookCtx)) }() // if this fails, the turn expires
	switch {
	case unfit != "":
		return r.epochs.Refuse(lookCtx, unfit)
	case isValid: // only the configuration is lost
		return r.configuration.restore(lookCtx)
	}
	ctx, cancelRebuild := context.WithTimeout(ctx, rebuildTimeout)
	defer cancelRebuild()
	err = r.rebuild(ctx, found)
	if errors.Is(err, limiterstore.ErrSuperseded) {
		return r.superseded(ctx)
	}
	return err
}

// recall reads what Postgres knows of the limiter, once.
func (r *Rebuilder) recall(ctx context.Context) error {
	if r.last >= 0 {
		return nil
	}
	last, err := r.numbers.Last(ctx)
	if err != nil {
		return err
	}
	marks, err := r.numbers.Marks(ctx)
	if err != nil {
		return err
	}
	r.last, r.marks = last, marks
	return nil
}

// raise raises the high-water marks of the data above those that were found, and remembers
// them: here at once, and in Postgres now and then, for another manager. It fails where
// one is lower than it was seen.
func (r *Rebuilder) raise(ctx context.Context, seen, found limiterstore.Marks, by int64) error {
	marks := found.Above(r.marks, by)
	if err := r.epochs.Raise(ctx, seen, marks); err != nil {
		return err
	}
	r.marks = marks
	if time.Since(r.keptAt) < keepMarksEvery {
		return nil
	}
	r.keptAt = time.Now() // Postgres may be away, which is reported elsewhere
	_ = r.numbers.KeepMarks(ctx, marks)
	return nil
}

// keepTime moves the limiter's time on, now and then.
func (r *Rebuilder) keepTime(ctx context.Context) error {
	if time.Since(r.timeKeptAt) < keepTimeEvery {
		return nil
	}
	r.timeKeptAt = time.Now()
	return r.epochs.KeepTime(ctx)
}

// superseded returns nil when another manager has rebuilt the limiter or is about to, and
// errLost when Redis has lost the epoch.
func (r *Rebuilder) superseded(ctx context.Context) error {
	epoch, err := r.epochs.Current(ctx)
	if err == nil && epoch.Number == 0 {
		err = errLost
	}
	return err
}

// takeTurn takes the turn to rebuild. A manager that does not lead leaves the first look to the
// leader, where the controllers work.
func (r *Rebuilder) takeTurn(ctx context.Context) (bool, error) {
	r.looks++
	select {
	case <-r.leads:
	default:
		if r.looks == 1 {
			return false, nil
		}
	}
	return r.turn.Take(ctx)
}

// Unfit says why servers must not be trusted with money; empty if they may be.
func Unfit(servers []redisclient.Server) string {
	for _, server := range servers {
		switch {
		case server.Version < oldestVersion:
			return fmt.Sprintf("Redis %d is too old: Bursar needs version %d or newer", server.Version, oldestVersion)
		case server.Policy != "noeviction":
			return fmt.Sprintf("maxmemory-policy of Redis is %q, which may evict counters: set it to noeviction", server.Policy)
		}
	}
	return ""
}

// remember remembers the sessions that live under a valid epoch, and forgets all others.
func (r *Rebuilder) remember(fleet limiterstore.Fleet) {
	r.sessions.complete = true
	r.sessions.redis.forgetAll()
	r.sessions.redis.take(fleet.Silent, time.Now())
	r.sessions.postgres.forgetOver()
}

// newest is the newest epoch that an enforcer knows.
func newest(fleet limiterstore.Fleet) (number int64) {
	for _, state := range fleet.Sessions {
		number = max(number, state.Epoch)
	}
	return number
}

// hearPostgres takes in which sessions Postgres says live and which have left. If Postgres does
// not answer, nothing changes.
func (r *Rebuilder) hearPostgres(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, postgresTimeout)
	defer cancel()
	live, left, err := r.numbers.Sessions(ctx, limiterv1.SessionLife)
	if err != nil {
		return
	}
	r.sessions.postgres.take(live, time.Now())
	r.sessions.postgres.forget(left...)
	r.sessions.redis.forget(left...)
}
