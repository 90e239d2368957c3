package modelprovider

import (
	"context"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/feed"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/analysis"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// kind is the kind that is reconciled here.
const kind = "ModelProvider"

// Documents puts, withdraws and observes documents in Redis.
type Documents interface {
	Put(ctx context.Context, id limiterv1.DocumentID, document any) (revision int64, err error)
	Withdraw(ctx context.Context, id limiterv1.DocumentID, uid string) (bool, error)
	Observe(ctx context.Context, id limiterv1.DocumentID) (limiterstore.Observation, error)
}

// Controller reconciles ModelProviders.
type Controller struct {
	client     client.Client
	documents  Documents
	waiting    *feed.Waiting
	analyzer   *analysis.Analyzer
	reconciler *rollout.Reconciler[*v1alpha1.ModelProvider, v1alpha1.ModelProviderStatus, *scope]
}

// NewController makes a Controller.
func NewController(
	client client.Client, documents Documents, orphans rollout.Orphans, recorder rollout.Recorder, clock clock.PassiveClock,
) *Controller {
	c := &Controller{client: client, documents: documents, waiting: feed.NewWaiting(), analyzer: analysis.NewAnalyzer(client, clock.Now)}
	c.reconciler = rollout.NewReconciler(rollout.Kind[*v1alpha1.ModelProvider, v1alpha1.ModelProviderStatus, *scope]{
		Name: kind, Client: client, Recorder: recorder, Clock: clock, Waiting: c.waiting, Debouncer: rollout.NewDebouncer(),
		NewScope: func(common rollout.Scope[*v1alpha1.ModelProvider]) *scope { return &scope{Scope: common} },
		Withdraw: c.withdraw, Orphans: orphans,
		Phases: []rollout.Phase[*scope]{
			{Name: "accept", Run: c.accept},
			{Name: "analyze", Run: c.analyze, Needs: []string{"accept"}},
			rollout.AddFinalizerPhase(client, (*scope).programs, "accept"),
			{Name: "program", Run: c.program, Needs: []string{"add finalizer"}, Programs: true},
			{Name: "observe", Run: c.observe, Programs: true},
		},
	})
	return c
}

// Register makes the manager run the controller.
func (c *Controller) Register(mgr ctrl.Manager, news *feed.Feed) error {
	return c.reconciler.Complete(c.watch(ctrl.NewControllerManagedBy(mgr).Named("modelprovider"), news))
}

// scope is what the phases of one reconcile know.
type scope struct {
	rollout.Scope[*v1alpha1.ModelProvider]

	// document tells the enforcers the provider's models; nil if there must be none. lost
	// is what another provider has by now.
	document *limiterv1.Provider
	lost     acceptance.Lost

	// reports are what each live enforcer has seen of the provider.
	reports []limiterv1.ProviderReport
}
