package tenantbudget

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// each is a limit of five dollars a day for each user, with two more for the user of a
// grant.
func each(granted string) limiterv1.MoneyLimit {
	limit := daily(5 * money.USD)
	limit.Name, limit.Per = "each", limiterv1.PerUser
	if granted != "" {
		limit.Grants = []limiterv1.Grant{{Name: "g", Owner: limiterv1.Owner{User: granted}, Amount: 2 * money.USD, StartsAt: noon.Add(-time.Hour), ExpiresAt: noon.Add(time.Hour)}}
	}
	return limit
}

func usageOf(t *testing.T, limits ...limiterv1.MoneyLimit) *usage {
	t.Helper()
	measured, err := measure(tenantWith(usualLadder, limits...), spentAt(noon, nil))
	if err != nil {
		t.Fatal(err)
	}
	return &usage{root: "acme", levels: []levelUsage{measured}}
}

func TestAlertsOfUser(t *testing.T) {
	today := period.Containing(period.Day, time.UTC, noon)
	yesterday := period.Span{Start: today.Start.AddDate(0, 0, -1), End: today.Start}
	tomorrow := period.Span{Start: today.End, End: today.End.AddDate(0, 0, 1)}
	warned := "Warn@80 of 5.00: user gerente-1 has reached the 80% rung of limit each: "
	for name, tc := range map[string]struct {
		granted string
		spent   money.Nanos
		in      period.Span
		want    []string
	}{
		"nothing counted": {},
		"below the rungs": {spent: 4*money.USD - 1, in: today},
		"one rung":        {spent: 4 * money.USD, in: today, want: []string{warned + "4.00 of 5.00 USD spent (80%); resets at 2026-11-26T00:00:00Z"}},
		"all of it": {spent: 5 * money.USD, in: today, want: []string{
			warned + "5.00 of 5.00 USD spent (100%); resets at 2026-11-26T00:00:00Z",
			"Trip@90 of 5.00: user gerente-1 has reached the 90% rung of limit each: 5.00 of 5.00 USD spent (100%); paid calls of the user " +
				"that count against it are refused until 2026-11-26T00:00:00Z, or until the limit is raised",
			"Exhaust@100 of 5.00: user gerente-1 has fully spent limit each: 5.00 of 5.00 USD spent (100%); paid calls of the user " +
				"that count against it are refused until 2026-11-26T00:00:00Z, or until the limit is raised",
		}},
		"who is granted more":               {granted: "gerente-1", spent: 5 * money.USD, in: today},
		"where another is granted more":     {granted: "gerente-2", spent: 4 * money.USD, in: today, want: []string{warned + "4.00 of 5.00 USD spent (80%); resets at 2026-11-26T00:00:00Z"}},
		"spent in the period before":        {spent: 5 * money.USD, in: yesterday},
		"spent since the period has turned": {spent: 5 * money.USD, in: tomorrow},
	} {
		t.Run(name, func(t *testing.T) {
			counters := map[string]limiterv1.MoneyCounter{}
			if tc.spent > 0 {
				counters[limiterv1.MoneyField(each(""))] = limiterv1.MoneyCounter{Start: tc.in.Start, End: tc.in.End, Spent: tc.spent, Held: 7}
			}
			var got []string
			for _, a := range usageOf(t, each(tc.granted)).alertsOfOwner(limiterv1.Owner{User: "gerente-1"}, counters) {
				got = append(got, fmt.Sprintf("%s@%d of %s: %s", a.Action, a.AtPercent, a.Amount, a.Message))
				if a.Period != today || a.Owner.User != "gerente-1" || a.Limit != "each" {
					t.Errorf("alert %+v is of another limit, user or period", a)
				}
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("alerts (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUserRungs: a user with a grant has rungs of its own.
func TestUserRungs(t *testing.T) {
	for granted, want := range map[string][]string{
		"":          {" Warn of 5.00", " Trip of 5.00", " Exhaust of 5.00"},
		"gerente-1": {" Warn of 5.00", " Trip of 5.00", " Exhaust of 5.00", "gerente-1 Warn of 7.00", "gerente-1 Trip of 7.00", "gerente-1 Exhaust of 7.00"},
	} {
		var got []string
		for _, rung := range usageOf(t, each(granted), daily(money.USD)).own().ownerRungs() {
			got = append(got, fmt.Sprintf("%s %s of %s", rung.Owner.User, rung.Action, rung.Amount))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("granted to %q (-want +got):\n%s", granted, diff)
		}
	}
}

// TestOtherRungs: once a rung of an owner has changed, no alert counts as recorded.
func TestOtherRungs(t *testing.T) {
	rungs := usageOf(t, each("gerente-1")).own().ownerRungs()
	reached := []budgetstore.Alert{{Rung: rungs[len(rungs)-1].Rung, Owner: rungs[len(rungs)-1].Owner}}
	var look ownerLook
	for i, step := range []struct {
		change func(*budgetstore.OwnerRung)
		want   int
	}{
		{func(*budgetstore.OwnerRung) {}, 1},
		{func(*budgetstore.OwnerRung) {}, 0},
		{func(r *budgetstore.OwnerRung) { r.Amount++ }, 1},
		{func(r *budgetstore.OwnerRung) { r.AtPercent++ }, 1},
		{func(r *budgetstore.OwnerRung) { r.Period.End = r.Period.End.Add(time.Hour) }, 1},
		{func(r *budgetstore.OwnerRung) { r.Owner.User = "gerente-2" }, 1},
		{func(*budgetstore.OwnerRung) {}, 0},
	} {
		step.change(&rungs[len(rungs)-1])
		look.begin(noon.Add(time.Duration(i)*lookAtOwners), rungs)
		fresh := look.fresh(slices.Clone(reached))
		if len(fresh) != step.want {
			t.Errorf("look %d finds %d alerts to record, want %d", i, len(fresh), step.want)
		}
		look.note(fresh)
	}
}

// looked is a world of many users, all of whom have spent in full.
type looked struct {
	Counters
	Deliverer
	users    int
	away     bool
	since    []time.Duration
	recorded []int
}

func (l *looked) ActiveOwners(_ context.Context, _ string, per limiterv1.Scope, since time.Time) ([]limiterv1.Owner, error) {
	if per != limiterv1.PerUser {
		return nil, fmt.Errorf("per %s there is no limit", per)
	}
	l.since = append(l.since, noon.Sub(since))
	var users []limiterv1.Owner
	for i := range l.users {
		users = append(users, limiterv1.Owner{User: fmt.Sprint("user-", i)})
	}
	return users, nil
}

func (l *looked) ReadOwners(_ context.Context, _, _ string, users []limiterv1.Owner, limits ...limiterv1.MoneyLimit,
) (map[limiterv1.Owner]map[string]limiterv1.MoneyCounter, error) {
	if len(users) > ownersAtOnce {
		return nil, fmt.Errorf("%d users at once", len(users))
	}
	today := period.Containing(period.Day, time.UTC, noon)
	counters := map[limiterv1.Owner]map[string]limiterv1.MoneyCounter{}
	for _, user := range users {
		counters[user] = map[string]limiterv1.MoneyCounter{
			limiterv1.MoneyField(limits[0]): {Start: today.Start, End: today.End, Spent: 4 * money.USD},
		}
	}
	return counters, nil
}

func (l *looked) Record(_ context.Context, alerts budgetstore.TenantAlerts) (int, error) {
	if l.away {
		return 0, errors.New("Postgres is away")
	}
	l.recorded = append(l.recorded, len(alerts.Reached))
	return 0, nil
}

// TestLooksAtUsers: a look is once a minute, of some users at a time, and what is
// recorded already costs nothing.
func TestLooksAtUsers(t *testing.T) {
	l := &looked{users: ownersAtOnce + 3}
	c := &Controller{counters: l, owners: l, alerts: l, deliverer: l}
	s := &scope{Scope: rollout.Scope[*v1alpha1.TenantBudget]{Object: &v1alpha1.TenantBudget{}}, memory: &memory{}, usage: usageOf(t, each(""))}
	look := func(after time.Duration, wantErr bool) {
		t.Helper()
		s.usage.own().now = noon.Add(after)
		if err := c.alert(t.Context(), s); (err != nil) != wantErr {
			t.Fatal(err)
		}
	}
	look(0, false)
	look(59*time.Second, false)
	look(time.Minute, false)
	l.users++
	look(2*time.Minute, false)
	l.away = true
	l.users++
	look(3*time.Minute, true)
	look(3*time.Minute+time.Second, false)
	l.away = false
	look(4*time.Minute, false)
	if want := []int{0, ownersAtOnce, 3, 1, 1}; !slices.Equal(l.recorded, want) {
		t.Errorf("alerts were recorded by %v, want %v", l.recorded, want)
	}
	want := []time.Duration{time.Hour, 15 * time.Minute, 14 * time.Minute, 13 * time.Minute, 13 * time.Minute}
	if !slices.Equal(l.since, want) {
		t.Errorf("calls were looked at that were admitted %v before noon, want %v", l.since, want)
	}
}
