package limiterstore

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

var (
	//go:embed close_tenant.lua
	closeTenantLua string
	//go:embed set_counters.lua
	setCountersLua string

	closeTenantScript = redis.NewScript(closeTenantLua)
	setCountersScript = redis.NewScript(setCountersLua)
)

// TenantCounters are the counters of one tenant of a budget tree under an epoch.
type TenantCounters struct {
	Root, Tenant string
	Epoch        limiterv1.Epoch
}

func (t TenantCounters) key() string { return limiterv1.TenantCountersKey(t.Root, t.Tenant) }

// Closed is a tenant whose counters nothing changes, until it is opened.
type Closed struct {
	TenantCounters
	store  *Store
	ticket string
	// Missing is what has to be set.
	Missing []string
}

// validField is the field that says that the counters of something are valid.
func validField(what string) string { return "valid:" + what }

// CloseTenant closes a tenant some of whose wanted counters are not valid under the
// epoch. It returns nil when all are, and the tenant is open. own says that nothing
// else but what is wanted is counted.
func (s *Store) CloseTenant(ctx context.Context, tenant TenantCounters, own bool, wanted ...string) (*Closed, error) {
	closed := &Closed{TenantCounters: tenant, store: s, ticket: uuid.NewString()}
	args := []any{tenant.Epoch.Token(), closed.ticket, own}
	for _, what := range wanted {
		args = append(args, what)
	}
	answer, err := closeTenantScript.Run(ctx, s.client, []string{tenant.key()}, args...).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("close tenant %s: %w", tenant.Tenant, err)
	}
	switch answer[0] {
	case "open":
		return nil, nil
	case "superseded":
		return nil, ErrSuperseded
	}
	closed.Missing = answer[1:]
	return closed, nil
}

// Valid reports whether the tenant is open, and which of what is wanted is valid.
func (s *Store) Valid(ctx context.Context, tenant TenantCounters, wanted ...string) (open bool, valid []bool, err error) {
	fields := []string{limiterv1.EpochField}
	for _, what := range wanted {
		fields = append(fields, validField(what))
	}
	answer, err := s.client.HMGet(ctx, tenant.key(), fields...).Result()
	if err != nil {
		return false, nil, fmt.Errorf("read the counters of tenant %s: %w", tenant.Tenant, err)
	}
	for _, value := range answer[1:] {
		valid = append(valid, value != nil)
	}
	return answer[0] == tenant.Epoch.Token(), valid, nil
}

// SetUser sets counters of a user, which may be forgotten at a time.
func (c *Closed) SetUser(ctx context.Context, user string, counters map[string][]byte, forget time.Time) error {
	key := limiterv1.UserCountersKey(c.Root, c.Epoch, c.Tenant, user)
	return c.set(ctx, key, false, forget.UnixMilli(), fields(counters))
}

// Open sets counters of the tenant, says that what was set is valid, and opens the
// tenant. With nothing set it opens for calls that need only what was valid before.
func (c *Closed) Open(ctx context.Context, counters map[string][]byte, set ...string) error {
	values := fields(counters)
	for _, what := range set {
		values = append(values, validField(what), 1)
	}
	return c.set(ctx, c.key(), true, 0, values)
}

func (c *Closed) set(ctx context.Context, key string, open bool, forget int64, values []any) error {
	args := append([]any{c.Epoch.Token(), c.ticket, open, forget}, values...)
	done, err := setCountersScript.Run(ctx, c.store.client, []string{c.key(), key}, args...).Bool()
	if err == nil && !done {
		err = ErrSuperseded
	}
	if err != nil {
		return fmt.Errorf("set the counters of tenant %s: %w", c.Tenant, err)
	}
	return nil
}

func fields(counters map[string][]byte) []any {
	var values []any
	for field, counter := range counters {
		values = append(values, field, counter)
	}
	return values
}

// Call is a call that a session has open, or settled and perhaps not yet in the
// ledger.
type Call struct {
	Session string
	ID      string
	limiterv1.CallRecord
}

// Calls are the calls in a shard of all sessions that there are or, if they are
// dead, that have left some; and the time, by the clock that periods turn by.
func (s *Store) Calls(ctx context.Context, shard uint32) (calls []Call, now time.Time, err error) {
	sessions, err := s.Sessions(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	pipe := s.client.Pipeline()
	records := make([]*redis.MapStringStringCmd, len(sessions))
	for i, session := range sessions {
		records[i] = pipe.HGetAll(ctx, limiterv1.CallsKey(shard, session))
	}
	clock := pipe.Time(ctx)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, time.Time{}, fmt.Errorf("read the calls of shard %d: %w", shard, err)
	}
	for i, session := range sessions {
		calls = append(calls, decodeCalls(session, records[i].Val())...)
	}
	return calls, clock.Val().UTC(), nil
}

// decodeCalls are the calls of a session.
func decodeCalls(session string, records map[string]string) (calls []Call) {
	for id, raw := range records {
		record, err := limiterv1.DecodeCallRecord([]byte(raw))
		if err != nil {
			continue // the mark of a dead session, or what nobody can read
		}
		calls = append(calls, Call{Session: session, ID: id, CallRecord: record})
	}
	return calls
}

// Sessions are all sessions that may have calls in Redis, live or dead.
func (s *Store) Sessions(ctx context.Context) ([]string, error) {
	sessions, err := s.client.ZRange(ctx, limiterv1.SessionsKey, 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("read the sessions: %w", err)
	}
	announced, err := s.client.HKeys(ctx, limiterv1.AnnouncedKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read the sessions: %w", err)
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

// Drop drops calls of a session that the ledger has.
func (s *Store) Drop(ctx context.Context, shard uint32, session string, ids ...string) error {
	if err := s.client.HDel(ctx, limiterv1.CallsKey(shard, session), ids...).Err(); err != nil {
		return fmt.Errorf("drop calls of session %s: %w", session, err)
	}
	return nil
}
