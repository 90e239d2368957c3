package history

import (
	"context"
	"iter"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/history/replay"
)

// PastCalls has the calls of the past, as a Reader does.
type PastCalls interface {
	Opening(ctx context.Context, document limiterv1.Tenant, from time.Time, tenants ...Tenant) ([]replay.Opening, error)
	Calls(ctx context.Context, from, to time.Time, tenants ...Tenant) iter.Seq2[replay.PastCall, error]
}

// Replay is what a document would have done, from one moment to another, with the calls of its
// Family among the tenants of budgets.
func Replay(
	ctx context.Context, ledger PastCalls, document limiterv1.Tenant, budgets []v1alpha1.TenantBudget, from, to time.Time,
) (replay.Result, error) {
	family := Family(document, budgets)
	opening, err := ledger.Opening(ctx, document, from, family...)
	if err != nil {
		return replay.Result{}, err
	}
	return replay.Run(document, replay.History{From: from, To: to, Opening: opening, Calls: ledger.Calls(ctx, from, to, family...)})
}
