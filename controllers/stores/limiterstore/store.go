package limiterstore

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

var (
	//go:embed put.lua
	putLua string
	//go:embed withdraw.lua
	withdrawLua string
	//go:embed observe.lua
	observeLua string
	//go:embed counters.lua
	countersLua string

	putScript      = redis.NewScript(putLua)
	withdrawScript = redis.NewScript(withdrawLua)
	observeScript  = redis.NewScript(observeLua)
	countersScript = redis.NewScript(countersLua)
)

// Store writes configuration into Redis and reads what has become of it.
type Store struct {
	client redis.UniversalClient
	// term is nil where there is nobody else that might lead.
	term *term
}

// New makes a Store on one Redis, on Sentinel or on Cluster. To change documents it is
// for who is alone; managers of which one leads have NewLeader.
func New(client redis.UniversalClient) *Store { return &Store{client: client} }

// Put stores a document and returns the revision that contains it: a new one, or
// the one it has when its body is what is stored already.
func (s *Store) Put(ctx context.Context, id limiterv1.DocumentID, document any) (revision int64, err error) {
	body, err := json.Marshal(document)
	if err != nil {
		return 0, fmt.Errorf("encode document %s: %w", id, err)
	}
	keys := []string{limiterv1.DocumentsKey, limiterv1.ChangesKey, limiterv1.RevisionKey, limiterv1.IncarnationKey}
	answer, err := s.change(ctx, putScript, keys,
		id.String(), body, uuid.NewString(), limiterv1.ConfigChannel).Int64Slice()
	if err != nil {
		return 0, fmt.Errorf("put document %s: %w", id, err)
	}
	if isNew := answer[1] == 1; isNew {
		changes.WithLabelValues(string(id.Kind), "put").Inc()
	}
	return answer[0], nil
}

// Withdraw removes a document if the object with the UID is the first of its
// sources, and reports whether it did. A document of another object, which has
// taken over the name, stays.
func (s *Store) Withdraw(ctx context.Context, id limiterv1.DocumentID, uid string) (bool, error) {
	keys := []string{limiterv1.DocumentsKey, limiterv1.ChangesKey, limiterv1.RevisionKey, limiterv1.ProbeAnswersKey}
	tenant := ""
	if id.Kind == limiterv1.TenantDocument {
		tenant = id.Name
	}
	withdrawn, err := s.change(ctx, withdrawScript, keys, id.String(), uid, limiterv1.ConfigChannel, tenant).Bool()
	if err != nil {
		return false, fmt.Errorf("withdraw document %s: %w", id, err)
	}
	if withdrawn {
		changes.WithLabelValues(string(id.Kind), "withdraw").Inc()
	}
	return withdrawn, nil
}

// Fleet is the live enforcers at one moment.
type Fleet struct {
	// Incarnation is the life of the configuration that counts; empty when nothing
	// was ever put.
	Incarnation string
	// Epoch is the epoch as it stands in Redis, to be compared alone.
	Epoch string
	// Sessions are the live sessions by their ids. A state that a session has not
	// reported, or that cannot be read, is zero.
	Sessions map[string]limiterv1.SessionState
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

// Observation is a document and the enforcers that are to run it, at one moment.
type Observation struct {
	Fleet
	// Revision is that of the document; zero when there is none.
	Revision int64
	// Sources are the objects that the document was compiled from.
	Sources []limiterv1.Source
	// Body is the document's JSON.
	Body []byte
}

// OwnedBy reports whether the object with the UID is the one that put the document.
func (o Observation) OwnedBy(uid string) bool {
	return len(o.Sources) > 0 && o.Sources[0].UID == uid
}

// Contains reports whether the document was compiled from the generation of the
// object with the UID, and in no part from another.
func (o Observation) Contains(uid string, generation int64) bool {
	isOther := func(s limiterv1.Source) bool { return s.UID == uid && s.Generation != generation }
	return o.From(uid) && !slices.ContainsFunc(o.Sources, isOther)
}

// Applies reports whether the tenant's own part of the document, rather than what it
// inherits, was compiled from the object with the UID.
func (o Observation) Applies(uid string) bool {
	for i, source := range o.Sources {
		if i > 0 && source.Kind == o.Sources[0].Kind {
			return false // the first of an ancestor's part
		}
		if source.UID == uid {
			return true
		}
	}
	return false
}

// From reports whether the document was compiled from any generation of the object
// with the UID.
func (o Observation) From(uid string) bool {
	return slices.ContainsFunc(o.Sources, func(s limiterv1.Source) bool { return s.UID == uid })
}

// Fleet reads the live enforcers.
func (s *Store) Fleet(ctx context.Context) (Fleet, error) {
	observation, err := s.observe(ctx, "")
	return observation.Fleet, err
}

// Observe reads a document and the live enforcers. What a leader has observed, no other
// manager changes as long as it leads.
func (s *Store) Observe(ctx context.Context, id limiterv1.DocumentID) (Observation, error) {
	if _, err := s.begun(ctx, ""); err != nil {
		return Observation{}, err
	}
	return s.observe(ctx, id.String())
}

func (s *Store) observe(ctx context.Context, id string) (Observation, error) {
	keys := []string{limiterv1.SessionsKey, limiterv1.SessionStatesKey, limiterv1.IncarnationKey,
		limiterv1.DocumentsKey, limiterv1.EpochKey}
	answer, err := observeScript.Run(ctx, s.client, keys, limiterv1.SessionLife.Milliseconds(), id).StringSlice()
	if err != nil {
		return Observation{}, fmt.Errorf("read configuration and sessions: %w", err)
	}
	observation, err := document(answer[2])
	if err != nil {
		return Observation{}, fmt.Errorf("document %s: %w", id, err)
	}
	observation.Incarnation, observation.Epoch = answer[0], answer[1]
	observation.Sessions = map[string]limiterv1.SessionState{}
	for i := 3; i+1 < len(answer); i += 2 {
		var state limiterv1.SessionState
		if json.Unmarshal([]byte(answer[i+1]), &state) != nil {
			// It lives, and nobody can say what it runs: it counts as running nothing.
			state = limiterv1.SessionState{}
		}
		observation.Sessions[answer[i]] = state
	}
	return observation, nil
}

// document reads "<revision> <body>".
func document(stored string) (Observation, error) {
	if stored == "" {
		return Observation{}, nil
	}
	number, body, _ := strings.Cut(stored, " ")
	revision, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return Observation{}, fmt.Errorf("revision %q: %w", number, err)
	}
	var head struct {
		Sources []limiterv1.Source `json:"sources"`
	}
	if err := json.Unmarshal([]byte(body), &head); err != nil {
		return Observation{}, fmt.Errorf("body: %w", err)
	}
	return Observation{Revision: revision, Sources: head.Sources, Body: []byte(body)}, nil
}

// Counters are money counters of a tenant at one moment.
type Counters struct {
	// Now is that moment, by the clock that periods turn by.
	Now time.Time
	// Money are the counters by their fields (limiterv1.MoneyField); one that never
	// counted is absent.
	Money map[string]limiterv1.MoneyCounter
}

// ErrNotValid means that the counters of a tenant are being set, or wait for that.
var ErrNotValid = errors.New("the counters are not set yet")

// Counters reads the counters of a tenant's own money limits, in the budget tree
// with the root. It is ErrNotValid when they are not valid, whatever they say.
func (s *Store) Counters(ctx context.Context, root, tenant string, limits ...limiterv1.MoneyLimit) (Counters, error) {
	fields := []any{limiterv1.EpochField}
	for _, limit := range limits {
		fields = append(fields, limiterv1.MoneyField(limit))
	}
	answer, err := countersScript.Run(ctx, s.client, []string{limiterv1.TenantCountersKey(root, tenant)}, fields...).Slice()
	if err != nil {
		return Counters{}, fmt.Errorf("read counters of tenant %s: %w", tenant, err)
	}
	if epoch, _ := answer[1].(string); !isNumber(epoch) {
		return Counters{}, fmt.Errorf("tenant %s: %w", tenant, ErrNotValid)
	}
	now, _ := answer[0].(int64)
	counters, err := countersOf(tenant, answer[2:], limits)
	if err != nil {
		return Counters{}, err
	}
	return Counters{Now: time.UnixMilli(now).UTC(), Money: counters}, nil
}

// countersOf are the counters of limits, by their fields, from what Redis has of each.
func countersOf(tenant string, values []any, limits []limiterv1.MoneyLimit) (map[string]limiterv1.MoneyCounter, error) {
	counters := map[string]limiterv1.MoneyCounter{}
	for i, limit := range limits {
		raw, _ := values[i].(string)
		if raw == "" {
			continue
		}
		counter, err := limiterv1.DecodeMoneyCounter([]byte(raw))
		if err != nil {
			return nil, fmt.Errorf("counter of tenant %s, limit %s: %w", tenant, limit.Name, err)
		}
		counters[limiterv1.MoneyField(limit)] = counter
	}
	return counters, nil
}

// UserCounters reads the counters that users of a tenant have of limits of each user,
// by user and field, under the epoch that is open. It is ErrNotValid when none is.
func (s *Store) UserCounters(
	ctx context.Context, root, tenant string, users []string, limits ...limiterv1.MoneyLimit,
) (map[string]map[string]limiterv1.MoneyCounter, error) {
	epoch, err := s.Epoch(ctx)
	if err != nil {
		return nil, err
	}
	if epoch.State != limiterv1.EpochOpen {
		return nil, fmt.Errorf("users of tenant %s: %w", tenant, ErrNotValid)
	}
	var fields []string
	for _, limit := range limits {
		fields = append(fields, limiterv1.MoneyField(limit))
	}
	answers := make([]*redis.SliceCmd, len(users))
	_, err = s.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, user := range users {
			answers[i] = pipe.HMGet(ctx, limiterv1.UserCountersKey(root, epoch, tenant, user), fields...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read counters of users of tenant %s: %w", tenant, err)
	}
	counters := map[string]map[string]limiterv1.MoneyCounter{}
	for i, user := range users {
		if counters[user], err = countersOf(tenant, answers[i].Val(), limits); err != nil {
			return nil, err
		}
	}
	return counters, nil
}

// Now is the time by the clock that the periods of a budget tree turn by.
func (s *Store) Now(ctx context.Context, root string) (time.Time, error) {
	keys := []string{limiterv1.TenantCountersKey(root, root)}
	answer, err := countersScript.Run(ctx, s.client, keys, limiterv1.EpochField).Slice()
	if err != nil {
		return time.Time{}, fmt.Errorf("read the clock: %w", err)
	}
	now, _ := answer[0].(int64)
	return time.UnixMilli(now).UTC(), nil
}

func isNumber(s string) bool {
	_, err := strconv.ParseInt(s, 10, 64)
	return err == nil
}

// Ping reports whether Redis answers.
func (s *Store) Ping(ctx context.Context) error { return s.client.Ping(ctx).Err() }
