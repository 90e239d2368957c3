// Package controlplane runs, for tests of the data plane, the one part of the control
// plane that enforcers wait for: what makes a limiter that lost its data true again.
package controlplane

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/leader/recovery"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// recountEvery is how often the tenants' counters are made valid.
const recountEvery = 50 * time.Millisecond

// Recover rebuilds the limiter whenever it has to be, and keeps their counters valid, until
// ctx ends. Errors are those of an unreachable Redis, and end when it is back.
func Recover(ctx context.Context, client redis.UniversalClient, database *pgxpool.Pool, tenants ...limiterv1.Tenant) {
	epochs, calls, ledger := limiterstore.NewEpochs(client), limiterstore.NewCalls(client), budgetstore.NewLedgerReader(database)
	rebuilder := recovery.NewRebuilder(epochs, limiterstore.NewEnforcers(client), calls, budgetstore.NewEpochs(database), ledger)
	go func() { _ = rebuilder.Start(ctx) }() // never fails
	recounter := recovery.NewRecounter(epochs, limiterstore.NewCounters(client), calls, ledger)
	tick := time.NewTicker(recountEvery)
	defer tick.Stop()
	for {
		for _, tenant := range tenants {
			_ = recounter.Recount(ctx, tenant)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
