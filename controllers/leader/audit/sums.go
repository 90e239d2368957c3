package audit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// daysBack is how many days before the present one are looked at, one at random in each audit.
const daysBack = 60

// lookAtSums compares the sums of what the tenant used with the ledger: of today and yesterday, of a
// random day before, and of days on which they were wrong before. It reads both at one moment. Days are
// dates by UTC: where it is tomorrow already, that day is compared a day later.
func (a *Auditor) lookAtSums(ctx context.Context, tenant string, now time.Time) (findings []Finding, err error) {
	today := now.UTC().Truncate(24 * time.Hour)
	days := []time.Time{today, today.AddDate(0, 0, -1), today.AddDate(0, 0, -2-rand.IntN(daysBack-1))}
	for _, known := range a.known[tenant] {
		if known.Sums != "" && !slices.ContainsFunc(days, known.Start.Equal) {
			days = append(days, known.Start)
		}
	}
	for _, day := range days {
		recorded, summed, err := a.ledger.UsedOn(ctx, tenant, day)
		if err != nil {
			return nil, err
		}
		if recorded != summed {
			findings = append(findings, wrongSums(tenant, day, recorded, summed))
		}
	}
	return findings, nil
}

// wrongSums is the finding that the sums of a day differ from the ledger.
func wrongSums(tenant string, day time.Time, recorded, summed budgetstore.Used) Finding {
	date := day.UTC().Format(time.DateOnly)
	return Finding{
		Start: day.UTC(), Counted: summed.Cost, Recorded: recorded.Cost,
		Sums: fmt.Sprintf("the sums of usage on %s, in the tenant's time zone, have %s, but the ledger has %s: to make them anew, run SELECT rebuild_usage('%s', '%s') in the database as a member of bursar_manager",
			date, used(summed), used(recorded), tenant, date),
	}
}

func used(u budgetstore.Used) string {
	return fmt.Sprintf("%d calls of %s USD with %d tokens, held %s USD, and %d refused ones", u.Calls, u.Cost, u.Tokens, u.Held, u.Refused)
}
