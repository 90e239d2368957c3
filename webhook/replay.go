package webhook

import (
	"context"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/change"
	"github.com/bursar-dev/bursar/history"
	"github.com/bursar-dev/bursar/history/replay"
)

// Replays run one at a time, so that people who write YAML do not keep the ledger busy. A
// request that comes meanwhile gets no warning.
var replays sync.Mutex

// replayed are the warnings of how many calls of the last days a document would have refused
// and, where it is looser than before, admitted of those that were refused, if there is time to
// find out.
func replayed(
	ctx context.Context, reader client.Reader, ledger history.PastCalls, document limiterv1.Tenant, now time.Time, looser bool,
) []string {
	if !replays.TryLock() {
		return nil
	}
	defer replays.Unlock()
	result, err := replayOf(ctx, reader, ledger, document, now)
	if err != nil {
		log.FromContext(ctx).V(1).Info("Failed to replay the calls of a tenant", "tenant", document.Tenant, "error", err.Error())
		return nil
	}
	return result.Warnings(document.Tenant, change.LookBack, looser)
}

func replayOf(
	ctx context.Context, reader client.Reader, ledger history.PastCalls, document limiterv1.Tenant, now time.Time,
) (replay.Result, error) {
	var budgets v1alpha1.TenantBudgetList
	if err := reader.List(ctx, &budgets, client.UnsafeDisableDeepCopy); err != nil {
		return replay.Result{}, err
	}
	return history.Replay(ctx, ledger, document, budgets.Items, now.AddDate(0, 0, -change.LookBack), now)
}
