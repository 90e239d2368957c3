package ratelimitpolicy

import (
	"context"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rollout/feed"
	"github.com/bursar-dev/bursar/controllers/rules/analysis"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// kind is the kind that is reconciled here.
const kind = "RateLimitPolicy"

// Documents observes documents in Redis.
type Documents interface {
	Observe(ctx context.Context, id limiterv1.DocumentID) (limiterstore.Observation, error)
	List(ctx context.Context, ids ...limiterv1.DocumentID) ([]limiterstore.Observation, error)
}

// Enforcers reads which enforcers are live, and what they run.
type Enforcers interface {
	Fleet(ctx context.Context) (limiterstore.Fleet, error)
}

// Prober finds out whether calls are admitted by the documents that enforcers run.
type Prober interface {
	Prove(ctx context.Context, rollout conditions.Rollout, object conditions.Object, tenant string,
		below []limiterv1.DocumentID, now time.Time) (conditions.Rollout, error)
}

// Controller reconciles RateLimitPolicies.
type Controller struct {
	client     client.Client
	documents  Documents
	enforcers  Enforcers
	prober     Prober
	waiting    *feed.Waiting
	analyzer   *analysis.Analyzer
	reconciler *rollout.Reconciler[*v1alpha1.RateLimitPolicy, v1alpha1.RateLimitPolicyStatus, *scope]
	arrivals   *arrivals
}

// NewController makes a Controller.
func NewController(
	client client.Client, documents Documents, enforcers Enforcers, prober Prober, recorder rollout.Recorder, clock clock.PassiveClock,
) *Controller {
	c := &Controller{client: client, documents: documents, enforcers: enforcers, prober: prober, waiting: feed.NewWaiting(), analyzer: analysis.NewAnalyzer(client, clock.Now), arrivals: newArrivals()}
	c.reconciler = rollout.NewReconciler(rollout.Kind[*v1alpha1.RateLimitPolicy, v1alpha1.RateLimitPolicyStatus, *scope]{
		Name: kind, Client: client, Recorder: recorder, Clock: clock, Waiting: c.waiting, Debouncer: rollout.NewDebouncer(),
		NewScope: func(common rollout.Scope[*v1alpha1.RateLimitPolicy]) *scope { return &scope{Scope: common} },
		Phases: []rollout.Phase[*scope]{
			{Name: "accept", Run: c.accept},
			{Name: "analyze", Run: c.analyze, Needs: []string{"accept"}},
			{Name: "observe", Run: c.observe, Needs: []string{"accept"}, Programs: true},
			{Name: "prove", Run: c.prove, Needs: []string{"observe"}, Programs: true},
		},
	})
	return c
}

// Register makes the manager run the controller.
func (c *Controller) Register(mgr ctrl.Manager, news *feed.Feed) error {
	return c.reconciler.Complete(c.watch(ctrl.NewControllerManagedBy(mgr).Named("ratelimitpolicy"), news))
}

// scope is what the phases of one reconcile know.
type scope struct {
	rollout.Scope[*v1alpha1.RateLimitPolicy]

	// tenant is the tenant of the target that the policy names; empty if there is none.
	tenant string
	// targets are the budgets that the policy applies to. crowdedOut are those whose documents
	// have no room for the policy, for the reason leftOut. pending is how many budgets may yet
	// become targets.
	targets, crowdedOut []*v1alpha1.TenantBudget
	pending             int
	leftOut             string

	// proving is the tenant whose document has to be proven by a probe, and provingBelow are
	// the documents that inherit from it; empty if there is nothing to prove.
	proving      string
	provingBelow []limiterv1.DocumentID
}
