package budgetstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bursar-dev/bursar/api/money"
)

// Audits are what audits of the counters have found, as the console tells the platform's admins.
type Audits struct{ pool *pgxpool.Pool }

// NewAudits makes Audits.
func NewAudits(pool *pgxpool.Pool) *Audits { return &Audits{pool: pool} }

// AuditSummary is how the counters of all tenants compare with the ledger.
type AuditSummary struct {
	// Tenants is how many tenants there are, WithDrift how many of them have a counter that
	// differs from the ledger, and WithWrongSums how many have sums of usage that differ from it.
	Tenants, WithDrift, WithWrongSums int
	// Drift is the sum of the differences of counters.
	Drift money.Nanos
}

// Keep keeps a summary, in the place of the one before.
func (a *Audits) Keep(ctx context.Context, s AuditSummary) error {
	const keep = `
INSERT INTO limiter_audits (audited_at, tenants, tenants_with_drift, drift_nanos, tenants_with_wrong_sums) VALUES (now(), $1, $2, $3, $4)
ON CONFLICT (singleton) DO UPDATE SET (audited_at, tenants, tenants_with_drift, drift_nanos, tenants_with_wrong_sums) =
  (EXCLUDED.audited_at, EXCLUDED.tenants, EXCLUDED.tenants_with_drift, EXCLUDED.drift_nanos, EXCLUDED.tenants_with_wrong_sums)`
	if _, err := a.pool.Exec(ctx, keep, s.Tenants, s.WithDrift, s.Drift, s.WithWrongSums); err != nil {
		return fmt.Errorf("keep what the audits found: %w", unanswered(err))
	}
	return nil
}
