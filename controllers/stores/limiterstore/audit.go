package limiterstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// ErrBusy means that there is no moment at which everything could be read at once.
var ErrBusy = errors.New("too much changes, or is on its way to the ledger, to be read at once")

// mostAtOnce is how many calls are read at once.
const mostAtOnce = 20_000

// Snapshot is the counters of a tenant and of some users, and the calls in the shard
// that are not in the ledger or were not when they settled, all at one moment.
type Snapshot struct {
	// Now is that moment, by the clock that periods turn by.
	Now time.Time
	// Tenant are counters by their fields, Users those of users by their names; one
	// that never counted is absent.
	Tenant map[string]limiterv1.MoneyCounter
	Users  map[string]map[string]limiterv1.MoneyCounter
	Calls  []Call
	// Broken counts what scripts found broken in the counters of the tenant and of its
	// users, and mended, by "<kind>:<field>".
	Broken map[string]int64
}

// brokenPrefix begins the fields of a tenant's counters that count what was broken.
const brokenPrefix = "broken:"

// decodeBroken are the counts among the fields of a tenant's counters.
func decodeBroken(fields map[string]string) map[string]int64 {
	broken := map[string]int64{}
	for field, value := range fields {
		if what, is := strings.CutPrefix(field, brokenPrefix); is {
			broken[what], _ = strconv.ParseInt(value, 10, 64) // the scripts' own HINCRBY: else as good as none
		}
	}
	return broken
}

// TenantNames are the tenants that have a document, in no order.
func (s *Store) TenantNames(ctx context.Context) ([]string, error) {
	ids, err := s.client.HKeys(ctx, limiterv1.DocumentsKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read the names of tenants: %w", err)
	}
	var names []string
	for _, id := range ids {
		if name, isTenant := strings.CutPrefix(id, string(limiterv1.TenantDocument)+"/"); isTenant {
			names = append(names, name)
		}
	}
	return names, nil
}

// Tenant is the document of a tenant, if it has one.
func (s *Store) Tenant(ctx context.Context, name string) (document limiterv1.Tenant, found bool, err error) {
	observed, err := s.Observe(ctx, limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: name})
	if err != nil || observed.Revision == 0 {
		return limiterv1.Tenant{}, false, err
	}
	if err := json.Unmarshal(observed.Body, &document); err != nil {
		return limiterv1.Tenant{}, false, fmt.Errorf("document of tenant %s: %w", name, err)
	}
	return document, true, nil
}

// Time is the clock that periods turn by.
func (s *Store) Time(ctx context.Context) (time.Time, error) {
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return time.Time{}, fmt.Errorf("read the time: %w", err)
	}
	return now.UTC(), nil
}

// findingsKey is a hash: tenant -> what audits have found of its counters. It is the
// control plane's own.
const findingsKey = "bursar:{config}:audit-findings"

// Findings are what audits have found, by tenant.
func (s *Store) Findings(ctx context.Context) (map[string][]byte, error) {
	kept, err := s.client.HGetAll(ctx, findingsKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read what audits have found: %w", err)
	}
	findings := map[string][]byte{}
	for tenant, raw := range kept {
		findings[tenant] = []byte(raw)
	}
	return findings, nil
}

// KeepFindings keeps what an audit has found of a tenant, in the place of what there
// was; nil for nothing.
func (s *Store) KeepFindings(ctx context.Context, tenant string, findings []byte) error {
	var err error
	if findings == nil {
		err = s.client.HDel(ctx, findingsKey, tenant).Err()
	} else {
		err = s.client.HSet(ctx, findingsKey, tenant, findings).Err()
	}
	if err != nil {
		return fmt.Errorf("keep what an audit has found: %w", err)
	}
	return nil
}

// Snapshot reads fields of the counters of a tenant in the budget tree with the root,
// and of its users. It is ErrNotValid when the counters are being set, and ErrBusy when
// they cannot be read at one moment.
func (s *Store) Snapshot(ctx context.Context, root, tenant string, fields []string, users []string, userFields []string) (Snapshot, error) {
	shard := limiterv1.Shard(root)
	token, err := s.client.HGet(ctx, limiterv1.TenantCountersKey(root, tenant), limiterv1.EpochField).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return Snapshot{}, fmt.Errorf("read counters of tenant %s: %w", tenant, err)
	}
	sessions, err := s.readable(ctx, shard)
	if err != nil {
		return Snapshot{}, err
	}
	pipe := s.client.TxPipeline()
	asked := append([]any{limiterv1.EpochField}, anys(fields)...)
	ofTenant := pipe.Eval(ctx, countersLua, []string{limiterv1.TenantCountersKey(root, tenant)}, asked...)
	all := pipe.HGetAll(ctx, limiterv1.TenantCountersKey(root, tenant))
	ofUsers := make([]*redis.SliceCmd, len(users))
	if len(userFields) > 0 {
		for i, user := range users {
			ofUsers[i] = pipe.HMGet(ctx, userCountersKey(root, token, tenant, user), userFields...)
		}
	}
	records := make([]*redis.MapStringStringCmd, len(sessions))
	for i, session := range sessions {
		records[i] = pipe.HGetAll(ctx, limiterv1.CallsKey(shard, session))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return Snapshot{}, fmt.Errorf("read counters and calls of tenant %s: %w", tenant, err)
	}
	after, err := s.Sessions(ctx)
	if err != nil {
		return Snapshot{}, err
	}
	answer := ofTenant.Val().([]any)
	switch now, _ := answer[1].(string); {
	case now != token || !isNumber(token):
		return Snapshot{}, fmt.Errorf("tenant %s: %w", tenant, ErrNotValid)
	case !sameNames(sessions, after):
		return Snapshot{}, ErrBusy // one that came has calls that were not read
	}
	milliseconds, _ := answer[0].(int64)
	snapshot := Snapshot{Now: time.UnixMilli(milliseconds).UTC(), Users: map[string]map[string]limiterv1.MoneyCounter{}}
	snapshot.Broken = decodeBroken(all.Val())
	snapshot.Tenant = decodeCounters(fields, answer[2:])
	for i, user := range users {
		if ofUsers[i] != nil {
			snapshot.Users[user] = decodeCounters(userFields, ofUsers[i].Val())
		}
	}
	for i, session := range sessions {
		snapshot.Calls = append(snapshot.Calls, decodeCalls(session, records[i].Val())...)
	}
	return snapshot, nil
}

// readable are the sessions, if the calls that they have in a shard can be read at once.
func (s *Store) readable(ctx context.Context, shard uint32) ([]string, error) {
	sessions, err := s.Sessions(ctx)
	if err != nil {
		return nil, err
	}
	pipe := s.client.Pipeline()
	sizes := make([]*redis.IntCmd, len(sessions))
	for i, session := range sessions {
		sizes[i] = pipe.HLen(ctx, limiterv1.CallsKey(shard, session))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("count the calls of shard %d: %w", shard, err)
	}
	var calls int64
	for _, size := range sizes {
		calls += size.Val()
	}
	if calls > mostAtOnce {
		return nil, ErrBusy
	}
	return sessions, nil
}

func sameNames(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// decodeCounters are those of the values that are counters.
func decodeCounters(fields []string, values []any) map[string]limiterv1.MoneyCounter {
	counters := map[string]limiterv1.MoneyCounter{}
	for i, field := range fields {
		raw, _ := values[i].(string)
		if counter, err := limiterv1.DecodeMoneyCounter([]byte(raw)); err == nil {
			counters[field] = counter
		}
	}
	return counters
}

func anys(values []string) []any {
	all := make([]any, len(values))
	for i, value := range values {
		all[i] = value
	}
	return all
}

// userCountersKey is limiterv1.UserCountersKey under the epoch with the token.
func userCountersKey(root, token, tenant, user string) string {
	number, _ := strconv.ParseInt(token, 10, 64)
	return limiterv1.UserCountersKey(root, limiterv1.Epoch{Number: number}, tenant, user)
}
