package session

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
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

// Session is one life of one enforcer.
type Session struct {
	id      string
	client  redis.UniversalClient
	config  Config
	log     *slog.Logger
	host    string
	started time.Time
	lost    bool
}

// New makes a session, of which nobody knows before it runs.
func New(client redis.UniversalClient, config Config, log *slog.Logger) *Session {
	host, _ := os.Hostname() // only for people to read; empty will do
	return &Session{
		id: uuid.NewString(), client: client, config: config, log: log,
		host: host, started: time.Now().UTC(),
	}
}

// ID is unique for all time.
func (s *Session) ID() string { return s.id }

// Run says that the session lives, at once, with every limiterv1.Heartbeat, and
// whenever what is run has changed, until ctx ends. The session is not over then:
// see Leave.
func (s *Session) Run(ctx context.Context) {
	tick := time.NewTicker(limiterv1.Heartbeat)
	defer tick.Stop()
	for {
		err := s.beat(ctx)
		if ctx.Err() != nil {
			return
		}
		s.noteFailure(err)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.config.Changed():
		}
	}
}

// noteFailure logs when beats begin to fail, and when they are heard again.
func (s *Session) noteFailure(err error) {
	if failed := err != nil; failed != s.lost {
		s.lost = failed
		if failed {
			s.log.Error("the session's heartbeat is not heard", "session", s.id, "error", err)
		} else {
			s.log.Info("the session's heartbeat is heard again", "session", s.id)
		}
	}
}

func (s *Session) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, limiterv1.Heartbeat)
	defer cancel()
	running := s.config.Running()
	state, err := json.Marshal(limiterv1.SessionState{
		Incarnation: running.Incarnation, Revision: running.Revision,
		Started: s.started, Host: s.host,
	})
	if err != nil {
		return fmt.Errorf("encode the session's state: %w", err)
	}
	return beatScript.Run(ctx, s.client, s.keys(), s.id, state, limiterv1.FeedChannel, s.news()).Err()
}

// Leave ends the session: nobody waits for it any more. Run must have returned,
// and every hold of the session must have ended.
func (s *Session) Leave(ctx context.Context) error {
	if err := leaveScript.Run(ctx, s.client, s.keys(), s.id, limiterv1.FeedChannel, s.news()).Err(); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	return nil
}

func (s *Session) keys() []string {
	return []string{limiterv1.SessionsKey, limiterv1.SessionStatesKey}
}

func (s *Session) news() string { return limiterv1.FeedSession + " " + s.id }
