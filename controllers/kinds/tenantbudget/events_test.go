package tenantbudget

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// look is a state of the world that a status is made of.
type look struct {
	now    time.Time
	ladder []limiterv1.Rung
	amount money.Nanos
	spent  money.Nanos
	// blind is set when Redis does not answer.
	blind bool
}

// statusesOf are the statuses that one look after another makes, and the Events
// told on the way to each.
func statusesOf(t *testing.T, looks []look) (statuses []v1alpha1.TenantBudgetStatus, told [][]string) {
	t.Helper()
	budget := &v1alpha1.TenantBudget{}
	budget.Generation = 1
	for _, l := range looks {
		s := &scope{Scope: rollout.Scope[*v1alpha1.TenantBudget]{Object: budget, Now: l.now, Accepted: verdict.Accepted()}}
		s.Rollout = conditions.Rollout{Revision: 1, Running: 1, All: 1}
		if l.blind {
			s.Rollout = conditions.Rollout{Err: limiterstore.ErrUnavailable}
		} else {
			level, err := measure(tenantWith(l.ladder, daily(l.amount)), spentAt(l.now, map[period.Kind]money.Nanos{period.Day: l.spent}))
			if err != nil {
				t.Fatal(err)
			}
			s.usage = &usage{levels: []levelUsage{level}}
		}
		after := s.status()
		var notes []string
		for _, event := range s.Events(budget.Status, after) {
			switch event.Reason {
			case v1alpha1.EventAccepted, v1alpha1.EventProgrammed: // not the money's
			default:
				notes = append(notes, event.Type+" "+event.Reason+": "+event.Note)
			}
		}
		statuses, told = append(statuses, after), append(told, notes)
		budget.Status = after
	}
	return statuses, told
}

func TestEvents(t *testing.T) {
	const (
		warned = "Warning BudgetWarning: limit daily has reached its 80% rung: 4.00 of 5.00 USD spent (80%); resets at 2026-11-26T00:00:00Z"
		opened = "Warning BreakerOpened: limit daily has reached the Trip rung: 4.50 of 5.00 USD spent (90%); " +
			"paid calls are refused until 2026-11-26T00:00:00Z, or until the limit is raised"
	)
	const (
		warnedInFull = "Warning BudgetWarning: limit daily has reached its 80% rung: 5.00 of 5.00 USD spent (100%); resets at "
		openedInFull = "Warning BreakerOpened: limit daily has reached the Trip rung: 5.00 of 5.00 USD spent (100%%); " +
			"paid calls are refused until %s, or until the limit is raised"
		exhausted = "Warning BudgetExhausted: limit daily is fully spent: paid calls are refused until %s, or until the limit is raised"
	)
	day := noon.AddDate(0, 0, 1)
	five := 5 * money.USD
	at := func(now time.Time, spent money.Nanos) look {
		return look{now: now, ladder: usualLadder, amount: five, spent: spent}
	}
	with := func(l look, change func(*look)) look { change(&l); return l }
	ofNothing := func(l *look) { l.amount = 0 }

	for name, tc := range map[string]struct {
		looks []look
		want  [][]string
	}{
		"a rung is news once": {
			looks: []look{at(noon, 0), at(noon, 4*money.USD), at(noon, 4*money.USD), at(noon, 449*money.Cent)},
			want:  [][]string{nil, {warned}, nil, nil},
		},
		"the first look finds it reached": {
			looks: []look{at(noon, 4*money.USD), at(noon, 4*money.USD)},
			want:  [][]string{{warned}, nil},
		},
		"both rungs at once": {
			looks: []look{at(noon, 0), at(noon, 450*money.Cent), at(noon, 450*money.Cent)},
			want: [][]string{nil, {
				"Warning BudgetWarning: limit daily has reached its 80% rung: 4.50 of 5.00 USD spent (90%); resets at 2026-11-26T00:00:00Z",
				opened,
			}, nil},
		},
		"the period turns": {
			looks: []look{at(noon, 4*money.USD), at(noon.Add(time.Minute), 450*money.Cent), at(day, 0), at(day, 4*money.USD)},
			want: [][]string{
				{warned}, {opened},
				{"Normal BreakerClosed: limit daily no longer keeps the breaker open: a new period began; it had been open since 2026-11-25T12:01:00Z"},
				{"Warning BudgetWarning: limit daily has reached its 80% rung: 4.00 of 5.00 USD spent (80%); resets at 2026-11-27T00:00:00Z"},
			},
		},
		"the limit is raised, and used up again": {
			looks: []look{
				at(noon, 4*money.USD), at(noon, 450*money.Cent),
				with(at(noon, 450*money.Cent), func(l *look) { l.amount = 10 * money.USD }),
				with(at(noon, 8*money.USD), func(l *look) { l.amount = 10 * money.USD }),
			},
			want: [][]string{
				{warned}, {opened},
				{"Normal BreakerClosed: limit daily no longer keeps the breaker open: the limit was raised from 5.00 to 10.00 USD; it had been open since 2026-11-25T12:00:00Z"},
				{"Warning BudgetWarning: limit daily has reached its 80% rung: 8.00 of 10.00 USD spent (80%); resets at 2026-11-26T00:00:00Z"},
			},
		},
		"the ladder is changed": {
			looks: []look{
				at(noon, 4*money.USD), at(noon, 450*money.Cent),
				with(at(noon, 450*money.Cent), func(l *look) { l.ladder = nil }),
			},
			want: [][]string{
				{warned}, {opened},
				{"Normal BreakerClosed: limit daily no longer keeps the breaker open: the ladder was changed; it had been open since 2026-11-25T12:00:00Z"},
			},
		},
		"Redis has forgotten what was spent": {
			looks: []look{at(noon, 450*money.Cent), at(noon, 0)},
			want: [][]string{
				{"Warning BudgetWarning: limit daily has reached its 80% rung: 4.50 of 5.00 USD spent (90%); resets at 2026-11-26T00:00:00Z", opened},
				{"Normal BreakerClosed: limit daily no longer keeps the breaker open: the spending counted fell from 4.50 to 0.00 USD; it had been open since 2026-11-25T12:00:00Z"},
			},
		},
		"Redis was away meanwhile": {
			looks: []look{
				at(noon, 4*money.USD), with(at(noon, 0), func(l *look) { l.blind = true }), at(noon, 4*money.USD),
				at(noon, 450*money.Cent), with(at(noon, 0), func(l *look) { l.blind = true }), at(noon, 450*money.Cent),
			},
			want: [][]string{{warned}, nil, nil, {opened}, nil, nil},
		},
		"spent in full while Redis comes and goes": {
			looks: []look{
				at(noon, five), with(at(noon, 0), func(l *look) { l.blind = true }), at(noon, five),
				with(at(noon, 0), func(l *look) { l.blind = true }), at(day, 0),
			},
			want: [][]string{
				{warnedInFull + "2026-11-26T00:00:00Z", fmt.Sprintf(openedInFull, "2026-11-26T00:00:00Z"), fmt.Sprintf(exhausted, "2026-11-26T00:00:00Z")},
				nil, nil, nil,
				{
					"Normal BreakerClosed: limit daily no longer keeps the breaker open: a new period began; it had been open since 2026-11-25T12:00:00Z",
					"Normal BudgetRecovered: no limit of the tenant is fully spent",
				},
			},
		},
		"the period turns and the limit is fully spent again, while nobody looks": {
			looks: []look{at(noon, five), at(day, five), at(day, five)},
			want: [][]string{
				{warnedInFull + "2026-11-26T00:00:00Z", fmt.Sprintf(openedInFull, "2026-11-26T00:00:00Z"), fmt.Sprintf(exhausted, "2026-11-26T00:00:00Z")},
				{
					warnedInFull + "2026-11-27T00:00:00Z",
					"Normal BreakerClosed: limit daily no longer keeps the breaker open: a new period began; it had been open since 2026-11-25T12:00:00Z",
					fmt.Sprintf(openedInFull, "2026-11-27T00:00:00Z"), fmt.Sprintf(exhausted, "2026-11-27T00:00:00Z"),
				},
				nil,
			},
		},
		"a limit of nothing, which no period changes": {
			looks: []look{with(at(noon, 0), ofNothing), with(at(day, 0), ofNothing), with(at(day.AddDate(0, 0, 1), 0), ofNothing), at(day.AddDate(0, 0, 1), 0)},
			want: [][]string{
				{
					"Warning BreakerOpened: limit daily has reached the Trip rung: 0.00 of 0.00 USD spent (100%); paid calls are refused until the limit is raised",
					"Warning BudgetExhausted: limit daily is fully spent: paid calls are refused until the limit is raised",
				},
				nil, nil,
				{
					"Normal BreakerClosed: limit daily no longer keeps the breaker open: the limit was raised from 0.00 to 5.00 USD; it had been open since 2026-11-25T12:00:00Z",
					"Normal BudgetRecovered: no limit of the tenant is fully spent",
				},
			},
		},
		"several rungs that warn": {
			looks: []look{
				with(at(noon, 3*money.USD), func(l *look) {
					l.ladder = []limiterv1.Rung{{AtPercent: 50, Action: limiterv1.Warn}, {AtPercent: 80, Action: limiterv1.Warn}}
				}),
				with(at(noon, 4*money.USD), func(l *look) {
					l.ladder = []limiterv1.Rung{{AtPercent: 50, Action: limiterv1.Warn}, {AtPercent: 80, Action: limiterv1.Warn}}
				}),
			},
			want: [][]string{
				{"Warning BudgetWarning: limit daily has reached its 50% rung: 3.00 of 5.00 USD spent (60%); resets at 2026-11-26T00:00:00Z"},
				{warned},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, told := statusesOf(t, tc.looks)
			if diff := cmp.Diff(tc.want, told, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("Events (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBreakerSince: the breaker is open since it was first seen open.
func TestBreakerSince(t *testing.T) {
	open := func(now time.Time) look {
		return look{now: now, ladder: usualLadder, amount: 5 * money.USD, spent: 5 * money.USD}
	}
	statuses, _ := statusesOf(t, []look{open(noon), open(noon.Add(time.Hour)), {now: noon.Add(2 * time.Hour), blind: true}, open(noon.Add(3 * time.Hour))})
	for i, status := range statuses {
		if status.Breaker.State != v1alpha1.BreakerOpen || !status.Breaker.Since.Time.Equal(noon) {
			t.Errorf("look %d: breaker is %s since %s, want Open since %s", i, status.Breaker.State, status.Breaker.Since, noon)
		}
	}
}

// TestLimitOfNothing: a limit of zero holds the breaker open for good, and a new period changes only
// figures.
func TestLimitOfNothing(t *testing.T) {
	nothing := look{now: noon, ladder: usualLadder}
	tomorrow := nothing
	tomorrow.now = noon.AddDate(0, 0, 1)
	statuses, _ := statusesOf(t, []look{nothing, tomorrow})
	for _, status := range statuses {
		if status.Breaker.State != v1alpha1.BreakerOpen || status.Breaker.ClosesAt != nil || !status.Breaker.Since.Time.Equal(noon) {
			t.Errorf("breaker is %+v, want it Open since %s for good", status.Breaker, noon)
		}
	}
	if !differInFigures(statuses[0], statuses[1]) {
		t.Error("a period that turns is written at once, though it changes nothing")
	}
}

// TestOvercommittedOnce: that it could not be determined for a while is no transition.
func TestOvercommittedOnce(t *testing.T) {
	exceeded := overcommitment([]compile.Overcommitment{{Limit: "daily", Amount: money.USD, Promised: 2 * money.USD, Children: 2}})
	unknown := conditions.Undetermined("whether the children's limits fit")
	var was v1alpha1.TenantBudgetStatus
	told := 0
	for i, verdict := range []verdict.Verdict{exceeded, unknown, unknown, exceeded, overcommitment(nil), unknown, exceeded} {
		is := v1alpha1.TenantBudgetStatus{ProgrammedStatus: v1alpha1.ProgrammedStatus{Conditions: conditions.Build(was.Conditions, 1,
			time.Unix(int64(1000*i), 0), conditions.Typed{Type: v1alpha1.ConditionOvercommitted, Verdict: verdict})}}
		told += len(becameOvercommitted(was, is))
		was = is
	}
	if told != 2 {
		t.Errorf("told %d times, want twice", told)
	}
}
