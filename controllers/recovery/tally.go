package recovery

import (
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// tally is a counter that is being counted.
type tally struct {
	limiterv1.MoneyCounter
	// less and more are by how much a counter that was not counted just now may say less, or
	// more, than is spent here; earlierLess and earlierMore are the same for the period before.
	less, more, earlierLess, earlierMore money.Nanos
}

// newTally begins with what the ledger has.
func newTally(spent budgetstore.Spent, earlier, now period.Span) *tally {
	return &tally{MoneyCounter: limiterv1.MoneyCounter{
		Start: now.Start, End: now.End, Spent: spent.Now,
		EarlierStart: earlier.Start, EarlierSpent: spent.Earlier,
	}}
}

// least and most are the counter with the least, and the most, that it may say is spent.
func (t *tally) least() limiterv1.MoneyCounter {
	counter := t.MoneyCounter
	counter.Spent, counter.EarlierSpent = counter.Spent-t.less, counter.EarlierSpent-t.earlierLess
	return counter
}

func (t *tally) most() limiterv1.MoneyCounter {
	counter := t.MoneyCounter
	counter.Spent, counter.EarlierSpent = counter.Spent+t.more, counter.EarlierSpent+t.earlierMore
	return counter
}

// amounts are those of one of a tally's two periods.
type amounts struct{ spent, held, less, more *money.Nanos }

// at are the amounts of the period in which a moment lies; false if it lies in neither.
func (t *tally) at(moment time.Time) (of amounts, ok bool) {
	switch {
	case !moment.Before(t.End) || moment.Before(t.EarlierStart):
		return amounts{}, false
	case moment.Before(t.Start):
		return amounts{&t.EarlierSpent, &t.EarlierHeld, &t.earlierLess, &t.earlierMore}, true
	}
	return amounts{&t.Spent, &t.Held, &t.less, &t.more}, true
}

// add adds a call of Redis, which holds its bound in this counter or does not. An open call that
// does not is counted as if it had cost its bound, or nothing if it is a share or a probe: its
// end will not be posted to this counter, which stays as it is until the tenant is recounted.
func (t *tally) add(call call, holds bool) {
	if call.recorded != nil {
		t.addRecorded(call, holds)
		return
	}
	of, ok := t.at(call.AdmittedAt)
	switch {
	case !ok:
	case !call.Settled && holds:
		*of.held += call.Amount
	case isGivenBack(call):
		// A share that is not held in this counter is taken anew with the limit.
	default:
		*of.spent += call.Amount
		if !holds {
			*of.more += max(0, call.bound()-call.Amount)
		}
		if !holds && call.Share {
			*of.less += call.Amount
		}
	}
}

// addRecorded adds a call that is in the ledger and in Redis, too. If it is open in Redis,
// Redis was out of its enforcer's reach when it ended. It holds its bound until another session
// ends it in Redis, and its cost is posted only then. If Redis has it at another cost than the
// ledger, it was charged in full without its enforcer, or counted before it had ended. Then the
// tenant is recounted, or soon will be.
func (t *tally) addRecorded(call call, holds bool) {
	of, ok := t.at(call.AdmittedAt)
	switch {
	case !ok || isGivenBack(call) && !holds:
	case !call.Settled && holds:
		*of.held += call.Amount
		if recorded, ok := t.at(call.recorded.AdmittedAt); ok {
			*recorded.spent = max(0, *recorded.spent-call.recorded.Cost)
		}
	default:
		counted := call.Amount
		if !holds {
			counted = max(counted, call.bound())
		}
		*of.more += max(0, counted-call.recorded.Cost)
		*of.less += max(0, call.recorded.Cost-call.Amount)
	}
}

// bound is the most that the call could cost.
func (c call) bound() money.Nanos {
	if !c.Settled {
		return c.Amount
	}
	entry, err := ledgerv1.Decode(c.Body)
	if err != nil {
		return c.Amount
	}
	return entry.Held
}

// isGivenBack reports whether a call is open and will have cost nothing when it ends.
func isGivenBack(call call) bool { return !call.Settled && (call.Share || call.Probe) }
