package e2e

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/hack/fakeprovider"
)

// bookRow is a call as the ledger has it.
type bookRow struct {
	ID, Tenant, Outcome, Decision, Endpoint string
	Cost, Held                              int64
	Amended                                 bool
	Recorded                                time.Time
}

// books are the provider's bill and the ledger.
type books struct {
	soak *soak
	bill map[string]fakeprovider.BilledCall
	// twice are the calls that the provider bills more than once.
	twice []string
	rows  map[string]bookRow
	// What the last comparison found that is as documented.
	exact, cut, charged, lost, shares, amended int
}

func newBooks(s *soak) *books {
	return &books{soak: s, bill: map[string]fakeprovider.BilledCall{}}
}

func (b *books) String() string {
	return fmt.Sprintf("%d calls on the bill: %d of them exactly in the ledger, %d cut off and between bill and hold, %d charged in full after their enforcer was killed, "+
		"%d lost with their enforcer and Redis; %d shares of dead enforcers; %d rows amended; answers %s",
		len(b.bill), b.exact, b.cut, b.charged, b.lost, b.shares, b.amended, b.soak.tally.statuses())
}

// close adds what the provider has billed since the last time. REQUIRES: no call is in progress.
func (b *books) close() {
	for _, call := range bursar.Provider.Bill().Calls {
		if !strings.HasPrefix(call.User, "call-") {
			continue // of another test
		}
		if _, again := b.bill[call.ID]; again {
			b.twice = append(b.twice, call.ID)
		}
		b.bill[call.ID] = call
	}
	bursar.Provider.ResetBill()
}

// compare is what is wrong with the ledger.
func (b *books) compare() (wrong []string, err error) {
	if wrong, err = b.read(); err != nil {
		return nil, err
	}
	b.exact, b.cut, b.charged, b.lost, b.shares, b.amended = 0, 0, 0, 0, 0, 0
	for _, id := range b.twice {
		wrong = append(wrong, fmt.Sprintf("call %s is on the bill twice", id))
	}
	for id, billed := range b.bill {
		if what := b.judge(billed, b.rows[id]); what != "" {
			wrong = append(wrong, b.describe(id, billed)+": "+what)
		}
	}
	for id, row := range b.rows {
		if what := b.judgeRow(id, row); what != "" {
			wrong = append(wrong, fmt.Sprintf("row %+v: %s", row, what))
		}
	}
	return wrong, nil
}

// read reads the ledger anew.
func (b *books) read() (wrong []string, err error) {
	ctx := b.soak.Context()
	rows, err := b.soak.pool.Query(ctx, `SELECT call_id, tenant_id, outcome, decision, endpoint, cost_nanos, held_nanos, amended_at IS NOT NULL, recorded_at
FROM ai_usage_logs WHERE tenant_id = ANY($1)`, append(slices.Clone(soakCallers), soakParents...))
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[bookRow])
	if err != nil {
		return nil, err
	}
	b.rows = make(map[string]bookRow, len(found))
	for _, row := range found {
		if _, again := b.rows[row.ID]; again {
			wrong = append(wrong, fmt.Sprintf("call %s is in the ledger twice", row.ID))
		}
		b.rows[row.ID] = row
	}
	return wrong, nil
}

// judge says what is wrong with the row of a call that is on the bill, and counts it.
func (b *books) judge(billed fakeprovider.BilledCall, row bookRow) string {
	b.soak.tally.mu.Lock()
	call := b.soak.tally.calls[billed.User]
	b.soak.tally.mu.Unlock()
	outcome := ledgerv1.Outcome(row.Outcome)
	switch {
	case call == nil:
		return "nobody made it"
	case row.ID == "" && b.soak.history.mayBeLost(call, b.writtenWithin(call)):
		b.lost++
	case row.ID == "":
		return "it is not in the ledger"
	case row.Tenant != call.tenant:
		return "the ledger has it of tenant " + row.Tenant
	case outcome == ledgerv1.Settled && row.Cost == billed.CostNanos:
		b.exact++
	case row.Cost < billed.CostNanos || row.Cost > row.Held:
		return fmt.Sprintf("outside bill and hold: %+v", row)
	case outcome == ledgerv1.ChargedHold && b.soak.history.wasKilled(call):
		b.charged++
	case !call.whole:
		b.cut++
	default:
		return fmt.Sprintf("not the bill, though its answer was whole: %+v", row)
	}
	return ""
}

// writtenWithin is the longest time after its end that a call may need to be in the ledger, judged by
// what other enforcers needed for theirs at that time.
func (b *books) writtenWithin(call *soakCall) time.Duration {
	b.soak.tally.mu.Lock()
	defer b.soak.tally.mu.Unlock()
	within := writtenWithin
	for id, row := range b.rows {
		other := b.soak.tally.calls[b.bill[id].User]
		if other == nil || other.life == call.life || ledgerv1.Outcome(row.Outcome) != ledgerv1.Settled || row.Amended {
			continue
		}
		if other.ended.Sub(call.ended).Abs() < writtenAtLast {
			within = max(within, row.Recorded.Sub(other.ended))
		}
	}
	return min(within, writtenAtLast)
}

// judgeRow says what is wrong with a row by itself, and counts those of shares.
func (b *books) judgeRow(id string, row bookRow) string {
	if row.Amended {
		b.amended++
	}
	if row.Endpoint == "share" {
		if row.Cost > 0 {
			b.shares++
		}
		return ""
	}
	if _, billed := b.bill[id]; !billed && row.Cost > 0 && ledgerv1.Outcome(row.Outcome) == ledgerv1.Settled {
		return "it has a cost, and the provider does not know it"
	}
	return ""
}

func (b *books) describe(id string, billed fakeprovider.BilledCall) string {
	b.soak.tally.mu.Lock()
	defer b.soak.tally.mu.Unlock()
	call := b.soak.tally.calls[billed.User]
	if call == nil {
		return fmt.Sprintf("call %s (%s)", id, billed.User)
	}
	killed := ""
	if at, was := b.soak.history.killed[call.life]; was {
		killed = ", killed " + clock(at)
	}
	return fmt.Sprintf("call %s (%s) of %s through enforcer %s%s, from %s to %s, status %d, whole %t, %s streamed %t, billed %d", id, billed.User, call.tenant,
		call.life.URL, killed, clock(call.begun), clock(call.ended), call.status, call.whole, billed.Model, billed.Stream, billed.CostNanos)
}

func clock(at time.Time) string { return at.UTC().Format("15:04:05.000") }

// exceeded says which limits were exceeded: those of the tenants or of the parents, in any window of
// the limiter's time, which may be ahead of any clock.
func (b *books) exceeded() (wrong []string, err error) {
	for tenant, limit := range map[string]struct {
		length time.Duration
		cents  money.Nanos
		of     string
	}{
		soakChild: {time.Minute, minuteCents, soakChild}, soakBounded: {time.Minute, minuteCents, soakBounded},
		soakParents[0]: {5 * time.Minute, windowCents, soakChild}, soakParents[1]: {5 * time.Minute, windowCents, soakChild},
	} {
		most := limit.cents * money.Cent
		rows, err := b.soak.pool.Query(b.soak.Context(), `SELECT date_bin($2, admitted_at, 'epoch'), sum(cost_nanos)::bigint, array_agg(call_id) FROM ai_usage_logs
WHERE tenant_id = $1 OR $1 = ANY(ancestors) GROUP BY 1 HAVING sum(cost_nanos) > $3`, tenant, limit.length, most)
		if err != nil {
			return nil, err
		}
		var start time.Time
		var spent money.Nanos
		var calls []string
		if _, err := pgx.ForEachRow(rows, []any{&start, &spent, &calls}, func() error {
			from, to := b.when(calls)
			if beyond := b.soak.history.beyond(limit.of, tenant == limit.of, from, to); spent > most+beyond {
				wrong = append(wrong, fmt.Sprintf("tenant %s has spent $%s in the window of %s from %s on, by calls from %s to %s: more than $%s and $%s beyond",
					tenant, spent, limit.length, clock(start), clock(from), clock(to), most, beyond))
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return wrong, nil
}

// when is the time in which calls were made, given by their ids.
func (b *books) when(ids []string) (from, to time.Time) {
	tags := make([]string, len(ids))
	for i, id := range ids {
		tags[i] = b.bill[id].User
	}
	return b.soak.tally.when(tags)
}
