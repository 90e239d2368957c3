package limiterv1

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
)

const (
	// ProbesKey is a set: the tenants that a live enforcer is to probe. The enforcer that
	// removes a name makes the probe.
	ProbesKey = "bursar:{config}:probes"
	// ProbeLife is how long a probe that no enforcer makes stays in the set.
	ProbeLife = 30 * time.Second
	// ProbeAnswersKey is a hash: tenant -> JSON of the answer to its newest probe.
	ProbeAnswersKey = "bursar:{config}:probe-answers"
	// ProbesChannel says that probes are wanted.
	ProbesChannel = "bursar:probes"
	// FeedProbe begins a message on FeedChannel: "probe <name> <name>...", when
	// probes of the tenants were answered.
	FeedProbe = "probe"
)

// ProbeAnswer is what an enforcer found when it asked the limiter, in the way in which it
// admits all calls, to admit calls of a tenant that no caller makes.
type ProbeAnswer struct {
	// Session is the session that answers, on the machine or pod Host.
	Session string `json:"session"`
	Host    string `json:"host"`
	// Incarnation and Revision are the newest configuration that it ran beforehand.
	Incarnation string `json:"incarnation"`
	Revision    int64  `json:"revision"`
	// Failure is why the rest of the answer is missing; empty if it is there.
	Failure string `json:"failure,omitempty"`
	// Forced is the tenant whose breaker is forced open, so that the limits were not
	// asked.
	Forced string `json:"forced,omitempty"`
	// Levels are the limits that the limiter was asked about, of the tenant and of its
	// ancestors, nearest first.
	Levels []ProbedLevel `json:"levels,omitempty"`
}

// ProbedLevel is what was asked of one tenant of a budget tree.
type ProbedLevel struct {
	Tenant string `json:"tenant"`
	// Shadow says that the level's own limits refuse nothing.
	Shadow bool          `json:"shadow,omitempty"`
	Money  []ProbedMoney `json:"money,omitempty"`
	Rates  []RateLimit   `json:"rates,omitempty"`
}

// ProbedMoney is a money limit as it was asked about.
type ProbedMoney struct {
	MoneyLimit
	// Trip and Downgrade are the spent amounts from which on calls are refused, or get
	// other models; nil for none. Rungs are those of all rungs.
	Trip      *money.Nanos  `json:"trip,omitempty"`
	Downgrade *money.Nanos  `json:"downgrade,omitempty"`
	Rungs     []money.Nanos `json:"rungs,omitempty"`
	// ResetsAt is when the period turns.
	ResetsAt time.Time `json:"resetsAt"`
	// From and Until bound the time in which the same grants, which the amount includes,
	// are in force.
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
}

// Contradiction is the difference between the answer and what a tenant's document
// demands: the first limit that is not enforced as written. It is empty if there is none.
func (a ProbeAnswer) Contradiction(document Tenant) string {
	if a.Failure != "" {
		return a.Failure
	}
	forced := document.ForcedOpen()
	switch {
	case a.Forced != forced && forced != "":
		return fmt.Sprintf("calls are admitted although the breaker of tenant %s is forced open", forced)
	case a.Forced != forced:
		return fmt.Sprintf("all calls are refused, as if the breaker of tenant %s were forced open", a.Forced)
	case forced != "":
		return ""
	}
	levels := document.Levels()
	for i, level := range levels {
		if i >= len(a.Levels) || a.Levels[i].Tenant != level.Tenant {
			return fmt.Sprintf("no limit of tenant %s was checked", level.Tenant)
		}
		if why := a.Levels[i].contradiction(level); why != "" {
			return why
		}
	}
	if len(a.Levels) > len(levels) {
		return fmt.Sprintf("limits of tenant %s were checked, which is not an ancestor", a.Levels[len(levels)].Tenant)
	}
	return ""
}

func (p ProbedLevel) contradiction(level Level) string {
	if p.Shadow != level.Waives() {
		return fmt.Sprintf("shadow of tenant %s is %t, want %t", level.Tenant, p.Shadow, level.Waives())
	}
	for _, limit := range level.Money {
		i := slices.IndexFunc(p.Money, func(m ProbedMoney) bool { return m.Name == limit.Name })
		if i < 0 {
			return fmt.Sprintf("limit %s of tenant %s was not checked", limit.Name, level.Tenant)
		}
		if why := p.Money[i].contradiction(limit, level); why != "" {
			return fmt.Sprintf("limit %s of tenant %s: %s", limit.Name, level.Tenant, why)
		}
	}
	for _, limit := range level.Rates {
		i := slices.IndexFunc(p.Rates, func(r RateLimit) bool { return r.Name == limit.Name })
		if i < 0 {
			return fmt.Sprintf("rate limit %s of tenant %s was not checked", limit.Name, level.Tenant)
		}
		if got := p.Rates[i]; !reflect.DeepEqual(got, limit) {
			return fmt.Sprintf("rate limit %s of tenant %s: %s, want %s", limit.Name, level.Tenant, got.text(), limit.text())
		}
	}
	if len(p.Money) != len(level.Money) || len(p.Rates) != len(level.Rates) {
		return fmt.Sprintf("%d limits of tenant %s were checked, want %d",
			len(p.Money)+len(p.Rates), level.Tenant, len(level.Money)+len(level.Rates))
	}
	return ""
}

func (p ProbedMoney) contradiction(limit MoneyLimit, level Level) string {
	want := level.Probed(limit, p.From)
	zone, err := period.Zone(level.TimeZone)
	if err != nil {
		return err.Error()
	}
	switch turn := period.Containing(limit.Period, zone, p.ResetsAt.Add(-time.Millisecond)).End; {
	case p.Amount != want.Amount:
		return fmt.Sprintf("%s USD, want %s", p.Amount, want.Amount)
	case !p.From.Equal(want.From), !p.Until.Equal(want.Until):
		return fmt.Sprintf("grants start or expire at %s, want %s", p.Until.Format(time.RFC3339), want.Until.Format(time.RFC3339))
	case !reflect.DeepEqual(p.MoneyLimit, want.MoneyLimit):
		return fmt.Sprintf("it counts %s, want %s", p.text(), want.text())
	case !turn.Equal(p.ResetsAt):
		return fmt.Sprintf("it resets at %s, which is not the end of a %s in %s", p.ResetsAt.Format(time.RFC3339), limit.Period, level.TimeZone)
	case !reflect.DeepEqual(p.Trip, want.Trip), !reflect.DeepEqual(p.Downgrade, want.Downgrade),
		!slices.Equal(p.Rungs, want.Rungs):
		return fmt.Sprintf("its rungs are %v, want %v", p.Rungs, want.Rungs)
	}
	return ""
}

// Probed is a money limit of the level as a probe should find it at a moment, except for
// ResetsAt: with what is granted to everyone. Its rungs include those of the next
// grants, under which a call may be settled.
func (l Level) Probed(document MoneyLimit, at time.Time) ProbedMoney {
	limit, stretch := document.At(at, Owner{})
	probed := ProbedMoney{MoneyLimit: limit, From: stretch.Start, Until: stretch.End}
	if trip, ok := l.TripAt(limit); ok {
		probed.Trip = &trip
	}
	if rung, ok := l.Rung(Downgrade); ok {
		downgrade := rung.Amount(limit)
		probed.Downgrade = &downgrade
	}
	limits := []MoneyLimit{limit}
	if len(document.Grants) > 0 {
		next, _ := document.At(stretch.End, Owner{})
		limits = append(limits, next)
	}
	for _, limit := range limits {
		for _, rung := range l.Ladder {
			probed.Rungs = append(probed.Rungs, rung.Amount(limit))
		}
	}
	return probed
}

func (l MoneyLimit) text() string {
	return fmt.Sprintf("per %s in a %s%s", l.Per, l.Period, l.Selector.text())
}

func (l RateLimit) text() string {
	text := fmt.Sprintf("%d %s, at most %d, in %s per %s%s", l.Count, l.Unit, l.Burst, l.Window.Std(), l.Per, l.Selector.text())
	if l.Imposed {
		return text + ", imposed"
	}
	return text
}

func (s Selector) text() string { return strings.ReplaceAll(s.selectorField(), ";", ", ") }
