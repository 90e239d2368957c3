package limiterstore_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/parts/redis"
	"github.com/bursar-dev/bursar/hack/testkit"
)

var client *goredis.Client

func TestMain(m *testing.M) {
	os.Exit(redis.Use(func(_ *redis.Server, c *goredis.Client) int {
		client = c
		return m.Run()
	}))
}

// newStore is a store in a Redis that is empty.
// stores is all that a Redis has.
type stores struct {
	*limiterstore.Documents
	*limiterstore.Enforcers
	*limiterstore.Counters
}

func storesOn(client goredis.UniversalClient) stores {
	return stores{limiterstore.NewDocuments(client), limiterstore.NewEnforcers(client), limiterstore.NewCounters(client)}
}

func newStore(t *testing.T) stores {
	t.Helper()
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	return storesOn(client)
}

var acme = limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: "acme"}

func document(uid string, generation int64, zone string) limiterv1.Tenant {
	return limiterv1.Tenant{
		Sources: []limiterv1.Source{{Kind: "TenantBudget", Name: "acme", UID: uid, Generation: generation}},
		Level:   limiterv1.Level{Tenant: "acme", TimeZone: zone},
	}
}

func put(t *testing.T, store interface {
	Put(context.Context, limiterv1.DocumentID, any) (int64, error)
}, id limiterv1.DocumentID, document any) int64 {
	t.Helper()
	revision, err := store.Put(t.Context(), id, document)
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

func TestPut(t *testing.T) {
	store := newStore(t)
	heard := client.Subscribe(t.Context(), limiterv1.ConfigChannel)
	defer func() { _ = heard.Close() }()
	if _, err := heard.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}

	first := put(t, store, acme, document("u1", 1, "UTC"))
	if again := put(t, store, acme, document("u1", 1, "UTC")); again != first {
		t.Errorf("the same document again has revision %d, want %d", again, first)
	}
	other := limiterv1.DocumentID{Kind: limiterv1.ProviderDocument, Name: "openai"}
	second := put(t, store, other, limiterv1.Provider{Sources: []limiterv1.Source{{UID: "p"}}})
	changed := put(t, store, acme, document("u1", 2, "UTC"))
	if diff := cmp.Diff([]int64{1, 2, 3}, []int64{first, second, changed}); diff != "" {
		t.Errorf("revisions (-want +got):\n%s", diff)
	}

	stored, err := client.HGet(t.Context(), limiterv1.DocumentsKey, "tenant/acme").Result()
	if err != nil {
		t.Fatal(err)
	}
	number, body, _ := strings.Cut(stored, " ")
	var got limiterv1.Tenant
	if err := json.Unmarshal([]byte(body), &got); err != nil || number != "3" {
		t.Fatalf("stored is %q: %v", stored, err)
	}
	if diff := cmp.Diff(document("u1", 2, "UTC"), got); diff != "" {
		t.Errorf("document stored (-want +got):\n%s", diff)
	}
	changes, err := client.ZRangeWithScores(t.Context(), limiterv1.ChangesKey, 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]goredis.Z{{Score: 2, Member: "provider/openai"}, {Score: 3, Member: "tenant/acme"}}, changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	for _, want := range []string{"1", "2", "3"} {
		message, err := heard.ReceiveMessage(t.Context())
		if err != nil || message.Payload != want {
			t.Errorf("heard %v, %v, want revision %s", message, err, want)
		}
	}
}

func TestIncarnation(t *testing.T) {
	store := newStore(t)
	incarnation := func() string {
		put(t, store, acme, document("u1", 1, "UTC"))
		fleet, err := store.Fleet(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return fleet.Incarnation
	}
	first := incarnation()
	if first == "" {
		t.Error("no incarnation after a document was put")
	}
	if again := incarnation(); again != first {
		t.Errorf("incarnation turned from %s to %s", first, again)
	}
	store = newStore(t)
	if next := incarnation(); next == first {
		t.Errorf("a Redis that has forgotten all has incarnation %s again", next)
	}
}

func TestWithdraw(t *testing.T) {
	for name, tc := range map[string]struct {
		stored        *limiterv1.Tenant
		uid           string
		wantWithdrawn bool
		wantRevision  int64
	}{
		"nothing there":   {uid: "u1"},
		"own":             {stored: new(document("u1", 1, "UTC")), uid: "u1", wantWithdrawn: true, wantRevision: 2},
		"somebody else's": {stored: new(document("u2", 1, "UTC")), uid: "u1", wantRevision: 1},
		"of a part alone": {stored: new(withPolicy(document("u2", 1, "UTC"), "u1")), uid: "u1", wantRevision: 1},
		"of the whole":    {stored: new(withPolicy(document("u2", 1, "UTC"), "u1")), uid: "u2", wantWithdrawn: true, wantRevision: 2},
	} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t)
			if tc.stored != nil {
				put(t, store, acme, tc.stored)
			}
			got, err := store.Withdraw(t.Context(), acme, tc.uid)
			if err != nil || got != tc.wantWithdrawn {
				t.Fatalf("withdrew %t, %v, want %t", got, err, tc.wantWithdrawn)
			}
			observed, err := store.Observe(t.Context(), acme)
			if err != nil {
				t.Fatal(err)
			}
			if want := tc.stored != nil && !tc.wantWithdrawn; want != (observed.Revision > 0) {
				t.Errorf("document found at revision %d, want it there: %t", observed.Revision, want)
			}
			revision, _ := client.Get(t.Context(), limiterv1.RevisionKey).Int64()
			score, _ := client.ZScore(t.Context(), limiterv1.ChangesKey, acme.String()).Result()
			if revision != tc.wantRevision || int64(score) != tc.wantRevision {
				t.Errorf("revision %d, of the change %v, want %d", revision, score, tc.wantRevision)
			}
		})
	}
}

func withPolicy(tenant limiterv1.Tenant, uid string) limiterv1.Tenant {
	tenant.Sources = append(tenant.Sources, limiterv1.Source{Kind: "RateLimitPolicy", Name: "p", UID: uid, Generation: 7})
	return tenant
}

func TestObserve(t *testing.T) {
	store := newStore(t)
	revision := put(t, store, acme, withPolicy(document("u1", 3, "UTC"), "u2"))
	fleet, err := store.Fleet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	beat := func(session string, ago time.Duration, state string) {
		now, err := client.Time(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		client.ZAdd(t.Context(), limiterv1.SessionsKey, goredis.Z{Score: float64(now.Add(-ago).UnixMilli()), Member: session})
		if state != "" {
			client.HSet(t.Context(), limiterv1.SessionStatesKey, session, state)
		}
	}
	running := func(incarnation string, revision int64) string {
		raw, err := json.Marshal(limiterv1.SessionState{Incarnation: incarnation, Revision: revision})
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	beat("current", 0, running(fleet.Incarnation, revision))
	beat("ahead", time.Second, running(fleet.Incarnation, revision+1))
	beat("behind", 0, running(fleet.Incarnation, revision-1))
	beat("of another life", 0, running("another", revision+1))
	beat("silent", 0, "")
	beat("babbling", 0, "{")
	beat("dead", limiterv1.SessionLife+time.Second, running(fleet.Incarnation, revision))

	observed, err := store.Observe(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	if ready, all := observed.Running(revision); ready != 2 || all != 6 {
		t.Errorf("%d of %d run revision %d, want 2 of 6: %+v", ready, all, revision, observed.Sessions)
	}
	if observed.Revision != revision || !observed.OwnedBy("u1") || observed.OwnedBy("u2") {
		t.Errorf("observed revision %d of %+v, want %d, of u1", observed.Revision, observed.Sources, revision)
	}
	for _, tc := range []struct {
		uid        string
		generation int64
		want       bool
	}{{"u1", 3, true}, {"u1", 2, false}, {"u1", 4, false}, {"u2", 7, true}, {"u3", 3, false}} {
		if got := observed.Contains(tc.uid, tc.generation); got != tc.want {
			t.Errorf("contains %s at generation %d: %t, want %t", tc.uid, tc.generation, got, tc.want)
		}
	}
}

// TestSilenceAfterTheClockIsSetBack: a heartbeat of a time that is to come makes nobody live
// until then.
func TestSilenceAfterTheClockIsSetBack(t *testing.T) {
	store := newStore(t)
	now, err := client.Time(t.Context()).Result()
	testkit.Must(t, err)
	testkit.Must(t, client.ZAdd(t.Context(), limiterv1.SessionsKey,
		goredis.Z{Score: float64(now.Add(time.Hour).UnixMilli()), Member: "dead"}).Err())
	testkit.Eventually(t, "the session is silent", func() bool {
		fleet, err := store.Fleet(t.Context())
		testkit.Must(t, err)
		silent, lives := fleet.Silent["dead"]
		if !lives {
			t.Fatalf("the session does not live any more when it was just seen")
		}
		return silent > 0
	})
}

// TestKeepTime: where the limiter's time is ahead of the clock, it goes on though no call is made.
func TestKeepTime(t *testing.T) {
	newStore(t)
	clock, err := client.Time(t.Context()).Result()
	testkit.Must(t, err)
	pack := func(at ...time.Time) (packed []byte) {
		for _, at := range at {
			packed = binary.LittleEndian.AppendUint64(packed, math.Float64bits(float64(at.UnixMilli())))
		}
		return packed
	}
	const ahead, idle, even = 3, 4, 5
	for shard, packed := range map[uint32][]byte{
		ahead: pack(clock.Add(time.Hour), clock.Add(-10*time.Second)),
		even:  pack(clock.Add(-10*time.Second), clock.Add(-10*time.Second)),
	} {
		testkit.Must(t, client.Set(t.Context(), limiterv1.ClockKey(shard), packed, 0).Err())
	}
	before := client.Get(t.Context(), limiterv1.ClockKey(even)).Val()
	testkit.Must(t, limiterstore.NewEpochs(client).KeepTime(t.Context()))
	raw, err := client.Get(t.Context(), limiterv1.ClockKey(ahead)).Bytes()
	testkit.Must(t, err)
	kept := time.UnixMilli(int64(math.Float64frombits(binary.LittleEndian.Uint64(raw)))).Sub(clock.Add(time.Hour))
	if kept < 8900*time.Millisecond || kept > 54*time.Second {
		t.Errorf("the time that is ahead went on by %s, want nine seconds", kept)
	}
	if got := client.Get(t.Context(), limiterv1.ClockKey(even)).Val(); got != before {
		t.Errorf("the time that is not ahead is % x, want % x", got, before)
	}
	if exists := client.Exists(t.Context(), limiterv1.ClockKey(idle)).Val(); exists != 0 {
		t.Error("a shard that nobody uses has a time")
	}
}

func TestCounters(t *testing.T) {
	store := newStore(t)
	now, err := client.Time(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	daily := limiterv1.MoneyLimit{Period: period.Day}
	span := period.Containing(period.Day, time.UTC, now)
	want := limiterv1.MoneyCounter{
		Start: span.Start, End: span.End, Spent: 3 * money.USD, Held: 7,
		EarlierStart: span.Start.AddDate(0, 0, -1), EarlierSpent: 1, EarlierHeld: 2,
	}
	key := limiterv1.TenantCountersKey("root", "acme")
	if err := client.HSet(t.Context(), key, limiterv1.MoneyField(daily), want.Encode(), limiterv1.EpochField, "7").Err(); err != nil {
		t.Fatal(err)
	}
	counters, err := store.Read(t.Context(), "root", "acme", limiterv1.MoneyLimit{Period: period.Month}, daily, daily)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]limiterv1.MoneyCounter{limiterv1.MoneyField(daily): want}, counters.Money); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(now, counters.Now, cmpopts.EquateApproxTime(10*time.Second)); diff != "" {
		t.Errorf("time of Redis (-want +got):\n%s", diff)
	}
	if none, err := store.Read(t.Context(), "nobody", "nobody"); !errors.Is(err, limiterstore.ErrNotValid) {
		t.Errorf("counters of nobody: %+v, %v, want %v", none, err, limiterstore.ErrNotValid)
	}
	if err := client.HSet(t.Context(), key, limiterv1.MoneyField(daily), "not a counter").Err(); err != nil {
		t.Fatal(err)
	}
	if broken, err := store.Read(t.Context(), "root", "acme", daily); err == nil {
		t.Errorf("a broken counter was read as %+v", broken)
	}
}

func TestUserCounters(t *testing.T) {
	store := newStore(t)
	ctx := t.Context()
	each := limiterv1.MoneyLimit{Period: period.Day}
	if none, err := store.ReadOwners(ctx, "root", "acme", []limiterv1.Owner{{User: "gerente-1"}}, each); !errors.Is(err, limiterstore.ErrNotValid) {
		t.Errorf("without an epoch: %+v, %v, want %v", none, err, limiterstore.ErrNotValid)
	}
	span := period.Containing(period.Day, time.UTC, time.Now())
	want := limiterv1.MoneyCounter{
		Start: span.Start, End: span.End, Spent: 3 * money.USD, Held: 7,
		EarlierStart: span.Start.AddDate(0, 0, -1), EarlierSpent: 1, EarlierHeld: 2,
	}
	epoch := limiterv1.Epoch{Number: 7, State: limiterv1.EpochValid}
	raw, err := json.Marshal(epoch)
	if err != nil {
		t.Fatal(err)
	}
	key := func(epoch limiterv1.Epoch, user string) string {
		return limiterv1.CountersKey("root", epoch, "acme", limiterv1.Owner{User: user})
	}
	field := limiterv1.MoneyField(each)
	for _, err := range []error{
		client.Set(ctx, limiterv1.EpochKey, raw, 0).Err(),
		client.HSet(ctx, key(epoch, "gerente-1"), field, want.Encode()).Err(),
		client.HSet(ctx, key(limiterv1.Epoch{Number: 6}, "of the epoch before"), field, want.Encode()).Err(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	counters, err := store.ReadOwners(ctx, "root", "acme", []limiterv1.Owner{{User: "gerente-1"}, {User: "of the epoch before"}, {User: "nobody"}, {Group: "gerente-1"}}, limiterv1.MoneyLimit{Period: period.Month}, each)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[limiterv1.Owner]map[string]limiterv1.MoneyCounter{
		{User: "gerente-1"}: {field: want}, {User: "of the epoch before"}: {}, {User: "nobody"}: {}, {Group: "gerente-1"}: {},
	}, counters); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	if err := client.HSet(ctx, key(epoch, "gerente-1"), field, "not a counter").Err(); err != nil {
		t.Fatal(err)
	}
	if broken, err := store.ReadOwners(ctx, "root", "acme", []limiterv1.Owner{{User: "gerente-1"}}, each); err == nil {
		t.Errorf("a broken counter was read as %+v", broken)
	}
}

// roundTrips notes what goes to Redis, beside greetings: a command, or a pipeline of
// so many.
type roundTrips []string

func (r *roundTrips) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (r *roundTrips) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		if cmd.Name() != "hello" {
			*r = append(*r, cmd.Name())
		}
		return next(ctx, cmd)
	}
}

func (r *roundTrips) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		if cmds[0].Name() != "client" {
			*r = append(*r, fmt.Sprintf("%d x %s", len(cmds), cmds[0].Name()))
		}
		return next(ctx, cmds)
	}
}

// TestCountersOfManyUsers: what a thousand users have spent is two round trips away,
// and no key is searched for.
func TestCountersOfManyUsers(t *testing.T) {
	newStore(t)
	if err := client.Set(t.Context(), limiterv1.EpochKey, `{"number": 7, "state": "Open"}`, 0).Err(); err != nil {
		t.Fatal(err)
	}
	counted := goredis.NewClient(client.Options())
	defer func() { _ = counted.Close() }()
	var got roundTrips
	counted.AddHook(&got)
	users := make([]limiterv1.Owner, 1000)
	for i := range users {
		users[i] = limiterv1.Owner{User: fmt.Sprint("user-", i)}
	}
	daily, monthly := limiterv1.MoneyLimit{Period: period.Day}, limiterv1.MoneyLimit{Period: period.Month}
	counters, err := limiterstore.NewCounters(counted).ReadOwners(t.Context(), "root", "acme", users, daily, monthly)
	if err != nil || len(counters) != len(users) {
		t.Fatalf("counters of %d users, %v, want %d", len(counters), err, len(users))
	}
	if diff := cmp.Diff(roundTrips{"get", "1000 x hmget"}, got); diff != "" {
		t.Errorf("round trips (-want +got):\n%s", diff)
	}
}

func TestWithoutRedis(t *testing.T) {
	gone := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	defer func() { _ = gone.Close() }()
	store := storesOn(gone)
	if _, err := store.Put(t.Context(), acme, document("u1", 1, "UTC")); err == nil {
		t.Error("put a document without Redis")
	}
	if _, err := store.Withdraw(t.Context(), acme, "u1"); err == nil {
		t.Error("withdrew a document without Redis")
	}
	if _, err := store.Observe(t.Context(), acme); err == nil {
		t.Error("observed a document without Redis")
	}
	if _, err := store.Read(t.Context(), "root", "acme"); err == nil {
		t.Error("read counters without Redis")
	}
}
