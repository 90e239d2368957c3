package tenantbudget

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rollout/feed"
	"github.com/bursar-dev/bursar/controllers/rules/analysis"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// kind is the kind that is reconciled here.
const kind = "TenantBudget"

// Documents puts, withdraws and observes documents in Redis.
type Documents interface {
	Put(ctx context.Context, id limiterv1.DocumentID, document any) (revision int64, err error)
	Withdraw(ctx context.Context, id limiterv1.DocumentID, uid string) (bool, error)
	Observe(ctx context.Context, id limiterv1.DocumentID) (limiterstore.Observation, error)
	List(ctx context.Context, ids ...limiterv1.DocumentID) ([]limiterstore.Observation, error)
}

// Counters reads what tenants, and the owners in them, have spent.
type Counters interface {
	Read(ctx context.Context, root, tenant string, limits ...limiterv1.MoneyLimit) (limiterstore.Reading, error)
	ReadOwners(ctx context.Context, root, tenant string, owners []limiterv1.Owner, limits ...limiterv1.MoneyLimit,
	) (map[limiterv1.Owner]map[string]limiterv1.MoneyCounter, error)
}

// Recounter makes the counters of a tenant valid.
type Recounter interface {
	Prepare(ctx context.Context, document limiterv1.Tenant) error
	Recount(ctx context.Context, document limiterv1.Tenant) error
}

// Prober finds out whether calls are admitted by the documents that enforcers run.
type Prober interface {
	Prove(ctx context.Context, rollout conditions.Rollout, object conditions.Object, tenant string,
		below []limiterv1.DocumentID, now time.Time) (conditions.Rollout, error)
}

// Limits keeps on record which limits were in force, and when.
type Limits interface {
	Record(ctx context.Context, budget budgetstore.Budget) error
	Close(ctx context.Context, tenant, uid string) error
}

// Owners finds the users, groups and APIKeys of a tenant that make calls.
type Owners interface {
	ActiveOwners(ctx context.Context, tenant string, per limiterv1.Scope, since time.Time) ([]limiterv1.Owner, error)
}

// Alerts keeps on record which rungs were reached.
type Alerts interface {
	Record(ctx context.Context, alerts budgetstore.TenantAlerts) (raised int, err error)
}

// Stores are the stores that the controller reads and writes.
type Stores struct {
	Documents Documents
	Counters  Counters
	Limits    Limits
	Owners    Owners
	Alerts    Alerts
}

// Deliverer sends the alerts that were recorded.
type Deliverer interface {
	Wake()
	Verdict(ctx context.Context, budget *v1alpha1.TenantBudget) verdict.Verdict
	Forget(budget types.UID)
}

// Controller reconciles TenantBudgets.
type Controller struct {
	client      client.Client
	documents   Documents
	counters    Counters
	limits      Limits
	owners      Owners
	alerts      Alerts
	recounter   Recounter
	prober      Prober
	deliverer   Deliverer
	rateLimiter *rollout.StatusRateLimiter
	waiting     *feed.Waiting
	analyzer    *analysis.Analyzer
	reconciler  *rollout.Reconciler[*v1alpha1.TenantBudget, v1alpha1.TenantBudgetStatus, *scope]

	memories       memories
	limitsRecorded recordedLimits
}

// NewController makes a Controller.
func NewController(
	client client.Client, stores Stores, recounter Recounter, prober Prober, deliverer Deliverer,
	orphans rollout.Orphans, recorder rollout.Recorder, clock clock.PassiveClock,
) *Controller {
	c := &Controller{
		client: client, documents: stores.Documents, counters: stores.Counters, limits: stores.Limits, owners: stores.Owners,
		alerts: stores.Alerts, recounter: recounter, prober: prober, deliverer: deliverer,
		rateLimiter: rollout.NewStatusRateLimiter(), waiting: feed.NewWaiting(), analyzer: analysis.NewAnalyzer(client, clock.Now),
	}
	c.reconciler = rollout.NewReconciler(rollout.Kind[*v1alpha1.TenantBudget, v1alpha1.TenantBudgetStatus, *scope]{
		Name: kind, Client: client, Recorder: recorder, Clock: clock, Waiting: c.waiting,
		Debouncer: rollout.NewDebouncer(), RateLimiter: c.rateLimiter, Figures: differInFigures,
		NewScope: c.newScope,
		Withdraw: c.withdraw, Orphans: orphans,
		Phases: []rollout.Phase[*scope]{
			{Name: "accept", Run: c.accept},
			{Name: "analyze", Run: c.analyze, Needs: []string{"accept"}},
			{Name: "weigh", Run: c.weigh},
			rollout.AddFinalizerPhase(client, (*scope).programs, "accept"),
			{Name: "program", Run: c.program, Needs: []string{"add finalizer"}, Programs: true},
			{Name: "observe", Run: c.observe, Programs: true},
			{Name: "prove", Run: c.prove, Needs: []string{"program", "observe"}, Programs: true},
			{Name: "look at alerts", Run: c.lookAtAlerts},
		},
		PhasesAfterStatus: []rollout.Phase[*scope]{
			{Name: "record", Run: c.record},
			{Name: "alert", Run: c.alert},
		},
	})
	return c
}

func (c *Controller) newScope(common rollout.Scope[*v1alpha1.TenantBudget]) *scope {
	return &scope{
		Scope: common, memory: c.memories.of(common.Object.UID), budgets: c.memories.count(),
		overcommitted: conditions.Undetermined("whether the children's limits fit"),
	}
}

// Register makes the manager run the controller.
func (c *Controller) Register(mgr ctrl.Manager, news *feed.Feed) error {
	return c.reconciler.Complete(c.watch(ctrl.NewControllerManagedBy(mgr).Named("tenantbudget"), news))
}

// scope is what the phases of one reconcile know.
type scope struct {
	rollout.Scope[*v1alpha1.TenantBudget]
	memory *memory
	// budgets is how many TenantBudgets there are.
	budgets int

	// document tells the enforcers what is in force; nil if the budget may not take effect.
	// forfeited is set if the budget may not name its tenant.
	document  *limiterv1.Tenant
	forfeited bool
	// overcommitted says whether the children may spend more together than the budget has.
	overcommitted verdict.Verdict
	// fleet are the live enforcers.
	fleet limiterstore.Fleet
	// below are the documents of the tenants that inherit from the budget.
	below []limiterv1.DocumentID

	// inForce is the document of this budget that is in force, of whatever generation,
	// and usage the state of the money under it. Both are nil if there is none, or if
	// Redis does not answer.
	inForce *limiterv1.Tenant
	usage   *usage
	// alertsFailing says whether alerts fail to reach a recipient; nil if the budget has no
	// recipients.
	alertsFailing *verdict.Verdict
}
