package webhook

import (
	"context"
	"iter"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/history"
	"github.com/bursar-dev/bursar/history/replay"
)

// PastCalls is where the calls of the past are.
type PastCalls interface {
	Opening(ctx context.Context, document limiterv1.Tenant, from time.Time, tenants ...history.Tenant) ([]replay.Opening, error)
	Calls(ctx context.Context, from, to time.Time, tenants ...history.Tenant) iter.Seq2[replay.PastCall, error]
}

// lookBack is how many days of calls are replayed.
const lookBack = 7

// Replays run one at a time, so that people who write YAML do not keep the ledger busy. A
// request that comes meanwhile gets no warning.
var replays sync.Mutex

// replayed are the warnings of how many calls of the last days a document would have refused
// and, where it is looser than before, admitted of those that were refused, if there is time to
// find out.
func replayed(
	ctx context.Context, reader client.Reader, ledger PastCalls, document limiterv1.Tenant, now time.Time, looser bool,
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
	return result.Warnings(document.Tenant, lookBack, looser)
}

func replayOf(
	ctx context.Context, reader client.Reader, ledger PastCalls, document limiterv1.Tenant, now time.Time,
) (replay.Result, error) {
	var budgets v1alpha1.TenantBudgetList
	if err := reader.List(ctx, &budgets, client.UnsafeDisableDeepCopy); err != nil {
		return replay.Result{}, err
	}
	family := history.Family(document, budgets.Items)
	from := now.AddDate(0, 0, -lookBack)
	opening, err := ledger.Opening(ctx, document, from, family...)
	if err != nil {
		return replay.Result{}, err
	}
	return replay.Run(document, replay.History{
		From: from, To: now, Opening: opening, Calls: ledger.Calls(ctx, from, now, family...),
	})
}
