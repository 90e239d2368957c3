package recovery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/retry"
)

var recountScript = redis.NewScript(limiterv1.RecountLua)

// makeUpFor has this process' settled calls counted that the ledger may not have, under an
// epoch that was opened without them, when neither Redis nor the ledger knew of them. Open
// calls need nothing: their cost is posted when they end.
func (a *Announcer) makeUpFor(epoch announcement) {
	failure := ""
	_ = retry.UntilWithin(epoch.until, announceAgain, func(ctx context.Context) error {
		return a.leaveSettled(ctx, epoch.Epoch)
	}, func(err error, pause time.Duration) {
		if err.Error() != failure {
			a.Log.Error("failed to have settled calls counted that the limiter was opened without; will retry",
				"epoch", epoch.Number, "error", err, "after", pause.String())
		}
		failure = err.Error()
	})
}

// leaveSettled leaves the settled calls in Redis, where a recount finds them until the ledger
// has them, and has their tenants recounted.
func (a *Announcer) leaveSettled(ctx context.Context, epoch limiterv1.Epoch) error {
	settled := a.Ledger.Unwritten()
	if len(settled) == 0 {
		return nil
	}
	session := a.Session()
	// A recount reads only the calls of sessions that Redis knows.
	if err := a.Redis.HSet(ctx, limiterv1.AnnouncedKey, session, epoch.Number).Err(); err != nil {
		return fmt.Errorf("make the session known: %w", err)
	}
	calls := recordsOf(nil, settled)
	for shard, of := range calls {
		if err := a.put(ctx, "", session, shard, of); err != nil {
			return fmt.Errorf("leave settled calls in Redis: %w", err)
		}
	}
	if err := a.dropWritten(ctx, session, calls); err != nil {
		return err
	}
	for root, tenants := range tenantsOf(settled) {
		err := recountScript.Run(ctx, a.Redis, limiterv1.RecountKeys(root, tenants), limiterv1.RecountNews(tenants)...).Err()
		if err != nil {
			return fmt.Errorf("have tenants recounted: %w", err)
		}
	}
	a.Log.Warn("the limiter was opened without calls that this enforcer had settled: their tenants are recounted", "epoch", epoch.Number, "calls", len(settled))
	return nil
}

// dropWritten drops the calls that the ledger has by now: the Writer, which drops what it has
// written, may have done so before they were left.
func (a *Announcer) dropWritten(ctx context.Context, session string, calls records) error {
	waiting := recordsOf(nil, a.Ledger.Unwritten())
	for shard, of := range calls {
		var written []string
		for id := range of {
			if _, waits := waiting[shard][id]; !waits {
				written = append(written, id)
			}
		}
		if err := a.drop(ctx, "", session, shard, written); err != nil {
			return fmt.Errorf("drop recorded calls from Redis: %w", err)
		}
	}
	return nil
}

// tenantsOf are the tenants that calls count against, by the roots of their budget trees.
func tenantsOf(settled []ledgerv1.Entry) map[string][]string {
	trees := map[string]map[string]bool{}
	for _, e := range settled {
		if trees[e.Root] == nil {
			trees[e.Root] = map[string]bool{}
		}
		for _, tenant := range append([]string{e.Tenant}, e.Ancestors...) {
			trees[e.Root][tenant] = true
		}
	}
	tenants := map[string][]string{}
	for root, of := range trees {
		tenants[root] = slices.Sorted(maps.Keys(of))
	}
	return tenants
}
