package setup_test

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"
	_ "time/tzdata" // as in the manager

	"github.com/jackc/pgx/v5/pgxpool"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	goredis "github.com/redis/go-redis/v9"
	clientgo "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/bursar-dev/bursar/controllers/setup"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/parts/kubernetes"
	"github.com/bursar-dev/bursar/hack/parts/postgres"
	"github.com/bursar-dev/bursar/hack/parts/process"
	"github.com/bursar-dev/bursar/hack/parts/receivers"
	"github.com/bursar-dev/bursar/hack/parts/redis"
)

func TestControlPlane(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(time.Minute)
	EnforceDefaultTimeoutsWhenUsingContexts() // or else what never comes is waited for until go test gives up
	SetDefaultEventuallyPollingInterval(20 * time.Millisecond)
	RunSpecs(t, "The control plane on a real API server, Redis and Postgres")
}

var (
	// api acts as an administrator, and reads past every cache.
	api                     client.Client
	kube                    *kubernetes.Server
	kubectlPath, kubeconfig string
	// redisServer is stopped and started by tests of what happens without it.
	redisServer *redis.Server
	redisDir    string
	redisClient *goredis.Client
	// postgresServer likewise.
	postgresServer *postgres.Server
	postgresDir    string
	// database is the manager's, and superuser sees all rows.
	database, superuser *pgxpool.Pool
	ownerDSN            string
	// asManager is the manager's ServiceAccount in a cluster, with the rights in config/rbac.
	asManager *rest.Config
	// receiving are whom alerts are sent to.
	receiving *receivers.Receivers
	// stopManager ends the manager that runs.
	stopManager func()
	// healthURL and metricsURL are where it answers.
	healthURL, metricsURL string
)

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(GinkgoLogr)
	started := make(chan error, 2)
	postgresDir = GinkgoT().TempDir()
	go func() {
		var err error
		kube, err = kubernetes.Start(ctx, kubernetes.Options{Audited: []kubernetes.User{kubernetes.Manager}})
		started <- err
	}()
	go func() {
		var err error
		postgresServer, err = postgres.Start(ctx, postgres.Options{Dir: postgresDir})
		started <- err
	}()
	var err error
	redisDir = GinkgoT().TempDir()
	redisServer, err = redis.Start(ctx, redis.Options{Dir: redisDir, AppendOnly: true})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return redisServer.Stop() })
	Expect(<-started).To(Succeed())
	Expect(<-started).To(Succeed())
	DeferCleanup(kube.Stop)
	DeferCleanup(func() error { return postgresServer.Stop() })

	options, err := goredis.ParseURL(redisServer.URL)
	Expect(err).NotTo(HaveOccurred())
	options.ContextTimeoutEnabled = true
	redisClient = goredis.NewClient(options)
	DeferCleanup(redisClient.Close)

	ownerDSN, err = postgresServer.NewDatabase(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(budgetstore.Migrate(ctx, ownerDSN)).To(Succeed())
	managerDSN, err := postgresServer.NewLogin(ctx, ownerDSN, "bursar_manager")
	Expect(err).NotTo(HaveOccurred())
	database = connect(managerDSN)
	superuser = connect(ownerDSN)

	scheme, err := setup.Scheme()
	Expect(err).NotTo(HaveOccurred())
	Expect(clientgo.AddToScheme(scheme)).To(Succeed())
	api, err = client.New(kube.Config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	kubectlPath, kubeconfig = kube.Kubectl, filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(kube.WriteKubeconfig(kubeconfig, kubernetes.Administrator)).To(Succeed())
	// The manager has the rights that it has in a cluster, and no more.
	kubectl(ctx, "apply", "-k", "../../config/namespace")
	kubectl(ctx, "apply", "-k", "../../config/rbac")
	asManager, err = kube.ConfigOf(kubernetes.Manager)
	Expect(err).NotTo(HaveOccurred())
	receiving, err = receivers.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(receiving.Stop)
	stopManager = startManager()
	DeferCleanup(func() { stopManager() })
	openMinutely(ctx)
})

func connect(dsn string) *pgxpool.Pool {
	GinkgoHelper()
	pool, err := pgxpool.New(context.Background(), dsn)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(pool.Close)
	return pool
}

// startManager runs a manager until the function that it returns is called, which
// waits for it to end.
func startManager() (stop func()) {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.Background())
	health, metrics := freeAddress(), freeAddress()
	healthURL, metricsURL = "http://"+health, "https://"+metrics+"/metrics"
	mgr, err := setup.NewManager(ctx, asManager, setup.Options{
		Redis:    redisClient,
		Database: database,
		OwnerDSN: ownerDSN,
		Alerts:   alertOptions(),
		Metrics: metricsserver.Options{
			BindAddress: metrics, SecureServing: true, FilterProvider: filters.WithAuthenticationAndAuthorization,
		},
		HealthAddress:           health,
		LeaderElection:          true,
		LeaderElectionNamespace: "bursar-system",
		Namespace:               "bursar-system",
		Clock:                   clock.RealClock{},
		Logger:                  GinkgoLogr,
		Several:                 true,
	})
	Expect(err).NotTo(HaveOccurred())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	stopped := false
	stop = func() {
		GinkgoHelper()
		if !stopped {
			stopped = true
			disturbMinute()
			cancel()
			Expect(<-ended).To(Succeed())
		}
	}
	Eventually(mgr.Elected()).WithTimeout(30 * time.Second).Should(BeClosed())
	// The manager may be the leader before it listens.
	for _, address := range []string{health, metrics} {
		Eventually(ctx, listens(address)).WithTimeout(30 * time.Second).Should(Succeed())
	}
	return stop
}

// stopRedis takes Redis away, until restartRedis.
func stopRedis() {
	GinkgoHelper()
	disturbMinute()
	Expect(redisServer.Stop()).To(Succeed())
}

// restartRedis starts Redis at its port, with what it had on disk.
func restartRedis(ctx context.Context) {
	GinkgoHelper()
	restarted, err := redis.Start(ctx, redis.Options{Dir: redisDir, Port: redisServer.Port, AppendOnly: true})
	Expect(err).NotTo(HaveOccurred())
	redisServer = restarted
}

// listens fails while nobody listens at an address.
func listens(address string) func() error {
	return func() error {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

func freeAddress() string {
	GinkgoHelper()
	port, err := process.FreePort()
	Expect(err).NotTo(HaveOccurred())
	return fmt.Sprintf("127.0.0.1:%d", port)
}
