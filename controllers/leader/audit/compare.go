package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/controllers/recovery"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// Finding is a counter that does not say what the ledger says, or that was broken.
type Finding struct {
	// Limit is the limit, and Owner whose counter it is.
	Limit string `json:"limit"`
	limiterv1.Owner
	// Start is when the period began.
	Start time.Time `json:"start"`
	// Counted is what the limiter counts as spent, and Recorded what the ledger says,
	// with the settled calls that are on their way there.
	Counted  money.Nanos `json:"counted"`
	Recorded money.Nanos `json:"recorded"`
	// Held is whether this is about what is held: Counted is then what the limiter counts as
	// held, and Recorded what its open calls hold.
	Held bool `json:"held,omitempty"`
	// Broken is, where this is no comparison, what was broken in Redis and was mended, as
	// "<kind>:<field>", and Times how often.
	// Epoch is that of the counters: each epoch begins to count anew.
	Broken string `json:"broken,omitempty"`
	Times  int64  `json:"times,omitempty"`
	Epoch  string `json:"epoch,omitempty"`
	// Sums is, where this is about no counter, what sums of a day say, and what the ledger does.
	Sums string `json:"sums,omitempty"`
}

// key tells one finding from another.
func (f Finding) key() string {
	if f.Broken != "" {
		return fmt.Sprintf("%s/%s/%d", f.Epoch, f.Broken, f.Times)
	}
	if f.Sums != "" {
		return "sums/" + f.Start.Format(time.DateOnly)
	}
	owner := f.Owner
	key := fmt.Sprintf("%s/%s/%d", f.Limit, owner.Name(), f.Start.Unix())
	if f.Held {
		key += "/held"
	}
	return key
}

// isMended reports whether a tenant with this finding is recounted. It is if it holds something
// else than its open calls hold, because no call is left whose end would correct that; and if less
// is counted as spent than the ledger has, which lets too much through. If more is counted, it is
// left alone: a ledger that was restored from a backup has lost what was spent, and the counters
// have not.
func (f Finding) isMended() bool {
	return f.Held || f.Broken == "" && f.Sums == "" && f.Counted < f.Recorded
}

// drift is how far they are apart.
func (f Finding) drift() money.Nanos { return max(f.Counted-f.Recorded, f.Recorded-f.Counted) }

func (f Finding) text() string {
	if f.Broken != "" {
		kind, field, _ := strings.Cut(f.Broken, ":")
		return fmt.Sprintf("counter %s was corrupt in Redis (%s) and was repaired, %d times so far: see the logs of the enforcers", field, kind, f.Times)
	}
	if f.Sums != "" {
		return f.Sums
	}
	whose := ""
	if owner := f.Owner; !owner.IsTenant() {
		whose = " of " + owner.String()
	}
	if f.Held {
		return fmt.Sprintf("limit %s%s counts %s USD as held since %s, but the open calls hold %s USD: the tenant is recounted",
			f.Limit, whose, f.Counted, f.Start.UTC().Format(time.RFC3339), f.Recorded)
	}
	then := "the limit keeps what it counts until its period turns"
	if f.isMended() {
		then = "the tenant is recounted"
	}
	return fmt.Sprintf("limit %s%s counts %s USD as spent since %s, but the ledger has %s: %s",
		f.Limit, whose, f.Counted, f.Start.UTC().Format(time.RFC3339), f.Recorded, then)
}

// expected are the counters at one moment: the least and the most that they may say.
type expected struct{ least, most recovery.Expected }

// compare finds the counters whose spending lies outside of what the ledger said before
// and after the moment of the snapshot: what the ledger said at that moment lies in
// between. What is held must be what the calls hold that were open at that moment, and
// is not compared if some of these are unreadable.
func compare(level limiterv1.Level, snapshot limiterstore.Snapshot, before, after expected) []Finding {
	var findings []Finding
	for _, limit := range level.Money {
		field := limiterv1.MoneyField(limit)
		for _, owner := range slices.SortedFunc(maps.Keys(snapshot.Counters), byName) {
			if owner.Scope() == limit.Per && limit.CountsFor(owner) {
				low := extreme(before.least[owner][field], after.least[owner][field], least)
				high := extreme(before.most[owner][field], after.most[owner][field], most)
				found := between(low, snapshot.Counters[owner][field], high)
				findings = append(findings, named(limit.Name, owner, found)...)
			}
		}
	}
	if snapshot.Unreadable > 0 {
		findings = slices.DeleteFunc(findings, func(f Finding) bool { return f.Held })
	}
	for _, what := range slices.Sorted(maps.Keys(snapshot.Broken)) {
		findings = append(findings, Finding{Broken: what, Times: snapshot.Broken[what], Epoch: snapshot.Epoch})
	}
	return findings
}

func least(a, b money.Nanos) money.Nanos { return min(a, b) }
func most(a, b money.Nanos) money.Nanos  { return max(a, b) }

// extreme is what a counter should have said, by the ledger before or after the snapshot,
// whichever choose prefers: the later amount is less only if a call was amended. What is held is
// that of before.
func extreme(before, after limiterv1.MoneyCounter, choose func(a, b money.Nanos) money.Nanos) limiterv1.MoneyCounter {
	before.Spent, before.EarlierSpent = choose(before.Spent, after.Spent), choose(before.EarlierSpent, after.EarlierSpent)
	return before
}

func byName(a, b limiterv1.Owner) int { return strings.Compare(a.String(), b.String()) }

func named(limit string, owner limiterv1.Owner, findings []Finding) []Finding {
	for i := range findings {
		findings[i].Limit, findings[i].Owner = limit, owner
	}
	return findings
}

// between finds the periods of a counter in which it says less than low or more than high, and
// those in which it holds something else than the calls that were open.
func between(low, counter, high limiterv1.MoneyCounter) (findings []Finding) {
	hold := func(start time.Time, counted, held money.Nanos) {
		if counted != held {
			findings = append(findings, Finding{Start: start, Counted: counted, Recorded: held, Held: true})
		}
	}
	add := func(start time.Time, low, counted, high money.Nanos) {
		if counted < low || counted > high {
			recorded := low
			if counted > high {
				recorded = high
			}
			findings = append(findings, Finding{Start: start, Counted: counted, Recorded: recorded})
		}
	}
	isSame := counter.Start.Equal(low.Start) && counter.End.Equal(low.End)
	switch {
	case isSame:
		add(low.Start, low.Spent, counter.Spent, high.Spent)
		hold(low.Start, counter.Held, low.Held)
		if counter.EarlierStart.Equal(low.EarlierStart) {
			add(low.EarlierStart, low.EarlierSpent, counter.EarlierSpent, high.EarlierSpent)
			hold(low.EarlierStart, counter.EarlierHeld, low.EarlierHeld)
		}
	case !low.Start.Before(counter.End): // no call has turned the period yet
		add(low.Start, low.Spent, 0, high.Spent)
		hold(low.Start, 0, low.Held)
		if counter.Start.Equal(low.EarlierStart) {
			add(low.EarlierStart, low.EarlierSpent, counter.Spent, high.EarlierSpent)
			hold(low.EarlierStart, counter.Held, low.EarlierHeld)
		}
	}
	// Else the tenant has moved to another time zone: it goes on counting from where the
	// period began in the former one, until it turns.
	return findings
}
