package setup_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/bursar-dev/bursar/controllers/setup"
)

var _ = Describe("A manager", func() {
	It("is not ready without one of its CRDs, and again with it", func(ctx SpecContext) {
		Eventually(ctx, probe(ctx, "readyz")).Should(Equal(http.StatusOK))
		DeferCleanup(func(ctx SpecContext) { kubectl(ctx, "apply", "-k", "../../config/crd") })
		kubectl(ctx, "delete", "crd", "memberships.bursar.dev")
		Eventually(ctx, probe(ctx, "readyz")).Should(Equal(http.StatusInternalServerError))
		Expect(probe(ctx, "healthz")()).To(Equal(http.StatusOK))
		kubectl(ctx, "apply", "-k", "../../config/crd")
		Eventually(ctx, probe(ctx, "readyz")).Should(Equal(http.StatusOK))
	})

	It("keeps its watches while it is idle", func(ctx SpecContext) {
		var watches atomic.Int64
		cluster := rest.CopyConfig(asManager)
		cluster.Wrap(func(next http.RoundTripper) http.RoundTripper { return countsWatches{next, &watches} })
		run, end := context.WithCancel(context.WithoutCancel(ctx))
		mgr, err := setup.NewManager(run, cluster, setup.Options{
			Redis: redisClient, Database: database, Metrics: metricsserver.Options{BindAddress: "0"}, HealthAddress: "0",
			LeaderElection: true, LeaderElectionNamespace: "bursar-system", // another leads: it only watches
			Clock: clock.RealClock{}, Logger: GinkgoLogr, Several: true,
		})
		Expect(err).NotTo(HaveOccurred())
		ended := make(chan error, 1)
		go func() { ended <- mgr.Start(run) }()
		DeferCleanup(func() error { end(); return <-ended })
		Expect(mgr.GetCache().WaitForCacheSync(ctx)).To(BeTrue())
		Eventually(ctx, watches.Load).Should(BeNumerically(">", 5))
		time.Sleep(time.Second) // all are under way
		begun := watches.Load()
		// The API server ends a watch after five minutes or more by itself.
		Consistently(ctx, watches.Load).WithTimeout(10 * time.Second).Should(Equal(begun))
	})
})

// countsWatches counts the watches that are begun.
type countsWatches struct {
	http.RoundTripper
	begun *atomic.Int64
}

func (t countsWatches) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Query().Get("watch") == "true" || request.URL.Query().Get("watch") == "1" {
		t.begun.Add(1)
	}
	return t.RoundTripper.RoundTrip(request)
}
