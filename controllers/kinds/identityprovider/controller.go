package identityprovider

import (
	"context"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/feed"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// kind is the kind that is reconciled here.
const kind = "IdentityProvider"

// Documents puts, withdraws and observes documents in Redis.
type Documents interface {
	Put(ctx context.Context, id limiterv1.DocumentID, document any) (revision int64, err error)
	Withdraw(ctx context.Context, id limiterv1.DocumentID, uid string) (bool, error)
	Observe(ctx context.Context, id limiterv1.DocumentID) (limiterstore.Observation, error)
}

// WantedKeys has the IdentityProviders whose keys enforcers miss.
type WantedKeys interface {
	// Take returns the names of the IdentityProviders, each once.
	Take(ctx context.Context) ([]string, error)
}

// Keys fetches the keys of issuers.
type Keys interface {
	Fetch(ctx context.Context, issuer v1alpha1.Issuer) (Fetched, error)
}

// Controller reconciles IdentityProviders.
type Controller struct {
	client     client.Client
	documents  Documents
	wanted     WantedKeys
	keys       Keys
	clock      clock.PassiveClock
	fetches    *fetches
	waiting    *feed.Waiting
	reconciler *rollout.Reconciler[*v1alpha1.IdentityProvider, v1alpha1.IdentityProviderStatus, *scope]
}

// NewController makes a Controller.
func NewController(
	client client.Client, documents Documents, wanted WantedKeys, keys Keys,
	orphans rollout.Orphans, recorder rollout.Recorder, clock clock.PassiveClock,
) *Controller {
	c := &Controller{
		client: client, documents: documents, wanted: wanted, keys: keys, clock: clock,
		fetches: newFetches(), waiting: feed.NewWaiting(),
	}
	c.reconciler = rollout.NewReconciler(rollout.Kind[*v1alpha1.IdentityProvider, v1alpha1.IdentityProviderStatus, *scope]{
		Name: kind, Client: client, Recorder: recorder, Clock: clock, Waiting: c.waiting, Debouncer: rollout.NewDebouncer(),
		NewScope: newScope,
		Withdraw: c.withdraw, Orphans: orphans,
		Phases: []rollout.Phase[*scope]{
			{Name: "accept", Run: c.accept},
			{Name: "fetch keys", Run: c.fetch, Needs: []string{"accept"}},
			rollout.AddFinalizerPhase(client, (*scope).programs, "fetch keys"),
			{Name: "program", Run: c.program, Needs: []string{"add finalizer"}, Programs: true},
			{Name: "observe", Run: c.observe, Programs: true},
		},
	})
	return c
}

// Register makes the manager run the controller.
func (c *Controller) Register(mgr ctrl.Manager, news *feed.Feed) error {
	return c.reconciler.Complete(c.watch(ctrl.NewControllerManagedBy(mgr).Named("identityprovider"), news))
}

// scope is what the phases of one reconcile know.
type scope struct {
	rollout.Scope[*v1alpha1.IdentityProvider]

	// document tells the enforcers which tokens are valid; nil if there must be none.
	// forfeited is set if what the provider programmed before must not stay in force.
	document  *limiterv1.IdentityProvider
	forfeited bool
	// issuer is what the claim iss must be, and keys are those that were fetched last; nil
	// if there are none.
	issuer string
	keys   *v1alpha1.FetchedKeys
	// fetch is the state of fetching the keys.
	fetch standing
}

func newScope(common rollout.Scope[*v1alpha1.IdentityProvider]) *scope {
	return &scope{Scope: common, issuer: common.Object.Status.Issuer, keys: common.Object.Status.Keys}
}
