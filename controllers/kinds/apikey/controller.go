package apikey

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/feed"
	"github.com/bursar-dev/bursar/controllers/rules/analysis"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// kind is the kind that is reconciled here.
const kind = "APIKey"

// Documents puts, withdraws and observes documents in Redis.
type Documents interface {
	Put(ctx context.Context, id limiterv1.DocumentID, document any) (revision int64, err error)
	Withdraw(ctx context.Context, id limiterv1.DocumentID, uid string) (bool, error)
	Observe(ctx context.Context, id limiterv1.DocumentID) (limiterstore.Observation, error)
}

// Controller reconciles APIKeys.
type Controller struct {
	client     client.Client
	documents  Documents
	waiting    *feed.Waiting
	analyzer   *analysis.Analyzer
	uses       *lastUses
	clock      clock.PassiveClock
	reconciler *rollout.Reconciler[*v1alpha1.APIKey, v1alpha1.APIKeyStatus, *scope]
}

// NewController makes a Controller.
func NewController(
	client client.Client, documents Documents, uses KeyUses, orphans rollout.Orphans, recorder rollout.Recorder, clock clock.PassiveClock,
) *Controller {
	c := &Controller{
		client: client, documents: documents, waiting: feed.NewWaiting(), analyzer: analysis.NewAnalyzer(client, clock.Now),
		uses: newLastUses(uses), clock: clock,
	}
	c.reconciler = rollout.NewReconciler(rollout.Kind[*v1alpha1.APIKey, v1alpha1.APIKeyStatus, *scope]{
		Name: kind, Client: client, Recorder: recorder, Clock: clock, Waiting: c.waiting, Debouncer: rollout.NewDebouncer(),
		NewScope: func(common rollout.Scope[*v1alpha1.APIKey]) *scope { return &scope{Scope: common} },
		Withdraw: c.withdraw, Orphans: orphans,
		Phases: []rollout.Phase[*scope]{
			{Name: "accept", Run: c.accept},
			{Name: "analyze", Run: c.analyze, Needs: []string{"accept"}},
			rollout.AddFinalizerPhase(client, (*scope).programs, "accept"),
			{Name: "program", Run: c.program, Needs: []string{"add finalizer"}, Programs: true},
			{Name: "observe", Run: c.observe, Programs: true},
			{Name: "last use", Run: c.lastUse},
		},
	})
	return c
}

// Register makes the manager run the controller.
func (c *Controller) Register(mgr ctrl.Manager, news *feed.Feed) error {
	return c.reconciler.Complete(c.watch(ctrl.NewControllerManagedBy(mgr).Named("apikey"), news))
}

// scope is what the phases of one reconcile know.
type scope struct {
	rollout.Scope[*v1alpha1.APIKey]

	// documents tell the enforcers that the keys are valid; nil if there must be none.
	// forfeited is set if what the APIKey programmed before must not stay in force. tenant
	// is the only tenant that the keys may charge.
	documents []limiterv1.Credential
	forfeited bool
	tenant    string
	// left are the hashes of keys that the APIKey does not have any more, and that may still
	// be programmed.
	left []string
	// used has, by the hashes of keys, when each was last used, for the status.
	used map[string]*metav1.Time
}
