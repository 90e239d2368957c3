package budgetstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
)

// Limits are the rows of tenants and of their budget limits.
type Limits struct{ pool *pgxpool.Pool }

// NewLimits makes Limits. The pool's role is a member of bursar_manager, as of every
// type here.
func NewLimits(pool *pgxpool.Pool) *Limits { return &Limits{pool: pool} }

// Budget is what is recorded of a TenantBudget that is in force.
type Budget struct {
	Namespace  string
	Name       string
	UID        string
	Generation int64
	// Level is the tenant, and what was compiled for it.
	limiterv1.Level
	// Change is how the budget became what it is; nil where that is not known.
	Change *Change `json:"-"`
	// Policies are those that its rate limits are of.
	Policies []Policy
}

const recordTenant = `
INSERT INTO tenants (tenant_id, namespace, budget, budget_uid, generation, time_zone)
VALUES (@tenant, @namespace, @name, @uid, @generation, @zone)
ON CONFLICT (tenant_id) DO UPDATE
SET namespace = excluded.namespace, budget = excluded.budget, budget_uid = excluded.budget_uid,
    generation = excluded.generation, time_zone = excluded.time_zone,
    recorded_at = excluded.recorded_at, withdrawn_at = NULL
WHERE (tenants.budget_uid, tenants.generation) <> (excluded.budget_uid, excluded.generation)
   OR tenants.withdrawn_at IS NOT NULL`

// wantedLimits are the limits of a Budget as rows. Tiers, models and groups come as JSON: an
// array of arrays cannot be taken apart row by row.
const wantedLimits = `
WITH wanted AS (
  SELECT limit_name, per, period, amount_nanos, trip_nanos,
         ARRAY(SELECT jsonb_array_elements_text(tiers)) AS tiers,
         ARRAY(SELECT jsonb_array_elements_text(models)) AS models,
         ARRAY(SELECT jsonb_array_elements_text(groups)) AS groups,
         labels,
         @zone::text AS time_zone, @uid::text AS budget_uid, coalesce(nullif(@currency::text, ''), 'USD') AS currency, amount_written
  FROM unnest(@names::text[], @pers::text[], @periods::text[], @amounts::bigint[], @trips::bigint[], @tiers::jsonb[], @models::jsonb[], @groups::jsonb[], @labels::jsonb[],
    @written::text[])
    AS w (limit_name, per, period, amount_nanos, trip_nanos, tiers, models, groups, labels, amount_written)
)`

const closeChangedLimits = wantedLimits + `
UPDATE budget_limits SET valid_to = now()
WHERE tenant_id = @tenant AND valid_to IS NULL AND NOT EXISTS (
  SELECT FROM wanted
  WHERE (limit_name, per, period, amount_nanos, trip_nanos, tiers, models, groups, labels, time_zone, budget_uid) IS NOT DISTINCT FROM
        (budget_limits.limit_name, budget_limits.per, budget_limits.period, budget_limits.amount_nanos, budget_limits.trip_nanos,
         budget_limits.tiers, budget_limits.models, budget_limits.groups, budget_limits.labels, budget_limits.time_zone, budget_limits.budget_uid)
    AND (NOT @known OR (currency, amount_written) = (budget_limits.currency, budget_limits.amount_written)))`

const openMissingLimits = wantedLimits + `
INSERT INTO budget_limits
  (tenant_id, generation, limit_name, per, period, amount_nanos, trip_nanos, tiers, models, groups, labels, time_zone, budget_uid, currency, amount_written)
SELECT @tenant, @generation, wanted.* FROM wanted
ON CONFLICT (tenant_id, limit_name) WHERE valid_to IS NULL DO NOTHING`

// Record makes the rows say what is in force now: it closes those of limits that
// changed or went, and opens those that are missing. Recording again changes nothing.
func (l *Limits) Record(ctx context.Context, budget Budget) error {
	var names, pers, periods, written []string
	var tiers, models, groups [][]string
	var labels []map[string]string
	var currency Currency
	if budget.Change != nil {
		currency = budget.Change.Currency
	}
	var amounts []int64
	var trips []*money.Nanos
	for _, limit := range budget.Money {
		names = append(names, limit.Name)
		pers = append(pers, string(limit.Per))
		periods = append(periods, string(limit.Period))
		amounts = append(amounts, int64(limit.Amount))
		tiers = append(tiers, orNone(limit.Tiers))
		models = append(models, orNone(limit.Models))
		groups = append(groups, orNone(limit.Groups))
		labels = append(labels, labelsOf(limit.Selector))
		var trip *money.Nanos
		if at, ok := budget.TripAt(limit); ok {
			trip = &at
		}
		trips = append(trips, trip)
		written = append(written, currency.Written[limit.Name])
	}
	args := pgx.NamedArgs{
		"tenant": budget.Tenant, "namespace": budget.Namespace, "name": budget.Name, "uid": budget.UID,
		"generation": budget.Generation, "zone": budget.TimeZone,
		"names": names, "pers": pers, "periods": periods, "amounts": amounts, "trips": trips, "tiers": asJSON(tiers), "models": asJSON(models), "groups": asJSON(groups), "labels": asJSON(labels),
		"rates": budget.rates(), "policies": budget.policies(), "deletion": GistOfDeletion,
		"written": written, "currency": currency.Code, "rate": currency.USDPerUnit, "asof": currency.AsOf, "known": budget.Change != nil,
	}
	statements := append([]string{recordTenant, closeChangedLimits, openMissingLimits}, recordRates...)
	if change := budget.Change; change != nil {
		args["version"], args["gist"] = change.ResourceVersion, change.Gist
		args["manager"], args["managed"] = storable(change.FieldManager), nilIfZero(change.ManagedAt)
		args["enforcement"], args["forced"] = change.Enforcement, change.BreakerForced
		statements = append(statements, recordChange)
	}
	if err := inOrder(ctx, l.pool, args, statements...); err != nil {
		return fmt.Errorf("record the limits of tenant %s: %w", budget.Tenant, err)
	}
	return nil
}

// asJSON are values, each as JSON.
func asJSON[T any](values []T) []json.RawMessage {
	all := make([]json.RawMessage, len(values))
	for i, value := range values {
		all[i], _ = json.Marshal(value) // texts are always JSON
	}
	return all
}

const withdrawTenant = `
UPDATE tenants SET withdrawn_at = now()
WHERE tenant_id = @tenant AND budget_uid = @uid AND withdrawn_at IS NULL`

const closeLimits = `
UPDATE budget_limits SET valid_to = now()
WHERE tenant_id = @tenant AND budget_uid = @uid AND valid_to IS NULL`

// Close closes the rows that the budget with the UID opened, and resolves its alerts.
// Rows of another budget, which has taken over the tenant, stay open.
func (l *Limits) Close(ctx context.Context, tenant, uid string) error {
	args := pgx.NamedArgs{"tenant": tenant, "uid": uid, "resolution": ledgerv1.BudgetRemoved, "deletion": GistOfDeletion}
	if err := inOrder(ctx, l.pool, args, recordDeletion, withdrawTenant, closeLimits, closeRates, removeAlerts); err != nil {
		return fmt.Errorf("close the limits of tenant %s: %w", tenant, err)
	}
	return nil
}

// Owner is an object that has rows that are open.
type Owner struct{ Tenant, Namespace, Name, UID string }

// Open are the budgets that have rows which are not closed.
func (l *Limits) Open(ctx context.Context) ([]Owner, error) {
	const open = "SELECT tenant_id, namespace, budget, budget_uid FROM tenants WHERE withdrawn_at IS NULL"
	owners, err := ownersOf(ctx, l.pool, open)
	if err != nil {
		return nil, fmt.Errorf("read the budgets on record: %w", err)
	}
	return owners, nil
}

func ownersOf(ctx context.Context, pool *pgxpool.Pool, query string) ([]Owner, error) {
	rows, _ := pool.Query(ctx, query) // CollectRows has the error
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Owner])
}

// inOrder runs statements in one transaction, sent together.
func inOrder(ctx context.Context, pool *pgxpool.Pool, args pgx.NamedArgs, statements ...string) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		var batch pgx.Batch
		for _, statement := range statements {
			batch.Queue(statement, args)
		}
		return tx.SendBatch(ctx, &batch).Close()
	})
}
