package patience_test

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/conditions"
	"github.com/bursar-dev/bursar/controllers/limiterstore"
	"github.com/bursar-dev/bursar/controllers/patience"
)

// budget has a generation, and a status that speaks of another, or the same.
func budget(generation, observed int64) *v1alpha1.TenantBudget {
	b := &v1alpha1.TenantBudget{ObjectMeta: metav1.ObjectMeta{UID: "uid", Generation: generation}}
	b.Status.ObservedGeneration = observed
	return b
}

func TestLeft(t *testing.T) {
	const moment, turn = 2 * time.Second, time.Minute
	accepted := conditions.Accepted()
	underWay := conditions.Rollout{Revision: 7, Running: 1, All: 2}
	for name, tc := range map[string]struct {
		observed int64
		accepted conditions.Verdict
		rollout  conditions.Rollout
		want     time.Duration
	}{
		"some enforcers run it":                    {0, accepted, underWay, moment},
		"in no document yet":                       {0, accepted, conditions.Rollout{All: 2}, moment},
		"not proven yet":                           {0, accepted, conditions.Rollout{Revision: 7, Running: 2, All: 2}.Probed(limiterstore.Proof{Revision: 7}), moment},
		"what it depends on was not looked at":     {0, conditions.Verdict{Status: "Unknown"}, underWay, turn},
		"an older generation is in the status":     {1, accepted, underWay, moment},
		"the status speaks of it, and was not so":  {2, accepted, underWay, 0},
		"all enforcers run it":                     {0, accepted, conditions.Rollout{Revision: 7, Running: 2, All: 2}, 0},
		"there is no enforcer":                     {0, accepted, conditions.Rollout{Revision: 7}, 0},
		"it is not accepted":                       {0, conditions.Rejected("Invalid", "no"), underWay, 0},
		"nobody can tell how far it has got":       {0, accepted, conditions.Rollout{Err: errors.New("no answer"), Revision: 7}, 0},
		"nobody can tell what is to come of it":    {0, conditions.Verdict{Status: "Unknown"}, conditions.Rollout{Err: errors.New("no answer")}, 0},
		"the status speaks of it, and still does":  {2, conditions.Verdict{Status: "Unknown"}, underWay, 0},
		"the limiter is closed, which may be long": {0, accepted, conditions.Rollout{Err: conditions.LimiterClosed("closed")}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := patience.New().Left(budget(2, tc.observed), tc.accepted, tc.rollout, time.Now()); got != tc.want {
				t.Errorf("left: %s, want %s", got, tc.want)
			}
		})
	}
}

func TestLeftRunsOut(t *testing.T) {
	begin := time.Now()
	underWay := conditions.Rollout{Revision: 7, Running: 1, All: 2}
	p := patience.New()
	left := func(generation int64, after time.Duration) time.Duration {
		return p.Left(budget(generation, 0), conditions.Accepted(), underWay, begin.Add(after))
	}
	for _, step := range []struct {
		generation  int64
		after, want time.Duration
	}{
		{1, 0, 2 * time.Second},
		{1, time.Second, time.Second},
		{1, 3 * time.Second, 0},
		{1, 4 * time.Second, 0},               // until it was written
		{2, 4 * time.Second, 2 * time.Second}, // another generation begins anew
		{2, 5 * time.Second, time.Second},
	} {
		if got := left(step.generation, step.after); got != step.want {
			t.Errorf("generation %d after %s: %s left, want %s", step.generation, step.after, got, step.want)
		}
	}
}
