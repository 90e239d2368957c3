package setup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/kinds/apikey"
	"github.com/bursar-dev/bursar/controllers/kinds/budgetgrant"
	"github.com/bursar-dev/bursar/controllers/kinds/identityprovider"
	"github.com/bursar-dev/bursar/controllers/kinds/membership"
	"github.com/bursar-dev/bursar/controllers/kinds/modelprovider"
	"github.com/bursar-dev/bursar/controllers/kinds/ratelimitpolicy"
	"github.com/bursar-dev/bursar/controllers/kinds/tenantbudget"
	"github.com/bursar-dev/bursar/controllers/leader/alert"
	"github.com/bursar-dev/bursar/controllers/leader/anomaly"
	"github.com/bursar-dev/bursar/controllers/leader/audit"
	"github.com/bursar-dev/bursar/controllers/leader/maintenance"
	"github.com/bursar-dev/bursar/controllers/leader/outage"
	"github.com/bursar-dev/bursar/controllers/leader/refill"
	"github.com/bursar-dev/bursar/controllers/leader/request"
	"github.com/bursar-dev/bursar/controllers/leader/rollup"
	"github.com/bursar-dev/bursar/controllers/leader/sweep"
	"github.com/bursar-dev/bursar/controllers/recovery"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
	"github.com/bursar-dev/bursar/controllers/rollout/feed"
	"github.com/bursar-dev/bursar/controllers/rollout/probe"
	"github.com/bursar-dev/bursar/controllers/rules/index"
	"github.com/bursar-dev/bursar/controllers/setup/census"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/history"
)

//+kubebuilder:rbac:groups=coordination.k8s.io,namespace=bursar-system,resources=leases,verbs=create
//+kubebuilder:rbac:groups=coordination.k8s.io,namespace=bursar-system,resources=leases,resourceNames=bursar-manager,verbs=get;update
//+kubebuilder:rbac:groups="",namespace=bursar-system,resources=events,verbs=create;patch
//+kubebuilder:rbac:groups="",namespace=bursar-system,resources=configmaps,resourceNames=bursar-manager,verbs=get;create;patch
//+kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
//+kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

// leaseName is the name of the Lease that the leader holds.
const leaseName = "bursar-manager"

// A leader that dies is replaced within leaseDuration; one that stops gives the Lease back
// at once. A leader that cannot renew the Lease for renewDeadline ends. Each request may take
// half of renewDeadline, because an API server that is short of processor time, as while
// thousands of objects are applied, may take seconds to answer.
const (
	leaseDuration = 10 * time.Second
	renewDeadline = 8 * time.Second
	retryPeriod   = time.Second
)

// stopWithin is how long reconciles and tasks may take to end when the manager stops.
// The pod must live longer than that (terminationGracePeriodSeconds in config/manager),
// so that the Lease is given back, too.
const stopWithin = 20 * time.Second

// Options are what differs between one manager and another.
type Options struct {
	// Redis and Database are the stores. The caller must close them.
	Redis    redis.UniversalClient
	Database *pgxpool.Pool
	// OwnerDSN is the DSN that migrations run with; empty to run none.
	OwnerDSN string
	// Alerts says how alerts are sent.
	Alerts alert.Options
	// LedgerMonths is how many months before the present one stay in the ledger:
	// budgetstore.LeastMonths or more, or 0 for all.
	LedgerMonths int
	// AuditPause is the longest pause between the audits of two tenants; zero for
	// audit.DefaultPause.
	AuditPause time.Duration
	// Metrics says how metrics are served.
	Metrics metricsserver.Options
	// HealthAddress is where Kubernetes' probes are answered; "0" for nowhere.
	HealthAddress string
	// LeaderElection makes the manager work only while it holds the Lease, in
	// LeaderElectionNamespace or, if that is empty, Namespace. Without it, no other
	// manager may work on the same stores.
	LeaderElection          bool
	LeaderElectionNamespace string
	// Namespace is where the manager reports which stores are out of reach; empty for nowhere.
	Namespace string
	Clock     clock.PassiveClock
	Logger    logr.Logger
	// Several lets several managers run in one process, as tests do.
	Several bool
	// Webhooks says how the webhooks are served; nil for nowhere.
	Webhooks *WebhookOptions
}

// Scheme knows the kinds that the manager reads and writes.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(corev1.AddToScheme(scheme), eventsv1.AddToScheme(scheme), admissionv1.AddToScheme(scheme),
		v1alpha1.AddToScheme(scheme))
}

// NewManager makes a manager with everything registered, to be started.
func NewManager(ctx context.Context, cluster *rest.Config, options Options) (ctrl.Manager, error) {
	scheme, err := Scheme()
	if err != nil {
		return nil, err
	}
	webhooks, err := newWebhooks(cluster, scheme, options)
	if err != nil {
		return nil, fmt.Errorf("webhooks: %w", err)
	}
	lease, err := newLease(cluster, options)
	if err != nil {
		return nil, fmt.Errorf("the Lease: %w", err)
	}
	mgr, err := ctrl.NewManager(cluster, ctrl.Options{
		Scheme:                              scheme,
		Logger:                              options.Logger,
		Cache:                               cache.Options{DefaultTransform: slim},
		Controller:                          config.Controller{SkipNameValidation: &options.Several},
		Metrics:                             options.Metrics,
		WebhookServer:                       webhooks.server,
		HealthProbeBindAddress:              options.HealthAddress,
		LeaderElection:                      options.LeaderElection,
		LeaderElectionID:                    leaseName,
		LeaderElectionResourceLockInterface: &lease.elected,
		LeaderElectionReleaseOnCancel:       true,
		GracefulShutdownTimeout:             ptr.To(stopWithin),
		LeaseDuration:                       ptr.To(leaseDuration),
		RenewDeadline:                       ptr.To(renewDeadline),
		RetryPeriod:                         ptr.To(retryPeriod),
	})
	if err != nil {
		return nil, err
	}
	lease.elected.LockConfig.EventRecorder = mgr.GetEventRecorderFor(leaseName) //nolint:staticcheck // the only ones that a LeaseLock takes
	if err := index.Register(ctx, mgr.GetFieldIndexer()); err != nil {
		return nil, fmt.Errorf("indexes: %w", err)
	}
	documents := limiterstore.NewDocuments(options.Redis)
	if options.LeaderElection {
		documents = limiterstore.NewLeaderDocuments(options.Redis, lease)
	}
	if err := register(mgr, documents, options); err != nil {
		return nil, err
	}
	return mgr, webhooks.register(mgr, limiterstore.NewCounters(options.Redis), history.NewReader(options.Database), budgetstore.NewChanges(options.Database))
}

// register adds all that runs in the manager.
func register(mgr ctrl.Manager, documents *limiterstore.Documents, options Options) error {
	r := newRegistration(mgr, documents, options)
	for _, add := range []func() error{r.addControllers, r.addTasks, r.addOutage, r.addCensus, r.addChecks} {
		if err := add(); err != nil {
			return err
		}
	}
	return nil
}

// registration is what the parts that run in the manager share.
type registration struct {
	Options
	mgr            ctrl.Manager
	client         client.Client
	documents      *limiterstore.Documents
	counters       *limiterstore.Counters
	enforcers      *limiterstore.Enforcers
	calls          *limiterstore.Calls
	epochs         *limiterstore.Epochs
	configurations *limiterstore.Configurations
	ledger         *budgetstore.LedgerReader
	limits         *budgetstore.Limits
	grants         *budgetstore.Grants
	recorder       *events.Recorder
	orphans        rollout.Orphans
	recounter      *recovery.Recounter
	alerts         *alert.Deliverer
}

func newRegistration(mgr ctrl.Manager, documents *limiterstore.Documents, options Options) *registration {
	r := &registration{
		Options: options, mgr: mgr, client: mgr.GetClient(), documents: documents,
		counters:       limiterstore.NewCounters(options.Redis),
		enforcers:      limiterstore.NewEnforcers(options.Redis),
		calls:          limiterstore.NewCalls(options.Redis),
		epochs:         limiterstore.NewEpochs(options.Redis),
		configurations: limiterstore.NewConfigurations(options.Redis),
		ledger:         budgetstore.NewLedgerReader(options.Database),
		limits:         budgetstore.NewLimits(options.Database),
		grants:         budgetstore.NewGrants(options.Database),
		recorder:       events.NewRecorder(mgr.GetClient(), mgr.GetAPIReader()),
	}
	r.orphans = rollout.NewOrphans(mgr.GetAPIReader(), r.recorder)
	r.recounter = recovery.NewRecounter(documents, r.epochs, r.counters, r.calls, r.ledger)
	r.alerts = alert.NewDeliverer(budgetstore.NewDeliveries(options.Database), r.client, mgr.GetAPIReader(), options.Alerts)
	return r
}

// addControllers adds the controllers, one a kind.
func (r *registration) addControllers() error {
	apiServer, _, err := rest.DefaultServerUrlFor(r.mgr.GetConfig())
	if err != nil {
		return fmt.Errorf("the API server's URL: %w", err)
	}
	news := feed.New(r.Redis, r.enforcers)
	if err := r.mgr.Add(news); err != nil {
		return err
	}
	prober := probe.New(limiterstore.NewProbes(r.Redis))
	for _, controller := range []interface {
		Register(mgr ctrl.Manager, news *feed.Feed) error
	}{
		tenantbudget.NewController(r.client, tenantbudget.Stores{
			Documents: r.documents, Counters: r.counters, Limits: r.limits, Owners: r.ledger, Alerts: budgetstore.NewAlerts(r.Database),
		}, r.recounter, prober, r.alerts, r.orphans, r.recorder, r.Clock),
		ratelimitpolicy.NewController(r.client, r.documents, r.enforcers, prober, r.recorder, r.Clock),
		modelprovider.NewController(r.client, r.documents, r.orphans, r.recorder, r.Clock),
		apikey.NewController(r.client, r.documents, limiterstore.NewKeyUses(r.Redis), r.orphans, r.recorder, r.Clock),
		budgetgrant.NewController(r.client, r.documents, r.counters, r.grants, r.orphans, r.recorder, r.Clock),
		identityprovider.NewController(r.client, r.documents, limiterstore.NewWantedKeys(r.Redis),
			identityprovider.NewFetcher(r.mgr.GetHTTPClient(), apiServer.String()), r.orphans, r.recorder, r.Clock),
		membership.NewController(r.client, r.documents, r.orphans, r.recorder, r.Clock),
	} {
		if err := controller.Register(r.mgr, news); err != nil {
			return fmt.Errorf("%T: %w", controller, err)
		}
	}
	return nil
}

// addTasks adds what runs besides the controllers: recovery in every manager, and the rest in the
// leader.
func (r *registration) addTasks() error {
	for _, task := range []manager.Runnable{
		maintenance.New(budgetstore.NewPartitions(r.Database), r.OwnerDSN, r.LedgerMonths),
		rollup.New(budgetstore.NewUsage(r.Database)),
		recovery.NewRebuilder(recovery.RebuilderOptions{
			Epochs: r.epochs, Enforcers: r.enforcers, Calls: r.calls, Numbers: budgetstore.NewEpochs(r.Database), Ledger: r.ledger,
			Turn: budgetstore.NewTurn(r.Database), Configurations: r.configurations, Recounter: r.recounter, Leads: r.mgr.Elected(),
		}),
		refill.New(r.configurations, r.client, r.Clock.Now),
		r.alerts,
		anomaly.New(budgetstore.NewAnomalies(r.Database), budgetstore.NewAlerts(r.Database), r.client, r.alerts),
		request.New(budgetstore.NewRequests(r.Database), budgetstore.NewAlerts(r.Database), r.client, r.alerts),
		sweep.New(r.client, r.documents, r.limits, r.grants, r.orphans),
		audit.New(r.documents, r.counters, limiterstore.NewFindings(r.Redis), r.ledger, r.recorder, r.AuditPause).Summarizing(budgetstore.NewAudits(r.Database)),
	} {
		if err := r.mgr.Add(task); err != nil {
			return err
		}
	}
	return nil
}

// addOutage adds the reports of stores that do not answer, if there is a namespace for them.
func (r *registration) addOutage() error {
	if r.Namespace == "" {
		return nil
	}
	return r.mgr.Add(outage.New(r.client, r.mgr.GetAPIReader(), r.recorder, r.Namespace,
		outage.Watched{Name: outage.Redis, Ping: r.pingRedis}, outage.Watched{Name: outage.Postgres, Ping: r.ledger.Ping},
		outage.Watched{Name: outage.Ledger, Ping: r.reachLedger}))
}

// pingRedis fails when Redis does not answer, or takes no writes, as when its memory or its disk is
// full: it admits nothing then.
func (r *registration) pingRedis(ctx context.Context) error {
	if err := r.Redis.Ping(ctx).Err(); err != nil {
		return err
	}
	err := r.Redis.Set(ctx, limiterv1.TriedKey, "", triedFor).Err()
	var refusal redis.Error
	if errors.As(err, &refusal) {
		return fmt.Errorf("%w: %w", outage.ErrRefuses, err)
	}
	return err
}

// triedFor is how long Redis keeps what it was tried with.
const triedFor = 10 * time.Second

// reachLedger fails if a live enforcer reports that it cannot write to the ledger.
func (r *registration) reachLedger(ctx context.Context) error {
	fleet, err := r.enforcers.Fleet(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", outage.ErrUnknown, err)
	}
	for session, state := range fleet.Sessions {
		if state.Ledger != "" {
			return fmt.Errorf("session %s on %s cannot write to the ledger: %s", session, state.Host, state.Ledger)
		}
	}
	return nil
}

// addCensus adds the counts of objects to the metrics.
func (r *registration) addCensus() error {
	taken := census.New(r.mgr.GetCache(), r.Clock, counted)
	metrics.Registry.Unregister(taken) // that of another manager, if there are several
	return metrics.Registry.Register(taken)
}
