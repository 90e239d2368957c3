package budgetstore_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// noon is a moment of the day that the alerts of these tests are of.
var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func reached(limit string, action limiterv1.Action, percent int32, amount money.Nanos) budgetstore.Alert {
	return budgetstore.Alert{
		Rung:   budgetstore.Rung{Limit: limit, Amount: amount, Action: action, AtPercent: percent},
		Period: period.Containing(period.Day, time.UTC, noon), Spent: amount.Share(percent), Message: limit + " " + string(action),
	}
}

func by(user string, alert budgetstore.Alert) budgetstore.Alert {
	alert.Owner.User = user
	return alert
}

func nextDay(alert budgetstore.Alert) budgetstore.Alert {
	alert.Period = period.Containing(period.Day, time.UTC, alert.Period.End)
	return alert
}

// everybodys is the rung of an alert of a user as everybody has it.
func everybodys(alert budgetstore.Alert) budgetstore.OwnerRung {
	return budgetstore.OwnerRung{Rung: alert.Rung, Period: alert.Period}
}

// alerts are those of tenant acme at noon, with two recipients.
func alerts(reached ...budgetstore.Alert) budgetstore.TenantAlerts {
	return budgetstore.TenantAlerts{
		Tenant: "acme", UID: "u1", Now: noon, Reached: reached,
		Recipients: []budgetstore.Recipient{{Channel: ledgerv1.Email, Address: "ops@example.com"}, {Channel: ledgerv1.Webhook}},
	}
}

const alertRows = `
SELECT limit_name, ' ', action, '@', at_percent, ' of ', amount_nanos / 1000000000, coalesce(' by ' || nullif(user_id || group_name || credential, ''), ''),
  ' on the ', extract(day FROM period_start AT TIME ZONE 'UTC')::int, coalesce(' ' || resolution, ''),
  CASE WHEN muted THEN ' muted' ELSE '' END
FROM cost_alerts ORDER BY period_start, limit_name, user_id, credential, group_name, at_percent, amount_nanos`

const deliveryRows = `
SELECT limit_name, '@', at_percent, ' ', channel, ' ', recipient FROM alert_deliveries JOIN cost_alerts USING (alert_id)
ORDER BY limit_name, at_percent, raised_at, channel`

func TestRecordAlerts(t *testing.T) {
	const five, six = 5 * money.USD, 6 * money.USD
	warn, trip := reached("daily", "Warn", 80, five), reached("daily", "Trip", 90, five)
	mine, yours := by("gerente-1", reached("each", "Warn", 80, five)), by("gerente-2", reached("each", "Warn", 80, five))
	later := func(a budgetstore.TenantAlerts) budgetstore.TenantAlerts {
		a.Now = a.Now.Add(24 * time.Hour)
		return a
	}
	everybody := everybodys(mine)
	of := func(owner limiterv1.Owner) budgetstore.Alert {
		alert := reached("each", "Warn", 80, five)
		alert.Owner = owner
		return alert
	}
	granted := by("gerente-1", reached("each", "Warn", 80, six))
	own := budgetstore.OwnerRung{Rung: granted.Rung, Owner: granted.Owner, Period: granted.Period}
	withRungs := func(a budgetstore.TenantAlerts, rungs ...budgetstore.OwnerRung) budgetstore.TenantAlerts {
		a.OwnerRungs = rungs
		return a
	}
	for name, tc := range map[string]struct {
		steps      []budgetstore.TenantAlerts
		wantRaised []int
		want       []string
	}{
		"one, again and again": {
			steps:      []budgetstore.TenantAlerts{alerts(warn), alerts(warn), alerts(warn)},
			wantRaised: []int{1, 0, 0},
			want:       []string{"daily Warn@80 of 5 on the 25"},
		},
		"rung by rung": {
			steps:      []budgetstore.TenantAlerts{alerts(warn), alerts(warn, trip)},
			wantRaised: []int{1, 1},
			want:       []string{"daily Warn@80 of 5 on the 25", "daily Trip@90 of 5 on the 25"},
		},
		"the period turns": {
			steps:      []budgetstore.TenantAlerts{alerts(warn, trip), later(alerts()), later(alerts(nextDay(warn)))},
			wantRaised: []int{2, 0, 1},
			want: []string{"daily Warn@80 of 5 on the 25 PeriodTurned", "daily Trip@90 of 5 on the 25 PeriodTurned",
				"daily Warn@80 of 5 on the 26"},
		},
		"the limit is raised, and the rung is reached again": {
			steps:      []budgetstore.TenantAlerts{alerts(warn), alerts(), alerts(reached("daily", "Warn", 80, six))},
			wantRaised: []int{1, 0, 1},
			want:       []string{"daily Warn@80 of 5 on the 25 LimitChanged", "daily Warn@80 of 6 on the 25"},
		},
		"the limit is raised, and taken back": {
			steps:      []budgetstore.TenantAlerts{alerts(warn), alerts(), alerts(warn)},
			wantRaised: []int{1, 0, 0},
			want:       []string{"daily Warn@80 of 5 on the 25"},
		},
		"a group, a key and a user of the same name": {
			steps: []budgetstore.TenantAlerts{
				withRungs(alerts(of(limiterv1.Owner{Group: "research"}), of(limiterv1.Owner{Key: "acme/research"})), everybody),
				withRungs(alerts(of(limiterv1.Owner{Group: "research"}), by("research", reached("each", "Warn", 80, five))), everybody),
			},
			wantRaised: []int{2, 1},
			want: []string{"each Warn@80 of 5 by research on the 25", "each Warn@80 of 5 by acme/research on the 25",
				"each Warn@80 of 5 by research on the 25"},
		},
		"a group whose limit is raised": {
			steps: []budgetstore.TenantAlerts{
				withRungs(alerts(of(limiterv1.Owner{Group: "research"})), everybody), withRungs(alerts(), own),
			},
			wantRaised: []int{1, 0},
			want:       []string{"each Warn@80 of 5 by research on the 25 LimitChanged"},
		},
		"users, each once, as each is heard of": {
			steps: []budgetstore.TenantAlerts{
				withRungs(alerts(mine), everybody), withRungs(alerts(yours), everybody), withRungs(alerts(mine), everybody),
			},
			wantRaised: []int{1, 1, 0},
			want:       []string{"each Warn@80 of 5 by gerente-1 on the 25", "each Warn@80 of 5 by gerente-2 on the 25"},
		},
		"the limit of users is changed": {
			steps:      []budgetstore.TenantAlerts{withRungs(alerts(mine), everybody), alerts()},
			wantRaised: []int{1, 0},
			want:       []string{"each Warn@80 of 5 by gerente-1 on the 25 LimitChanged"},
		},
		"the period of users turns": {
			steps:      []budgetstore.TenantAlerts{withRungs(alerts(mine), everybody), withRungs(later(alerts()), everybodys(nextDay(mine)))},
			wantRaised: []int{1, 0},
			want:       []string{"each Warn@80 of 5 by gerente-1 on the 25 PeriodTurned"},
		},
		"a user is granted more": {
			steps:      []budgetstore.TenantAlerts{withRungs(alerts(mine, yours), everybody), withRungs(alerts(), everybody, own)},
			wantRaised: []int{2, 0},
			want:       []string{"each Warn@80 of 5 by gerente-1 on the 25 LimitChanged", "each Warn@80 of 5 by gerente-2 on the 25"},
		},
		"a user is granted more for a while, and reaches that too": {
			steps: []budgetstore.TenantAlerts{
				withRungs(alerts(mine), everybody), withRungs(alerts(granted), everybody, own), withRungs(alerts(mine), everybody),
			},
			wantRaised: []int{1, 1, 0},
			want:       []string{"each Warn@80 of 5 by gerente-1 on the 25", "each Warn@80 of 6 by gerente-1 on the 25 LimitChanged"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			store, pool := newStore(t)
			record(t, store)
			for i, step := range tc.steps {
				raised, err := store.alerts.Record(t.Context(), step)
				if err != nil || raised != tc.wantRaised[i] {
					t.Fatalf("step %d raised %d, %v, want %d", i, raised, err, tc.wantRaised[i])
				}
			}
			checkRows(t, pool, "alerts", alertRows, tc.want)
			checkRows(t, pool, "deliveries by alert", `SELECT DISTINCT count(*) FROM alert_deliveries GROUP BY alert_id`, []string{"2"})
		})
	}
}

// record makes the row of tenant acme, of which alerts can be.
func record(t *testing.T, store stores) {
	t.Helper()
	if err := store.limits.Record(t.Context(), budget("u1", 1, limit("daily", period.Day, money.USD))); err != nil {
		t.Fatal(err)
	}
}

func TestAlertsOfABudgetThatGoes(t *testing.T) {
	store, pool := newStore(t)
	record(t, store)
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error {
			_, err := store.alerts.Record(ctx, alerts(reached("daily", "Warn", 80, money.USD)))
			return err
		},
		func(ctx context.Context) error { return store.limits.Close(ctx, "acme", "somebody-else") },
	} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	checkRows(t, pool, "alerts", alertRows, []string{"daily Warn@80 of 1 on the 25"})
	if err := store.limits.Close(t.Context(), "acme", "u1"); err != nil {
		t.Fatal(err)
	}
	checkRows(t, pool, "alerts", alertRows, []string{"daily Warn@80 of 1 on the 25 BudgetRemoved"})

	// Another budget of the tenant finds it reached still, and tells nobody again.
	again := alerts(reached("daily", "Warn", 80, money.USD))
	again.UID = "u2"
	if raised, err := store.alerts.Record(t.Context(), again); err != nil || raised != 0 {
		t.Errorf("raised %d, %v", raised, err)
	}
	checkRows(t, pool, "alerts", alertRows, []string{"daily Warn@80 of 1 on the 25"})
	checkRows(t, pool, "deliveries", deliveryRows, []string{"daily@80 Email ops@example.com", "daily@80 Webhook "})
}

// TestManyRaiseAnAlert: an alert is one, however many see its cause at once.
func TestManyRaiseAnAlert(t *testing.T) {
	store, pool := newStore(t)
	record(t, store)
	var together sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for range 8 {
		together.Go(func() {
			raised, err := store.alerts.Record(t.Context(), alerts(reached("daily", "Warn", 80, money.USD), reached("daily", "Trip", 90, money.USD)))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			total += raised
		})
	}
	together.Wait()
	if total != 2 {
		t.Errorf("two alerts were raised %d times", total)
	}
	checkRows(t, pool, "deliveries", deliveryRows, []string{
		"daily@80 Email ops@example.com", "daily@80 Webhook ", "daily@90 Email ops@example.com", "daily@90 Webhook "})
}

// TestFloodOfAlerts: of users there may be many, and nobody reads thousands of
// messages. The tenant's own alert is told of all the same.
func TestFloodOfAlerts(t *testing.T) {
	store, pool := newStore(t)
	record(t, store)
	flood := alerts(reached("daily", "Trip", 90, money.USD))
	for i := range budgetstore.MostAnHour + 5 {
		flood.Reached = append(flood.Reached, by(fmt.Sprintf("user-%d", i), reached("each", "Warn", 80, money.USD)))
		flood.OwnerRungs = []budgetstore.OwnerRung{everybodys(flood.Reached[1])}
	}
	if _, err := store.alerts.Record(t.Context(), flood); err != nil {
		t.Fatal(err)
	}
	flood.Reached = append(flood.Reached, by("late", reached("each", "Warn", 80, money.USD)))
	if _, err := store.alerts.Record(t.Context(), flood); err != nil {
		t.Fatal(err)
	}
	checkRows(t, pool, "alerts", `SELECT limit_name, ' ', muted, ' ', count(*) FROM cost_alerts GROUP BY limit_name, muted ORDER BY limit_name, muted`,
		[]string{"daily false 1", "each false 60", "each true 6"})
	checkRows(t, pool, "deliveries", `SELECT count(*) FROM alert_deliveries`, []string{"122"})
}

// TestShortPeriodsAreToldOnceADay: a rung of a limit of five minutes that is reached again and
// again is told once, and recorded each time; another rung of it, and another user, are told.
func TestShortPeriodsAreToldOnceADay(t *testing.T) {
	store, pool := newStore(t)
	record(t, store)
	at := func(n int, alert budgetstore.Alert) budgetstore.Alert {
		start := noon.Add(time.Duration(n) * 5 * time.Minute)
		alert.Period = period.Span{Start: start, End: start.Add(5 * time.Minute)}
		return alert
	}
	brake, later := reached("brake", "Trip", 90, money.USD), reached("brake", "Exhaust", 100, money.USD)
	for i, step := range [][]budgetstore.Alert{
		{at(0, brake)}, {at(1, brake)}, {at(2, brake), at(2, later)}, {at(3, by("gerente-1", brake))}, {at(4, by("gerente-1", brake))},
	} {
		if raised, err := store.alerts.Record(t.Context(), alerts(step...)); err != nil || raised != len(step) {
			t.Fatalf("step %d raised %d, %v", i, raised, err)
		}
	}
	checkRows(t, pool, "alerts", `SELECT action, ' ', user_id, ' ', muted, ' ', count(*) FROM cost_alerts GROUP BY action, user_id, muted ORDER BY action, user_id, muted`,
		[]string{"Exhaust  false 1", "Trip  false 1", "Trip  true 2", "Trip gerente-1 false 1", "Trip gerente-1 true 1"})
}

// TestTopSpenders: those who have spent most in the period, of the tenant alone.
func TestTopSpenders(t *testing.T) {
	dsn := twoTenants(t)
	insertCall(t, poolAs(t, dsn, "bursar_enforcer"), "a3", "acme", "gerente-1", time.Now(), 90*money.USD)
	deliveries := budgetstore.NewDeliveries(poolAs(t, dsn, "bursar_manager"))
	now := period.Span{Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Hour)}
	spenders, err := deliveries.TopSpenders(t.Context(), "acme", now, 1)
	if err != nil || len(spenders) != 1 || spenders[0].User != "gerente-1" || spenders[0].Spent < 90*money.USD {
		t.Errorf("got %+v, %v", spenders, err)
	}
	before := period.Span{Start: now.Start.Add(-24 * time.Hour), End: now.Start.Add(-23 * time.Hour)}
	if spenders, err = deliveries.TopSpenders(t.Context(), "acme", before, 3); err != nil || len(spenders) != 0 {
		t.Errorf("before anybody spent, got %+v, %v", spenders, err)
	}
}

// TestActiveOwners: each owner of the tenant with calls since then, once, and no others.
func TestActiveOwners(t *testing.T) {
	dsn := twoTenants(t)
	insertCall(t, poolAs(t, dsn, "bursar_enforcer"), "a3", "acme", "gerente-1", time.Now(), money.Cent)
	store := storesOn(poolAs(t, dsn, "bursar_manager"))
	if _, err := connectTo(t, dsn).Exec(t.Context(), `UPDATE ai_usage_logs SET groups = '{eu,research}', credential = 'acme/key' WHERE call_id = 'a3'`); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		per  limiterv1.Scope
		ago  time.Duration
		want []string
	}{
		{limiterv1.PerUser, time.Hour, []string{"empleado-1", "gerente-1"}},
		{limiterv1.PerGroup, time.Hour, []string{"eu", "research"}},
		{limiterv1.PerKey, time.Hour, []string{"acme/key", "c"}},
		{limiterv1.PerUser, -time.Hour, nil},
	} {
		owners, err := store.ledger.ActiveOwners(t.Context(), "acme", tc.per, time.Now().Add(-tc.ago))
		var names []string
		for _, owner := range owners {
			if names = append(names, owner.Name()); owner.Scope() != tc.per {
				t.Errorf("asked for %s: got %v", tc.per, owner)
			}
		}
		slices.Sort(names)
		if err != nil || !slices.Equal(names, tc.want) {
			t.Errorf("active per %s since %s: %v, %v, want %v", tc.per, tc.ago, names, err, tc.want)
		}
	}
}

// TestReadersOfAlerts: an administrator sees all of the tenant's, and a user those
// about that user.
func TestReadersOfAlerts(t *testing.T) {
	dsn := twoTenants(t)
	admin := connectTo(t, dsn)
	for name, tc := range map[string]struct {
		settings   map[string]string
		alerts     int
		deliveries int
		told       string
	}{
		"nobody":        {nil, 0, 0, "bursar.tenant_id"},
		"who says none": {map[string]string{"bursar.tenant_id": "acme", "bursar.user_id": ""}, 0, 0, "bursar.role"},
		"a user":        {map[string]string{"bursar.tenant_id": "acme", "bursar.user_id": "gerente-1"}, 1, 0, ""},
		"another user":  {map[string]string{"bursar.tenant_id": "acme", "bursar.user_id": "empleado-1"}, 0, 0, ""},
		"an admin":      {map[string]string{"bursar.tenant_id": "acme", "bursar.role": "admin"}, 2, 4, ""},
	} {
		t.Run(name, func(t *testing.T) {
			as(t, admin, "bursar_reader", tc.settings, func(ctx context.Context, tx pgx.Tx) {
				var alerts, deliveries int
				err := tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM cost_alerts), (SELECT count(*) FROM alert_deliveries)`).
					Scan(&alerts, &deliveries)
				if tc.told != "" {
					checkTold(t, err, tc.told)
				} else if err != nil || alerts != tc.alerts || deliveries != tc.deliveries {
					t.Errorf("sees %d alerts and %d deliveries, %v, want %d and %d", alerts, deliveries, err, tc.alerts, tc.deliveries)
				}
			})
		})
	}
}
