package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/redisclient"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// operationTimeout bounds one operation, because a new epoch waits until all operations of
// the previous one have ended.
const operationTimeout = 2 * time.Second

// epoch is the epoch that this process knows. Operations enter it, and it changes
// when all have left.
type epoch struct {
	client redis.UniversalClient
	// onBroken is called with what scripts found broken; it may be nil.
	onBroken func(Broken)
	// onLate is called with calls that ended late; it may be nil.
	onLate func(late Late, callID string)
	// scripts makes the scripts of an epoch.
	scripts func(limiterv1.Epoch) scripts
	// admits are the lanes of commands that callers wait for, settles those of all others.
	admits, settles *lanes

	mu    sync.RWMutex
	valid *validEpoch // nil while no money is admitted
}

// validEpoch is an epoch in which money is admitted, and its scripts.
type validEpoch struct {
	limiterv1.Epoch
	scripts
	client          redis.UniversalClient
	admits, settles *lanes
	onBroken        func(Broken)
	onLate          func(late Late, callID string)
	// seen has the highest seq of each tenant that was heard in this epoch: seenTenant ->
	// *atomic.Int64. isBehind is set once Redis has a lower one: its data has gone back.
	seen     sync.Map
	isBehind atomic.Bool
}

// scripts are those of an epoch, which no other epoch has.
type scripts struct{ admit, settle, take *redis.Script }

func newEpoch(client redis.UniversalClient) *epoch {
	settles := newLanes(client, timing{linger: settleAlone, alsoAlone: true, boards: settleLinger}, nil)
	return &epoch{
		client: client, scripts: scriptsOf,
		admits: newLanes(client, timing{linger: admitLinger}, settles), settles: settles,
	}
}

func scriptsOf(e limiterv1.Epoch) scripts {
	script := func(text string) *redis.Script { return redis.NewScript(scriptHead(e) + text) }
	return scripts{script(admitText), script(settleText), script(takeText)}
}

// What the scripts of all epochs have in common.
var (
	sharedLua  = limiterv1.ClockLua + countersLua
	admitText  = withConstants(sharedLua + admitLua)
	settleText = withConstants(sharedLua + settleLua)
	takeText   = withConstants(sharedLua + takeLua)
)

// scriptHead is how the scripts of an epoch begin.
func scriptHead(e limiterv1.Epoch) string {
	return fmt.Sprintf("local EPOCH, FEED, NEWS = '%s', '%s', '%s'\n", e.Token(), limiterv1.FeedChannel, limiterv1.FeedTenant)
}

func (e *epoch) set(now limiterv1.Epoch) {
	var valid *validEpoch
	if now.State == limiterv1.EpochValid {
		valid = &validEpoch{
			Epoch: now, client: e.client, admits: e.admits, settles: e.settles, scripts: e.scripts(now), onBroken: e.onBroken, onLate: e.onLate,
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.valid = valid
}

// enter begins an operation in the valid epoch, until done.
func (e *epoch) enter() (valid *validEpoch, done func(), err error) {
	e.mu.RLock()
	if e.valid == nil || e.valid.isBehind.Load() {
		e.mu.RUnlock()
		return nil, nil, admission.ErrSuspended
	}
	return e.valid, e.mu.RUnlock, nil
}

// run runs a script of the epoch for a call by its hash, never by its text: a Redis that does
// not know it must first prove to be one in which the epoch is valid. Calls in the same lane share
// runs of the script, and writes.
func (e *validEpoch) run(ctx context.Context, lane *together, call scriptCall) *redis.Cmd {
	ctx, cancel := bounded(ctx)
	defer cancel()
	answer := e.eval(ctx, lane, call)
	if all, ok := answer.Val().([]any); ok && len(all) > 1 && all[0] == "broken" {
		answer.SetVal(all[1])
		if e.onBroken != nil {
			for _, broken := range readBroken(all[2:]) {
				e.onBroken(broken)
			}
		}
		_ = e.client.Publish(ctx, limiterv1.FeedChannel, recountNews(call.accounts)).Err() // only a hint
	}
	return answer
}

// bounded is ctx until operationTimeout is over, at the latest.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if until, ok := ctx.Deadline(); ok && time.Until(until) <= operationTimeout {
		return ctx, func() {} // the usual case for an admission
	}
	return context.WithTimeout(ctx, operationTimeout)
}

func (e *validEpoch) eval(ctx context.Context, lane *together, call scriptCall) *redis.Cmd {
	answer := lane.do(ctx, call)
	if !redis.HasErrorPrefix(answer.Err(), "NOSCRIPT") {
		return answer
	}
	if err := e.load(ctx); err != nil {
		answer.SetErr(err)
		return answer
	}
	alone := newSent(ctx, call)
	sendBatch(e.client, []*sent{alone})
	if redis.HasErrorPrefix(alone.answer.Err(), "NOSCRIPT") {
		alone.answer.SetErr(fmt.Errorf("%w: the epoch is not valid in this run of Redis", admission.ErrSuspended))
	}
	return alone.answer
}

// load loads the scripts into every master in which the epoch is valid.
func (e *validEpoch) load(ctx context.Context) error {
	return redisclient.ForEachMaster(ctx, e.client, func(ctx context.Context, node *redis.Client) error {
		conn := node.Conn() // a connection belongs to one run of Redis, and ends with it
		return errors.Join(e.loadInto(ctx, conn), conn.Close())
	})
}

func (e *validEpoch) loadInto(ctx context.Context, conn *redis.Conn) error {
	server, err := redisclient.Describe(ctx, conn)
	if err != nil || !e.ValidIn(server.Run) {
		return err
	}
	for _, script := range []*redis.Script{e.admit, e.settle, e.take} {
		if err := script.Load(ctx, conn).Err(); err != nil {
			return fmt.Errorf("load a script: %w", err)
		}
	}
	return nil
}
