// Package controlplane runs, for tests of the data plane, the one part of the control
// plane that enforcers wait for: recovery, which rebuilds a limiter that lost its data.
package controlplane

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/recovery"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// recountEvery is how often the tenants' counters are made valid.
const recountEvery = 50 * time.Millisecond

// Recover rebuilds the limiter whenever that is needed, and keeps the tenants' counters valid,
// until ctx ends. After an error, such as of an unreachable Redis, it tries again.
func Recover(ctx context.Context, client redis.UniversalClient, database *pgxpool.Pool, tenants ...limiterv1.Tenant) {
	epochs, calls, ledger := limiterstore.NewEpochs(client), limiterstore.NewCalls(client), budgetstore.NewLedgerReader(database)
	configurations := limiterstore.NewConfigurations(client)
	recounter := recovery.NewRecounter(limiterstore.NewDocuments(client), epochs, limiterstore.NewCounters(client), calls, ledger)
	rebuilder := recovery.NewRebuilder(recovery.RebuilderOptions{
		Epochs: epochs, Enforcers: limiterstore.NewEnforcers(client), Calls: calls, Numbers: budgetstore.NewEpochs(database), Ledger: ledger,
		Turn: budgetstore.NewTurn(database), Configurations: configurations, Recounter: recounter, Leads: alone(),
	})
	go func() { _ = rebuilder.Start(ctx) }() // never fails
	tick := time.NewTicker(recountEvery)
	defer tick.Stop()
	for {
		if incarnation, err := configurations.Incomplete(ctx); err == nil && incarnation != "" {
			_ = configurations.Complete(ctx, incarnation) // tests put what they want, and nobody else does
		}
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

// alone is closed: there is no other manager that leads.
func alone() <-chan struct{} {
	leads := make(chan struct{})
	close(leads)
	return leads
}

// Recount counts the tenant anew if its counters are not valid.
func Recount(ctx context.Context, client redis.UniversalClient, database *pgxpool.Pool, tenant limiterv1.Tenant) error {
	epochs, calls, ledger := limiterstore.NewEpochs(client), limiterstore.NewCalls(client), budgetstore.NewLedgerReader(database)
	return recovery.NewRecounter(limiterstore.NewDocuments(client), epochs, limiterstore.NewCounters(client), calls, ledger).Recount(ctx, tenant)
}
