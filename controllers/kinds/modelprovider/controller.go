package modelprovider

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
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// kind is the kind that is reconciled here.
const kind = "ModelProvider"

// storeTimeout bounds what a phase waits for Redis.
const storeTimeout = 5 * time.Second

// Limiter is where documents go.
type Limiter interface {
	Put(ctx context.Context, id limiterv1.DocumentID, document any) (revision int64, err error)
	Withdraw(ctx context.Context, id limiterv1.DocumentID, uid string) (bool, error)
	Observe(ctx context.Context, id limiterv1.DocumentID) (limiterstore.Observation, error)
}

// Controller reconciles ModelProviders.
type Controller struct {
	client   client.Client
	limiter  Limiter
	teller   *announce.Teller
	clock    clock.PassiveClock
	waiting  *feed.Waiting
	patience *patience.Patience
}

// NewController makes a Controller.
func NewController(client client.Client, limiter Limiter, teller *announce.Teller, clock clock.PassiveClock) *Controller {
	return &Controller{client: client, limiter: limiter, teller: teller, clock: clock, waiting: feed.NewWaiting(), patience: patience.New()}
}

// Register makes the manager run the controller.
func (c *Controller) Register(mgr ctrl.Manager, news *feed.Feed) error {
	return c.watch(ctrl.NewControllerManagedBy(mgr).Named("modelprovider"), news).
		WithOptions(requeue.Options()).
		Complete(traced.Reconciler(kind, requeue.Reconciler(mgr.GetClient(), c)))
}

// scope is what the phases of one reconcile know.
type scope struct {
	provider *v1alpha1.ModelProvider
	now      time.Time

	// accepted says whether the provider is to have effect; document is what says it
	// to the enforcers, nil when there is to be none. lost is what is another's.
	accepted conditions.Verdict
	document *limiterv1.Provider
	lost     acceptance.Lost

	rollout conditions.Rollout
	// unsaid is how long it may wait what is not in the status yet; zero when all is.
	unsaid time.Duration
}

// Reconcile takes a ModelProvider through its phases.
func (c *Controller) Reconcile(ctx context.Context, provider *v1alpha1.ModelProvider) (reconcile.Result, error) {
	if !provider.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, c.finalize(ctx, provider)
	}
	s := &scope{provider: provider, now: c.clock.Now()}
	for _, phase := range []func(context.Context, *scope) error{c.accept, c.hold, c.program, c.observe, c.report} {
		if err := phase(ctx, s); err != nil {
			return reconcile.Result{}, err
		}
	}
	c.waiting.Note(s.provider, s.rollout)
	return requeue.After(s.rollout.LookAgain(s.accepted, s.provider, s.unsaid, s.now), s.rollout.Err)
}
