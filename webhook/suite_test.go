package webhook_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata" // as in the manager

	"github.com/go-logr/logr"
	"github.com/jackc/pgx/v5/pgxpool"
	goredis "github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgo "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/bursar-dev/bursar/controllers/setup"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/parts/kubernetes"
	"github.com/bursar-dev/bursar/hack/parts/postgres"
	"github.com/bursar-dev/bursar/hack/parts/process"
	"github.com/bursar-dev/bursar/hack/parts/redis"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

var (
	// api acts as an administrator, reads past every cache and hears all warnings.
	api    client.Client
	warned warnings
	// kube and kubeconfig are for kubectl.
	kube       *kubernetes.Server
	kubeconfig string

	redisClient *goredis.Client
	// database is the manager's, and superuser may change the ledger.
	database, superuser *pgxpool.Pool
	// stopManager ends the manager that runs, with its webhooks.
	stopManager func() error
	// webhookAddress is where the webhooks of every manager are that the API server
	// asks.
	webhookAddress string
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(redis.Use(func(_ *redis.Server, client *goredis.Client) int {
		redisClient = client
		code, err := run(m)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return code
	}))
}

func run(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "bursar-webhook-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	// Postgres runs as another user, who must be able to enter.
	if err := os.Chmod(dir, 0o755); err != nil {
		return 0, err
	}
	var records *postgres.Server
	var starting errgroup.Group
	starting.Go(func() (err error) {
		kube, err = kubernetes.Start(ctx, kubernetes.Options{})
		return err
	})
	starting.Go(func() (err error) {
		records, err = postgres.Start(ctx, postgres.Options{Dir: filepath.Join(dir, "postgres")})
		return err
	})
	err = starting.Wait()
	if kube != nil {
		defer func() { _ = kube.Stop() }()
	}
	if records != nil {
		defer func() { _ = records.Stop() }()
	}
	if err != nil {
		return 0, err
	}
	if err := connect(ctx, records); err != nil {
		return 0, err
	}
	kubeconfig = filepath.Join(dir, "kubeconfig")
	if err := install(ctx); err != nil {
		return 0, err
	}
	if stopManager, err = startManager(webhookAddress, ""); err != nil {
		return 0, err
	}
	defer func() { _ = stopManager() }()
	if err := awaitWebhooks(ctx); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

func connect(ctx context.Context, records *postgres.Server) error {
	owner, err := records.NewDatabase(ctx)
	if err != nil {
		return err
	}
	if err := budgetstore.Migrate(ctx, owner); err != nil {
		return err
	}
	manager, err := records.NewLogin(ctx, owner, "bursar_manager")
	if err != nil {
		return err
	}
	if database, err = pgxpool.New(ctx, manager); err != nil {
		return err
	}
	superuser, err = pgxpool.New(ctx, owner)
	return err
}

// install applies config/namespace, config/rbac and config/webhook.
func install(ctx context.Context) error {
	scheme, err := setup.Scheme()
	if err != nil {
		return err
	}
	if err := clientgo.AddToScheme(scheme); err != nil {
		return err
	}
	config := rest.CopyConfig(kube.Config)
	config.WarningHandlerWithContext = &warned
	if api, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	if err := kube.WriteKubeconfig(kubeconfig, kubernetes.Administrator); err != nil {
		return err
	}
	if webhookAddress, err = freeAddress(); err != nil {
		return err
	}
	webhooks, err := kubernetes.Webhooks("https://" + webhookAddress)
	if err != nil {
		return err
	}
	for _, dir := range []string{"../config/namespace", "../config/rbac"} {
		if out, err := kubectl(ctx, "", "apply", "-k", dir); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	if out, err := kubectl(ctx, webhooks, "apply", "-f", "-"); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// startManager runs a manager, with the rights that it has in a cluster, until the
// function that it returns is called. The webhooks' certificate is in a directory, or
// made by the manager.
func startManager(webhooks, certificateDir string) (stop func() error, err error) {
	config, err := kube.ConfigOf(kubernetes.Manager)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	mgr, err := setup.NewManager(ctx, config, setup.Options{
		Redis:                   redisClient,
		Database:                database,
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		HealthAddress:           "0",
		LeaderElection:          true,
		LeaderElectionNamespace: "bursar-system",
		Clock:                   clock.RealClock{},
		Logger:                  logr.Discard(),
		Several:                 true,
		Webhooks:                &setup.WebhookOptions{Address: webhooks, CertificateDir: certificateDir, Namespace: "bursar-system"},
	})
	if err != nil {
		cancel()
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	return sync.OnceValue(func() error {
		cancel()
		return <-ended
	}), nil
}

func freeAddress() (string, error) {
	port, err := process.FreePort()
	return fmt.Sprintf("127.0.0.1:%d", port), err
}

// awaitWebhooks waits until the API server calls the webhooks: until then it accepts
// everything as it is.
func awaitWebhooks(ctx context.Context) error {
	notDelegated := objects.TenantBudget("default")
	notDelegated.Spec.Tenant = "another"
	isAsked := func(ctx context.Context) (bool, error) {
		var configuration admissionv1.ValidatingWebhookConfiguration
		err := api.Get(ctx, client.ObjectKey{Name: "bursar"}, &configuration)
		return err == nil && configuration.Webhooks[0].ClientConfig.CABundle != nil &&
			api.Create(ctx, notDelegated.DeepCopy(), client.DryRunAll) != nil && isHeld(ctx), nil
	}
	if err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, time.Minute, true, isAsked); err != nil {
		return fmt.Errorf("the API server does not call the webhooks: %w", err)
	}
	return nil
}

// isHeld reports whether what is created gets the finalizer.
func isHeld(ctx context.Context) bool {
	provider := objects.ModelProvider("awaited")
	err := api.Create(ctx, provider, client.DryRunAll)
	return err == nil && len(provider.Finalizers) > 0
}

// kubectl runs kubectl as an administrator.
func kubectl(ctx context.Context, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, kube.Kubectl, append([]string{"--kubeconfig", kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// warnings are those that the API server gave.
type warnings struct {
	mu  sync.Mutex
	all []string
}

// HandleWarningHeaderWithContext hears a warning.
func (w *warnings) HandleWarningHeaderWithContext(_ context.Context, code int, _ string, text string) {
	if code == 299 {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.all = append(w.all, text)
	}
}

// take are the warnings since it was last asked.
func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.all
	w.all = nil
	return taken
}
