package recovery_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/jackc/pgx/v5/pgxpool"
	goredis "github.com/redis/go-redis/v9"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/recovery"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/parts/ledgerdb"
	"github.com/bursar-dev/bursar/hack/parts/redis"
	"github.com/bursar-dev/bursar/hack/testkit"
)

var (
	redisServer *redis.Server
	databases   *ledgerdb.Server
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	os.Exit(redis.Use(func(s *redis.Server, _ *goredis.Client) int {
		redisServer = s
		return ledgerdb.Use(func(s *ledgerdb.Server) int {
			databases = s
			return m.Run()
		})
	}))
}

// world is an empty Redis and an empty ledger.
type world struct {
	redis *goredis.Client
	limiter
	numbers *budgetstore.Epochs
	looks   atomic.Int64
	// silent keeps the announcements of sessions back.
	silent atomic.Bool
	// losesInLook has Redis lose everything, once, before a look reads who lives.
	losesInLook atomic.Bool
	ledger      *budgetstore.LedgerReader
	enforcer    *pgxpool.Pool
	manager     *pgxpool.Pool
	adminDSN    string
}

// limiter is what a Redis has.
type limiter struct {
	epochs    *limiterstore.Epochs
	enforcers *limiterstore.Enforcers
	counters  *limiterstore.Counters
	calls     *limiterstore.Calls
}

func limiterOn(client goredis.UniversalClient) limiter {
	return limiter{limiterstore.NewEpochs(client), limiterstore.NewEnforcers(client), limiterstore.NewCounters(client), limiterstore.NewCalls(client)}
}

func (w *world) recounter() *recovery.Recounter {
	return recovery.NewRecounter(limiterstore.NewDocuments(w.redis), w.epochs, w.counters, w.calls, w.ledger)
}

// lookedAt are the epochs of a world that counts how often they are looked at.
type lookedAt struct {
	*limiterstore.Epochs
	looks *atomic.Int64
}

func (l lookedAt) Inspect(ctx context.Context) (limiterstore.Inspection, error) {
	l.looks.Add(1)
	return l.Epochs.Inspect(ctx)
}

// losingFleet loses everything first, if the world is to.
type losingFleet struct {
	*limiterstore.Enforcers
	world *world
}

func (l losingFleet) Fleet(ctx context.Context) (limiterstore.Fleet, error) {
	if l.world.losesInLook.CompareAndSwap(true, false) {
		if err := l.world.redis.FlushAll(ctx).Err(); err != nil {
			return limiterstore.Fleet{}, err
		}
	}
	return l.Enforcers.Fleet(ctx)
}

func (w *world) rebuilder() *recovery.Rebuilder { return recovery.NewRebuilder(w.options()) }

func (w *world) options() recovery.RebuilderOptions {
	leads := make(chan struct{})
	close(leads)
	return recovery.RebuilderOptions{
		Epochs: lookedAt{w.epochs, &w.looks}, Enforcers: losingFleet{w.enforcers, w}, Calls: w.calls, Numbers: w.numbers, Ledger: w.ledger,
		Turn: budgetstore.NewTurn(w.manager), Configurations: limiterstore.NewConfigurations(w.redis), Recounter: w.recounter(), Leads: leads,
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	options, err := goredis.ParseURL(redisServer.URL)
	testkit.Must(t, err)
	client := goredis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	testkit.Must(t, client.FlushAll(t.Context()).Err())
	testkit.Must(t, client.ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err())
	database, err := databases.NewDatabase(t.Context())
	testkit.Must(t, err)
	manager, err := pgxpool.New(t.Context(), database.Manager)
	testkit.Must(t, err)
	t.Cleanup(manager.Close)
	enforcer, err := pgxpool.New(t.Context(), database.Enforcer)
	testkit.Must(t, err)
	t.Cleanup(enforcer.Close)
	return &world{redis: client, limiter: limiterOn(client), numbers: budgetstore.NewEpochs(manager), ledger: budgetstore.NewLedgerReader(manager), enforcer: enforcer, manager: manager, adminDSN: database.Admin}
}

// recorded is a call as the ledger and Redis know it.
type recorded struct {
	limiterv1.OpenCall
	limiterv1.CallRecord
}

// toLedger writes calls as enforcers do.
func (w *world) toLedger(t testkit.T, calls ...recorded) {
	t.Helper()
	for _, c := range calls {
		_, err := w.enforcer.Exec(context.Background(), `
INSERT INTO ai_usage_logs (call_id, tenant_id, user_id, tier, credential, groups, labels, provider, model, ancestors, model_asked, model_used,
  endpoint, streamed, admitted_at, outcome, held_nanos, cost_nanos, session)
VALUES ($1, $2, $3, $4, $9, coalesce($10::text[], '{}'), coalesce(nullif($11::jsonb, 'null'), '{}'), 'p', $5, coalesce($6::text[], '{}'), 'm', 'm', '/', false, $7, 'Settled', $8, $8, 's')`,
			c.CallID, c.Tenant, c.User, c.Tier, c.Model, c.Ancestors, c.AdmittedAt, int64(c.Amount), c.Credential, c.Groups, c.Labels)
		testkit.Must(t, err)
	}
}

// toRedis leaves calls of a session in Redis as enforcers do.
func (w *world) toRedis(t testkit.T, session string, calls ...recorded) {
	t.Helper()
	ctx := context.Background()
	for _, c := range calls {
		body, err := json.Marshal(c.OpenCall)
		testkit.Must(t, err)
		c.Body = body
		testkit.Must(t, w.redis.HSet(ctx, limiterv1.CallsKey(limiterv1.Shard(c.Root), session), c.CallID, c.CallRecord.Encode()).Err())
	}
	w.beat(t, session)
}

// beat says that a session lives.
func (w *world) beat(t testkit.T, session string) {
	t.Helper()
	now, err := w.redis.Time(context.Background()).Result()
	testkit.Must(t, err)
	testkit.Must(t, w.redis.ZAdd(context.Background(), limiterv1.SessionsKey, goredis.Z{Score: float64(now.UnixMilli()), Member: session}).Err())
}

// announce announces for a session whatever epoch is being rebuilt, until the test
// ends. What it has in Redis is what it has open.
func (w *world) announce(t *testing.T, session string) {
	ctx := t.Context()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			epoch, err := w.epochs.Current(ctx)
			if err == nil && epoch.State == limiterv1.EpochRebuilding && !w.silent.Load() {
				_ = w.redis.HSet(ctx, limiterv1.AnnouncedKey, session, epoch.Number).Err()
			}
			time.Sleep(time.Millisecond)
		}
	}()
	t.Cleanup(func() { <-done })
}

// counter reads a money counter.
func (w *world) counter(t testkit.T, key, field string) limiterv1.MoneyCounter {
	t.Helper()
	raw, err := w.redis.HGet(context.Background(), key, field).Bytes()
	if errors.Is(err, goredis.Nil) {
		return limiterv1.MoneyCounter{}
	}
	testkit.Must(t, err)
	counter, err := limiterv1.DecodeMoneyCounter(raw)
	testkit.Must(t, err)
	return counter
}
