package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/leader/audit"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/parts/documents"
	"github.com/bursar-dev/bursar/hack/parts/eventlog"
	"github.com/bursar-dev/bursar/hack/parts/ledgerdb"
	"github.com/bursar-dev/bursar/hack/parts/redis"
	"github.com/bursar-dev/bursar/hack/testkit"
)

var databases *ledgerdb.Server

var client *goredis.Client

func TestMain(m *testing.M) {
	os.Exit(redis.Use(func(_ *redis.Server, c *goredis.Client) int {
		client = c
		return ledgerdb.Use(func(s *ledgerdb.Server) int {
			databases = s
			return m.Run()
		})
	}))
}

// acme has limits of the tenant and of its users.
var acme = limiterv1.Tenant{
	Sources: []limiterv1.Source{{Kind: "TenantBudget", Namespace: "acme", Name: "budget", UID: "uid"}},
	Level: limiterv1.Level{
		Tenant: "acme", TimeZone: "UTC",
		Money: []limiterv1.MoneyLimit{
			{Name: "yearly", Per: limiterv1.PerTenant, Period: period.Year, Amount: 1000 * money.USD},
			{Name: "each", Per: limiterv1.PerUser, Period: period.Year, Amount: 1000 * money.USD},
		},
	},
}

// enforcer settles calls of a cent and takes them to the ledger, as enforcers do: the
// counters and the record of a call at once, then the ledger, then the record goes.
type enforcer struct {
	t       *testing.T
	session string
	ledger  *pgxpool.Pool
	// settling lets one settle at a time, as Redis does.
	settling *sync.Mutex
}

func (e *enforcer) call(ctx context.Context, n int) error {
	now, err := client.Time(ctx).Result()
	if err != nil {
		return err
	}
	call := limiterv1.OpenCall{
		CallID: fmt.Sprint(e.session, "-", n), Tenant: "acme", Root: "acme", User: fmt.Sprint("user-", n%3), Tier: "tier", Model: "m",
	}
	body, err := json.Marshal(call)
	if err != nil {
		return err
	}
	record := limiterv1.CallRecord{Settled: true, Amount: money.Cent, AdmittedAt: now, Body: body}
	calls := limiterv1.CallsKey(limiterv1.Shard("acme"), e.session)
	e.settling.Lock()
	pipe := client.TxPipeline()
	for _, key := range []string{tenantKey, userKey(call.User)} {
		pipe.HSet(ctx, key, field, counter(e.t, key, money.Cent))
	}
	pipe.HSet(ctx, calls, call.CallID, record.Encode())
	_, err = pipe.Exec(ctx)
	e.settling.Unlock()
	if err != nil {
		return err
	}
	_, err = e.ledger.Exec(ctx, `
INSERT INTO ai_usage_logs (call_id, tenant_id, user_id, tier, credential, provider, model, model_asked, model_used,
  endpoint, streamed, admitted_at, outcome, held_nanos, cost_nanos, session)
VALUES ($1, 'acme', $2, 'tier', 'c', 'p', 'm', 'm', 'm', '/', false, $3, 'Settled', $4, $4, 's')`,
		call.CallID, call.User, now, int64(money.Cent))
	if err != nil {
		return err
	}
	return client.HDel(ctx, calls, call.CallID).Err()
}

var (
	field     = limiterv1.MoneyField(acme.Money[0])
	tenantKey = limiterv1.TenantCountersKey("acme", "acme")
)

func userKey(user string) string {
	return limiterv1.CountersKey("acme", limiterv1.Epoch{Number: 1}, "acme", limiterv1.Owner{User: user})
}

// counter is what stands in Redis, with so much more spent.
func counter(t *testing.T, key string, more money.Nanos) []byte {
	t.Helper()
	span := period.Containing(period.Year, time.UTC, time.Now())
	is := limiterv1.MoneyCounter{Start: span.Start, End: span.End}
	raw, err := client.HGet(t.Context(), key, field).Bytes()
	if err == nil {
		if was, err := limiterv1.DecodeMoneyCounter(raw); err == nil && was.Start.Equal(span.Start) {
			is = was
		}
	} else if !errors.Is(err, goredis.Nil) {
		t.Error(err)
	}
	is.Spent += more
	return is.Encode()
}

// TestAuditor: while calls go from the counters to the ledger, audits find nothing; a
// counter that was tampered with is found, told once, and forgotten when it is right.
func TestAuditor(t *testing.T) {
	ctx := t.Context()
	if _, err := documents.Put(ctx, client, acme); err != nil {
		t.Fatal(err)
	}
	database, err := databases.NewDatabase(ctx)
	if err != nil {
		t.Fatal(err)
	}
	pools := map[string]*pgxpool.Pool{}
	for role, dsn := range map[string]string{"manager": database.Manager, "enforcer": database.Enforcer, "admin": database.Admin} {
		if pools[role], err = pgxpool.New(ctx, dsn); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pools[role].Close)
	}
	// newAuditor is that of another manager, which returns what it tells in an audit.
	newAuditor := func() func() []string {
		recorded := &eventlog.Events{}
		auditor := audit.New(limiterstore.NewDocuments(client), limiterstore.NewCounters(client), limiterstore.NewFindings(client),
			budgetstore.NewLedgerReader(pools["manager"]), events.NewRecorder(recorded, nil), 0)
		return func() []string {
			if err := auditor.Audit(ctx, "acme"); err != nil {
				t.Error(err)
			}
			return recorded.Take()
		}
	}
	audited := newAuditor()

	var settling sync.Mutex
	var enforcers sync.WaitGroup
	working, stop := context.WithCancel(ctx)
	defer stop()
	for i := range 3 {
		e := &enforcer{t, fmt.Sprint("session-", i), pools["enforcer"], &settling}
		testkit.Must(t, client.ZAdd(ctx, limiterv1.SessionsKey, goredis.Z{Score: float64(time.Now().UnixMilli()), Member: e.session}).Err())
		enforcers.Go(func() {
			for n := 0; working.Err() == nil; n++ {
				if err := e.call(ctx, n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	usage := budgetstore.NewUsage(pools["manager"])
	for range 30 {
		_, err := usage.AddChanges(ctx, 10)
		testkit.Must(t, err)
		if found := audited(); len(found) > 0 {
			t.Fatalf("under load: %q", found)
		}
	}
	stop()
	enforcers.Wait()
	if found := audited(); len(found) > 0 {
		t.Errorf("at rest: %q", found)
	}
	t.Logf("30 audits while calls of %s were recorded", spent(t))

	for name, tc := range map[string]struct{ key, want string }{
		"of the tenant": {tenantKey, "limit yearly counts "},
		"of a user":     {userKey("user-1"), "limit each of user user-1 counts "},
	} {
		testkit.Must(t, client.HSet(ctx, tc.key, field, counter(t, tc.key, 1)).Err())
		found := audited()
		if len(found) != 1 || !strings.HasPrefix(found[0], "Warning DriftFound "+tc.want) {
			t.Errorf("a counter %s that has a nano-dollar too many: %q, want %q", name, found, tc.want)
		}
		if again := append(audited(), newAuditor()()...); len(again) > 0 {
			t.Errorf("a counter %s, found before: %q", name, again)
		}
		testkit.Must(t, client.HSet(ctx, tc.key, field, counter(t, tc.key, -1)).Err())
		audited()
		if found, err := limiterstore.NewFindings(client).All(ctx); err != nil || len(found) > 0 {
			t.Errorf("a counter %s that is right again: findings %s, %v", name, found, err)
		}
	}

	_, err = pools["admin"].Exec(ctx, "UPDATE usage_sums SET cost_nanos = cost_nanos + 1 WHERE minutes = 60 AND summed_by = 'Call'")
	testkit.Must(t, err)
	want := "Warning DriftFound the sums of usage on " + time.Now().UTC().Format(time.DateOnly) + ", in the tenant's time zone, have "
	if found := audited(); len(found) != 1 || !strings.HasPrefix(found[0], want) {
		t.Errorf("sums with a nano-dollar too many: %q, want %q", found, want)
	}
	if again := append(audited(), newAuditor()()...); len(again) > 0 {
		t.Errorf("wrong sums, found before: %q", again)
	}
	_, err = pools["manager"].Exec(ctx, "SELECT rebuild_usage(tenant_id, (now() AT TIME ZONE zone)::date) FROM usage_calendars")
	testkit.Must(t, err)
	audited()
	if found, err := limiterstore.NewFindings(client).All(ctx); err != nil || len(found) > 0 {
		t.Errorf("sums that were made anew: findings %s, %v", found, err)
	}

	brokenField := "broken:negative:" + field
	for times := 1; times <= 2; times++ {
		testkit.Must(t, client.HIncrBy(ctx, tenantKey, brokenField, 1).Err()) // as an enforcer's script does
		want := fmt.Sprintf("Warning DriftFound counter %s was corrupt in Redis (negative) and was repaired, %d times so far: see the logs of the enforcers", field, times)
		if found := audited(); len(found) != 1 || !strings.HasPrefix(found[0], want) {
			t.Errorf("a counter that was broken: %q, want %q", found, want)
		}
		if again := append(audited(), newAuditor()()...); len(again) > 0 {
			t.Errorf("a counter that was broken, told before: %q", again)
		}
	}
}

func spent(t *testing.T) money.Nanos {
	t.Helper()
	is, err := limiterv1.DecodeMoneyCounter(counter(t, tenantKey, 0))
	testkit.Must(t, err)
	return is.Spent
}
