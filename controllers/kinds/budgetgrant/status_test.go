package budgetgrant

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

var noon = metav1.NewTime(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC))

// said is what tests look at in a status, and the Events of getting there.
type said struct {
	State                               v1alpha1.GrantState
	Ready, Programmed, Expired, Stalled string
	Events                              []string
}

func TestStatus(t *testing.T) {
	everywhere := conditions.Rollout{Revision: 7, Running: 2, All: 2}
	before, after := noon.Add(-time.Second), noon.Time
	later := metav1.NewTime(noon.Add(-time.Second / 2))
	expired := []metav1.Condition{{Type: v1alpha1.ConditionExpired, Status: metav1.ConditionTrue}}
	for name, tc := range map[string]struct {
		was      v1alpha1.BudgetGrantStatus
		starts   *metav1.Time
		storeNow time.Time
		accepted verdict.Verdict
		rollout  conditions.Rollout
		// unrecorded is set when Postgres has not taken the grant.
		unrecorded bool
		want       said
	}{
		"in force": {
			storeNow: before, accepted: verdict.Accepted(), rollout: everywhere,
			want: said{v1alpha1.GrantActive, "True Enforced", "True Programmed", "False Running", "False Reconciled",
				[]string{"Granted"}},
		},
		"in Postgres' way": {
			storeNow: before, accepted: verdict.Accepted(), rollout: everywhere, unrecorded: true,
			want: said{v1alpha1.GrantPending, "False NotEnforced", "False StoreUnavailable", "False Running", "False Reconciling",
				nil},
		},
		"about to be": {
			storeNow: before, accepted: verdict.Accepted(), rollout: conditions.Rollout{Revision: 7, Running: 1, All: 2},
			want: said{v1alpha1.GrantPending, "False NotEnforced", "False EnforcersPending", "False Running", "False Reconciling",
				nil},
		},
		"programmed, and not started": {
			starts: &later, storeNow: before, accepted: verdict.Accepted(), rollout: everywhere,
			want: said{v1alpha1.GrantPending, "True Enforced", "True Programmed", "False NotStarted", "False Reconciled",
				nil},
		},
		"in force, with an enforcer that has just come": {
			was:      v1alpha1.BudgetGrantStatus{State: v1alpha1.GrantActive},
			storeNow: before, accepted: verdict.Accepted(), rollout: conditions.Rollout{Revision: 7, Running: 2, All: 3},
			want: said{v1alpha1.GrantActive, "False NotEnforced", "False EnforcersPending", "False Running", "False Reconciling",
				nil},
		},
		"for a limit that has gone": {
			was:      v1alpha1.BudgetGrantStatus{State: v1alpha1.GrantActive},
			storeNow: before, accepted: verdict.Rejected(v1alpha1.ReasonLimitNotFound, "no"), rollout: everywhere,
			want: said{v1alpha1.GrantPending, "False NotEnforced", "False NotAccepted", "False Running", "False Reconciling",
				[]string{"Rejected"}},
		},
		"over": {
			was:      v1alpha1.BudgetGrantStatus{State: v1alpha1.GrantActive},
			storeNow: after, accepted: verdict.Accepted(), rollout: everywhere,
			want: said{v1alpha1.GrantExpired, "True Expired", "False Expired", "True Expired", "False Reconciled",
				[]string{"GrantExpired"}},
		},
		"over, and never accepted": {
			was:      v1alpha1.BudgetGrantStatus{State: v1alpha1.GrantPending},
			storeNow: after, accepted: verdict.Rejected(v1alpha1.ReasonInvalid, "no"),
			want: said{v1alpha1.GrantExpired, "True Expired", "False Expired", "True Expired", "False Reconciled",
				[]string{"Rejected", "GrantExpired"}},
		},
		"over for long": {
			was:      v1alpha1.BudgetGrantStatus{State: v1alpha1.GrantExpired, ProgrammedStatus: v1alpha1.ProgrammedStatus{Conditions: expired}},
			accepted: verdict.Accepted(),
			want: said{v1alpha1.GrantExpired, "True Expired", "False Expired", "True Expired", "False Reconciled",
				nil},
		},
		"in force, as far as anybody knows": {
			was:      v1alpha1.BudgetGrantStatus{State: v1alpha1.GrantActive},
			accepted: verdict.Accepted(), rollout: conditions.Rollout{Err: limiterstore.ErrUnavailable},
			want: said{v1alpha1.GrantActive, "Unknown NotEnforced", "Unknown StoreUnavailable", "Unknown StoreUnavailable", "False Reconciling",
				nil},
		},
	} {
		t.Run(name, func(t *testing.T) {
			grant := &v1alpha1.BudgetGrant{Status: tc.was, Spec: v1alpha1.BudgetGrantSpec{StartsAt: tc.starts, ExpiresAt: noon}}
			s := &scope{storeNow: tc.storeNow, recorded: !tc.unrecorded, Scope: rollout.Scope[*v1alpha1.BudgetGrant]{
				Object: grant, Now: noon.AddDate(1, 0, 0), Accepted: tc.accepted, Rollout: tc.rollout,
			}}
			status := s.status()
			got := said{State: status.State}
			for _, c := range []struct {
				conditionType string
				said          *string
			}{
				{v1alpha1.ConditionReady, &got.Ready}, {v1alpha1.ConditionProgrammed, &got.Programmed},
				{v1alpha1.ConditionExpired, &got.Expired}, {v1alpha1.ConditionStalled, &got.Stalled},
			} {
				for _, condition := range status.Conditions {
					if condition.Type == c.conditionType {
						*c.said = string(condition.Status) + " " + condition.Reason
					}
				}
			}
			for _, event := range s.Events(tc.was, status) {
				got.Events = append(got.Events, event.Reason)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		})
	}
}
