package history

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
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

// sums are the columns of Sums in SQL, over rows of usage.
var sums = func() string {
	all := make([]string, len(sumColumns))
	for i, name := range sumColumns {
		all[i] = "sum_of(" + name + ") AS " + name
	}
	return strings.Join(all, ", ")
}()

// callersColumns are the columns of rows of usage that say who made the calls.
const callersColumns = "tenant_id, user_id, credential, groups, labels, tier"

var usageColumns = callersColumns + ", model, provider, endpoint, decision, outcome, " + strings.Join(sumColumns, ", ")

// The rows of the ledger as rows of usage.
const (
	admittedAsUsage = callersColumns + `, ` + modelOf + ` AS model, provider, endpoint, decision, outcome, 1 AS calls, 0 AS refused,
  input_tokens, cached_input_tokens, cache_write_5m_tokens, cache_write_1h_tokens, audio_input_tokens, cached_audio_input_tokens,
  output_tokens, audio_output_tokens, image_output_tokens, reasoning_tokens, cost_nanos, held_nanos,
  CASE WHEN outcome IN ('ChargedSeen', 'ChargedHold') OR priced_as = 'MostExpensive' THEN cost_nanos ELSE 0 END AS estimated_nanos,
  0 AS saved_by_cache_nanos, CASE decision WHEN 'Replaced' THEN saved_nanos ELSE 0 END AS saved_by_downgrade_nanos,
  CASE decision WHEN 'Fallback' THEN saved_nanos ELSE 0 END AS saved_by_fallback_nanos`
	refusedAsUsage = callersColumns + `, model, '' AS provider, endpoint, 'Refused' AS decision, reason AS outcome, 0 AS calls, 1 AS refused,
  0 AS input_tokens, 0 AS cached_input_tokens, 0 AS cache_write_5m_tokens, 0 AS cache_write_1h_tokens, 0 AS audio_input_tokens, 0 AS cached_audio_input_tokens,
  0 AS output_tokens, 0 AS audio_output_tokens, 0 AS image_output_tokens, 0 AS reasoning_tokens, 0 AS cost_nanos, 0 AS held_nanos, 0 AS estimated_nanos,
  CASE fallback WHEN 'Cache' THEN bound_nanos ELSE 0 END AS saved_by_cache_nanos, 0 AS saved_by_downgrade_nanos, 0 AS saved_by_fallback_nanos`
)

// readUsage adds up calls. It reads at one moment.
func readUsage(ctx context.Context, tx pgx.Tx, as As, query UsageQuery) (Usage, error) {
	at := slices.IndexFunc(query.By, isTime)
	var by Dimension
	if at >= 0 {
		by = query.By[at]
	}
	all, err := buckets(by, cmp.Or(query.Zone, time.UTC), query.From, query.To)
	if err != nil {
		return Usage{}, err
	}
	reading, err := readCalendars(ctx, tx, query.tenants(as), query.summing(as), all, cmp.Or(query.Zone, time.UTC))
	if err != nil {
		return Usage{}, err
	}
	if since, complete := isComplete(reading.completeFrom, query.From); !complete {
		return Usage{}, &IncompleteError{Since: since}
	}
	// Without these settings, Postgres would sort all rows of the pieces to group them, because it cannot
	// know how many there are.
	const byHash = "SELECT set_config('enable_sort', 'off', true), set_config('work_mem', '32MB', true)"
	if _, err := tx.Exec(ctx, byHash); err != nil {
		return Usage{}, err
	}
	args := query.arguments(as)
	reading.addTo(args)
	rows, err := tx.Query(ctx, query.statement(as), args)
	if err != nil {
		return Usage{}, err
	}
	return collectUsage(rows, at, all)
}

// isComplete reports whether the sums have all calls from a moment on; if not, since is from when on they
// have.
func isComplete(completeFrom pgtype.Timestamptz, from time.Time) (since time.Time, complete bool) {
	switch completeFrom.InfinityModifier {
	case pgtype.NegativeInfinity:
		return time.Time{}, true
	case pgtype.Infinity:
		return time.Time{}, false
	}
	return completeFrom.Time, !from.Before(completeFrom.Time)
}

// summing says which sums are read: which of summed_by, and the lengths of their spans, in minutes,
// longest first.
type summing struct {
	by      string
	minutes []int
}

var (
	byTenant = summing{"Tenant", []int{day, hour, grain}}
	byCall   = summing{"Call", []int{day, hour, grain}}
	byUser   = summing{"User", []int{third, day, hour}}
	byGroup  = summing{"Group", []int{third, day, hour}}
	byBoth   = summing{"Both", []int{third, day, hour}}
)

// ofUsers reports whether the ledger is read for what the sums do not have: the latest calls, and
// stretches shorter than the shortest spans. It is for sums of users, and of groups without users.
func (s summing) ofUsers() bool { return s.by != byTenant.by && s.by != byCall.by }

// haveUsers is whether each of the sums is of one user.
func (s summing) haveUsers() bool { return s.by == byUser.by || s.by == byBoth.by }

// summing chooses the sums that have all that the query asks for, and the fewest rows.
func (q UsageQuery) summing(as As) summing {
	asks := func(filters int, dimensions ...Dimension) bool {
		return filters > 0 || slices.ContainsFunc(q.By, func(d Dimension) bool { return slices.Contains(dimensions, d) })
	}
	w := q.Where
	ofUser := !as.Admin || asks(len(w.Users)+len(w.Labels)+len(w.Credentials), ByUser, ByLabel, ByCredential)
	ofGroup := asks(len(w.Groups), ByGroup)
	ofTier := asks(len(w.Tiers), ByTier)
	ofCall := asks(len(w.Models)+len(w.Providers)+len(w.Endpoints)+len(w.Decisions)+len(w.Outcomes), ByModel, ByProvider, ByEndpoint, ByDecision, ByOutcome)
	switch {
	case !ofUser && !ofGroup && !ofTier && !ofCall:
		return byTenant
	case !ofUser && !ofGroup:
		return byCall
	case !ofCall:
		return byUser
	case !ofUser:
		return byGroup
	}
	return byBoth
}

// statement is the query in SQL. It returns the rows with the greatest cost and, if there are others, a
// last row with the sum of all, whose bucket is 0. Buckets are counted from 1 on.
func (q UsageQuery) statement(as As) string {
	values := []string{"NULL", "NULL"}
	n := 0
	for _, d := range q.By {
		if !isTime(d) {
			values[n] = usageExpressions[d]
			n++
		}
	}
	sumsOf := make([]string, len(sumColumns))
	for i, name := range sumColumns {
		sumsOf[i] = "sum_of(" + name + ")"
	}
	return `
WITH pieces AS (
  SELECT * FROM unnest(@buckets::int[], @without::int[], @minutes::int[], @begins::timestamptz[], @ends::timestamptz[]) AS piece (bucket, without, minutes, begins, ends)
), of_tenants AS (
  SELECT * FROM unnest(@tenants::text[], @tenants_without::int[]) AS of_tenant (tenant_id, without)
), sought AS (
  SELECT * FROM pieces JOIN of_tenants USING (without)
), grouped AS (
  SELECT bucket, ` + values[0] + ` AS first, ` + values[1] + ` AS second, ` + sums + `
  FROM (` + q.sources(as) + `) AS usage
  GROUP BY 1, 2, 3 HAVING sum(calls) <> 0 OR sum(refused) <> 0
)
(SELECT bucket, (ARRAY[first, second])[:` + strconv.Itoa(n) + `]::text[], 1::bigint, ` + strings.Join(sumColumns, ", ") + `
 FROM grouped ORDER BY cost_nanos DESC, calls DESC, refused DESC, bucket, first, second LIMIT @limit)
UNION ALL
SELECT 0, '{}', count(*), ` + strings.Join(sumsOf, ", ") + ` FROM grouped HAVING count(*) > @limit`
}

// sources are rows of usage: of the sums, of changes that are still to be added to them and,
// for users, of the ledger, where there are no sums yet or none as short. OFFSET 0 makes
// Postgres read each piece by itself, by an index.
func (q UsageQuery) sources(as As) string {
	selected := ""
	if !as.Admin {
		selected += " AND user_id = @reader"
	}
	selected += q.Where.conditions(nil)
	if q.only != nil {
		selected += " AND " + usageExpressions[q.By[slices.IndexFunc(q.By, isOfCall)]] + " = ANY(@only)"
	}
	summing := q.summing(as)
	sources := `
    SELECT bucket, found.* FROM sought CROSS JOIN LATERAL (
      SELECT ` + usageColumns + ` FROM usage_sums
      WHERE tenant_id = sought.tenant_id AND summed_by = '` + summing.by + `' AND user_id IS ` + nullUnless(summing.haveUsers()) + `
        AND minutes = sought.minutes AND starts_at >= begins AND starts_at < ends` + selected + ` OFFSET 0) AS found
    WHERE sought.minutes > 0
    UNION ALL
    SELECT bucket, found.* FROM sought CROSS JOIN LATERAL (
      SELECT ` + usageColumns + ` FROM usage_changes
      WHERE tenant_id = sought.tenant_id AND user_id IS ` + nullUnless(summing.ofUsers()) + ` AND starts_at >= begins AND starts_at < ends` + selected + `) AS found
    WHERE sought.minutes > 0`
	if !summing.ofUsers() {
		return sources
	}
	for _, of := range []struct{ table, at, columns string }{
		{"ai_usage_logs", "admitted_at", admittedAsUsage}, {"ai_refusals", "refused_at", refusedAsUsage},
	} {
		sources += `
    UNION ALL
    SELECT bucket, found.* FROM sought CROSS JOIN LATERAL (
      SELECT * FROM (SELECT ` + of.columns + ` FROM ` + of.table + ` WHERE ` + of.at + ` >= begins AND ` + of.at + ` < ends) AS rows
      WHERE tenant_id = sought.tenant_id` + selected + ` OFFSET 0) AS found
    WHERE sought.minutes = 0`
	}
	return sources
}

func nullUnless(is bool) string {
	if is {
		return "NOT NULL"
	}
	return "NULL"
}

// conditions are those of a filter in SQL, each beginning with AND. named has the names of columns that
// differ.
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

// lists are the columns for which a filter has values.
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
	args["label"], args["limit"], args["reader"], args["only"] = q.Label, cmp.Or(q.Limit, DefaultRows), as.User, q.only
	return args
}

// tenants are the tenants whose calls are added up, each once, in order.
func (q UsageQuery) tenants(as As) []string {
	if len(q.Tenants) == 0 {
		return []string{as.Tenant}
	}
	return slices.Compact(slices.Sorted(slices.Values(q.Tenants)))
}

// collectUsage makes Usage of the rows that statement returns.
func collectUsage(rows pgx.Rows, at int, all []bucket) (usage Usage, err error) {
	usage.Rows, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (found UsageRow, err error) {
		var ordinal, count int64
		into := []any{&ordinal, &found.Values, &count}
		for _, field := range found.Sums.fields() {
			into = append(into, field)
		}
		if err := row.Scan(into...); err != nil {
			return found, err
		}
		if ordinal == 0 {
			usage.Others, usage.OtherRows = found.Sums, count
			return found, nil
		}
		usage.Total.Add(found.Sums)
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
		usage.OtherRows -= int64(len(usage.Rows))
		shown := usage.Total
		usage.Total = usage.Others
		usage.Others.subtract(shown)
	}
	slices.SortFunc(usage.Rows, func(a, b UsageRow) int { return cmp.Or(a.Start.Compare(b.Start), slices.Compare(a.Values, b.Values)) })
	return usage, nil
}
