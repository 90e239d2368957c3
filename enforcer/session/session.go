package session

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/config"
)

var (
	//go:embed beat.lua
	beatLua string
	//go:embed leave.lua
	leaveLua string

	beatScript  = redis.NewScript(beatLua)
	leaveScript = redis.NewScript(leaveLua)
)

// Config says what is run, and when that has changed.
type Config interface {
	Running() config.Running
	Changed() <-chan struct{}
}

// Reports say what was seen of the providers, and when that has changed.
type Reports interface {
	Reports() map[string]limiterv1.ProviderReport
	Changed() <-chan struct{}
}

// Session is one life of one enforcer. A process that has slept for so long that it
// was declared dead begins another.
type Session struct {
	id     atomic.Pointer[string]
	client redis.UniversalClient
	// begun is called with the id of every life once others know of it and can adopt what it
	// leaves behind. Calls may be admitted only from then on.
	begun  func(id string)
	known  bool
	config Config
	// epoch is the number of the newest epoch that is known.
	epoch func() int64
	// reports say what was seen of the providers; nil reports nothing.
	reports Reports
	// catchUp reads the configuration to its end; nil does nothing.
	catchUp func(context.Context) error
	// ledger returns why the ledger cannot be written to; nil reports nothing.
	ledger  func() limiterv1.LedgerTrouble
	log     *slog.Logger
	host    string
	started time.Time
	lost    bool
}

// New makes a session. It is not announced before it runs and has a configuration.
// It then calls begun with its id, and again with the id of each life that follows. epoch
// is the number of the newest epoch that this process knows.
func New(client redis.UniversalClient, config Config, epoch func() int64, begun func(id string), log *slog.Logger) *Session {
	host, _ := os.Hostname() // only for people to read; empty will do
	s := &Session{client: client, config: config, epoch: epoch, begun: begun, log: log, host: host, started: time.Now().UTC()}
	s.beginAnew()
	return s
}

// Report makes the session tell what was seen of the providers, too. It is called before Run.
func (s *Session) Report(reports Reports) { s.reports = reports }

// ReportLedger makes the session tell why the ledger cannot be written to, too. It is called
// before Run.
func (s *Session) ReportLedger(trouble func() limiterv1.LedgerTrouble) { s.ledger = trouble }

// CatchUpWith sets the function that reads the configuration to its end before a life begins. Once the
// control plane knows of a session, it waits for the session to run its changes; a session that has slept
// may have missed earlier ones. CatchUpWith is called before Run.
func (s *Session) CatchUpWith(catchUp func(context.Context) error) { s.catchUp = catchUp }

// ID is unique for all time.
func (s *Session) ID() string { return *s.id.Load() }

func (s *Session) beginAnew() {
	id := uuid.NewString()
	s.id.Store(&id)
	s.known = false
}

// Run reports that the session lives, until ctx ends: as soon as it has a configuration, with
// every limiterv1.Heartbeat, and whenever there is something new to report. The session does
// not end with Run: see Leave.
func (s *Session) Run(ctx context.Context) {
	if !s.awaitConfig(ctx) {
		return
	}
	tick := time.NewTicker(limiterv1.Heartbeat)
	defer tick.Stop()
	for {
		err := s.beat(ctx)
		if ctx.Err() != nil {
			return
		}
		s.noteFailure(err)
		if errors.Is(err, errDead) {
			s.beginAnew()
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.config.Changed():
		case <-s.reported():
		}
	}
}

// reported receives when there is something new to report of the providers.
func (s *Session) reported() <-chan struct{} {
	if s.reports == nil {
		return nil
	}
	return s.reports.Changed()
}

// awaitConfig waits for the first configuration: an enforcer without one runs no revision,
// and Programmed conditions of all resources would wait for it while it starts.
func (s *Session) awaitConfig(ctx context.Context) bool {
	for s.config.Running().Incarnation == "" {
		select {
		case <-ctx.Done():
			return false
		case <-s.config.Changed():
		}
	}
	return true
}

// noteFailure logs when beats begin to fail, and when they are heard again.
func (s *Session) noteFailure(err error) {
	if failed := err != nil; failed != s.lost {
		s.lost = failed
		if failed {
			s.log.Error("failed to send the session's heartbeat", "session", s.ID(), "error", err)
		} else {
			s.log.Info("the session's heartbeat succeeds again", "session", s.ID())
		}
	}
}

var errDead = errors.New("this process was suspended for too long: its session was declared dead, and another enforcer adopts its calls")

func (s *Session) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, limiterv1.Heartbeat)
	defer cancel()
	running := s.config.Running()
	told := limiterv1.SessionState{
		Incarnation: running.Incarnation, Revision: running.Revision,
		Epoch: s.epoch(), Started: s.started, Host: s.host,
	}
	if s.reports != nil {
		told.Providers = s.reports.Reports()
	}
	if s.ledger != nil {
		told.Ledger = s.ledger()
	}
	state, err := json.Marshal(told)
	if err != nil {
		return fmt.Errorf("encode the session's state: %w", err)
	}
	keys := append(s.keys(), limiterv1.FenceKey(s.ID()))
	heard, err := beatScript.Run(ctx, s.client, keys, s.ID(), state, limiterv1.FeedChannel, s.news()).Bool()
	switch {
	case err != nil:
		return err
	case !heard:
		return errDead
	case !s.known:
		return s.begin(ctx)
	}
	return nil
}

// begin begins a life once others know of it.
func (s *Session) begin(ctx context.Context) error {
	if s.catchUp != nil {
		if err := s.catchUp(ctx); err != nil {
			return fmt.Errorf("read the configuration: %w", err)
		}
	}
	s.known = true
	s.begun(s.ID())
	return nil
}

// Leave removes the session from Redis, so that nothing waits for it any more. Run must have returned,
// and every hold of the session must have ended.
func (s *Session) Leave(ctx context.Context) error {
	if err := leaveScript.Run(ctx, s.client, s.keys(), s.ID(), limiterv1.FeedChannel, s.news()).Err(); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	return nil
}

func (s *Session) keys() []string {
	return []string{limiterv1.SessionsKey, limiterv1.SessionStatesKey}
}

func (s *Session) news() string { return limiterv1.FeedSession + " " + s.ID() }
