package history

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// reading is what is read for which tenants. The sums of each tenant follow the calendar of its own time
// zone, as the database knows it. What is asked for follows the calendar of the query's zone, as this
// program knows it.
type reading struct {
	// completeFrom is when the sums begin to have all calls of all of the tenants.
	completeFrom pgtype.Timestamptz
	// without is, for each of the tenants, how many of the longest spans are not used, and pieces what
	// is read then.
	tenants []string
	without []int
	pieces  [][]piece
}

// readCalendars finds the longest spans whose sums can be added up for each tenant; tenants are in
// order. Spans that begin between two moments have exactly what happened between these if spans begin at
// both.
func readCalendars(ctx context.Context, tx pgx.Tx, tenants []string, s summing, all []bucket, zone *time.Location) (reading, error) {
	var usersUntil time.Time
	if err := tx.QueryRow(ctx, "SELECT users_until FROM usage_progress").Scan(&usersUntil); err != nil {
		return reading{}, err
	}
	var until *time.Time
	lengths := s.minutes[:len(s.minutes)-1] // the shortest ones always fit
	if s.ofUsers() {
		until, lengths = &usersUntil, s.minutes
	}
	r := reading{completeFrom: pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}, tenants: tenants, without: make([]int, len(tenants))}
	for without := range len(lengths) + 1 {
		r.pieces = append(r.pieces, calendar{zone}.pieces(all, s.minutes[without:], until))
	}
	const known = `
WITH bounds AS (
  SELECT * FROM unnest(@without::int[], @minutes::int[], @bounds::timestamptz[]) AS bound (without, minutes, at)
), calendars AS (
  SELECT tenant_id, zone, complete_from FROM usage_calendars WHERE tenant_id = ANY (@tenants)
), fit AS (
  SELECT zone, min(without) AS without FROM (
    SELECT zone, without FROM (SELECT DISTINCT zone FROM calendars) AS zones CROSS JOIN bounds
    GROUP BY zone, without HAVING bool_and(usage_span(zone, minutes, at) = at)) AS fits
  GROUP BY zone
)
SELECT tenant_id, without, (SELECT max(complete_from) FROM calendars) FROM calendars JOIN fit USING (zone)`
	rows, _ := tx.Query(ctx, known, r.bounds()) // ForEachRow has the error
	var tenant string
	var without int
	_, err := pgx.ForEachRow(rows, []any{&tenant, &without, &r.completeFrom}, func() error {
		i, _ := slices.BinarySearch(tenants, tenant)
		r.without[i] = without
		return nil
	})
	return r, err
}

// bounds are the moments at which pieces begin and end that are read from spans. If no piece is, any
// calendar will do.
func (r reading) bounds() pgx.NamedArgs {
	var without, minutes []int
	var bounds []time.Time
	add := func(n, of int, at time.Time) {
		without, minutes, bounds = append(without, n), append(minutes, of), append(bounds, at)
	}
	for n, pieces := range r.pieces {
		add(n, grain, time.Unix(0, 0))
		for _, p := range pieces {
			if p.minutes == 0 {
				continue
			}
			if last := len(bounds) - 1; minutes[last] != p.minutes || !bounds[last].Equal(p.Start) {
				add(n, p.minutes, p.Start)
			}
			add(n, p.minutes, p.End)
		}
	}
	return pgx.NamedArgs{"tenants": r.tenants, "without": without, "minutes": minutes, "bounds": bounds}
}

// addTo adds what is read to the arguments of a query.
func (r reading) addTo(args pgx.NamedArgs) {
	var buckets, without, minutes []int
	var begins, ends []time.Time
	for n, pieces := range r.pieces {
		if !slices.Contains(r.without, n) {
			continue
		}
		for _, p := range pieces {
			buckets, without, minutes = append(buckets, p.bucket), append(without, n), append(minutes, p.minutes)
			begins, ends = append(begins, p.Start), append(ends, p.End)
		}
	}
	args["buckets"], args["without"], args["minutes"], args["begins"], args["ends"] = buckets, without, minutes, begins, ends
	args["tenants"], args["tenants_without"] = r.tenants, r.without
}
