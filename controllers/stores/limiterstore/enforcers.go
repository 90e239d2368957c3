package limiterstore

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

//go:embed observe.lua
var observeLua string

var observeScript = redis.NewScript(observeLua)

// Enforcers are the sessions of enforcers that Redis knows of.
type Enforcers struct{ client redis.UniversalClient }

// NewEnforcers makes Enforcers.
func NewEnforcers(client redis.UniversalClient) *Enforcers { return &Enforcers{client: client} }

// Fleet is the live enforcers at one moment.
type Fleet struct {
	// Incarnation is the life of the configuration that counts; empty when nothing
	// was ever put.
	Incarnation string
	// Epoch is the epoch as it is stored in Redis, only to be compared.
	Epoch string
	// Sessions are the live sessions by their ids. A state that a session has not
	// reported, or that cannot be read, is zero.
	Sessions map[string]limiterv1.SessionState
	// Silent is the time since the last heartbeat of each of them.
	Silent map[string]time.Duration
}

// BetweenEpochs reports whether no epoch is valid, and one will be as soon as the limiter is rebuilt.
func (f Fleet) BetweenEpochs() bool {
	var epoch limiterv1.Epoch
	err := json.Unmarshal([]byte(f.Epoch), &epoch)
	return f.Epoch == "" || err == nil && epoch.State == limiterv1.EpochRebuilding
}

// Running is the number of live sessions that run the revision or a newer one,
// and of all live sessions.
func (f Fleet) Running(revision int64) (running, all int) {
	for _, state := range f.Sessions {
		if state.Incarnation == f.Incarnation && state.Revision >= revision {
			running++
		}
	}
	return running, len(f.Sessions)
}

// Reached is the newest revision that every live session runs; zero when there is none.
func (f Fleet) Reached() int64 {
	reached := int64(math.MaxInt64)
	for _, state := range f.Sessions {
		if state.Incarnation != f.Incarnation {
			return 0
		}
		reached = min(reached, state.Revision)
	}
	if len(f.Sessions) == 0 {
		return 0
	}
	return reached
}

// Fleet reads the live enforcers.
func (e *Enforcers) Fleet(ctx context.Context) (Fleet, error) {
	observation, err := observe(ctx, e.client, "")
	return observation.Fleet, err
}

// observe reads a document and the live enforcers at one moment.
func observe(ctx context.Context, client redis.UniversalClient, id string) (Observation, error) {
	keys := []string{limiterv1.SessionsKey, limiterv1.SessionStatesKey, limiterv1.IncarnationKey,
		limiterv1.DocumentsKey, limiterv1.EpochKey}
	answer, err := observeScript.Run(ctx, client, keys, limiterv1.SessionLife.Milliseconds(), id).StringSlice()
	if err != nil {
		return Observation{}, fmt.Errorf("read configuration and sessions: %w", unanswered(err))
	}
	observation, err := document(answer[2])
	if err != nil {
		return Observation{}, fmt.Errorf("document %s: %w", id, err)
	}
	observation.Incarnation, observation.Epoch = answer[0], answer[1]
	observation.Sessions, observation.Silent = map[string]limiterv1.SessionState{}, map[string]time.Duration{}
	for i := 3; i+2 < len(answer); i += 3 {
		var state limiterv1.SessionState
		if json.Unmarshal([]byte(answer[i+1]), &state) != nil {
			// It lives, and nobody can say what it runs: it counts as running nothing.
			state = limiterv1.SessionState{}
		}
		observation.Sessions[answer[i]] = state
		silent, _ := strconv.ParseInt(answer[i+2], 10, 64) // an unreadable one counts as just heard
		observation.Silent[answer[i]] = time.Duration(silent) * time.Millisecond
	}
	return observation, nil
}

// sessionsIn are all sessions that may have calls in Redis, live or dead.
func sessionsIn(ctx context.Context, client redis.UniversalClient) ([]string, error) {
	sessions, err := client.ZRange(ctx, limiterv1.SessionsKey, 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("read the sessions: %w", unanswered(err))
	}
	announced, err := client.HKeys(ctx, limiterv1.AnnouncedKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read the sessions: %w", unanswered(err))
	}
	known := map[string]bool{}
	for _, session := range sessions {
		known[session] = true
	}
	for _, session := range announced {
		if !known[session] {
			sessions = append(sessions, session)
		}
	}
	return sessions, nil
}
