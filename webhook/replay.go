package webhook

import (
	"context"
	"fmt"
	"iter"
	"slices"
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
) (warnings []string) {
	if !replays.TryLock() {
		return nil
	}
	defer replays.Unlock()
	result, err := replayOf(ctx, reader, ledger, document, now)
	if err != nil {
		log.FromContext(ctx).V(1).Info("Failed to replay the calls of a tenant", "tenant", document.Tenant, "error", err.Error())
		return nil
	}
	const details = `; run "kubectl budget replay" for details`
	if result.Refused.Calls > 0 {
		warnings = append(warnings, fmt.Sprintf("under these limits %d of the %d calls of the last %d days would have been refused",
			result.Refused.Calls, result.Admitted.Calls, lookBack)+byMost(result.Limits, document.Tenant)+details)
	}
	if looser && result.Fitting.Calls > 0 {
		warnings = append(warnings, fmt.Sprintf("under these limits %d of the %d calls that were refused for money in the last %d days "+
			"would have been admitted, for about %s USD", result.Fitting.Calls, result.WereRefused.Calls, lookBack, result.Fitting.Cost)+details)
	}
	return warnings
}

// byMost says which limit of the tenant or its ancestors would have refused most of the calls.
func byMost(limits []replay.LimitResult, tenant string) string {
	most := mostRefusing(limits)
	if most.Money == nil {
		return ""
	}
	by := fmt.Sprintf(", %d of them by limit %s", most.Total().Calls, most.Money.Name)
	if most.Tenant != tenant {
		by += " of tenant " + most.Tenant
	}
	return by
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

func mostRefusing(limits []replay.LimitResult) replay.LimitResult {
	return slices.MaxFunc(limits, func(a, b replay.LimitResult) int { return int(a.Total().Calls - b.Total().Calls) })
}

// tightens reports whether a level refuses calls that it did not refuse before: by a
// limit that is new, or that is reached with less.
func tightens(was, is limiterv1.Level) bool {
	return slices.ContainsFunc(is.Money, func(limit limiterv1.MoneyLimit) bool {
		earlier, found := counterpart(was, limit)
		return !found || is.RefusesFrom(limit) < was.RefusesFrom(earlier)
	})
}
