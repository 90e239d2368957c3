package conditions_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// TestInherited: an object is programmed when the documents of all that inherit from
// it have its generation, and every enforcer runs them.
func TestInherited(t *testing.T) {
	budget := func(programmedAt int64) *v1alpha1.TenantBudget {
		b := &v1alpha1.TenantBudget{ObjectMeta: metav1.ObjectMeta{UID: "company", Generation: 2}}
		if programmedAt > 0 {
			b.Status.Revision = programmedAt
			b.Status.Conditions = []metav1.Condition{{
				Type: v1alpha1.ConditionProgrammed, Status: metav1.ConditionTrue, ObservedGeneration: 2,
			}}
		}
		return b
	}
	from := func(revision, generation int64) limiterstore.Observation {
		return limiterstore.Observation{Revision: revision, Sources: []limiterv1.Source{
			{UID: "team", Generation: 1}, {UID: "company", Generation: generation},
		}}
	}
	stranger := limiterstore.Observation{Revision: 90, Sources: []limiterv1.Source{{UID: "stranger", Generation: 1}}}
	own := conditions.Rollout{Revision: 5, Running: 2, All: 2}
	fleet := limiterstore.Fleet{Incarnation: "i", Sessions: map[string]limiterv1.SessionState{
		"one": {Incarnation: "i", Revision: 6}, "two": {Incarnation: "i", Revision: 8},
	}}
	for name, tc := range map[string]struct {
		budget    *v1alpha1.TenantBudget
		rollout   conditions.Rollout
		documents []limiterstore.Observation
		want      conditions.Rollout
	}{
		"nobody inherits": {
			budget: budget(0), rollout: own, documents: []limiterstore.Observation{stranger}, want: own,
		},
		"those who inherit have it, and are run": {
			budget: budget(0), rollout: own, documents: []limiterstore.Observation{from(6, 2), from(4, 2)},
			want: conditions.Rollout{Revision: 6, Running: 2, All: 2},
		},
		"one who inherits has it, and is not run everywhere": {
			budget: budget(0), rollout: own, documents: []limiterstore.Observation{from(6, 2), from(7, 2)},
			want: conditions.Rollout{Revision: 7, Running: 1, All: 2},
		},
		"one who inherits does not have it": {
			budget: budget(0), rollout: own, documents: []limiterstore.Observation{from(6, 2), from(3, 1)},
			want: conditions.Rollout{Revision: 6, Running: 0, All: 2, Behind: 1},
		},
		"one who inherits has changed in something else since": {
			budget: budget(6), rollout: own, documents: []limiterstore.Observation{from(9, 2)},
			want: conditions.Rollout{Revision: 6, Running: 2, All: 2},
		},
		"an enforcer came that never ran it": {
			budget: budget(7), rollout: own, documents: []limiterstore.Observation{from(7, 2)},
			want: conditions.Rollout{Revision: 7, Running: 1, All: 2},
		},
		"a tenant that it selects does not have it": {
			budget: budget(0), rollout: conditions.Rollout{Revision: 5, Running: 2, All: 2, Lacking: 1, Selected: 3},
			want: conditions.Rollout{Revision: 5, Running: 0, All: 2, Lacking: 1, Selected: 3},
		},
		"its own document does not have it": {
			budget: budget(0), rollout: conditions.Rollout{All: 2}, documents: []limiterstore.Observation{from(6, 2)},
			want: conditions.Rollout{All: 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := tc.rollout.Inherited(fleet, tc.documents, tc.budget)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("rollout (-want +got):\n%s", diff)
			}
			wantReason := v1alpha1.ReasonProgrammed
			if tc.want.Running < tc.want.All {
				wantReason = v1alpha1.ReasonEnforcersPending
			}
			if programmed := got.Programmed(verdict.Accepted()); programmed.Reason != wantReason {
				t.Errorf("Programmed for %s, want %s", programmed.Reason, wantReason)
			}
		})
	}
}

func TestLeftOut(t *testing.T) {
	rollout := conditions.Rollout{Revision: 5, Running: 2, All: 2, LeftOut: "some"}
	programmed := rollout.Programmed(verdict.Accepted())
	if want := verdict.False(v1alpha1.ReasonTooManyLimits, "some"); programmed != want {
		t.Errorf("Programmed is %v, want %v", programmed, want)
	}
}
