package setup_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	goredis "github.com/redis/go-redis/v9"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/setup"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// sleeper is a manager that is suspended, as by SIGSTOP, right before a certain write to
// Redis. Until it continues, nothing of it gets to the API server either.
type sleeper struct {
	about         []byte
	asleep, awake chan struct{}
	// written receives once what it was about to write is written.
	written chan error
	once    sync.Once
}

func newSleeper(about string) *sleeper {
	return &sleeper{about: []byte(about), asleep: make(chan struct{}), awake: make(chan struct{}), written: make(chan error, 1)}
}

// start starts the manager, which leads if nobody else does.
func (s *sleeper) start(ctx context.Context) (stop func()) {
	GinkgoHelper()
	options := *redisClient.Options()
	options.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return sleepyConn{conn, s}, err
	}
	redis := goredis.NewClient(&options)
	cluster := rest.CopyConfig(asManager)
	cluster.Wrap(func(next http.RoundTripper) http.RoundTripper { return sleepyRoundTripper{next, s} })
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	mgr, err := setup.NewManager(ctx, cluster, setup.Options{
		Redis: redis, Database: database, Metrics: metricsserver.Options{BindAddress: "0"}, HealthAddress: "0",
		LeaderElection: true, LeaderElectionNamespace: "bursar-system",
		Clock: clock.RealClock{}, Logger: GinkgoLogr, Several: true,
	})
	Expect(err).NotTo(HaveOccurred())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = mgr.Start(ctx) // it loses its Lease, or not: that is the test's
	}()
	Eventually(ctx, mgr.Elected()).Should(BeClosed())
	return func() {
		cancel()
		<-ended
		_ = redis.Close()
	}
}

type sleepyConn struct {
	net.Conn
	s *sleeper
}

func (c sleepyConn) Write(b []byte) (n int, err error) {
	first := false
	if bytes.Contains(b, c.s.about) {
		c.s.once.Do(func() { first = true })
	}
	if !first {
		return c.Conn.Write(b)
	}
	close(c.s.asleep)
	<-c.s.awake
	// A suspended manager does not notice that time passes.
	if err = c.SetDeadline(time.Time{}); err == nil {
		n, err = c.Conn.Write(b)
	}
	c.s.written <- err
	return n, err
}

type sleepyRoundTripper struct {
	http.RoundTripper
	s *sleeper
}

func (t sleepyRoundTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	select {
	case <-t.s.asleep:
		<-t.s.awake
	default:
	}
	return t.RoundTripper.RoundTrip(request)
}

var _ = Describe("A leader that was stopped", func() {
	It("writes nothing over what the next one has written", func(ctx SpecContext) {
		withoutManager()
		first := newSleeper(`"amount":7770000000`)
		stopFirst := first.start(ctx)
		wake := sync.OnceFunc(func() { close(first.awake) })
		DeferCleanup(func() { wake(); stopFirst() })
		budget := objects.TenantBudget(newNamespace(ctx))
		create(ctx, budget)
		amount := func(amount v1alpha1.Amount) {
			update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Amount = amount })
		}
		amount("7.77")
		Eventually(ctx, first.asleep).Should(BeClosed())
		amount("3.33")

		leaseIsOver(ctx)
		second := newSleeper("nothing that is ever written")
		DeferCleanup(second.start(ctx))
		document := func() string { return stored(ctx, "tenant/"+budget.Spec.Tenant) }
		Eventually(ctx, document).Should(ContainSubstring(`"amount":3330000000`))
		written := document()
		wake()
		Expect(<-first.written).To(Succeed())
		Consistently(ctx, document).WithTimeout(time.Second).Should(Equal(written))
	})
})

// leaseIsOver makes the Lease end, as it does in time when nobody renews it.
func leaseIsOver(ctx context.Context) {
	GinkgoHelper()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "bursar-system", Name: "bursar-manager"}}
	update(ctx, lease, func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = nil })
}
