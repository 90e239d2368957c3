package ratelimitpolicy

import (
	"context"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/announce"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rollout/feed"
	"github.com/bursar-dev/bursar/controllers/rollout/patience"
	"github.com/bursar-dev/bursar/controllers/rollout/requeue"
	"github.com/bursar-dev/bursar/controllers/rollout/traced"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// kind is the kind that is reconciled here.
const kind = "RateLimitPolicy"

// storeTimeout bounds what a phase waits for Redis.
const storeTimeout = 5 * time.Second

// Limiter is where documents are found.
type Limiter interface {
	Observe(ctx context.Context, id limiterv1.DocumentID) (limiterstore.Observation, error)
	Documents(ctx context.Context, ids ...limiterv1.DocumentID) ([]limiterstore.Observation, error)
	Fleet(ctx context.Context) (limiterstore.Fleet, error)
}

// Prober finds out whether calls are admitted by the documents that enforcers run.
type Prober interface {
	Prove(ctx context.Context, rollout conditions.Rollout, object conditions.Object, tenant string,
		below []limiterv1.DocumentID, now time.Time) conditions.Rollout
}

// Controller reconciles RateLimitPolicies.
type Controller struct {
	client   client.Client
	limiter  Limiter
	prober   Prober
	teller   *announce.Teller
	clock    clock.PassiveClock
	waiting  *feed.Waiting
	patience *patience.Patience
	arrivals *arrivals
}

// NewController makes a Controller.
func NewController(client client.Client, limiter Limiter, prober Prober, teller *announce.Teller, clock clock.PassiveClock) *Controller {
	return &Controller{client: client, limiter: limiter, prober: prober, teller: teller, clock: clock, waiting: feed.NewWaiting(), patience: patience.New(),
		arrivals: newArrivals()}
}

// Register makes the manager run the controller.
func (c *Controller) Register(mgr ctrl.Manager, news *feed.Feed) error {
	return c.watch(ctrl.NewControllerManagedBy(mgr).Named("ratelimitpolicy"), news).
		WithOptions(requeue.Options()).
		Complete(traced.Reconciler(kind, requeue.Reconciler(mgr.GetClient(), c)))
}

// scope is what the phases of one reconcile know.
type scope struct {
	policy *v1alpha1.RateLimitPolicy
	now    time.Time

	// tenant is that of the target that the policy names; empty when there is none.
	tenant   string
	accepted conditions.Verdict
	// targets are the budgets that the policy applies to, but for those that are
	// crowdedOut, of which leftOut says why; pending is how many more may yet be.
	targets, crowdedOut []*v1alpha1.TenantBudget
	pending             int
	leftOut             string
	rollout             conditions.Rollout
	// unsaid is how long it may wait what is not in the status yet; zero when all is.
	unsaid time.Duration
}

// Reconcile takes a RateLimitPolicy through its phases.
func (c *Controller) Reconcile(ctx context.Context, policy *v1alpha1.RateLimitPolicy) (reconcile.Result, error) {
	if !policy.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil
	}
	s := &scope{policy: policy, now: c.clock.Now()}
	for _, phase := range []func(context.Context, *scope) error{c.accept, c.observe, c.report} {
		if err := phase(ctx, s); err != nil {
			return reconcile.Result{}, err
		}
	}
	pause := s.rollout.LookAgain(s.accepted, s.policy, s.unsaid, s.now)
	if policy.Spec.TargetSelector != nil {
		// Its targets tell when they have got somewhere; to look at each step of each would
		// be to look at all at each.
		c.waiting.Note(policy, conditions.Rollout{})
		return requeue.After(max(pause, gathering(policy)), s.rollout.Err)
	}
	c.waiting.Note(policy, s.rollout)
	return requeue.After(pause, s.rollout.Err)
}
