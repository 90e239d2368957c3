package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	controllerconfig "sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/bursar-dev/bursar/api/identity/identify"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Cluster is what the console knows of the cluster. Its methods are safe for concurrent use.
type Cluster struct {
	// Known finds callers by their credentials.
	*identify.Known

	manager ctrl.Manager
	client  client.Client
	// writes is the client of Writers, which writes and reads past the cache.
	writes client.Client
	log    *slog.Logger
	// complete is set once everything that existed at the start is known.
	complete atomic.Bool

	trees trees

	mu sync.Mutex
	// keys and memberships are those that Known has, by their names.
	keys        map[types.NamespacedName]registered
	memberships map[types.NamespacedName]bool
}

// New makes a Cluster, which knows nothing before Start.
func New(config *rest.Config, log *slog.Logger) (*Cluster, error) {
	scheme := runtime.NewScheme()
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	skipNameValidation := true // tests make several of the same name
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme, Logger: logr.FromSlogHandler(log.Handler()),
		Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		Controller: controllerconfig.Controller{SkipNameValidation: &skipNameValidation},
	})
	if err != nil {
		return nil, err
	}
	writes, err := newWrites(config, manager)
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		Known: identify.NewKnown(), manager: manager, client: manager.GetClient(), writes: writes, log: log,
		keys: map[types.NamespacedName]registered{}, memberships: map[types.NamespacedName]bool{},
	}
	if err := c.index(context.Background()); err != nil {
		return nil, err
	}
	if err := c.watchTree(context.Background()); err != nil {
		return nil, err
	}
	return c, c.register()
}

// Complete reports whether everything that existed at the start is known, so that an unknown
// credential is invalid.
func (c *Cluster) Complete() bool { return c.complete.Load() }

// Start watches until the context ends.
func (c *Cluster) Start(ctx context.Context) error {
	if err := c.manager.Add(initial{c}); err != nil {
		return err
	}
	return c.manager.Start(ctx)
}

// initial takes in everything once the cache has it.
type initial struct{ *Cluster }

// Start is called by the manager.
func (i initial) Start(ctx context.Context) error {
	if !i.manager.GetCache().WaitForCacheSync(ctx) {
		return ctx.Err()
	}
	if err := i.takeAll(ctx); err != nil {
		return fmt.Errorf("read who may ask: %w", err)
	}
	i.complete.Store(true)
	return nil
}

// NeedLeaderElection lets every console watch.
func (initial) NeedLeaderElection() bool { return false }
