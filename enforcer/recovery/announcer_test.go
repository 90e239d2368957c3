package recovery_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	goredis "github.com/redis/go-redis/v9"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/recovery"
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

// process is what an enforcer knows.
type process struct {
	open      []admission.OpenCall
	unwritten []ledgerv1.Entry
}

func (p process) OpenCalls() []admission.OpenCall { return p.open }
func (p process) Unwritten() []ledgerv1.Entry     { return p.unwritten }
func (p process) SetEpoch(limiterv1.Epoch)        {}
func (p process) ForgetShares()                   {}

// away is a Postgres that does not answer.
type away struct{ recovery.Database }

func (away) Begin(context.Context) (pgx.Tx, error) { return nil, errors.New("away") }

const self = "session"

var shard = limiterv1.Shard("acme")

// announcer runs an Announcer of a process until the test ends.
func announcer(t *testing.T, p process) *recovery.Announcer {
	t.Helper()
	testkit.Must(t, client.FlushAll(t.Context()).Err())
	a := recovery.NewAnnouncer(recovery.AnnouncerOptions{
		Redis: client, Database: away{}, Limiter: p, Calls: p, Ledger: p,
		Session: func() string { return self }, Log: slog.New(slog.DiscardHandler),
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return a
}

func rebuilding(number int64) limiterv1.Epoch {
	return limiterv1.Epoch{Number: number, State: limiterv1.EpochRebuilding}
}

// announced is whether the session has announced for an epoch.
func announced(t *testing.T, number int64) bool {
	t.Helper()
	return client.HGet(t.Context(), limiterv1.AnnouncedKey, self).Val() == strconv.FormatInt(number, 10)
}

// left are the calls of the session in Redis: "H" and "S" with their amounts.
func left(t *testing.T) map[string]string {
	t.Helper()
	all, err := client.HGetAll(t.Context(), limiterv1.CallsKey(shard, self)).Result()
	testkit.Must(t, err)
	calls := map[string]string{}
	for id, raw := range all {
		record, err := limiterv1.DecodeCallRecord([]byte(raw))
		testkit.Must(t, err)
		letter := "H "
		if record.Settled {
			letter = "S "
		}
		calls[id] = letter + record.Amount.String()
	}
	return calls
}

var at = time.UnixMilli(1_800_000_000_000).UTC()

func held(id string, amount money.Nanos) admission.OpenCall {
	return admission.OpenCall{ID: id, Root: "acme", Record: limiterv1.CallRecord{Amount: amount, AdmittedAt: at, Body: []byte("{}")}}
}

func settled(id string, cost money.Nanos) ledgerv1.Entry {
	entry := ledgerv1.Entry{Cost: cost, AdmittedAt: at}
	entry.CallID, entry.Root = id, "acme"
	return entry
}

// TestWhatIsAnnounced: a session announces its open calls, and settled ones that the ledger may
// not have. A call that is in both counts as settled, and a settled call that only Redis has stays.
func TestWhatIsAnnounced(t *testing.T) {
	ended := held("ended", 4*money.Cent)
	ended.Record.Settled = true
	voided := held("voided", 0)
	voided.Record.Settled, voided.Record.Body = true, nil
	a := announcer(t, process{
		open:      []admission.OpenCall{held("open", money.Cent), held("in-both", 2*money.Cent), ended, voided},
		unwritten: []ledgerv1.Entry{settled("waiting", 3*money.Cent), settled("in-both", money.Cent)},
	})
	key := limiterv1.CallsKey(shard, self)
	only := limiterv1.CallRecord{Settled: true, Amount: 5 * money.Cent, AdmittedAt: at, Body: []byte("{}")}
	gone := limiterv1.CallRecord{Amount: 6 * money.Cent, AdmittedAt: at, Body: []byte("{}")}
	testkit.Must(t, client.HSet(t.Context(), key, "only-in-redis", only.Encode(), "long-ended", gone.Encode()).Err())

	a.SetEpoch(rebuilding(7))
	testkit.Eventually(t, "the session has announced", func() bool { return announced(t, 7) })
	want := map[string]string{"open": "H 0.01", "in-both": "S 0.01", "ended": "S 0.04", "waiting": "S 0.03", "only-in-redis": "S 0.05"}
	if diff := cmp.Diff(want, left(t)); diff != "" {
		t.Errorf("calls in Redis (-want +got):\n%s", diff)
	}
}

// TestNothingIsAnnounced: a session announces nothing for an epoch that was opened without it,
// nor after it was declared dead.
func TestNothingIsAnnounced(t *testing.T) {
	for name, prevent := range map[string]struct {
		key, field string
		value      any
	}{
		"the epoch is open":     {key: limiterv1.ShardEpochKey(shard), value: 7},
		"fenced":                {key: limiterv1.FenceKey(self), value: "another"},
		"fenced in the shard":   {key: limiterv1.CallsKey(shard, self), field: limiterv1.FencedField, value: 1},
		"Redis cannot be asked": {key: limiterv1.AnnouncedKey, value: "no hash"},
	} {
		t.Run(name, func(t *testing.T) {
			a := announcer(t, process{open: []admission.OpenCall{held("open", money.Cent)}})
			if prevent.field == "" {
				testkit.Must(t, client.Set(t.Context(), prevent.key, prevent.value, 0).Err())
			} else {
				testkit.Must(t, client.HSet(t.Context(), prevent.key, prevent.field, prevent.value).Err())
			}
			a.SetEpoch(rebuilding(7))
			time.Sleep(300 * time.Millisecond) // in which it would have announced
			if announced(t, 7) {
				t.Error("the session has announced")
			}
			// Whatever was tried for that epoch, the next is announced at once.
			testkit.Must(t, client.FlushAll(t.Context()).Err())
			a.SetEpoch(rebuilding(8))
			begin := time.Now()
			testkit.Eventually(t, "the session has announced for the next epoch", func() bool { return announced(t, 8) })
			if took := time.Since(begin); took > time.Second {
				t.Errorf("that took %s", took)
			}
		})
	}
}

// TestOpenedWithoutTheSession: when an epoch was opened without a session, its settled calls that
// the ledger may not have are counted all the same: they are left in Redis, where a recount finds
// them, and their tenants are recounted. Its open calls are not left: they may have been charged.
func TestOpenedWithoutTheSession(t *testing.T) {
	entry := settled("waiting", 3*money.Cent)
	entry.Tenant, entry.Ancestors = "acme-emea", []string{"acme"}
	a := announcer(t, process{open: []admission.OpenCall{held("open", money.Cent)}, unwritten: []ledgerv1.Entry{entry}})
	a.SetEpoch(limiterv1.Epoch{Number: 7, State: limiterv1.EpochValid})
	testkit.Eventually(t, "the call is left", func() bool { return len(left(t)) > 0 })
	counters := func(tenant string) string { return limiterv1.TenantCountersKey("acme", tenant) }
	for _, tenant := range []string{"acme", "acme-emea"} {
		testkit.Must(t, client.HSet(t.Context(), counters(tenant), "valid:money:Day", 1, "epoch", 8).Err())
	}

	a.SetEpoch(limiterv1.Epoch{Number: 8, State: limiterv1.EpochValid})
	for _, tenant := range []string{"acme", "acme-emea"} {
		testkit.Eventually(t, tenant+" is counted anew", func() bool {
			return !client.HExists(t.Context(), counters(tenant), "valid:money:Day").Val()
		})
	}
	if diff := cmp.Diff(map[string]string{"waiting": "S 0.03"}, left(t)); diff != "" {
		t.Errorf("calls in Redis (-want +got):\n%s", diff)
	}
	if !announced(t, 8) {
		t.Error("nobody who counts looks for the session's calls")
	}
}

// TestWrittenMeanwhile: a call that reaches the ledger while it is left in Redis does not stay there.
func TestWrittenMeanwhile(t *testing.T) {
	a := announcer(t, process{})
	ledger := &writing{entry: settled("written", money.Cent)}
	a.Ledger = ledger
	a.SetEpoch(limiterv1.Epoch{Number: 7, State: limiterv1.EpochValid})
	testkit.Eventually(t, "the ledger was asked again", func() bool { return ledger.asked.Load() > 1 })
	testkit.Eventually(t, "the call is dropped", func() bool { return len(left(t)) == 0 })
}

// writing is a ledger that has an entry as soon as it was asked.
type writing struct {
	entry ledgerv1.Entry
	asked atomic.Int64
}

func (w *writing) Unwritten() []ledgerv1.Entry {
	if w.asked.Add(1) == 1 {
		return []ledgerv1.Entry{w.entry}
	}
	return nil
}
