package limiterstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

var (
	//go:embed suspend_tenant.lua
	suspendTenantLua string
	//go:embed set_counters.lua
	setCountersLua string
	//go:embed forget_tenant.lua
	forgetTenantLua string
	//go:embed advance.lua
	advanceLua string

	suspendTenantScript = redis.NewScript(suspendTenantLua)
	setCountersScript   = redis.NewScript(setCountersLua)
	forgetTenantScript  = redis.NewScript(forgetTenantLua)
	advanceScript       = redis.NewScript(limiterv1.ClockLua + advanceLua)
)

// TenantCounters are the counters of one tenant of a budget tree under an epoch.
type TenantCounters struct {
	Root, Tenant string
	Epoch        limiterv1.Epoch
}

func (t TenantCounters) key() string { return limiterv1.TenantCountersKey(t.Root, t.Tenant) }

// SuspendedTenant is a tenant whose counters nothing changes until it is resumed.
type SuspendedTenant struct {
	TenantCounters
	client redis.UniversalClient
	ticket string
	// Missing is what has to be set.
	Missing []string
}

// validField is the field that says that the counters of something are valid.
func validField(what string) string { return "valid:" + what }

// unknownPrefix begins the fields of a tenant's counters that name counters of owners of which
// the scripts have found an amount broken: the prefix, limiterv1.FieldOfAll, a NUL, the key.
const unknownPrefix = "unknown:"

// SuspendTenant suspends a tenant some of whose wanted counters are not valid under the
// epoch. It returns nil when all are, and the tenant is not suspended. own says that nothing
// else but what is wanted is counted. It is ErrSuperseded where Redis has another epoch, or
// has lost this one.
func (c *Counters) SuspendTenant(ctx context.Context, tenant TenantCounters, own bool, wanted ...string) (*SuspendedTenant, error) {
	suspended := &SuspendedTenant{TenantCounters: tenant, client: c.client, ticket: uuid.NewString()}
	args := []any{tenant.Epoch.Token(), suspended.ticket, own}
	for _, what := range wanted {
		args = append(args, what)
	}
	keys := []string{tenant.key(), limiterv1.ShardEpochKey(limiterv1.Shard(tenant.Root))}
	answer, err := suspendTenantScript.Run(ctx, c.client, keys, args...).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("suspend tenant %s: %w", tenant.Tenant, unanswered(err))
	}
	switch answer[0] {
	case "valid":
		return nil, nil
	case "superseded":
		return nil, ErrSuperseded
	}
	suspended.Missing = answer[1:]
	return suspended, nil
}

const (
	// formersField is the field of the roots of the trees from which a tenant has come, the last
	// one first, with betweenRoots between them.
	formersField = "formers"
	betweenRoots = ","
)

// Forget makes no counters of the tenant valid, since it was, or is about to be, counted in
// another tree; formers are the roots of those that it comes from. It is ErrSuperseded
// where Redis has another epoch, or has lost this one.
func (c *Counters) Forget(ctx context.Context, tenant TenantCounters, formers ...string) error {
	keys := []string{tenant.key(), limiterv1.ShardEpochKey(limiterv1.Shard(tenant.Root))}
	done, err := forgetTenantScript.Run(ctx, c.client, keys, tenant.Epoch.Token(), strings.Join(formers, betweenRoots)).Bool()
	if err = unanswered(err); err == nil && !done {
		err = ErrSuperseded
	}
	if err != nil {
		return fmt.Errorf("forget the counters of tenant %s: %w", tenant.Tenant, err)
	}
	return nil
}

// Formers are the roots of the trees from which the tenant has come, the last one first.
func (c *Counters) Formers(ctx context.Context, tenant TenantCounters) (roots []string, err error) {
	stored, err := c.client.HGet(ctx, tenant.key(), formersField).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("read where tenant %s comes from: %w", tenant.Tenant, unanswered(err))
	}
	return decodeFormers(stored), nil
}

func decodeFormers(stored string) []string {
	if stored == "" {
		return nil
	}
	return strings.Split(stored, betweenRoots)
}

// Valid reports whether the tenant's calls are admitted, which they are unless it is suspended,
// and which of what is wanted is valid.
func (c *Counters) Valid(ctx context.Context, tenant TenantCounters, wanted ...string) (admits bool, valid []bool, err error) {
	fields := []string{limiterv1.EpochField}
	for _, what := range wanted {
		fields = append(fields, validField(what))
	}
	answer, err := c.client.HMGet(ctx, tenant.key(), fields...).Result()
	if err != nil {
		return false, nil, fmt.Errorf("read the counters of tenant %s: %w", tenant.Tenant, unanswered(err))
	}
	for _, value := range answer[1:] {
		valid = append(valid, value != nil)
	}
	return answer[0] == tenant.Epoch.Token(), valid, nil
}

// UnknownOwners are the owners of whose counters an amount is unknown, by what of them has
// to be set.
func (c *SuspendedTenant) UnknownOwners(ctx context.Context) (map[string][]limiterv1.Owner, error) {
	fields, err := c.client.HKeys(ctx, c.key()).Result()
	if err != nil {
		return nil, fmt.Errorf("read the counters of tenant %s: %w", c.Tenant, err)
	}
	unknown := map[string][]limiterv1.Owner{}
	for _, field := range fields {
		what, key, _ := strings.Cut(strings.TrimPrefix(field, unknownPrefix), "\x00")
		owner, is := limiterv1.OwnerOfKey(c.Root, c.Epoch, c.Tenant, key)
		if is && strings.HasPrefix(field, unknownPrefix) {
			unknown[what] = append(unknown[what], owner)
		}
	}
	return unknown, nil
}

// SetOwner sets counters of an owner, which may be forgotten at a time.
func (c *SuspendedTenant) SetOwner(ctx context.Context, owner limiterv1.Owner, counters map[string][]byte, forget time.Time) error {
	key := limiterv1.CountersKey(c.Root, c.Epoch, c.Tenant, owner)
	return c.set(ctx, key, false, forget.UnixMilli(), fields(counters))
}

// Advance takes the limiter's time in the tenant's shard to a moment, unless it is later
// already.
func (c *SuspendedTenant) Advance(ctx context.Context, to time.Time) error {
	key := limiterv1.ClockKey(limiterv1.Shard(c.Root))
	if err := advanceScript.Run(ctx, c.client, []string{key}, to.UnixMilli()).Err(); err != nil {
		return fmt.Errorf("advance the limiter's time: %w", err)
	}
	return nil
}

// NoteEstimate notes that counters of the tenant will count an open call with its bound, which
// does not end there, until they are counted anew.
func (c *SuspendedTenant) NoteEstimate(ctx context.Context) error {
	return c.set(ctx, c.key(), false, 0, []any{limiterv1.EstimatedField, 1})
}

// Resume sets counters of the tenant, says that what was set is valid, and resumes the
// tenant. With nothing set, calls are admitted that need only what was valid before.
func (c *SuspendedTenant) Resume(ctx context.Context, counters map[string][]byte, set ...string) error {
	values := fields(counters)
	for _, what := range set {
		values = append(values, validField(what), 1)
	}
	return c.set(ctx, c.key(), true, 0, values)
}

func (c *SuspendedTenant) set(ctx context.Context, key string, resume bool, forget int64, values []any) error {
	args := append([]any{c.Epoch.Token(), c.ticket, resume, forget}, values...)
	done, err := setCountersScript.Run(ctx, c.client, []string{c.key(), key}, args...).Bool()
	if err = unanswered(err); err == nil && !done {
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
