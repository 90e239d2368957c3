package history

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
)

// isOfCall reports whether a dimension is not of time.
func isOfCall(d Dimension) bool { return !isTime(d) }

// readTop adds up calls by time: those of each of the values with the greatest cost, and those of
// all others together, which are all calls minus the former. It does not read the rows of all
// values: many users have many rows for every day, which take long to read, and nobody looks at them
// all.
func readTop(ctx context.Context, tx pgx.Tx, as As, query UsageQuery) (Usage, error) {
	at := slices.IndexFunc(query.By, isOfCall)
	top := query.Top
	query.Top = 0
	values := query
	values.By, values.Limit = query.By[at:at+1], top+1
	ranked, err := readUsage(ctx, tx, as, values)
	if err != nil {
		return Usage{}, err
	}
	others := ranked.OtherRows
	if others > 0 {
		slices.SortFunc(ranked.Rows, byCost)
		others += int64(len(ranked.Rows) - top)
		ranked.Rows = ranked.Rows[:top]
	}
	each := query
	each.only, each.Limit = make([]string, len(ranked.Rows)), MostBuckets*(top+1)
	for i, row := range ranked.Rows {
		each.only[i] = row.Values[0]
	}
	usage, err := readUsage(ctx, tx, as, each)
	if err != nil || others == 0 {
		return usage, err
	}
	all := query
	all.By, all.Label, all.Limit = query.By[1-at:2-at], "", MostBuckets
	together, err := readUsage(ctx, tx, as, all)
	if err != nil {
		return Usage{}, err
	}
	usage.Rest, usage.RestValues, usage.Total = restOf(together.Rows, usage.Rows, at), others, together.Total
	return usage, nil
}

// byCost compares rows by rank: the greatest cost first.
func byCost(a, b UsageRow) int {
	return cmp.Or(
		cmp.Compare(b.Sums.Cost, a.Sums.Cost), cmp.Compare(b.Sums.Calls, a.Sums.Calls), cmp.Compare(b.Sums.Refused, a.Sums.Refused), slices.Compare(a.Values, b.Values),
	)
}

// restOf subtracts, from rows by time, the calls of rows that also have a value of another dimension,
// at the index. It leaves out rows that have no calls left.
func restOf(all, without []UsageRow, at int) []UsageRow {
	rest := make([]UsageRow, len(all))
	for i, row := range all {
		row.Values = slices.Insert(slices.Clone(row.Values), at, "")
		rest[i] = row
	}
	for _, row := range without {
		i := slices.IndexFunc(rest, func(r UsageRow) bool { return r.Start.Equal(row.Start) })
		rest[i].Sums.subtract(row.Sums)
	}
	return slices.DeleteFunc(rest, func(r UsageRow) bool { return r.Sums.Calls == 0 && r.Sums.Refused == 0 })
}
