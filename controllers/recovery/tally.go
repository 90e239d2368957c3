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
	// less and more are how much less, and more, than is spent here a counter may say that was
	// not counted just now; earlierLess and earlierMore are the same of the period before.
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

// add adds a call of Redis, which holds its bound in this counter or does not. An open call
// that does not is counted as if it had cost its bound: its end will not be told to the counter,
// which has the bound, or for a share nothing, until the tenant is counted anew.
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
		// A share is taken anew with the limit.
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

// addRecorded adds a call that the ledger has, and Redis too. Where it is open, its enforcer
// told the ledger alone how it ended, as Redis was out of reach: it holds its bound until
// another has ended it there, and its cost is posted only then. Where Redis says that it
// has cost something else than the ledger says, it was charged in full without its enforcer, or
// counted before it had ended, and the tenant is, or soon will be, counted anew.
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

// isGivenBack reports whether a call is open and will have cost nothing.
func isGivenBack(call call) bool { return !call.Settled && (call.Share || call.Probe) }
