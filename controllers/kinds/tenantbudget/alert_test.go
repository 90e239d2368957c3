package tenantbudget

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// alertsAt are the alerts of a budget that has spent so much of its limits.
func alertsAt(t *testing.T, level limiterv1.Level, shadow bool, spent map[period.Kind]money.Nanos) budgetstore.TenantAlerts {
	t.Helper()
	if shadow {
		level.Enforcement = limiterv1.Shadow
	}
	measured, err := measure(level, spentAt(noon, spent))
	if err != nil {
		t.Fatal(err)
	}
	s := &scope{Scope: rollout.Scope[*v1alpha1.TenantBudget]{Object: &v1alpha1.TenantBudget{}}, usage: &usage{levels: []levelUsage{measured}}}
	return s.alerts()
}

func TestAlerts(t *testing.T) {
	const five = 5 * money.USD
	const (
		resets  = "resets at 2026-11-26T00:00:00Z"
		refused = "are refused until 2026-11-26T00:00:00Z, or until the limit is raised"
	)
	warned := "Warn@80: limit daily has reached its 80% rung: 4.50 of 5.00 USD spent (90%); " + resets
	full := []limiterv1.Rung{{AtPercent: 100, Action: limiterv1.Trip}}
	forced := func(l limiterv1.Level) limiterv1.Level {
		l.Forced = limiterv1.BreakerClosed
		return l
	}
	ofTier := daily(five)
	ofTier.Tiers = []string{"gerente"}
	for name, tc := range map[string]struct {
		level  limiterv1.Level
		spent  money.Nanos
		shadow bool
		want   []string
	}{
		"nothing reached": {level: tenantWith(usualLadder, daily(five)), spent: five*8/10 - 1},
		"two rungs at once": {level: tenantWith(usualLadder, daily(five)), spent: five * 9 / 10, want: []string{
			warned, "Trip@90: limit daily has reached the Trip rung: 4.50 of 5.00 USD spent (90%); paid calls " + refused}},
		"a breaker that is kept from opening": {level: forced(tenantWith(usualLadder, daily(five))), spent: five * 9 / 10,
			want: []string{warned}},
		"a limit of nothing": {level: tenantWith(usualLadder, daily(0))},
		"spent in full": {level: tenantWith(nil, daily(five)), spent: five, want: []string{
			"Exhaust@100: limit daily is fully spent: 5.00 of 5.00 USD spent (100%); paid calls that count against it " + refused}},
		"spent in full, of which a rung tells": {level: tenantWith(full, daily(five)), spent: five, want: []string{
			"Trip@100: limit daily has reached the Trip rung: 5.00 of 5.00 USD spent (100%); paid calls " + refused}},
		"in shadow": {level: tenantWith(full, daily(five)), spent: five, shadow: true, want: []string{
			"Trip@100: limit daily has reached the Trip rung: 5.00 of 5.00 USD spent (100%); paid calls " +
				"would be refused without Shadow until 2026-11-26T00:00:00Z, or until the limit is raised"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, alert := range alertsAt(t, tc.level, tc.shadow, map[period.Kind]money.Nanos{period.Day: tc.spent}).Reached {
				got = append(got, fmt.Sprintf("%s@%d: %s", alert.Action, alert.AtPercent, alert.Message))
				if want := period.Containing(period.Day, noon.Location(), noon); alert.Period != want || alert.Amount != five || alert.Limit != "daily" {
					t.Errorf("alert %+v is of another limit, amount or period than that of %v", alert, want)
				}
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("alerts (-want +got):\n%s", diff)
			}
		})
	}
}

// TestForcedOpenIsAnAlert: there is an alert once the status says since when the breaker is forced open,
// and none for an ancestor's breaker.
func TestForcedOpenIsAnAlert(t *testing.T) {
	since := metav1.NewTime(noon)
	level := tenantWith(usualLadder, daily(money.USD))
	level.Forced, level.ForcedReason = limiterv1.BreakerOpen, "a key was leaked"
	measured, err := measure(level, spentAt(noon, nil))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		was  *v1alpha1.BreakerStatus
		want []string
	}{
		"not in the status yet":    {},
		"open for another reason":  {was: &v1alpha1.BreakerStatus{State: v1alpha1.BreakerOpen, Since: &since}},
		"the breaker of a company": {was: &v1alpha1.BreakerStatus{State: v1alpha1.BreakerOpen, Forced: true, Since: &since, Tenant: "company"}},
		"forced": {was: &v1alpha1.BreakerStatus{State: v1alpha1.BreakerOpen, Forced: true, Since: &since}, want: []string{
			"ForceOpen: spec.breaker.forced keeps the breaker open: paid calls are refused until it is removed; reason: a key was leaked"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scope{Scope: rollout.Scope[*v1alpha1.TenantBudget]{Object: &v1alpha1.TenantBudget{}}, usage: &usage{levels: []levelUsage{measured}}}
			s.Object.Status.Breaker = tc.was
			var got []string
			for _, alert := range s.alerts().Reached {
				got = append(got, fmt.Sprintf("%s: %s", alert.Action, alert.Message))
				if !alert.Period.Start.Equal(noon) || alert.Limit != "" {
					t.Errorf("alert %+v is not of when the breaker was forced", alert)
				}
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("alerts (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRecordedOnce: alerts are recorded again if they have changed, but not because
// more was spent.
func TestRecordedOnce(t *testing.T) {
	at := func(amount, spent money.Nanos) budgetstore.TenantAlerts {
		return alertsAt(t, tenantWith(usualLadder, daily(amount)), false, map[period.Kind]money.Nanos{period.Day: spent})
	}
	var recorded recordedAlerts
	if recorded.are(at(5*money.USD, 0)) {
		t.Error("what was never recorded is recorded")
	}
	recorded.note(at(5*money.USD, 4*money.USD))
	for name, tc := range map[string]struct {
		alerts budgetstore.TenantAlerts
		want   bool
	}{
		"the same":                {at(5*money.USD, 4*money.USD), true},
		"more spent":              {at(5*money.USD, 4*money.USD+1), true},
		"another rung":            {at(5*money.USD, 5*money.USD), false},
		"the same of a new limit": {at(4*money.USD, 350*money.Cent), false},
		"nothing":                 {at(5*money.USD, 0), false},
	} {
		if got := recorded.are(tc.alerts); got != tc.want {
			t.Errorf("%s: recorded %v, want %v", name, got, tc.want)
		}
	}
}
