package audit

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/recovery"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

func TestBetween(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2027, 1, n, 0, 0, 0, 0, time.UTC) }
	// of is a counter of the third of January, with the day before it.
	of := func(spent, earlier money.Nanos) limiterv1.MoneyCounter {
		return limiterv1.MoneyCounter{Start: day(3), End: day(4), Spent: spent, EarlierStart: day(2), EarlierSpent: earlier}
	}
	holding := func(held, earlier money.Nanos) limiterv1.MoneyCounter {
		counter := of(5, 7)
		counter.Held, counter.EarlierHeld = held, earlier
		return counter
	}
	yesterdays := limiterv1.MoneyCounter{Start: day(2), End: day(3), Spent: 7, EarlierStart: day(1)}
	for name, tc := range map[string]struct {
		before, counter, after limiterv1.MoneyCounter
		want                   []Finding
	}{
		"at rest":                        {before: of(5, 7), counter: of(5, 7), after: of(5, 7)},
		"calls recorded in between":      {before: of(5, 7), counter: of(6, 8), after: of(9, 8)},
		"more than the ledger ever said": {before: of(5, 7), counter: of(10, 7), after: of(9, 7), want: []Finding{{Start: day(3), Counted: 10, Recorded: 9}}},
		"less than the ledger ever said": {before: of(5, 7), counter: of(4, 7), after: of(9, 7), want: []Finding{{Start: day(3), Counted: 4, Recorded: 5}}},
		"in the period before":           {before: of(5, 7), counter: of(5, 6), after: of(5, 7), want: []Finding{{Start: day(2), Counted: 6, Recorded: 7}}},
		"not turned yet":                 {before: of(0, 7), counter: yesterdays, after: of(0, 7)},
		"not turned, though something was spent": {
			before: of(1, 7), counter: yesterdays, after: of(1, 7), want: []Finding{{Start: day(3), Counted: 0, Recorded: 1}},
		},
		"not turned, and wrong":        {before: of(0, 8), counter: yesterdays, after: of(0, 8), want: []Finding{{Start: day(2), Counted: 7, Recorded: 8}}},
		"holds what open calls hold":   {before: holding(3, 4), counter: holding(3, 4), after: holding(3, 4)},
		"holds more":                   {before: holding(3, 4), counter: holding(4, 4), after: holding(3, 4), want: []Finding{{Start: day(3), Counted: 4, Recorded: 3, Held: true}}},
		"holds less":                   {before: holding(3, 4), counter: holding(0, 4), after: holding(3, 4), want: []Finding{{Start: day(3), Counted: 0, Recorded: 3, Held: true}}},
		"holds more in the one before": {before: holding(3, 0), counter: holding(3, 4), after: holding(3, 0), want: []Finding{{Start: day(2), Counted: 4, Recorded: 0, Held: true}}},
		"not turned yet, and a call of before is open": {
			before:  limiterv1.MoneyCounter{Start: day(3), End: day(4), EarlierStart: day(2), EarlierHeld: 2},
			counter: limiterv1.MoneyCounter{Start: day(2), End: day(3), Held: 3, EarlierStart: day(1)},
			after:   limiterv1.MoneyCounter{Start: day(3), End: day(4), EarlierStart: day(2), EarlierHeld: 2},
			want:    []Finding{{Start: day(2), Counted: 3, Recorded: 2, Held: true}},
		},
		"never counted": {before: of(0, 0), after: of(0, 0)},
		"forgotten":     {before: of(5, 0), after: of(5, 0), want: []Finding{{Start: day(3), Counted: 0, Recorded: 5}}},
		"on from another zone's day": {
			before: of(1, 7), counter: limiterv1.MoneyCounter{Start: day(3).Add(-time.Hour), End: day(4), Spent: 4}, after: of(1, 7),
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, between(tc.before, tc.counter, tc.after)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFindingsOfEpochs: what was broken once in each of two epochs was broken twice.
func TestFindingsOfEpochs(t *testing.T) {
	of := func(epoch string) Finding {
		snapshot := limiterstore.Snapshot{Epoch: epoch, Broken: map[string]int64{"negative:money:Day": 1}}
		return compare(limiterv1.Level{}, snapshot, expected{}, expected{})[0]
	}
	if seven, eight := of("7").key(), of("8").key(); seven == eight {
		t.Errorf("in both epochs the key is %q", seven)
	}
}

func TestCompare(t *testing.T) {
	limit := func(name string, per limiterv1.Scope, kind period.Kind) limiterv1.MoneyLimit {
		return limiterv1.MoneyLimit{Name: name, Per: per, Period: kind, Amount: money.USD}
	}
	level := limiterv1.Level{Money: []limiterv1.MoneyLimit{
		limit("daily", limiterv1.PerTenant, period.Day), limit("each", limiterv1.PerUser, period.Month),
		limit("teams", limiterv1.PerGroup, period.Month),
	}}
	level.Money[2].Groups = []string{"bob"}
	start := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	counter := func(spent money.Nanos) limiterv1.MoneyCounter {
		return limiterv1.MoneyCounter{Start: start, End: start.AddDate(0, 0, 1), Spent: spent}
	}
	counters := func(tenant, ann, bob, group, other money.Nanos) map[limiterv1.Owner]map[string]limiterv1.MoneyCounter {
		field, groups := limiterv1.MoneyField(level.Money[1]), limiterv1.MoneyField(level.Money[2])
		return map[limiterv1.Owner]map[string]limiterv1.MoneyCounter{
			{}: {limiterv1.MoneyField(level.Money[0]): counter(tenant)}, {User: "ann"}: {field: counter(ann)}, {User: "bob"}: {field: counter(bob)},
			{Group: "bob"}: {groups: counter(group)}, {Group: "other"}: {groups: counter(other)},
		}
	}
	var snapshot limiterstore.Snapshot
	snapshot.Counters = counters(10, 4, 5, 7, 8)
	ledger := expected{recovery.Expected(counters(9, 4, 6, 8, 9)), recovery.Expected(counters(9, 4, 6, 8, 9))}
	want := []Finding{
		{Limit: "daily", Start: start, Counted: 10, Recorded: 9},
		{Limit: "each", Owner: limiterv1.Owner{User: "bob"}, Start: start, Counted: 5, Recorded: 6},
		{Limit: "teams", Owner: limiterv1.Owner{Group: "bob"}, Start: start, Counted: 7, Recorded: 8},
	}
	if diff := cmp.Diff(want, compare(level, snapshot, ledger, ledger)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
