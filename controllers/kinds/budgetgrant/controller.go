package budgetgrant

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
	"github.com/bursar-dev/bursar/controllers/rollout/requeue"
	"github.com/bursar-dev/bursar/controllers/rollout/traced"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// kind is the kind that is reconciled here.
const kind = "BudgetGrant"

// storeTimeout bounds what a phase waits for a store.
const storeTimeout = 5 * time.Second

// Limiter is where documents are found, and whose clock counts.
type Limiter interface {
	Observe(ctx context.Context, id limiterv1.DocumentID) (limiterstore.Observation, error)
	Documents(ctx context.Context, ids ...limiterv1.DocumentID) ([]limiterstore.Observation, error)
	Now(ctx context.Context, root string) (time.Time, error)
}

// Records is where it is kept what was granted.
type Records interface {
	RecordGrant(ctx context.Context, grant budgetstore.Grant) error
	CloseGrant(ctx context.Context, uid string) error
}

// Controller reconciles BudgetGrants.
type Controller struct {
	client  client.Client
	limiter Limiter
	records Records
	teller  *announce.Teller
	clock   clock.PassiveClock
	waiting *feed.Waiting
}

// NewController makes a Controller.
func NewController(
	client client.Client, limiter Limiter, records Records, teller *announce.Teller, clock clock.PassiveClock,
) *Controller {
	return &Controller{client: client, limiter: limiter, records: records, teller: teller, clock: clock, waiting: feed.NewWaiting()}
}

// Register makes the manager run the controller.
func (c *Controller) Register(mgr ctrl.Manager, news *feed.Feed) error {
	return c.watch(ctrl.NewControllerManagedBy(mgr).Named("budgetgrant"), news).
		WithOptions(requeue.Options()).
		Complete(traced.Reconciler(kind, requeue.Reconciler(mgr.GetClient(), c)))
}

// scope is what the phases of one reconcile know.
type scope struct {
	grant *v1alpha1.BudgetGrant
	now   time.Time

	// budget is the one that gets more; nil when there is none.
	budget *v1alpha1.TenantBudget
	// storeNow is the time that decides whether the grant counts, that of Redis; zero
	// when it is not known.
	storeNow time.Time
	accepted conditions.Verdict
	rollout  conditions.Rollout
}

// Reconcile takes a BudgetGrant through its phases.
func (c *Controller) Reconcile(ctx context.Context, grant *v1alpha1.BudgetGrant) (reconcile.Result, error) {
	if !grant.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, c.finalize(ctx, grant)
	}
	s := &scope{grant: grant, now: c.clock.Now()}
	for _, phase := range []func(context.Context, *scope) error{c.accept, c.observe, c.close, c.hold, c.report, c.record} {
		if err := phase(ctx, s); err != nil {
			return reconcile.Result{}, err
		}
	}
	c.waiting.Note(s.grant, s.rollout)
	return requeue.After(s.lookAgain(), s.rollout.Err)
}
