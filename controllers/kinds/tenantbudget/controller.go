package tenantbudget

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/announce"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rollout/feed"
	"github.com/bursar-dev/bursar/controllers/rollout/pace"
	"github.com/bursar-dev/bursar/controllers/rollout/patience"
	"github.com/bursar-dev/bursar/controllers/rollout/requeue"
	"github.com/bursar-dev/bursar/controllers/rollout/traced"
	"github.com/bursar-dev/bursar/controllers/rules/compile"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// kind is the kind that is reconciled here.
const kind = "TenantBudget"

// storeTimeout bounds what a phase waits for a store: a status that says that the
// store is away must not itself wait for the store.
const storeTimeout = 5 * time.Second

// Limiter is where documents go and counters come from.
type Limiter interface {
	Put(ctx context.Context, id limiterv1.DocumentID, document any) (revision int64, err error)
	Withdraw(ctx context.Context, id limiterv1.DocumentID, uid string) (bool, error)
	Observe(ctx context.Context, id limiterv1.DocumentID) (limiterstore.Observation, error)
	Documents(ctx context.Context, ids ...limiterv1.DocumentID) ([]limiterstore.Observation, error)
	Counters(ctx context.Context, root, tenant string, limits ...limiterv1.MoneyLimit) (limiterstore.Counters, error)
	UserCounters(ctx context.Context, root, tenant string, users []string, limits ...limiterv1.MoneyLimit,
	) (map[string]map[string]limiterv1.MoneyCounter, error)
}

// Opener makes the counters of a tenant valid.
type Opener interface {
	Prepare(ctx context.Context, document limiterv1.Tenant) error
	Open(ctx context.Context, document limiterv1.Tenant) error
}

// Prober finds out whether calls are admitted by the documents that enforcers run.
type Prober interface {
	Prove(ctx context.Context, rollout conditions.Rollout, object conditions.Object, tenant string,
		below []limiterv1.DocumentID, now time.Time) conditions.Rollout
}

// Records is where it is kept which limits were in force, and when, and which of
// their rungs were reached.
type Records interface {
	Record(ctx context.Context, budget budgetstore.Budget) error
	Close(ctx context.Context, tenant, uid string) error
	ActiveUsers(ctx context.Context, tenant string, since time.Time) ([]string, error)
	RecordAlerts(ctx context.Context, alerts budgetstore.Alerts) (raised int, err error)
}

// Deliverer tells people of alerts that were recorded.
type Deliverer interface {
	Wake()
	Verdict(ctx context.Context, budget *v1alpha1.TenantBudget) conditions.Verdict
	Forget(budget types.UID)
}

// Controller reconciles TenantBudgets.
type Controller struct {
	client   client.Client
	limiter  Limiter
	opener   Opener
	prober   Prober
	records  Records
	alerts   Deliverer
	teller   *announce.Teller
	clock    clock.PassiveClock
	pacer    *pace.Pacer
	waiting  *feed.Waiting
	patience *patience.Patience

	memories       memories
	limitsRecorded recordedLimits
}

// NewController makes a Controller.
func NewController(
	client client.Client, limiter Limiter, opener Opener, prober Prober, records Records, alerts Deliverer,
	teller *announce.Teller, clock clock.PassiveClock, pacer *pace.Pacer,
) *Controller {
	return &Controller{client: client, limiter: limiter, opener: opener, prober: prober, records: records, alerts: alerts,
		teller: teller, clock: clock, pacer: pacer, waiting: feed.NewWaiting(), patience: patience.New()}
}

// Register makes the manager run the controller.
func (c *Controller) Register(mgr ctrl.Manager, news *feed.Feed) error {
	return c.watch(ctrl.NewControllerManagedBy(mgr).Named("tenantbudget"), news).
		WithOptions(requeue.Options()).
		Complete(traced.Reconciler(kind, requeue.Reconciler(mgr.GetClient(), c)))
}

// scope is what the phases of one reconcile know.
type scope struct {
	budget *v1alpha1.TenantBudget
	now    time.Time
	memory *memory

	// accepted says whether the budget is to have effect; document is what says it
	// to the enforcers, nil when there is to be none. forfeited is set when the
	// tenant is not the budget's to name.
	accepted  conditions.Verdict
	document  *limiterv1.Tenant
	forfeited bool
	// overcommitted are the limits that the children may exceed together.
	overcommitted []compile.Overcommitment

	// rollout is how far the generation has got.
	rollout conditions.Rollout
	// inForce is the document of this budget that is in force, whatever its
	// generation, and usage the state of the money under it; nil when none is, or when
	// Redis is away.
	inForce *limiterv1.Tenant
	usage   *usage
	// alertsFailing says whether people who are to be told of alerts can be; nil when
	// nobody is to be.
	alertsFailing *conditions.Verdict
	// unsaid is how long it has to wait what is not in the status yet; zero when all is.
	unsaid time.Duration
}

// Reconcile takes a TenantBudget through its phases.
func (c *Controller) Reconcile(ctx context.Context, budget *v1alpha1.TenantBudget) (reconcile.Result, error) {
	if !budget.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, c.finalize(ctx, budget)
	}
	s := &scope{budget: budget, now: c.clock.Now(), memory: c.memories.of(budget.UID)}
	for _, phase := range []func(context.Context, *scope) error{
		c.accept, c.weigh, c.hold, c.program, c.observe, c.lookAtAlerts, c.report, c.record, c.alert,
	} {
		if err := phase(ctx, s); err != nil {
			return reconcile.Result{}, err
		}
	}
	c.waiting.Note(s.budget, s.rollout)
	// With Redis away, the status says so by now, and it is tried again.
	return requeue.After(c.lookAgain(s), s.rollout.Err)
}
