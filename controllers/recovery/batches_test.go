package recovery

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// timedCounters are counters that take some time to be made valid. A group that is made valid together takes
// as long as the slowest of it.
type timedCounters struct {
	Counters
	takes func(tenant string, together int) time.Duration

	mu    sync.Mutex
	begin time.Time
	valid map[string]time.Duration // after how long each was
}

func (c *timedCounters) SuspendTenants(ctx context.Context, tenants ...limiterstore.Suspension) ([]*limiterstore.SuspendedTenant, []error) {
	var longest time.Duration
	for _, tenant := range tenants {
		longest = max(longest, c.takes(tenant.Tenant, len(tenants)))
	}
	errs := make([]error, len(tenants))
	select {
	case <-time.After(longest):
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, tenant := range tenants {
			c.valid[tenant.Tenant] = time.Since(c.begin)
		}
	case <-ctx.Done():
		for i := range errs {
			errs[i] = ctx.Err()
		}
	}
	return make([]*limiterstore.SuspendedTenant, len(tenants)), errs
}

func (c *timedCounters) Resume(context.Context, ...*limiterstore.SuspendedTenant) []error { return nil }

// validEpoch is an epoch that stays valid.
type validEpoch struct{}

func (validEpoch) Current(context.Context) (limiterv1.Epoch, error) {
	return limiterv1.Epoch{Number: 1, State: limiterv1.EpochValid}, nil
}

// TestSlowTenants: when Redis has lost everything, a tenant with much to count is put aside, and counted once
// the others may call again. When all take long, none is treated as a slow one.
func TestSlowTenants(t *testing.T) {
	const tenants = 2000
	name := func(i int) string { return fmt.Sprintf("tenant-%d", i) }
	var slow []string
	for i := range 20 {
		slow = append(slow, name(i*100))
	}
	for title, tc := range map[string]struct {
		slow          []string
		takes         time.Duration // each of the slow ones
		batch         time.Duration // a batch of others
		least         time.Duration // any batch
		within, later time.Duration // until when others, and the slow ones, are counted
	}{
		"nobody is slow":           {batch: 300 * time.Millisecond, within: 300 * time.Millisecond},
		"all are":                  {batch: 3 * time.Second, within: 5 * time.Second},
		"each question takes long": {least: 1500 * time.Millisecond, within: 5 * time.Second},
		"one tenant":               {slow: slow[:1], takes: 30 * time.Second, within: 2 * time.Second, later: 2 * time.Minute},
		"one tenant, while all others take a while": {slow: slow[:1], takes: 30 * time.Second, batch: 900 * time.Millisecond, within: 4 * time.Second, later: 2 * time.Minute},
		"20 tenants": {slow: slow, takes: 6 * time.Second, within: 8 * time.Second, later: time.Minute},
	} {
		t.Run(title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				counters := &timedCounters{begin: time.Now(), valid: map[string]time.Duration{}, takes: func(tenant string, together int) time.Duration {
					if slices.Contains(tc.slow, tenant) {
						return tc.takes
					}
					return max(tc.least, tc.batch*time.Duration(together)/250)
				}}
				c := newConfiguration(nil, NewRecounter(nil, validEpoch{}, counters, nil, nil))
				c.copied.Documents = map[limiterv1.DocumentID]string{}
				for i := range tenants {
					body, err := json.Marshal(limiterv1.Tenant{Level: limiterv1.Level{Tenant: name(i)}})
					if err != nil {
						t.Fatal(err)
					}
					c.copied.Documents[limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: name(i)}] = "1 " + string(body)
				}
				c.recount(t.Context())
				c.running.Wait()
				for i := range tenants {
					after, counted := counters.valid[name(i)]
					within := tc.within
					if slices.Contains(tc.slow, name(i)) {
						within = tc.later
					}
					if !counted || after > within {
						t.Errorf("%s is counted: %t, after %s; want that within %s", name(i), counted, after, within)
					}
				}
			})
		})
	}
}
