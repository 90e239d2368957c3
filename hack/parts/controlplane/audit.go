package controlplane

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/bursar-dev/bursar/controllers/leader/audit"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/parts/eventlog"
)

// ErrNotValid means that counters of a tenant have to be counted anew.
var ErrNotValid = limiterstore.ErrNotValid

// Auditor compares the counters of tenants with the ledger.
type Auditor struct {
	auditor *audit.Auditor
	events  *eventlog.Events
}

// NewAuditor makes an Auditor of a database, opened by a login that may read what the manager may.
func NewAuditor(client redis.UniversalClient, database *pgxpool.Pool) *Auditor {
	recorded := &eventlog.Events{}
	return &Auditor{events: recorded, auditor: audit.New(
		limiterstore.NewDocuments(client), limiterstore.NewCounters(client), limiterstore.NewFindings(client),
		budgetstore.NewLedgerReader(database), events.NewRecorder(recorded, nil), 0)}
}

// Audit audits a tenant, and returns the Events that it records. It fails with
// ErrNotValid if counters have to be counted anew first.
func (a *Auditor) Audit(ctx context.Context, tenant string) (told []string, err error) {
	err = a.auditor.Audit(ctx, tenant)
	return a.events.Take(), err
}
