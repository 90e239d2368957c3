package rollout_test

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// budget has a generation, and a status that speaks of another, or the same.
func budget(generation, observed int64) *v1alpha1.TenantBudget {
	b := &v1alpha1.TenantBudget{ObjectMeta: metav1.ObjectMeta{UID: "uid", Generation: generation}}
	b.Status.ObservedGeneration = observed
	return b
}

func TestDelay(t *testing.T) {
	const moment, turn = 2 * time.Second, 10 * time.Minute
	accepted := verdict.Accepted()
	underWay := conditions.Rollout{Revision: 7, Running: 1, All: 2}
	for name, tc := range map[string]struct {
		observed int64
		accepted verdict.Verdict
		progress conditions.Rollout
		want     time.Duration
	}{
		"some enforcers run it":                       {0, accepted, underWay, moment},
		"in no document yet":                          {0, accepted, conditions.Rollout{All: 2}, moment},
		"not proven yet":                              {0, accepted, conditions.Rollout{Revision: 7, Running: 2, All: 2}.Probed(limiterstore.Proof{Revision: 7}), moment},
		"what it depends on was not looked at":        {0, verdict.Verdict{Status: "Unknown"}, underWay, turn},
		"an older generation is in the status":        {1, accepted, underWay, moment},
		"the status speaks of it, and was not so":     {2, accepted, underWay, 0},
		"all enforcers run it":                        {0, accepted, conditions.Rollout{Revision: 7, Running: 2, All: 2}, 0},
		"there is no enforcer":                        {0, accepted, conditions.Rollout{Revision: 7}, 0},
		"what it names is not there":                  {0, verdict.Rejected("TargetNotFound", "no"), underWay, moment},
		"what it names is not there any more":         {2, verdict.Rejected("TargetNotFound", "no"), underWay, 0},
		"it is not accepted":                          {0, verdict.Rejected("Invalid", "no"), underWay, 0},
		"nobody can tell how far it has got":          {0, accepted, conditions.Rollout{Err: errors.New("no answer"), Revision: 7}, 0},
		"nobody can tell what is to come of it":       {0, verdict.Verdict{Status: "Unknown"}, conditions.Rollout{Err: errors.New("no answer")}, 0},
		"the status speaks of it, and still does":     {2, verdict.Verdict{Status: "Unknown"}, underWay, 0},
		"the limiter is suspended, which may be long": {0, accepted, conditions.Rollout{Err: &limiterstore.SuspendedError{Reason: "rebuilding"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := rollout.NewDebouncer().Delay(budget(2, tc.observed), tc.accepted, tc.progress, time.Now()); got != tc.want {
				t.Errorf("left: %s, want %s", got, tc.want)
			}
		})
	}
}

func TestDelayRunsOut(t *testing.T) {
	begin := time.Now()
	underWay := conditions.Rollout{Revision: 7, Running: 1, All: 2}
	accepted, undecided, missing := verdict.Accepted(), verdict.Verdict{Status: "Unknown"}, verdict.Rejected("TargetNotFound", "no")
	p := rollout.NewDebouncer()
	for _, step := range []struct {
		generation  int64
		after       time.Duration
		accepted    verdict.Verdict
		want        time.Duration
		description string
	}{
		{1, 0, undecided, 10 * time.Minute, "waits for another object"},
		{1, 50 * time.Second, undecided, 550 * time.Second, "still waits"},
		{1, 51 * time.Second, accepted, 2 * time.Second, "waits for enforcers from now on"},
		{1, 52 * time.Second, undecided, time.Second, "does not begin anew"},
		{1, 54 * time.Second, accepted, 0, "has waited long enough"},
		{1, 55 * time.Second, accepted, 0, "has not been written yet"},
		{2, 56 * time.Second, accepted, 2 * time.Second, "another generation begins anew"},
		{2, 57 * time.Second, accepted, time.Second, "still waits"},
		{3, 60 * time.Second, missing, 2 * time.Second, "waits for what it names"},
		{3, 61 * time.Second, undecided, 10 * time.Minute, "waits for that to be looked at, from now on"},
		{3, 62 * time.Second, missing, time.Second, "is gone before it was looked at"},
		{4, 63 * time.Second, missing, 2 * time.Second, "another generation begins anew"},
		{4, 65 * time.Second, missing, 0, "has waited long enough"},
	} {
		if got := p.Delay(budget(step.generation, 0), step.accepted, underWay, begin.Add(step.after)); got != step.want {
			t.Errorf("%s: %s left, want %s", step.description, got, step.want)
		}
	}
}

// TestDebouncerAwaitsWhatIsNamed: whatever an object names, what was applied in the same moment is no
// reason to reject it.
func TestDebouncerAwaitsWhatIsNamed(t *testing.T) {
	for reason, want := range map[string]time.Duration{
		v1alpha1.ReasonTargetNotFound: 2 * time.Second, v1alpha1.ReasonParentNotFound: 2 * time.Second,
		v1alpha1.ReasonIdentityProviderNotFound: 2 * time.Second, v1alpha1.ReasonInvalid: 0, v1alpha1.ReasonConflicted: 0, v1alpha1.ReasonParentCycle: 0,
	} {
		p := rollout.NewDebouncer()
		if got := p.Delay(budget(1, 0), verdict.Rejected(reason, "no"), conditions.Rollout{}, time.Now()); got != want {
			t.Errorf("%s: %s left, want %s", reason, got, want)
		}
	}
}
