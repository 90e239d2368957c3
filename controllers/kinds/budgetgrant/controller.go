package budgetgrant

import (
	"context"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/feed"
	"github.com/bursar-dev/bursar/controllers/rules/analysis"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// kind is the kind that is reconciled here.
const kind = "BudgetGrant"

// Documents observes documents in Redis.
type Documents interface {
	Observe(ctx context.Context, id limiterv1.DocumentID) (limiterstore.Observation, error)
	List(ctx context.Context, ids ...limiterv1.DocumentID) ([]limiterstore.Observation, error)
}

// StoreClock is the clock that decides whether a grant counts.
type StoreClock interface {
	Now(ctx context.Context, root string) (time.Time, error)
}

// Grants keeps on record what was granted.
type Grants interface {
	Record(ctx context.Context, grant budgetstore.Grant) error
	Close(ctx context.Context, uid string) (closed bool, err error)
}

// Controller reconciles BudgetGrants.
type Controller struct {
	client     client.Client
	documents  Documents
	clock      StoreClock
	grants     Grants
	waiting    *feed.Waiting
	analyzer   *analysis.Analyzer
	reconciler *rollout.Reconciler[*v1alpha1.BudgetGrant, v1alpha1.BudgetGrantStatus, *scope]
}

// NewController makes a Controller.
func NewController(
	client client.Client, documents Documents, storeClock StoreClock, grants Grants,
	orphans rollout.Orphans, recorder rollout.Recorder, clock clock.PassiveClock,
) *Controller {
	c := &Controller{client: client, documents: documents, clock: storeClock, grants: grants, waiting: feed.NewWaiting(), analyzer: analysis.NewAnalyzer(client, clock.Now)}
	c.reconciler = rollout.NewReconciler(rollout.Kind[*v1alpha1.BudgetGrant, v1alpha1.BudgetGrantStatus, *scope]{
		Name: kind, Client: client, Recorder: recorder, Clock: clock, Waiting: c.waiting,
		NewScope: func(common rollout.Scope[*v1alpha1.BudgetGrant]) *scope {
			return &scope{Scope: common, root: common.Object.Namespace}
		},
		Withdraw: c.withdraw, Orphans: orphans,
		Phases: []rollout.Phase[*scope]{
			{Name: "accept", Run: c.accept},
			{Name: "observe", Run: c.observe, Needs: []string{"accept"}, Programs: true},
			{Name: "read the clock", Run: c.readClock, Programs: true},
			{Name: "close", Run: c.close},
			{Name: "analyze", Run: c.analyze, Needs: []string{"accept"}},
			rollout.AddFinalizerPhase(client, (*scope).gives),
			{Name: "record", Run: c.record, Needs: []string{"accept", "add finalizer"}},
		},
	})
	return c
}

// Register makes the manager run the controller.
func (c *Controller) Register(mgr ctrl.Manager, news *feed.Feed) error {
	return c.reconciler.Complete(c.watch(ctrl.NewControllerManagedBy(mgr).Named("budgetgrant"), news))
}

// scope is what the phases of one reconcile know.
type scope struct {
	rollout.Scope[*v1alpha1.BudgetGrant]

	// budget is the budget that the grant adds to; nil if there is none.
	budget *v1alpha1.TenantBudget
	// root is the tenant at the top of the budget's tree, whose clock counts.
	root string
	// recorded is set when the grant was put on record now.
	recorded bool
	// storeNow is the time that decides whether the grant counts, that of Redis; zero
	// when it is not known.
	storeNow time.Time
}
