package limiterstore

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
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

// unknownPrefix begins those fields of a tenant's counters that name an owner's counter in which a
// script has found a broken amount: the prefix, limiterv1.FieldOfAll, a NUL, the key.
const unknownPrefix = "unknown:"

// Suspension is a tenant that is to be suspended if some of its wanted counters are not valid
// under the epoch.
type Suspension struct {
	TenantCounters
	// Own says that the tenant has no other counters than the wanted ones: what else was valid no longer
	// is.
	Own    bool
	Wanted []string
}

// SuspendTenant suspends a tenant if some of its wanted counters are not valid under the
// epoch. It returns nil if all are valid and the tenant is not suspended anyway. own is
// Suspension.Own. The error is ErrSuperseded if Redis has another epoch, or has lost this
// one.
func (c *Counters) SuspendTenant(ctx context.Context, tenant TenantCounters, own bool, wanted ...string) (*SuspendedTenant, error) {
	suspended, errs := c.SuspendTenants(ctx, Suspension{tenant, own, wanted})
	return suspended[0], errs[0]
}

// SuspendTenants suspends tenants, each as SuspendTenant does: what is returned is in their order.
func (c *Counters) SuspendTenants(ctx context.Context, tenants ...Suspension) ([]*SuspendedTenant, []error) {
	suspended, errs, runs := make([]*SuspendedTenant, len(tenants)), make([]error, len(tenants)), make([]scriptRun, len(tenants))
	for i, t := range tenants {
		suspended[i] = &SuspendedTenant{TenantCounters: t.TenantCounters, client: c.client, ticket: uuid.NewString()}
		runs[i].keys = []string{t.key(), limiterv1.ShardEpochKey(limiterv1.Shard(t.Root))}
		runs[i].args = []any{t.Epoch.Token(), suspended[i].ticket, t.Own}
		for _, what := range t.Wanted {
			runs[i].args = append(runs[i].args, what)
		}
	}
	for i, answer := range runEach(ctx, c.client, suspendTenantScript, runs) {
		words, err := answer.StringSlice()
		switch {
		case err != nil:
			suspended[i], errs[i] = nil, fmt.Errorf("suspend tenant %s: %w", tenants[i].Tenant, unanswered(err))
		case words[0] == "valid":
			suspended[i] = nil
		case words[0] == "superseded":
			suspended[i], errs[i] = nil, ErrSuperseded
		default:
			suspended[i].Missing = words[1:]
		}
	}
	return suspended, errs
}

const (
	// formersField is the field of the roots of the trees from which a tenant has come, the last
	// one first, with betweenRoots between them.
	formersField = "formers"
	betweenRoots = ","
)

// Forget makes all counters of the tenant invalid, because it was, or is about to be,
// counted in another tree. formers are the roots of the trees that it comes from. The error
// is ErrSuperseded if Redis has another epoch, or has lost this one.
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

// Remembered is what the counters of a suspended tenant say about what has to be counted.
type Remembered struct {
	// Formers are the roots of the trees from which the tenant has come, the last one first.
	Formers []string
	// Unknown are the owners with a counter whose amount is unknown, by what of them has to be set.
	Unknown map[string][]limiterv1.Owner
}

// Remembered reads what the counters of suspended tenants say, in their order.
func (c *Counters) Remembered(ctx context.Context, tenants ...*SuspendedTenant) ([]Remembered, []error) {
	remembered, errs := make([]Remembered, len(tenants)), make([]error, len(tenants))
	formers, fields := make([]*redis.StringCmd, len(tenants)), make([]*redis.StringSliceCmd, len(tenants))
	pipe := c.client.Pipeline()
	for i, t := range tenants {
		formers[i], fields[i] = pipe.HGet(ctx, t.key(), formersField), pipe.HKeys(ctx, t.key())
	}
	_, _ = pipe.Exec(ctx) // each answer has its error
	for i, t := range tenants {
		err := fields[i].Err()
		if err == nil && !errors.Is(formers[i].Err(), redis.Nil) {
			err = formers[i].Err()
		}
		if err != nil {
			errs[i] = fmt.Errorf("read the counters of tenant %s: %w", t.Tenant, unanswered(err))
			continue
		}
		remembered[i] = Remembered{decodeFormers(formers[i].Val()), t.unknownOwners(fields[i].Val())}
	}
	return remembered, errs
}

// unknownOwners are the owners that fields of the tenant's counters say are unknown.
func (c *SuspendedTenant) unknownOwners(fields []string) map[string][]limiterv1.Owner {
	unknown := map[string][]limiterv1.Owner{}
	for _, field := range fields {
		what, key, _ := strings.Cut(strings.TrimPrefix(field, unknownPrefix), "\x00")
		owner, is := limiterv1.OwnerOfKey(c.Root, c.Epoch, c.Tenant, key)
		if is && strings.HasPrefix(field, unknownPrefix) {
			unknown[what] = append(unknown[what], owner)
		}
	}
	return unknown
}

// Resume sets counters of the tenant, says that what was set is valid, and resumes the
// tenant. With nothing set, calls are admitted that need only what was valid before.
func (c *SuspendedTenant) Resume(ctx context.Context, counters map[string][]byte, set ...string) error {
	run := c.resuming(counters, set)
	return c.wasSet(setCountersScript.Run(ctx, c.client, run.keys, run.args...))
}

// Resume resumes suspended tenants as they are: calls are admitted that need only what was valid
// before. The errors are in the order of the tenants.
func (c *Counters) Resume(ctx context.Context, tenants ...*SuspendedTenant) []error {
	runs, errs := make([]scriptRun, len(tenants)), make([]error, len(tenants))
	for i, tenant := range tenants {
		runs[i] = tenant.resuming(nil, nil)
	}
	for i, answer := range runEach(ctx, c.client, setCountersScript, runs) {
		errs[i] = tenants[i].wasSet(answer)
	}
	return errs
}

// Counted is what was counted of a suspended tenant.
type Counted struct {
	*SuspendedTenant
	// At is the moment for which it was counted: the limiter's time is moved on to it, unless it is
	// later already.
	At time.Time
	// Counters are those of the tenant and of owners: field -> counter. Forget is when those of
	// owners may be forgotten.
	Counters map[limiterv1.Owner]map[string][]byte
	Forget   time.Time
	// Estimated is whether they include the bound of a call whose end is not posted to them, until they
	// are recounted.
	Estimated bool
}

// Set sets what was counted of suspended tenants, says that what was missing is valid, and resumes them.
// The errors are in the order of the tenants; a tenant with an error stays suspended.
func (c *Counters) Set(ctx context.Context, tenants ...Counted) []error {
	errs := make([]error, len(tenants))
	for _, step := range []func(context.Context, []Counted, []error){
		// A tenant is resumed in a round trip of its own, once everything else is set: within one, the
		// order is not certain.
		c.advance, c.setOwners, c.resume,
	} {
		step(ctx, tenants, errs)
	}
	return errs
}

// advance moves the limiter's time in the shards of the tenants on to the last moment for which one of
// them was counted.
func (c *Counters) advance(ctx context.Context, tenants []Counted, errs []error) {
	moments := map[uint32]time.Time{}
	for _, t := range tenants {
		if shard := limiterv1.Shard(t.Root); t.At.After(moments[shard]) {
			moments[shard] = t.At
		}
	}
	shards := slices.Sorted(maps.Keys(moments))
	runs := make([]scriptRun, len(shards))
	for i, shard := range shards {
		runs[i] = scriptRun{[]string{limiterv1.ClockKey(shard)}, []any{moments[shard].UnixMilli()}}
	}
	failed := map[uint32]error{}
	for i, answer := range runEach(ctx, c.client, advanceScript, runs) {
		if err := answer.Err(); err != nil {
			failed[shards[i]] = fmt.Errorf("advance the limiter's time: %w", unanswered(err))
		}
	}
	for i, t := range tenants {
		errs[i] = failed[limiterv1.Shard(t.Root)]
	}
}

// setOwners sets the counters of owners, and notes which tenants' counters are estimated, for the
// tenants without an error.
func (c *Counters) setOwners(ctx context.Context, tenants []Counted, errs []error) {
	var runs []scriptRun
	var of []int
	for i, t := range tenants {
		if errs[i] != nil {
			continue
		}
		for owner, counters := range t.Counters {
			if !owner.IsTenant() {
				key := limiterv1.CountersKey(t.Root, t.Epoch, t.Tenant, owner)
				runs, of = append(runs, t.setting(key, false, t.Forget.UnixMilli(), fields(counters))), append(of, i)
			}
		}
		if t.Estimated {
			runs, of = append(runs, t.setting(t.key(), false, 0, []any{limiterv1.EstimatedField, 1})), append(of, i)
		}
	}
	for i, answer := range runEach(ctx, c.client, setCountersScript, runs) {
		errs[of[i]] = cmp.Or(errs[of[i]], tenants[of[i]].wasSet(answer))
	}
}

// resume sets the own counters of the tenants without an error, and resumes them.
func (c *Counters) resume(ctx context.Context, tenants []Counted, errs []error) {
	var runs []scriptRun
	var of []int
	for i, t := range tenants {
		if errs[i] == nil {
			runs, of = append(runs, t.resuming(t.Counters[limiterv1.Owner{}], t.Missing)), append(of, i)
		}
	}
	for i, answer := range runEach(ctx, c.client, setCountersScript, runs) {
		errs[of[i]] = tenants[of[i]].wasSet(answer)
	}
}

// resuming is the run of set_counters.lua that sets counters of the tenant, says that what was set
// is valid, and resumes the tenant.
func (c *SuspendedTenant) resuming(counters map[string][]byte, set []string) scriptRun {
	values := fields(counters)
	for _, what := range set {
		values = append(values, validField(what), 1)
	}
	return c.setting(c.key(), true, 0, values)
}

// setting is the run of set_counters.lua that sets values of a key.
func (c *SuspendedTenant) setting(key string, resume bool, forget int64, values []any) scriptRun {
	return scriptRun{[]string{c.key(), key}, append([]any{c.Epoch.Token(), c.ticket, resume, forget}, values...)}
}

// wasSet is nil if a run of set_counters.lua has set its values.
func (c *SuspendedTenant) wasSet(answer *redis.Cmd) error {
	done, err := answer.Bool()
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
