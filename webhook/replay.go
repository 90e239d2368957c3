package webhook

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/change"
	"github.com/bursar-dev/bursar/controllers/rules/index"
	"github.com/bursar-dev/bursar/history"
	"github.com/bursar-dev/bursar/history/replay"
)

// Replays run one at a time, so that people who write YAML do not keep the ledger busy. A
// request that comes meanwhile gets no warning.
var replays sync.Mutex

// replayed are the warnings that say how many calls of the last days a document would have refused
// and, if it is looser than before, how many of the refused ones it would have admitted. There are
// none if there is no time to find out.
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
	budgets, err := related(ctx, reader, document)
	if err != nil {
		return replay.Result{}, err
	}
	return history.Replay(ctx, ledger, document, budgets, now.AddDate(0, 0, -change.LookBack), now)
}

// related are the budgets by which the document's family is found: those of its tenant, of its
// ancestors, and of the tenants below those that limit it. There may be many thousands of others.
func related(ctx context.Context, reader client.Reader, document limiterv1.Tenant) ([]v1alpha1.TenantBudget, error) {
	tenants := sets.New(history.Limiting(document)...)
	top, err := naming(ctx, reader, tenants)
	if err != nil {
		return nil, err
	}
	var keys []types.NamespacedName
	for i := range top {
		keys = append(keys, client.ObjectKeyFromObject(&top[i]))
	}
	below, err := index.Below(ctx, reader, keys...)
	if err != nil {
		return nil, err
	}
	for i := range below {
		tenants.Insert(below[i].Spec.Tenant)
	}
	for _, ancestor := range document.Ancestors {
		tenants.Insert(ancestor.Tenant)
	}
	return naming(ctx, reader, tenants)
}

// naming are the budgets that name the tenants.
func naming(ctx context.Context, reader client.Reader, tenants sets.Set[string]) (all []v1alpha1.TenantBudget, err error) {
	for tenant := range tenants {
		var budgets v1alpha1.TenantBudgetList
		err := reader.List(ctx, &budgets, client.UnsafeDisableDeepCopy, client.MatchingFields{index.BudgetTenant: tenant})
		if err != nil {
			return nil, err
		}
		all = append(all, budgets.Items...)
	}
	return all, nil
}
