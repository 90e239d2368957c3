package setup_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/hack/parts/probes"
)

// enforcer is the part of an enforcer that the control plane sees: heartbeats, announcements
// and the answers to probes.
type enforcer struct {
	id      string
	mu      sync.Mutex
	state   limiterv1.SessionState
	follows bool
	// admitsBy is a document by which it admits calls instead of the one that it runs;
	// isSilent is set if it does not answer probes.
	admitsBy probes.Change
	isSilent bool
	stop     context.CancelFunc
	ended    chan struct{}
}

// startEnforcer starts an enforcer that runs nothing yet. With follows, it runs
// what the configuration has come to, at each of its frequent heartbeats.
func startEnforcer(follows bool) *enforcer {
	ctx, cancel := context.WithCancel(context.Background())
	e := &enforcer{id: uuid.NewString(), follows: follows, stop: cancel, ended: make(chan struct{})}
	e.state.Host = "a test"
	e.beat(ctx, true)
	go func() {
		defer close(e.ended)
		for ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
				e.beat(ctx, false)
			}
		}
	}()
	DeferCleanup(e.leave)
	return e
}

// beat says that the enforcer lives, and what it runs.
func (e *enforcer) beat(ctx context.Context, news bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.follows {
		incarnation, _ := redisClient.Get(ctx, limiterv1.IncarnationKey).Result()
		revision, _ := redisClient.Get(ctx, limiterv1.RevisionKey).Int64()
		news = news || revision != e.state.Revision || incarnation != e.state.Incarnation
		e.state.Incarnation, e.state.Revision = incarnation, revision
	}
	state, err := json.Marshal(e.state)
	if err != nil {
		panic(err)
	}
	now, err := redisClient.Time(ctx).Result()
	if err != nil {
		return // A test has stopped Redis.
	}
	_ = redisClient.ZAdd(ctx, limiterv1.SessionsKey, goredis.Z{Score: float64(now.UnixMilli()), Member: e.id}).Err()
	_ = redisClient.HSet(ctx, limiterv1.SessionStatesKey, e.id, state).Err()
	e.announce(ctx)
	if !e.isSilent {
		_, _ = probes.Answer(ctx, redisClient, e.id, e.state, e.admitsBy)
	}
	if news {
		_ = redisClient.Publish(ctx, limiterv1.FeedChannel, limiterv1.FeedSession+" "+e.id).Err()
	}
}

// sees makes the enforcer say what it has seen of a provider.
func (e *enforcer) sees(ctx context.Context, provider string, report limiterv1.ProviderReport) {
	e.mu.Lock()
	e.state.Providers = map[string]limiterv1.ProviderReport{provider: report}
	e.mu.Unlock()
	e.beat(ctx, true)
}

// writes makes the enforcer report why it cannot write to the ledger.
func (e *enforcer) writes(ctx context.Context, trouble limiterv1.LedgerTrouble) {
	e.mu.Lock()
	e.state.Ledger = trouble
	e.mu.Unlock()
	e.beat(ctx, true)
}

// announce announces that the enforcer has no open calls, if the epoch is being rebuilt.
func (e *enforcer) announce(ctx context.Context) {
	var epoch limiterv1.Epoch
	raw, err := redisClient.Get(ctx, limiterv1.EpochKey).Bytes()
	if err == nil && json.Unmarshal(raw, &epoch) == nil && epoch.State == limiterv1.EpochRebuilding {
		_ = redisClient.HSet(ctx, limiterv1.AnnouncedKey, e.id, epoch.Number).Err()
	}
}

// runs makes the enforcer say that it runs the revision.
func (e *enforcer) runs(ctx context.Context, revision int64) {
	GinkgoHelper()
	incarnation, err := redisClient.Get(ctx, limiterv1.IncarnationKey).Result()
	Expect(err).NotTo(HaveOccurred())
	e.mu.Lock()
	e.state.Incarnation, e.state.Revision = incarnation, revision
	e.mu.Unlock()
	e.beat(ctx, true)
}

// admits makes the enforcer admit calls by other documents than those that it runs or, with
// nil, by those that it runs.
func (e *enforcer) admits(by probes.Change) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.admitsBy = by
}

// answersProbes makes the enforcer answer probes, or not.
func (e *enforcer) answersProbes(does bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.isSilent = !does
}

// leave ends the enforcer in good order.
func (e *enforcer) leave() {
	e.stop()
	<-e.ended
	ctx := context.Background()
	_ = redisClient.ZRem(ctx, limiterv1.SessionsKey, e.id).Err()
	_ = redisClient.HDel(ctx, limiterv1.SessionStatesKey, e.id).Err()
	_ = redisClient.Publish(ctx, limiterv1.FeedChannel, limiterv1.FeedSession+" "+e.id).Err()
}

// die ends the enforcer as a crash would: without a word.
func (e *enforcer) die() {
	e.stop()
	<-e.ended
}

// spend sets the counters of a tenant to what was spent and is held in the present
// period of a kind. With told, the control plane hears of it at once.
func spend(ctx context.Context, tenant string, kind period.Kind, spent, held money.Nanos, told bool) {
	GinkgoHelper()
	now, err := redisClient.Time(ctx).Result()
	Expect(err).NotTo(HaveOccurred())
	span := period.Containing(kind, time.UTC, now)
	counter := limiterv1.MoneyCounter{Start: span.Start, End: span.End, Spent: spent, Held: held}
	Expect(redisClient.HSet(ctx, limiterv1.TenantCountersKey(tenant, tenant), limiterv1.MoneyField(limiterv1.MoneyLimit{Period: kind}), counter.Encode()).Err()).To(Succeed())
	if told {
		Expect(redisClient.Publish(ctx, limiterv1.FeedChannel, limiterv1.FeedTenant+" "+tenant).Err()).To(Succeed())
	}
}

// stored is the document as it stands in Redis; empty when there is none.
func stored(ctx context.Context, id string) string {
	body, err := redisClient.HGet(ctx, limiterv1.DocumentsKey, id).Result()
	if err != nil && !errors.Is(err, goredis.Nil) {
		return err.Error()
	}
	return body
}
