package budgetstore_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestAnomalies: what users used in some hours, and which keys were used, is read from the sums; an
// alert of it is raised once in its period, is resolved when that is over, and not by what rungs are
// reached.
func TestAnomalies(t *testing.T) {
	dsn := twoTenants(t)
	admin, manager := connectTo(t, dsn), poolAs(t, dsn, "bursar_manager")
	hour := time.Now().UTC().Truncate(time.Hour).Add(-3 * time.Hour)
	for id, at := range map[string]time.Time{"h1": hour, "h2": hour.Add(time.Minute), "h3": hour.AddDate(0, 0, -7), "h4": hour.Add(-time.Hour)} {
		exec(t, admin, insertSummed, id, "acme", []string{}, "summed", at)
	}
	usage := budgetstore.NewUsage(manager)
	for {
		added, err := usage.AddChanges(t.Context(), 1000)
		testkit.Must(t, err)
		if added == 0 {
			break
		}
	}
	anomalies := budgetstore.NewAnomalies(manager)
	until, err := anomalies.Summed(t.Context())
	if err != nil || until.Before(hour.Add(time.Hour)) {
		t.Fatalf("sums until %s, %v", until, err)
	}
	got, err := anomalies.Hours(t.Context(), "acme", []time.Time{hour, hour.AddDate(0, 0, -7), hour.AddDate(0, 0, -14)})
	testkit.Must(t, err)
	var calls []int64
	for _, row := range got {
		if row.User == "summed" {
			calls = append(calls, row.Calls)
			if !row.Since.Equal(hour.AddDate(0, 0, -7).Truncate(24 * time.Hour)) {
				t.Errorf("since %s", row.Since)
			}
		}
	}
	if diff := cmp.Diff([]int64{1, 2}, calls); diff != "" {
		t.Errorf("calls by hour (-want +got):\n%s", diff)
	}
	since := hour.Add(-2 * time.Hour)
	for _, completeFrom := range []string{since.Format(time.RFC3339), "infinity"} {
		exec(t, admin, "UPDATE usage_calendars SET complete_from = $1::text::timestamptz WHERE tenant_id = 'acme'", completeFrom)
		got, err = anomalies.Hours(t.Context(), "acme", []time.Time{hour})
		testkit.Must(t, err)
		for _, row := range got {
			if row.Since.Before(since) {
				t.Errorf("there are sums since %s, so those from before cannot be compared with: since %s", completeFrom, row.Since)
			}
		}
	}
	if _, isComplete, err := anomalies.UsedKeys(t.Context(), "acme", hour); err != nil || isComplete {
		t.Errorf("before all is added up: complete is %t, %v", isComplete, err)
	}
	exec(t, admin, "UPDATE usage_calendars SET complete_from = '-infinity' WHERE tenant_id = 'acme'")
	used, isComplete, err := anomalies.UsedKeys(t.Context(), "acme", hour.Truncate(24*time.Hour))
	if err != nil || len(used) == 0 || used["acme/unheard-of"] || !isComplete {
		t.Errorf("used keys: %v, %t, %v", used, isComplete, err)
	}
	if used, isComplete, err := anomalies.UsedKeys(t.Context(), "silent", hour); err != nil || !isComplete || len(used) > 0 {
		t.Errorf("of a tenant that has never called: %v, %t, %v", used, isComplete, err)
	}

	store := budgetstore.NewAlerts(manager)
	alert := budgetstore.Alert{Rung: budgetstore.Rung{Action: "Unusual"}, Period: period.Containing(period.Day, time.UTC, time.Now()), Message: "much"}
	alerts := budgetstore.TenantAlerts{Tenant: "acme", UID: "u1", Now: time.Now(), Reached: []budgetstore.Alert{alert}}
	for _, want := range []int{1, 0} {
		if raised, err := store.Raise(t.Context(), alerts); err != nil || raised != want {
			t.Errorf("raised %d, %v, want %d", raised, err, want)
		}
	}
	alerts.Reached = nil
	_, err = store.Record(t.Context(), alerts)
	testkit.Must(t, err)
	testkit.Must(t, store.EndAnomalies(t.Context()))
	const open = "SELECT count(*)::text FROM cost_alerts WHERE action = 'Unusual' AND resolved_at IS NULL"
	checkRows(t, admin, "open", open, []string{"1"})
	exec(t, admin, "UPDATE cost_alerts SET period_end = now() WHERE action = 'Unusual'")
	testkit.Must(t, store.EndAnomalies(t.Context()))
	checkRows(t, admin, "open", open, []string{"0"})
}
