package ratelimitpolicy

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

func fleetAt(incarnation string, revisions ...int64) limiterstore.Fleet {
	fleet := limiterstore.Fleet{Incarnation: incarnation, Sessions: map[string]limiterv1.SessionState{}}
	for i, revision := range revisions {
		fleet.Sessions[string(rune('a'+i))] = limiterv1.SessionState{Incarnation: incarnation, Revision: revision}
	}
	return fleet
}

// in is the document of a budget, in a revision, with a generation of the policy; with
// none of it when that is zero.
func in(budget string, revision, generation int64) limiterstore.Observation {
	o := limiterstore.Observation{Revision: revision, Sources: []limiterv1.Source{{Kind: "TenantBudget", UID: budget}}}
	if generation > 0 {
		o.Sources = append(o.Sources, limiterv1.Source{Kind: "RateLimitPolicy", UID: "policy", Generation: generation})
	}
	return o
}

// look is one look at a policy, and what is to be found.
type look struct {
	targets    []string
	documents  []limiterstore.Observation
	fleet      limiterstore.Fleet
	programmed int64 // the revision that the status has, which says Programmed; 0 if it does not
	generation int64 // 1 unless it is said

	wantLast     string
	wantRevision int64
	wantRunning  int
	wantLacking  int
}

func TestArrivals(t *testing.T) {
	ab := []string{"a", "b"}
	for name, looks := range map[string][]look{
		"all are there": {
			{targets: ab, documents: []limiterstore.Observation{in("a", 3, 1), in("b", 5, 1)}, fleet: fleetAt("i", 5, 6),
				wantLast: "tenant-b", wantRevision: 5, wantRunning: 2},
		},
		"one enforcer is behind": {
			{targets: ab, documents: []limiterstore.Observation{in("a", 3, 1), in("b", 5, 1)}, fleet: fleetAt("i", 4, 6),
				wantLast: "tenant-b", wantRevision: 5, wantRunning: 1},
		},
		"no document, none with the policy, another generation": {
			{targets: []string{"a", "b", "c", "d"}, documents: []limiterstore.Observation{in("a", 3, 1), in("b", 5, 0), in("c", 6, 2)}, fleet: fleetAt("i", 9),
				wantLast: "tenant-a", wantRevision: 3, wantRunning: 1, wantLacking: 3},
		},
		"what else changes is not its business": {
			{targets: ab, documents: []limiterstore.Observation{in("a", 3, 1), in("b", 5, 1)}, fleet: fleetAt("i", 5), wantLast: "tenant-b", wantRevision: 5, wantRunning: 1},
			{targets: ab, documents: []limiterstore.Observation{in("a", 9, 1), in("b", 5, 1)}, fleet: fleetAt("i", 5), programmed: 5,
				wantLast: "tenant-b", wantRevision: 5, wantRunning: 1},
		},
		"a new target is": {
			{targets: []string{"a"}, documents: []limiterstore.Observation{in("a", 3, 1)}, fleet: fleetAt("i", 5), wantLast: "tenant-a", wantRevision: 3, wantRunning: 1},
			{targets: ab, documents: []limiterstore.Observation{in("a", 3, 1), in("b", 6, 1)}, fleet: fleetAt("i", 5), programmed: 3,
				wantLast: "tenant-b", wantRevision: 6},
		},
		"and so is one that comes back": {
			{targets: ab, documents: []limiterstore.Observation{in("a", 3, 1), in("b", 5, 1)}, fleet: fleetAt("i", 5), wantLast: "tenant-b", wantRevision: 5, wantRunning: 1},
			{targets: []string{"a"}, documents: []limiterstore.Observation{in("a", 3, 1)}, fleet: fleetAt("i", 6), programmed: 5, wantLast: "tenant-a", wantRevision: 3, wantRunning: 1},
			{targets: ab, documents: []limiterstore.Observation{in("a", 3, 1), in("b", 8, 1)}, fleet: fleetAt("i", 7), programmed: 3, wantLast: "tenant-b", wantRevision: 8},
		},
		"a new generation begins anew": {
			{targets: []string{"a"}, documents: []limiterstore.Observation{in("a", 3, 1)}, fleet: fleetAt("i", 5), wantLast: "tenant-a", wantRevision: 3, wantRunning: 1},
			{targets: []string{"a"}, documents: []limiterstore.Observation{in("a", 7, 2)}, fleet: fleetAt("i", 6), generation: 2, wantLast: "tenant-a", wantRevision: 7},
		},
		"another life of the configuration, too": {
			{targets: []string{"a"}, documents: []limiterstore.Observation{in("a", 30, 1)}, fleet: fleetAt("i", 50), wantLast: "tenant-a", wantRevision: 30, wantRunning: 1},
			{targets: []string{"a"}, documents: []limiterstore.Observation{in("a", 2, 1)}, fleet: fleetAt("j", 1), programmed: 30, wantLast: "tenant-a", wantRevision: 2},
		},
		"a manager that begins believes another's status": {
			{targets: ab, documents: []limiterstore.Observation{in("a", 9, 1), in("b", 5, 1)}, fleet: fleetAt("i", 8), programmed: 7,
				wantLast: "tenant-a", wantRevision: 7, wantRunning: 1},
		},
		"nobody runs anything": {
			{targets: []string{"a"}, documents: []limiterstore.Observation{in("a", 3, 1)}, fleet: fleetAt("i"), wantLast: "tenant-a", wantRevision: 3},
		},
	} {
		t.Run(name, func(t *testing.T) {
			arrivals := newArrivals()
			for i, look := range looks {
				got, rollout := arrivals.take(look.policy(), look.budgets(), look.documents, look.fleet, time.Now())
				if got != look.wantLast || rollout.Revision != look.wantRevision || rollout.Running != look.wantRunning ||
					rollout.Lacking != look.wantLacking || rollout.Selected != len(look.targets) || rollout.All != len(look.fleet.Sessions) {
					t.Errorf("look %d: last %q, %+v; want %q, revision %d, running %d, lacking %d",
						i, got, rollout, look.wantLast, look.wantRevision, look.wantRunning, look.wantLacking)
				}
			}
		})
	}
}

func (l look) policy() *v1alpha1.RateLimitPolicy {
	policy := &v1alpha1.RateLimitPolicy{ObjectMeta: metav1.ObjectMeta{UID: "policy", Generation: max(l.generation, 1)}}
	if l.programmed > 0 {
		policy.Status.Revision = l.programmed
		policy.Status.Conditions = conditions.Build(nil, policy.Generation, time.Now(), conditions.Typed{
			Type: v1alpha1.ConditionProgrammed, Verdict: verdict.Verdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonProgrammed}})
	}
	return policy
}

func (l look) budgets() (budgets []*v1alpha1.TenantBudget) {
	for _, name := range l.targets {
		budgets = append(budgets, &v1alpha1.TenantBudget{
			ObjectMeta: metav1.ObjectMeta{UID: types.UID(name)}, Spec: v1alpha1.TenantBudgetSpec{Tenant: "tenant-" + name}})
	}
	return budgets
}

func TestArrivalsOfPoliciesThatAreGone(t *testing.T) {
	arrivals, now := newArrivals(), time.Now()
	gone, there := look{}.policy(), look{}.policy()
	gone.UID = "gone"
	arrivals.take(gone, nil, nil, limiterstore.Fleet{}, now)
	arrivals.take(there, nil, nil, limiterstore.Fleet{}, now.Add(50*time.Minute))
	arrivals.take(there, nil, nil, limiterstore.Fleet{}, now.Add(100*time.Minute))
	if _, found := arrivals.policies["gone"]; found || len(arrivals.policies) != 1 {
		t.Errorf("still knows %v", arrivals.policies)
	}
}
