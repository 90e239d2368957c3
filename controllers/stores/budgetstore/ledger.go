package budgetstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
)

// LedgerReader reads the ledger.
type LedgerReader struct{ pool *pgxpool.Pool }

// NewLedgerReader makes a LedgerReader.
func NewLedgerReader(pool *pgxpool.Pool) *LedgerReader { return &LedgerReader{pool: pool} }

// LedgerSnapshot is the ledger at one moment.
type LedgerSnapshot struct{ tx pgx.Tx }

// beginSnapshot begins to read the ledger as it is at one moment. The queries are few, and run for
// thousands of tenants: one generic plan for each is enough. By default, Postgres plans them each
// time while the ledger is small, which takes longer than running them.
const beginSnapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL plan_cache_mode = force_generic_plan"

// Read lets a function read the ledger as it is at one moment. Its error, and those of a LedgerSnapshot,
// is ErrUnavailable when Postgres does not answer.
func (r *LedgerReader) Read(ctx context.Context, read func(LedgerSnapshot) error) error {
	var failed error
	err := pgx.BeginTxFunc(ctx, r.pool, pgx.TxOptions{BeginQuery: beginSnapshot}, func(tx pgx.Tx) error {
		failed = read(LedgerSnapshot{tx})
		return failed
	})
	if failed != nil {
		return failed
	}
	return unanswered(err)
}

// ActiveOwners are the owners of a scope, within the tenant, that have calls in the ledger that
// were admitted since a moment. REQUIRES: the scope counts owners.
func (r *LedgerReader) ActiveOwners(ctx context.Context, tenant string, per limiterv1.Scope, since time.Time) ([]limiterv1.Owner, error) {
	name, join := ledgerv1.OwnersOfCalls(per)
	query := fmt.Sprintf("SELECT DISTINCT %s FROM ai_usage_logs%s WHERE tenant_id = $1 AND admitted_at >= $2", name, join)
	rows, _ := r.pool.Query(ctx, query, tenant, since) // CollectRows has the error
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look for who has made calls of tenant %s: %w", tenant, unanswered(err))
	}
	var owners []limiterv1.Owner
	for _, name := range names {
		if owner := limiterv1.OwnerOf(per, name); !owner.IsTenant() { // else a call without a key
			owners = append(owners, owner)
		}
	}
	return owners, nil
}

// LastAmended is when the ledger last replaced a hold with the true cost, of the calls that
// count against limits of the tenant; zero if it never did. Calls that were admitted before
// since are left out.
func (r *LedgerReader) LastAmended(ctx context.Context, tenant string, since time.Time) (time.Time, error) {
	const last = `
SELECT max(amended_at) FROM ai_usage_logs
WHERE amended_at IS NOT NULL AND admitted_at >= $2 AND (tenant_id = $1 OR (ancestors <> '{}' AND ancestors @> ARRAY[$1]))`
	at, err := r.moment(ctx, last, tenant, since)
	if err != nil {
		return time.Time{}, fmt.Errorf("look for amended calls of tenant %s: %w", tenant, err)
	}
	return at, nil
}

// LastElsewhere is when the ledger last got a call that counts against limits of the tenant
// and ended in another budget tree than the one with the root; zero if it never did. Calls
// that were admitted before since are left out.
func (r *LedgerReader) LastElsewhere(ctx context.Context, tenant, root string, since time.Time) (time.Time, error) {
	const last = `
SELECT max(recorded_at) FROM ai_usage_logs
WHERE admitted_at >= $2 AND (tenant_id = $1 OR (ancestors <> '{}' AND ancestors @> ARRAY[$1]))
  AND coalesce(ancestors[cardinality(ancestors)], tenant_id) <> $3`
	at, err := r.moment(ctx, last, tenant, since, root)
	if err != nil {
		return time.Time{}, fmt.Errorf("look for calls of tenant %s in other budget trees: %w", tenant, err)
	}
	return at, nil
}

// moment is what a query finds; zero when that is null.
func (r *LedgerReader) moment(ctx context.Context, query string, args ...any) (time.Time, error) {
	var at *time.Time
	if err := r.pool.QueryRow(ctx, query, args...).Scan(&at); err != nil {
		return time.Time{}, unanswered(err)
	}
	if at == nil {
		return time.Time{}, nil
	}
	return *at, nil
}

// Ping reports whether Postgres answers.
func (r *LedgerReader) Ping(ctx context.Context) error { return unanswered(r.pool.Ping(ctx)) }

// Pin makes this the moment at which the ledger is read. Otherwise it is that of the first query.
func (l LedgerSnapshot) Pin(ctx context.Context) error {
	if _, err := l.tx.Exec(ctx, "SELECT 1"); err != nil {
		return fmt.Errorf("read the ledger: %w", unanswered(err))
	}
	return nil
}

// RecordedCall is a call as the ledger has it.
type RecordedCall struct {
	Cost       money.Nanos
	AdmittedAt time.Time
}

// Recorded are those of the calls that are in the ledger, by their ids.
func (l LedgerSnapshot) Recorded(ctx context.Context, callIDs []string) (map[string]RecordedCall, error) {
	recorded := map[string]RecordedCall{}
	if len(callIDs) == 0 {
		return recorded, nil
	}
	rows, _ := l.tx.Query(ctx, "SELECT call_id, cost_nanos, admitted_at FROM ai_usage_logs WHERE call_id = ANY($1)", callIDs) // ForEachRow has the error
	id, call := "", RecordedCall{}
	_, err := pgx.ForEachRow(rows, []any{&id, &call.Cost, &call.AdmittedAt}, func() error {
		recorded[id] = call
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for calls in the ledger: %w", unanswered(err))
	}
	return recorded, nil
}

// The calls of asked.tenant, alone or with those of the tenants below it. Each kind is found by an index
// of its own. With OR instead of UNION ALL, the planner would use neither where it takes a partition for
// small.
const (
	ownCalls            = "(SELECT * FROM ai_usage_logs WHERE tenant_id = asked.tenant)"
	callsWithThoseBelow = `(
    SELECT * FROM ai_usage_logs WHERE tenant_id = asked.tenant UNION ALL
    SELECT * FROM ai_usage_logs WHERE ancestors <> '{}' AND ancestors @> ARRAY[asked.tenant] AND tenant_id <> asked.tenant)`
)

// TenantSpan is a tenant and a span of time.
type TenantSpan struct {
	Tenant string
	period.Span
}

const lastAdmitted = `
SELECT coalesce((
  SELECT max(admitted_at) FROM ` + callsWithThoseBelow + ` AS calls
  WHERE admitted_at > asked.after AND admitted_at <= asked.until), asked.after)
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) WITH ORDINALITY AS asked (tenant, after, until, number) ORDER BY number`

// LastAdmitted is, for each of the spans in their order, when the last call of the tenant, or of
// those below it, was admitted after its start and until its end; its start when none was.
func (l LedgerSnapshot) LastAdmitted(ctx context.Context, spans ...TenantSpan) ([]time.Time, error) {
	tenants, starts, ends := make([]string, len(spans)), make([]time.Time, len(spans)), make([]time.Time, len(spans))
	for i, span := range spans {
		tenants[i], starts[i], ends[i] = span.Tenant, span.Start, span.End
	}
	rows, _ := l.tx.Query(ctx, lastAdmitted, tenants, starts, ends) // CollectRows has the error
	last, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (at time.Time, err error) {
		err = row.Scan(&at)
		return at.UTC(), err
	})
	if err != nil {
		return nil, fmt.Errorf("look for the last calls of %d tenants: %w", len(spans), unanswered(err))
	}
	return last, nil
}

// Spent is what calls cost in a period, and in the one before.
type Spent struct{ Now, Earlier money.Nanos }

const spentOf = `
SELECT asked.number, spent.now, spent.earlier, spent.owner
FROM unnest(@tenants::text[], @earlier::timestamptz[], @starts::timestamptz[], @ends::timestamptz[])
  WITH ORDINALITY AS asked (tenant, earlier, starts, ends, number)
CROSS JOIN LATERAL (
  SELECT coalesce(sum(cost_nanos) FILTER (WHERE admitted_at >= asked.starts), 0)::bigint AS now,
         coalesce(sum(cost_nanos) FILTER (WHERE admitted_at < asked.starts), 0)::bigint AS earlier,
         %[1]s AS owner
  FROM %[3]s AS calls%[2]s
  WHERE admitted_at >= asked.earlier AND admitted_at < asked.ends
    AND (cardinality(@tiers::text[]) = 0 OR tier = ANY(@tiers))
    AND (cardinality(@models::text[]) = 0 OR model = ANY(@models))
    AND (cardinality(@groups::text[]) = 0 OR groups && @groups)
    AND labels @> @labels::jsonb
  GROUP BY %[1]s) AS spent`

// Sum is what is to be added up: what a limit of a tenant counts in a period, and in the one before
// it.
type Sum struct {
	Tenant       string
	Limit        limiterv1.MoneyLimit
	Earlier, Now period.Span
}

// selection is the part of the limit that says which calls it counts, in a form that can be compared.
func (s Sum) selection() string {
	return fmt.Sprintf("%s %#v", s.Limit.Per, s.Limit.Selector)
}

// SpentByOwner is, for each of the sums in their order, what was spent: by the tenant and those
// below it, or by each owner within it. Those whose limits select the same calls are added up
// together.
func (l LedgerSnapshot) SpentByOwner(ctx context.Context, sums ...Sum) ([]map[limiterv1.Owner]Spent, error) {
	spent, alike := make([]map[limiterv1.Owner]Spent, len(sums)), map[string][]int{}
	for i, sum := range sums {
		spent[i] = map[limiterv1.Owner]Spent{}
		if sum.Limit.Per == limiterv1.PerTenant {
			spent[i][limiterv1.Owner{}] = Spent{}
		}
		alike[sum.selection()] = append(alike[sum.selection()], i)
	}
	for _, these := range alike {
		if err := l.addUp(ctx, sums, these, spent); err != nil {
			return nil, fmt.Errorf("add up what was spent, of tenant %s and %d limits more: %w", sums[these[0]].Tenant, len(these)-1, unanswered(err))
		}
	}
	return spent, nil
}

// addUp adds up the sums with the given indexes, which have the same selection.
func (l LedgerSnapshot) addUp(ctx context.Context, sums []Sum, numbers []int, spent []map[limiterv1.Owner]Spent) error {
	tenants := make([]string, len(numbers))
	earlier, starts, ends := make([]time.Time, len(numbers)), make([]time.Time, len(numbers)), make([]time.Time, len(numbers))
	for i, number := range numbers {
		sum := sums[number]
		tenants[i], earlier[i], starts[i], ends[i] = sum.Tenant, sum.Earlier.Start, sum.Now.Start, sum.Now.End
	}
	limit, whose := sums[numbers[0]].Limit, ownCalls
	if limit.Per == limiterv1.PerTenant {
		whose = callsWithThoseBelow
	}
	ownerName, join := ledgerv1.OwnersOfCalls(limit.Per)
	rows, _ := l.tx.Query(ctx, fmt.Sprintf(spentOf, ownerName, join, whose), pgx.NamedArgs{ // ForEachRow has the error
		"tenants": tenants, "earlier": earlier, "starts": starts, "ends": ends,
		"tiers": orNone(limit.Tiers), "models": orNone(limit.Models), "groups": orNone(limit.Groups), "labels": labelsOf(limit.Selector),
	})
	number, name, sum := 0, "", Spent{}
	_, err := pgx.ForEachRow(rows, []any{&number, &sum.Now, &sum.Earlier, &name}, func() error {
		i := numbers[number-1]
		owner := limiterv1.OwnerOf(limit.Per, name)
		if owner.Scope() == limit.Per && limit.CountsFor(owner) { // else a call without a key, or another group of its caller
			spent[i][owner] = sum
		}
		return nil
	})
	return err
}

// labelsOf are the labels that a selector demands, as the ledger has those of calls.
func labelsOf(selector limiterv1.Selector) map[string]string {
	if selector.Labels == nil {
		return map[string]string{}
	}
	return selector.Labels
}

// orNone returns an empty array for nil, which would be NULL: to SQL, that is neither empty nor not.
func orNone(values []string) []string {
	if values == nil {
		return []string{}
	}
	return values
}
