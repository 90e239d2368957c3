package history

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// sumColumns are the columns of sums, in the order of Sums.fields.
var sumColumns = []string{
	"calls", "refused", "input_tokens", "cached_input_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
	"audio_input_tokens", "cached_audio_input_tokens", "output_tokens", "audio_output_tokens", "image_output_tokens",
	"reasoning_tokens", "cost_nanos", "held_nanos", "estimated_nanos", "saved_by_cache_nanos", "saved_by_downgrade_nanos", "saved_by_fallback_nanos",
}

// usageExpressions are the dimensions that are not of time, in SQL.
var usageExpressions = map[Dimension]string{
	ByTenant: "tenant_id", ByUser: "user_id", ByGroup: "array_to_string(groups, ',')", ByLabel: "coalesce(labels->>@label, '')",
	ByTier: "tier", ByModel: "model", ByProvider: "provider", ByEndpoint: "endpoint", ByDecision: "decision", ByOutcome: "outcome",
	ByCredential: "credential",
}

const usageOfLedger = `(
SELECT date_bin('15 minutes', admitted_at, '2000-01-01Z') AS starts_at, tenant_id, user_id, credential,
       '{}'::text[] AS groups, '{}'::jsonb AS labels, tier, coalesce(nullif(model, ''), model_used) AS model, provider, endpoint, decision, outcome,
       1 AS calls, 0 AS refused, input_tokens, cached_input_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
       audio_input_tokens, cached_audio_input_tokens, output_tokens, audio_output_tokens, image_output_tokens,
       reasoning_tokens, cost_nanos, held_nanos, CASE WHEN outcome IN ('ChargedSeen', 'ChargedHold') OR priced_as = 'MostExpensive' THEN cost_nanos ELSE 0 END AS estimated_nanos,
       0 AS saved_by_cache_nanos, 0 AS saved_by_downgrade_nanos, 0 AS saved_by_fallback_nanos
FROM ai_usage_logs WHERE admitted_at >= @from AND admitted_at < @to
UNION ALL
SELECT date_bin('15 minutes', refused_at, '2000-01-01Z'), tenant_id, user_id, credential,
       '{}', '{}', tier, model, '', endpoint, '` + Refused + `', reason,
       0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, CASE fallback WHEN 'Cache' THEN bound_nanos ELSE 0 END, 0, 0
FROM ai_refusals WHERE refused_at >= @from AND refused_at < @to) AS usage`

// readUsage adds up calls.
func readUsage(ctx context.Context, tx pgx.Tx, as As, query UsageQuery) (Usage, error) {
	zone := cmp.Or(query.Zone, time.UTC)
	at := slices.IndexFunc(query.By, isTime)
	var by Dimension
	if at >= 0 {
		by = query.By[at]
	}
	all, err := buckets(by, zone, query.From, query.To)
	if err != nil {
		return Usage{}, err
	}
	args := query.arguments(as)
	starts, ends := make([]time.Time, len(all)), make([]time.Time, len(all))
	for i, b := range all {
		starts[i], ends[i] = b.Start, b.End
	}
	args["starts"], args["ends"] = starts, ends
	rows, err := tx.Query(ctx, query.statement(), args)
	if err != nil {
		return Usage{}, err
	}
	return collectUsage(rows, query, at, all)
}

// statement is the query in SQL. Its rows are those of the greatest cost, and the sum of the
// others in one, whose bucket is 0. Buckets are counted from 1 on.
func (q UsageQuery) statement() string {
	values := []string{}
	for _, d := range q.By {
		if !isTime(d) {
			values = append(values, usageExpressions[d])
		}
	}
	sums, sumsOf := make([]string, len(sumColumns)), make([]string, len(sumColumns))
	for i, name := range sumColumns {
		sums[i] = fmt.Sprintf("sum(%s)::bigint AS %s", name, name)
		sumsOf[i] = fmt.Sprintf("sum(%s)::bigint", name)
	}
	return `
WITH grouped AS (
  SELECT bucket, ARRAY[` + strings.Join(values, ", ") + `]::text[] AS by, ` + strings.Join(sums, ", ") + `
  FROM unnest(@starts::timestamptz[], @ends::timestamptz[]) WITH ORDINALITY AS span (begins, ends, bucket)
  JOIN ` + usageOfLedger + ` ON starts_at >= begins AND starts_at < ends
  WHERE tenant_id = ANY(@tenants)` + q.Where.conditions(nil) + `
  GROUP BY 1, 2
), ranked AS (
  SELECT *, row_number() OVER (ORDER BY cost_nanos DESC, calls DESC, refused DESC, bucket, by) AS place FROM grouped
)
SELECT bucket, by, 1::bigint, ` + strings.Join(sumColumns, ", ") + ` FROM ranked WHERE place <= @limit
UNION ALL
SELECT 0, '{}', count(*), ` + strings.Join(sumsOf, ", ") + ` FROM ranked WHERE place > @limit HAVING count(*) > 0`
}

// conditions are those of a filter in SQL, over columns that are called otherwise if they are
// named; each begins with AND.
func (f Filter) conditions(named map[string]string) string {
	conditions := ""
	for _, one := range f.lists() {
		if len(one.values) > 0 {
			conditions += " AND " + cmp.Or(named[one.column], one.column) + " = ANY(@" + one.column + "s)"
		}
	}
	if len(f.Groups) > 0 {
		conditions += " AND groups && @groups"
	}
	if len(f.Labels) > 0 {
		conditions += " AND labels @> @labels"
	}
	return conditions
}

type filtered struct {
	column string
	values []string
}

// lists are the columns of which a filter has values.
func (f Filter) lists() []filtered {
	return []filtered{
		{"user_id", f.Users}, {"tier", f.Tiers}, {"model", f.Models}, {"provider", f.Providers}, {"endpoint", f.Endpoints},
		{"decision", f.Decisions}, {"outcome", f.Outcomes}, {"credential", f.Credentials},
	}
}

func (f Filter) arguments() pgx.NamedArgs {
	args := pgx.NamedArgs{"groups": f.Groups, "labels": f.Labels}
	for _, one := range f.lists() {
		args[one.column+"s"] = one.values
	}
	return args
}

func (q UsageQuery) arguments(as As) pgx.NamedArgs {
	args := q.Where.arguments()
	args["from"], args["to"], args["label"], args["limit"], args["tenants"] = q.From, q.To, q.Label, cmp.Or(q.Limit, DefaultRows), q.Tenants
	if len(q.Tenants) == 0 {
		args["tenants"] = []string{as.Tenant}
	}
	return args
}

// collectUsage makes Usage of the rows that statement returns.
func collectUsage(rows pgx.Rows, query UsageQuery, at int, all []bucket) (usage Usage, err error) {
	usage.Rows, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (found UsageRow, err error) {
		var ordinal, count int64
		into := []any{&ordinal, &found.Values, &count}
		for _, field := range found.Sums.fields() {
			into = append(into, field)
		}
		if err := row.Scan(into...); err != nil {
			return found, err
		}
		usage.Total.Add(found.Sums)
		if ordinal == 0 {
			usage.Others, usage.OtherRows = found.Sums, count
			return found, nil
		}
		if at >= 0 {
			b := all[ordinal-1]
			found.Start, found.End = b.Start, b.End
			found.Values = slices.Insert(found.Values, at, b.name)
		}
		return found, nil
	})
	if err != nil {
		return Usage{}, err
	}
	if usage.OtherRows > 0 {
		usage.Rows = usage.Rows[:len(usage.Rows)-1] // UNION ALL has it last
	}
	slices.SortFunc(usage.Rows, func(a, b UsageRow) int { return cmp.Or(a.Start.Compare(b.Start), slices.Compare(a.Values, b.Values)) })
	return usage, nil
}
