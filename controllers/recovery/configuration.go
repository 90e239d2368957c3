package recovery

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/log"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

const (
	// recountsAtOnce is how many batches of tenants are recounted at once, and mostInBatch how many
	// tenants are in one at most. Where a batch fails, its tenants are tried again in batches smaller
	// by this factor, until each is alone: none keeps the others from being counted.
	recountsAtOnce, mostInBatch, smaller = 8, 256, 16
	// recountTimeout bounds the first recount of a batch, so that one tenant with much to count does not
	// hold up the others in its batch for longer. It doubles, up to longestRecount, for tenants that are
	// tried alone, and when smaller batches take longer, too, which is then not the doing of a single
	// tenant.
	recountTimeout, longestRecount = time.Second, time.Minute
	// recountPause is the pause before tenants that failed alone are tried again.
	recountPause = time.Second
	// recountRounds is how often a tenant is tried before it is left to its controller.
	recountRounds = 12
)

// Configurations are the configurations in Redis.
type Configurations interface {
	// Update brings a copy up to date.
	Update(ctx context.Context, copied *limiterstore.Configuration) error
	// Restore puts a copy in the place of a configuration that is lost or older.
	Restore(ctx context.Context, copied limiterstore.Configuration) (restored bool, err error)
	// Begin begins one where there is none.
	Begin(ctx context.Context) error
}

// configuration is this manager's copy of the configuration, from which it restores what
// Redis has lost, and makes all counters valid, without a look at the API server.
type configuration struct {
	store     Configurations
	recounter *Recounter
	copied    limiterstore.Configuration

	// cancel ends the recount that is under way, and running waits for it.
	cancel  context.CancelFunc
	running sync.WaitGroup
}

func newConfiguration(store Configurations, recounter *Recounter) *configuration {
	return &configuration{store: store, recounter: recounter, cancel: func() {}}
}

// remember brings the copy up to date.
func (c *configuration) remember(ctx context.Context) error { return c.store.Update(ctx, &c.copied) }

// restore restores what Redis has lost or, where this manager has no copy either, lets
// the controllers begin anew.
func (c *configuration) restore(ctx context.Context) error {
	c.stop() // of the previous epoch
	if !c.copied.Complete {
		return c.store.Begin(ctx)
	}
	begin := time.Now()
	restored, err := c.store.Restore(ctx, c.copied)
	if restored {
		log.FromContext(ctx).Info("The configuration is restored", "documents", len(c.copied.Documents), "took", time.Since(begin).String())
	}
	return err
}

// recount begins to make the counters of all tenants valid, and returns at once. Each controller does the
// same when it comes to its tenant; whichever is later finds it done.
func (c *configuration) recount(ctx context.Context) {
	tenants := c.tenants()
	ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.running.Go(func() {
		begin, all := time.Now(), len(tenants)
		first := min((all+recountsAtOnce-1)/recountsAtOnce, mostInBatch)
		inBatch, timeout := first, recountTimeout
		for round := 0; len(tenants) > 0 && round < recountRounds && ctx.Err() == nil; round++ {
			var mostSlow bool
			tenants, mostSlow = c.recountAll(ctx, tenants, inBatch, timeout)
			switch {
			case inBatch == 1:
				timeout = min(2*timeout, longestRecount)
				if len(tenants) > 0 {
					pause(ctx, recountPause)
				}
			case mostSlow && inBatch < first:
				inBatch, timeout = first, min(2*timeout, longestRecount)
			default:
				inBatch = max(inBatch/smaller, 1)
			}
		}
		if ctx.Err() == nil && all > 0 {
			log.FromContext(ctx).Info("The counters are recounted", "tenants", all-len(tenants), "failed", len(tenants), "took", time.Since(begin).String())
		}
	})
}

// stop ends a recount that is under way.
func (c *configuration) stop() {
	c.cancel()
	c.running.Wait()
}

func pause(ctx context.Context, length time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(length):
	}
}

// recountAll recounts tenants in batches of inBatch, each within the timeout. It returns the tenants that
// failed, and whether most batches took longer. If as many batches as are recounted at once all take
// longer, the others are not tried.
func (c *configuration) recountAll(ctx context.Context, tenants []limiterv1.Tenant, inBatch int, timeout time.Duration) (failed []limiterv1.Tenant, mostSlow bool) {
	var round recountRound
	var group errgroup.Group
	group.SetLimit(recountsAtOnce)
	for some := range slices.Chunk(tenants, inBatch) {
		group.Go(func() error {
			if inBatch > 1 && round.isHopeless() {
				round.skip(some)
				return nil
			}
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			errs := c.recounter.RecountAll(ctx, some...)
			round.note(some, errs, ctx.Err() != nil)
			return nil
		})
	}
	_ = group.Wait() // the round has the tenants that failed
	return round.failed, 2*round.slow > round.done
}

// recountRound collects the results of batches, some of which are recounted at the same time.
type recountRound struct {
	mu     sync.Mutex
	failed []limiterv1.Tenant
	// done is how many batches have ended, and slow how many of these took too long.
	done, slow int
}

// note records the result of a batch.
func (r *recountRound) note(tenants []limiterv1.Tenant, errs []error, isSlow bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	if isSlow {
		r.slow++
	}
	for i, err := range errs {
		if err != nil {
			r.failed = append(r.failed, tenants[i])
		}
	}
}

// skip leaves a batch to the next round.
func (r *recountRound) skip(tenants []limiterv1.Tenant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(r.failed, tenants...)
}

// isHopeless reports whether all batches have taken too long so far, and at least as many as are
// recounted at once.
func (r *recountRound) isHopeless() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.slow == r.done && r.slow >= recountsAtOnce
}

// tenants are the documents of tenants in the copy. Those of one shard, and of one budget tree, follow
// one another, so that what they have in common is read once for all in a batch.
func (c *configuration) tenants() (tenants []limiterv1.Tenant) {
	for id, stored := range c.copied.Documents {
		_, body, _ := strings.Cut(stored, " ")
		var tenant limiterv1.Tenant
		if id.Kind == limiterv1.TenantDocument && json.Unmarshal([]byte(body), &tenant) == nil {
			tenants = append(tenants, tenant)
		}
	}
	slices.SortFunc(tenants, func(a, b limiterv1.Tenant) int {
		return cmp.Or(cmp.Compare(limiterv1.Shard(a.Root()), limiterv1.Shard(b.Root())), cmp.Compare(a.Root(), b.Root()),
			cmp.Compare(len(a.Ancestors), len(b.Ancestors)))
	})
	return tenants
}
