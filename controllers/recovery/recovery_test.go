package recovery_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	goredis "github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/redisclient"
	"github.com/bursar-dev/bursar/controllers/recovery"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/parts/redis"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// start runs rebuilders until the test ends.
func (w *world) start(t *testing.T, rebuilders int) {
	for range rebuilders {
		w.run(t, w.rebuilder())
	}
}

// run runs a rebuilder until the test ends.
func (w *world) run(t *testing.T, rebuilder *recovery.Rebuilder) {
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { _ = rebuilder.Start(ctx) })
	t.Cleanup(func() {
		stop()
		all.Wait()
	})
}

// completed waits until an epoch newer than a number is valid in this run of Redis.
func (w *world) completed(t *testing.T, than int64) (epoch limiterv1.Epoch) {
	t.Helper()
	testkit.EventuallySucceeds(t, fmt.Sprintf("an epoch after %d is valid", than), func() error {
		found, err := w.epochs.Inspect(t.Context())
		if err != nil {
			return err
		}
		if epoch = found.Epoch; epoch.Number <= than || !found.Whole() {
			return fmt.Errorf("found %+v", found)
		}
		return nil
	})
	return epoch
}

func tenantCounters(epoch limiterv1.Epoch) limiterstore.TenantCounters {
	return limiterstore.TenantCounters{Root: "acme", Tenant: "acme", Epoch: epoch}
}

func daily(per limiterv1.Scope) limiterv1.MoneyLimit {
	return limiterv1.MoneyLimit{Name: "daily-" + string(per), Per: per, Period: period.Day, Amount: money.USD}
}

var acme = limiterv1.Tenant{Level: limiterv1.Level{
	Tenant: "acme", TimeZone: "UTC", Money: []limiterv1.MoneyLimit{daily(limiterv1.PerTenant), daily(limiterv1.PerUser)},
}}

func (w *world) now(t testkit.T) time.Time {
	now, err := w.redis.Time(context.Background()).Result()
	testkit.Must(t, err)
	return now.UTC().Truncate(time.Millisecond)
}

func acmeCall(id string, at time.Time, amount money.Nanos, settled bool) recorded {
	field := limiterv1.MoneyField(daily(limiterv1.PerTenant))
	return recorded{
		limiterv1.OpenCall{CallID: id, Tenant: "acme", User: "gerente-1", Root: "acme", Counters: []limiterv1.CallCounters{
			{Tenant: "acme", Money: []string{field}}, {Tenant: "acme", Owner: limiterv1.Owner{User: "gerente-1"}, Money: []string{field}},
		}},
		limiterv1.CallRecord{Settled: settled, Amount: amount, AdmittedAt: at},
	}
}

// TestEightAtOnce: however many rebuild, and recount the tenant, the result is that of
// one, and it stays.
func TestEightAtOnce(t *testing.T) {
	w := newWorld(t)
	at := w.now(t)
	w.toLedger(t, acmeCall("in-the-ledger", at, 40*money.Cent, true), acmeCall("in-both", at, 2*money.Cent, true))
	w.toRedis(t, "live", acmeCall("open", at, 5*money.Cent, false), acmeCall("in-both", at, 2*money.Cent, true))
	w.toRedis(t, "dead", acmeCall("left-open", at, 7*money.Cent, false), acmeCall("left-settled", at, money.Cent, true))
	w.announce(t, "live")
	w.announce(t, "dead") // and then it dies
	w.start(t, 8)
	epoch := w.completed(t, 0)
	if epoch.Number > 8 {
		t.Errorf("epoch %d is valid: eight took more than a number each", epoch.Number)
	}

	var together sync.WaitGroup
	for range 8 {
		together.Go(func() {
			if err := w.recounter().Recount(t.Context(), acme); err != nil && !errors.Is(err, limiterstore.ErrSuperseded) {
				t.Error(err)
			}
		})
	}
	together.Wait()
	testkit.Must(t, w.recounter().Recount(t.Context(), acme))
	span := period.Containing(period.Day, time.UTC, at)
	want := limiterv1.MoneyCounter{
		Start: span.Start, End: span.End, Spent: 43 * money.Cent, Held: 12 * money.Cent, EarlierStart: span.Start.AddDate(0, 0, -1),
	}
	field := limiterv1.MoneyField(daily(limiterv1.PerTenant))
	for _, key := range []string{
		limiterv1.TenantCountersKey("acme", "acme"), limiterv1.CountersKey("acme", epoch, "acme", limiterv1.Owner{User: "gerente-1"}),
	} {
		if diff := cmp.Diff(want, w.counter(t, key, field)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
	// That no other epoch begins shows only when all have looked again, twice.
	before := w.looks.Load()
	testkit.Eventually(t, "each of the eight has looked twice", func() bool { return w.looks.Load() >= before+2*8 })
	now, err := w.epochs.Current(t.Context())
	testkit.Must(t, err)
	if now.Number != epoch.Number {
		t.Errorf("epoch %d is valid by now, though nothing was wrong with %d", now.Number, epoch.Number)
	}
}

// TestEveryLossIsSeen: what a Redis may lose, and that a new epoch begins each time,
// with the counters that there were before.
func TestEveryLossIsSeen(t *testing.T) {
	w := newWorld(t)
	w.toLedger(t, acmeCall("in-the-ledger", w.now(t), 40*money.Cent, true))
	w.announce(t, "live")
	w.start(t, 1)
	epoch := w.completed(t, 0)
	recounter := w.recounter()
	for name, lose := range map[string]func(){
		"everything":    func() { testkit.Must(t, w.redis.FlushAll(t.Context()).Err()) },
		"the epoch":     func() { testkit.Must(t, w.redis.Del(t.Context(), limiterv1.EpochKey).Err()) },
		"one shard":     func() { testkit.Must(t, w.redis.Del(t.Context(), limiterv1.ShardEpochKey(123)).Err()) },
		"another epoch": func() { testkit.Must(t, w.redis.Set(t.Context(), limiterv1.ShardEpochKey(7), "1000", 0).Err()) },
	} {
		w.beat(t, "live")
		lose()
		epoch = w.completed(t, epoch.Number)
		testkit.Must(t, recounter.Recount(t.Context(), acme))
		key := limiterv1.TenantCountersKey("acme", "acme")
		if got := w.counter(t, key, limiterv1.MoneyField(daily(limiterv1.PerTenant))); got.Spent != 40*money.Cent || got.Held != 0 {
			t.Errorf("after the loss of %s: %+v", name, got)
		}
	}
}

// TestASuspendedTenantIsResumedByItsLastSuspender: only the last one to suspend a tenant can set its
// counters and resume it.
func TestASuspendedTenantIsResumedByItsLastSuspender(t *testing.T) {
	w := newWorld(t)
	w.start(t, 1)
	counters := tenantCounters(w.completed(t, 0))
	first, err := w.counters.SuspendTenant(t.Context(), counters, true, "money:Day")
	testkit.Must(t, err)
	second, err := w.counters.SuspendTenant(t.Context(), counters, true, "money:Day")
	testkit.Must(t, err)
	if first.Resume(t.Context(), map[string][]byte{"money:Day": []byte("old")}, "money:Day") == nil {
		t.Error("the first to suspend the tenant has resumed it, though it was suspended again since")
	}
	testkit.Must(t, second.Resume(t.Context(), map[string][]byte{"money:Day": []byte("new")}, "money:Day"))
	late := map[limiterv1.Owner]map[string][]byte{{User: "gerente-1"}: {"money:Day": []byte("late")}}
	if w.counters.Set(t.Context(), limiterstore.Counted{SuspendedTenant: second, Counters: late, Forget: time.Now().Add(time.Hour)})[0] == nil {
		t.Error("counters of a tenant that is not suspended were set")
	}
	if again, err := w.counters.SuspendTenant(t.Context(), counters, true, "money:Day"); err != nil || again != nil {
		t.Errorf("a tenant with all that is wanted was suspended: %+v, %v", again, err)
	}
	// What is not wanted for a while is not counted meanwhile.
	if other, err := w.counters.SuspendTenant(t.Context(), counters, true); err != nil || other != nil {
		t.Errorf("wanting nothing suspends the tenant: %+v, %v", other, err)
	}
	again, err := w.counters.SuspendTenant(t.Context(), counters, true, "money:Day")
	testkit.Must(t, err)
	if again == nil || !slices.Equal(again.Missing, []string{"money:Day"}) {
		t.Errorf("what was not counted for a while passes for the truth: %+v", again)
	}
}

// TestCountersAreWhatIsOnRecord sets the counters of random tenants together, from random calls
// in the ledger and in Redis, and adds those up in a simpler way.
func TestCountersAreWhatIsOnRecord(t *testing.T) {
	w := newWorld(t)
	w.start(t, 1)
	epoch := w.completed(t, 0)
	recounter := w.recounter()
	rapid.Check(t, func(t *rapid.T) {
		tenants := drawTenants(t)
		now := w.now(t)
		var ledger, left []recorded
		session := uuid.NewString()
		defer func() { testkit.Must(t, w.redis.ZRem(context.Background(), limiterv1.SessionsKey, session).Err()) }()
		for _, tenant := range tenants {
			inLedger, inRedis := drawCalls(t, tenant, now, true), drawCalls(t, tenant, now, false)
			w.toLedger(t, inLedger...)
			w.toRedis(t, session, inRedis...)
			w.toRedis(t, session, inLedger[:len(inLedger)/2]...) // on their way from here to there
			ledger, left = append(ledger, inLedger...), append(left, inRedis...)
		}
		testkit.Must(t, errors.Join(recounter.RecountAll(t.Context(), tenants...)...))
		if then := w.now(t); !then.Truncate(time.Minute).Equal(now.Truncate(time.Minute)) {
			return // what is expected is not known: the counters are of either minute
		}

		for _, tenant := range tenants {
			for i, level := range append([]limiterv1.Level{tenant.Level}, tenant.Ancestors...) {
				for _, limit := range level.Money {
					for _, name := range testOwners[limit.Per] {
						owner := limiterv1.OwnerOf(limit.Per, name)
						key := limiterv1.CountersKey(tenant.Root(), epoch, level.Tenant, owner)
						got := w.counter(t, key, limiterv1.MoneyField(limit))
						want := addUp(level.Tenant, owner, limit, now, ledger, left)
						if got.Spent != want.Spent || got.Held != want.Held || got.EarlierSpent != want.EarlierSpent || got.EarlierHeld != want.EarlierHeld {
							t.Fatalf("level %d, limit %+v, owner %q: got %+v, want %+v\nledger %+v\nRedis %+v", i, limit, owner, got, want, ledger, left)
						}
					}
				}
			}
		}
	})
}

// drawTenants draws tenants, some of them below the ancestors of the first, and at times its parent.
func drawTenants(t *rapid.T) []limiterv1.Tenant {
	first := drawTenant(t)
	tenants := []limiterv1.Tenant{first}
	for range rapid.IntRange(0, 3).Draw(t, "more tenants") {
		tenant := drawTenant(t)
		if rapid.Bool().Draw(t, "is a sibling") {
			tenant.Ancestors = first.Ancestors
		}
		tenants = append(tenants, tenant)
	}
	if len(first.Ancestors) > 0 && rapid.Bool().Draw(t, "with the parent") {
		at := rapid.IntRange(0, len(tenants)).Draw(t, "where")
		tenants = slices.Insert(tenants, at, limiterv1.Tenant{Level: first.Ancestors[0], Ancestors: first.Ancestors[1:]})
	}
	return tenants
}

var (
	testUsers  = []string{"gerente-1", "empleado-1"}
	testTiers  = []string{"gerente", "empleado"}
	testModels = []string{"large", "small"}
	testGroups = []string{"eu", "eu, west", "research"}
	testKeys   = []string{"", "acme/ci", "acme/laptop"}
	testLabels = []map[string]string{nil, {"team": "search"}, {"team": "search", "site": "a \"quoted\" one"}}
	testOwners = map[limiterv1.Scope][]string{
		limiterv1.PerTenant: {""}, limiterv1.PerUser: testUsers, limiterv1.PerGroup: testGroups, limiterv1.PerKey: testKeys[1:],
	}
)

func drawTenant(t *rapid.T) limiterv1.Tenant {
	level := func(scopes ...limiterv1.Scope) limiterv1.Level {
		l := limiterv1.Level{Tenant: uuid.NewString(), TimeZone: "UTC"}
		for _, per := range scopes {
			for _, kind := range []period.Kind{period.Minute, period.Day, period.Year} {
				if rapid.Bool().Draw(t, "has limit") {
					l.Money = append(l.Money, limiterv1.MoneyLimit{
						Name: fmt.Sprintf("%s-%s", kind, per), Per: per, Period: kind, Amount: money.USD, Selector: drawSelector(t),
					})
				}
			}
		}
		return l
	}
	tenant := limiterv1.Tenant{Level: level(limiterv1.Scopes()...)}
	for range rapid.IntRange(0, 2).Draw(t, "ancestors") {
		tenant.Ancestors = append(tenant.Ancestors, level(limiterv1.PerTenant))
	}
	return tenant
}

func drawSelector(t *rapid.T) (s limiterv1.Selector) {
	if rapid.IntRange(0, 2).Draw(t, "selects tiers") == 0 {
		s.Tiers = testTiers[:1]
	}
	if rapid.IntRange(0, 2).Draw(t, "selects models") == 0 {
		s.Models = testModels[1:]
	}
	if rapid.IntRange(0, 2).Draw(t, "selects groups") == 0 {
		s.Groups = testGroups[1:]
	}
	if rapid.IntRange(0, 3).Draw(t, "selects labels") == 0 {
		s.Labels = testLabels[1]
	}
	return s
}

// drawCalls draws calls of the tenant and of its ancestors. Some of those that are
// open were admitted before some of the limits were there.
func drawCalls(t *rapid.T, tenant limiterv1.Tenant, now time.Time, settled bool) []recorded {
	var calls []recorded
	levels := append([]limiterv1.Level{tenant.Level}, tenant.Ancestors...)
	for range rapid.IntRange(0, 6).Draw(t, "calls") {
		caller := rapid.IntRange(0, len(levels)-1).Draw(t, "whose")
		who := rapid.IntRange(0, 1).Draw(t, "who")
		c := recorded{
			limiterv1.OpenCall{
				CallID: uuid.NewString(), Tenant: levels[caller].Tenant, User: testUsers[who], Tier: testTiers[who],
				Model: rapid.SampledFrom(testModels).Draw(t, "model"), Root: tenant.Root(),
				Credential: rapid.SampledFrom(testKeys).Draw(t, "key"), Labels: rapid.SampledFrom(testLabels).Draw(t, "labels"),
				Groups: slices.DeleteFunc(slices.Clone(testGroups), func(group string) bool { return rapid.Bool().Draw(t, "is not in "+group) }),
				Share:  !settled && rapid.IntRange(0, 3).Draw(t, "share") == 0,
			},
			limiterv1.CallRecord{
				Settled: settled || rapid.Bool().Draw(t, "settled"),
				Amount:  money.Nanos(rapid.Int64Range(0, 1000).Draw(t, "amount")),
				AdmittedAt: now.Add(-rapid.SampledFrom([]time.Duration{
					0, time.Second, time.Minute, 26 * time.Hour, 50 * time.Hour, 9000 * time.Hour, 18000 * time.Hour,
				}).Draw(t, "ago")),
			},
		}
		for i, l := range levels[caller:] {
			if i > 0 {
				c.Ancestors = append(c.Ancestors, l.Tenant)
			}
			for _, limit := range l.Money {
				counts := i == 0 || limit.Per == limiterv1.PerTenant
				if counts && limit.Selects(c.Caller(), c.Model) && rapid.IntRange(0, 3).Draw(t, "limit is new") > 0 {
					for _, owner := range limit.Owners(limit.Per, c.Caller()) {
						c.Counters = append(c.Counters, limiterv1.CallCounters{Tenant: l.Tenant, Owner: owner, Money: []string{limiterv1.MoneyField(limit)}})
					}
				}
			}
		}
		calls = append(calls, c)
	}
	return calls
}

// addUp is what a counter must say, by the calls one by one.
func addUp(tenant string, owner limiterv1.Owner, limit limiterv1.MoneyLimit, now time.Time, ledger, left []recorded) (sum limiterv1.MoneyCounter) {
	span := period.Containing(limit.Period, time.UTC, now)
	before := period.Containing(limit.Period, time.UTC, span.Start.Add(-time.Millisecond))
	for _, c := range append(slices.Clone(ledger), left...) {
		mine := c.Tenant == tenant || slices.Contains(c.Ancestors, tenant)
		if owner != (limiterv1.Owner{}) {
			isIn := slices.Contains(c.Groups, owner.Group) && (limit.Groups == nil || slices.Contains(limit.Groups, owner.Group))
			mine = c.Tenant == tenant && (c.User == owner.User || owner.Key != "" && c.Credential == owner.Key || isIn)
		}
		if !mine || !limit.Selects(c.Caller(), c.Model) {
			continue
		}
		held := false
		for _, counters := range c.Counters {
			held = held || !c.Settled && counters.Tenant == tenant && counters.Owner == owner && slices.Contains(counters.Money, limiterv1.MoneyField(limit))
		}
		switch {
		case c.Share && !c.Settled && !held:
		case span.Contains(c.AdmittedAt) && held:
			sum.Held += c.Amount
		case span.Contains(c.AdmittedAt):
			sum.Spent += c.Amount
		case before.Contains(c.AdmittedAt) && held:
			sum.EarlierHeld += c.Amount
		case before.Contains(c.AdmittedAt):
			sum.EarlierSpent += c.Amount
		}
	}
	return sum
}

// TestUnknownCountersAreSet: also to nothing, where nothing is on record: those of a user
// without a call, and of calls in flight when there are none.
func TestUnknownCountersAreSet(t *testing.T) {
	w := newWorld(t)
	w.start(t, 1)
	epoch := w.completed(t, 0)
	tenant := acme
	inFlight := limiterv1.RateLimit{Name: "p/flight", Per: limiterv1.PerTenant, Unit: limiterv1.InFlight, Burst: 1}
	tenant.Rates = []limiterv1.RateLimit{inFlight}
	recounter := w.recounter()
	testkit.Must(t, recounter.Recount(t.Context(), tenant))

	field := limiterv1.MoneyField(daily(limiterv1.PerUser))
	key, userKey := limiterv1.TenantCountersKey("acme", "acme"), limiterv1.CountersKey("acme", epoch, "acme", limiterv1.Owner{User: "new:user"})
	unknown := limiterv1.MoneyCounter{End: w.now(t).Add(time.Hour), Spent: limiterv1.UnknownAmount, Held: limiterv1.UnknownAmount}
	testkit.Must(t, w.redis.HSet(t.Context(), userKey, field, unknown.Encode()).Err())
	testkit.Must(t, w.redis.HSet(t.Context(), key, limiterv1.RateField(inFlight), limiterv1.EncodeBucket(7, w.now(t)), "unknown:users:"+field+"\x00"+userKey, 1).Err())
	testkit.Must(t, w.redis.HDel(t.Context(), key, "valid:users:"+field, "valid:in-flight").Err())
	testkit.Must(t, recounter.Recount(t.Context(), tenant))

	if got := w.counter(t, userKey, field); got.Spent != 0 || got.Held != 0 {
		t.Errorf("a user of whom nothing is on record: %+v", got)
	}
	raw, err := w.redis.HGet(t.Context(), key, limiterv1.RateField(inFlight)).Bytes()
	testkit.Must(t, err)
	if none := limiterv1.EncodeBucket(0, w.now(t)); !slices.Equal(raw[:8], none[:8]) {
		t.Errorf("calls in flight when there are none: % x", raw)
	}
	for _, left := range w.redis.HKeys(t.Context(), key).Val() {
		if strings.HasPrefix(left, "unknown:") {
			t.Errorf("%q is set, and unknown still", left)
		}
	}
}

// TestClockIsSetBackWithAnEmptyRedis: what was spent by calls that are on record as
// admitted later than now, by a clock that was set back since, counts in their period, which
// is the current one from then on.
func TestClockIsSetBackWithAnEmptyRedis(t *testing.T) {
	hourly := limiterv1.MoneyLimit{Name: "hourly", Per: limiterv1.PerTenant, Period: period.Hour, Amount: money.USD}
	field := limiterv1.MoneyField(hourly)
	for name, tc := range map[string]struct {
		// ahead is how far the clock was ahead when the calls were made.
		ahead time.Duration
		// isSeen is whether that is believed.
		isSeen bool
	}{
		"by an hour": {time.Hour, true},
		"by a day":   {24 * time.Hour, true},
		"by a year":  {365 * 24 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.start(t, 1)
			w.completed(t, 0)
			tenant := limiterv1.Tenant{Level: limiterv1.Level{Tenant: "acme", TimeZone: "UTC", Money: []limiterv1.MoneyLimit{hourly}}}
			at := w.now(t).Add(tc.ahead)
			w.toLedger(t, acmeCall("ahead", at, 30*money.Cent, true))
			testkit.Must(t, w.recounter().Recount(t.Context(), tenant))
			now, err := w.counters.Now(t.Context(), "acme")
			testkit.Must(t, err)
			counter := w.counter(t, limiterv1.TenantCountersKey("acme", "acme"), field)
			if isSeen := !now.Before(at); isSeen != tc.isSeen {
				t.Errorf("the limiter's time is %s, and a call was made at %s", now, at)
			}
			if hour := period.Containing(period.Hour, time.UTC, at); tc.isSeen && (counter.Spent != 30*money.Cent || !counter.Start.Equal(hour.Start)) {
				t.Errorf("counter %+v, want 0.30 spent from %s on", counter, hour.Start)
			} else if !tc.isSeen && counter.Spent != 0 {
				t.Errorf("counter %+v, want nothing spent", counter)
			}
		})
	}
}

// TestOneNodeOfAClusterForgets: then all is rebuilt, for nobody can say which of a
// call's limits were there.
func TestOneNodeOfAClusterForgets(t *testing.T) {
	w := newWorld(t)
	cluster, err := redis.StartCluster(t.Context(), t.TempDir(), 3)
	testkit.Must(t, err)
	t.Cleanup(func() { _ = cluster.Stop() })
	opened, err := redisclient.Open(cluster.URL)
	testkit.Must(t, err)
	client := opened.(*goredis.ClusterClient)
	t.Cleanup(func() { _ = client.Close() })
	w.limiter = limiterOn(client)
	at := time.Now()
	w.toLedger(t, acmeCall("in-the-ledger", at, 40*money.Cent, true))
	w.start(t, 1)
	recounter := w.recounter()
	epoch := w.completed(t, 0)
	testkit.Must(t, recounter.Recount(t.Context(), acme))
	key := limiterv1.TenantCountersKey("acme", "acme")
	node, err := client.MasterForKey(t.Context(), key)
	testkit.Must(t, err)
	testkit.Must(t, node.FlushAll(t.Context()).Err())
	w.completed(t, epoch.Number)
	testkit.Must(t, recounter.Recount(t.Context(), acme))
	raw, err := client.HGet(t.Context(), key, limiterv1.MoneyField(daily(limiterv1.PerTenant))).Bytes()
	testkit.Must(t, err)
	if counter, err := limiterv1.DecodeMoneyCounter(raw); err != nil || counter.Spent != 40*money.Cent {
		t.Errorf("counter %+v, %v, want 0.40 spent", counter, err)
	}
}

// TestAReplicaTakesOver: it may lack what its master said last, and is not believed.
func TestAReplicaTakesOver(t *testing.T) {
	w := newWorld(t)
	servers, err := redis.StartSentinel(t.Context(), t.TempDir())
	testkit.Must(t, err)
	t.Cleanup(func() { _ = servers.Stop() })
	client, err := redisclient.Open(servers.URL)
	testkit.Must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	w.limiter = limiterOn(client)
	w.toLedger(t, acmeCall("in-the-ledger", time.Now(), 40*money.Cent, true))
	w.start(t, 1)
	recounter := w.recounter()
	epoch := w.completed(t, 0)
	testkit.Must(t, recounter.Recount(t.Context(), acme))
	field := limiterv1.MoneyField(daily(limiterv1.PerTenant))
	key := limiterv1.TenantCountersKey("acme", "acme")
	testkit.Must(t, client.HDel(t.Context(), key, field).Err()) // so much for what the replica has

	servers.Master.Crash()
	testkit.Within(t, time.Minute, "a new epoch is valid in the replica that took over", func() bool {
		found, err := w.epochs.Inspect(t.Context())
		return err == nil && found.Epoch.Number > epoch.Number && found.Whole()
	})
	testkit.Must(t, recounter.Recount(t.Context(), acme))
	raw, err := client.HGet(t.Context(), key, field).Bytes()
	testkit.Must(t, err)
	if counter, err := limiterv1.DecodeMoneyCounter(raw); err != nil || counter.Spent != 40*money.Cent {
		t.Errorf("counter %+v, %v, want 0.40 spent", counter, err)
	}
}
