package history

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
)

// Tally is a number of calls and what they cost.
type Tally struct {
	Calls int64
	Cost  money.Nanos
}

// Shadowed are the calls of a tenant that were admitted, from one moment to another, only
// because the budget of the limit that would have refused them was in Shadow.
func (r *Reader) Shadowed(ctx context.Context, tenant string, from, to time.Time) (t Tally, err error) {
	const shadowed = `
SELECT count(*), coalesce(sum(cost_nanos), 0)::bigint FROM ai_usage_logs
WHERE tenant_id = @tenant AND decision = @shadowed AND admitted_at >= @from AND admitted_at < @to`
	args := pgx.NamedArgs{"tenant": tenant, "shadowed": ledgerv1.Shadowed, "from": from, "to": to}
	err = r.forTenant(ctx, tenant, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, shadowed, args).Scan(&t.Calls, &t.Cost)
	})
	if err != nil {
		return Tally{}, fmt.Errorf("count the calls of tenant %s that Shadow admitted: %w", tenant, err)
	}
	return t, nil
}
