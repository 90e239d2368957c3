package setup_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	goredis "github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/bursar-dev/bursar/controllers/setup"
)

// How many scripts are run under faults, from which seed on: `make faults-operator`
// runs many, and `make test` none.
var (
	faultSeeds = number("BURSAR_FAULT_SEEDS", 0)
	firstSeed  = number("BURSAR_SEED", 1)
)

// lives is how many managers die at most in a script.
const lives = 4

var _ = Describe("Faults of the API server, Redis and Postgres, and the death of managers", func() {
	It("change nothing in what comes of it", func(ctx SpecContext) {
		if faultSeeds == 0 {
			Skip("it takes minutes: make faults-operator")
		}
		startEnforcer(true)
		withoutManager()

		want := withoutFaults(ctx)
		deaths, failures := 0, 0
		for i := range faultSeeds {
			seed := firstSeed + i
			run := &faultyRun{seed: seed, namespace: newNamespace(ctx, "bursar.dev/delegated"), rand: rand.New(rand.NewPCG(uint64(seed), 3))}
			began := time.Now()
			err := run.try(ctx, want[i])
			Expect(err).NotTo(HaveOccurred(), "seed %d", seed)
			deaths, failures = deaths+run.deaths, failures+run.failures
			_, _ = fmt.Fprintf(GinkgoWriter, "seed %d, after %s: %d managers died, %d requests failed\n",
				seed, time.Since(began).Round(time.Second), run.deaths, run.failures)
		}
		_, _ = fmt.Fprintf(GinkgoWriter, "seeds %d to %d: %d managers died, %d requests failed; each time the end state was that without faults, "+
			"no Event was told twice, and one more reconcile of everything wrote nothing\n", firstSeed, firstSeed+faultSeeds-1, deaths, failures)
	})
})

// withoutManager ends the manager of all tests until the test ends.
func withoutManager() {
	GinkgoHelper()
	stopManager()
	DeferCleanup(func() { stopManager = startManager() })
}

// withoutFaults is what each script comes to when nothing fails.
func withoutFaults(ctx SpecContext) [][]string {
	GinkgoHelper()
	all := make([][]string, faultSeeds)
	namespaces := make([]string, faultSeeds)
	for i := range namespaces {
		namespaces[i] = newNamespace(ctx, "bursar.dev/delegated")
	}
	stop := steady(ctx)
	var running errgroup.Group
	running.SetLimit(8)
	for i, namespace := range namespaces {
		running.Go(func() error {
			script := newScript(firstSeed+i, namespace)
			objects, err := script.run(ctx)
			if err == nil {
				all[i], err = script.rest(ctx, objects)
			}
			if err != nil {
				return fmt.Errorf("seed %d: %w", firstSeed+i, err)
			}
			return removed(ctx, objects)
		})
	}
	Expect(running.Wait()).To(Succeed())
	stop()
	return all
}

// steady runs a manager without leader election, because a busy machine could make it lose
// its Lease, until the function that it returns is called or the test ends.
func steady(ctx context.Context) (stop func()) {
	GinkgoHelper()
	l := newLife(0, false)
	l.heal()
	m, err := l.begin(ctx)
	Expect(err).NotTo(HaveOccurred())
	stop = sync.OnceFunc(func() {
		l.kill()
		Expect(<-m.ended).To(Succeed())
		m.close()
	})
	DeferCleanup(stop)
	return stop
}

// calm is how long nothing may change before the end state counts as reached.
const calm = time.Second

// rest is the end state once it does not change any more.
func (s *script) rest(ctx context.Context, objects []object) (state []string, err error) {
	since := time.Now()
	err = poll(ctx, func(ctx context.Context) (bool, error) {
		now, err := endState(ctx, s.namespace, objects) // which reads the objects anew
		if err != nil {
			return false, err
		}
		if !cmp.Equal(state, now) || !s.areAllJudged() {
			state, since = now, time.Now()
		}
		return time.Since(since) > calm, nil
	})
	if err != nil {
		err = fmt.Errorf("%w, at %s", err, strings.Join(state, "\n"))
	}
	return state, err
}

func removed(ctx context.Context, objects []object) error {
	for _, o := range objects {
		if err := deleted(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// running is a manager that runs.
type running struct {
	ended chan error
	redis *goredis.Client
	pool  *pgxpool.Pool
}

// begin starts a manager all of whose requests go through the life, which may make them fail.
func (l *life) begin(ctx context.Context) (*running, error) {
	// A test's context ends before what is called when the test ends.
	ctx, l.kill = context.WithCancel(context.WithoutCancel(ctx))
	m := &running{ended: make(chan error, 1), redis: l.redis(*redisClient.Options())}
	var err error
	if m.pool, err = l.postgres(ctx, database.Config()); err != nil {
		return nil, err
	}
	mgr, err := setup.NewManager(ctx, l.cluster(asManager), setup.Options{
		Redis: m.redis, Database: m.pool, Metrics: metricsserver.Options{BindAddress: "0"}, HealthAddress: "0",
		Clock: clock.RealClock{}, Logger: GinkgoLogr, Several: true,
	})
	if err != nil {
		return nil, err
	}
	go func() { m.ended <- mgr.Start(ctx) }()
	return m, nil
}

func (m *running) close() {
	_ = m.redis.Close() // a dead manager's
	m.pool.Close()
}

// faultyRun is a script that is run under faults.
type faultyRun struct {
	seed      int
	namespace string
	rand      *rand.Rand

	life             *life
	manager          *running
	deaths, failures int
}

// try runs the script while requests fail and managers die, and compares.
func (r *faultyRun) try(ctx context.Context, want []string) error {
	script, cancel := context.WithCancel(ctx)
	defer cancel()
	scripted := make(chan error, 1)
	var objects []object
	go func() {
		var err error
		objects, err = newScript(r.seed, r.namespace).run(script)
		scripted <- err
	}()
	if err := r.live(ctx, scripted); err != nil {
		return err
	}
	defer func() { r.life.kill() }()
	r.life.heal()
	if r.rand.IntN(4) > 0 {
		// Most runs start another manager then, which is quicker; in the others, the same manager recovers.
		if err := errors.Join(r.end(), r.begin(ctx)); err != nil {
			return err
		}
	}
	if err := r.becomes(ctx, want, objects); err != nil {
		return err
	}
	if twice, err := doubled(ctx, r.namespace); err != nil || len(twice) > 0 {
		return errors.Join(err, fmt.Errorf("told twice: %s", strings.Join(twice, "\n")))
	}
	if err := r.writesNothing(ctx, objects); err != nil {
		return err
	}
	return errors.Join(removed(ctx, objects), r.end())
}

// live starts one manager after another, as each dies, until the script has ended.
func (r *faultyRun) live(ctx context.Context, scripted <-chan error) error {
	for i := 0; ; i++ {
		r.life = newLife(r.rand.Uint64(), i < lives)
		var err error
		if r.manager, err = r.life.begin(ctx); err != nil {
			r.life.kill()
			if !r.life.hasDied() {
				return err
			}
			// It has died before it was made.
			r.deaths++
			continue
		}
		select {
		case err := <-scripted:
			r.failures += r.life.failures()
			return err
		case err := <-r.manager.ended:
			r.manager.close()
			if err != nil && !r.life.hasDied() {
				return err
			}
			r.deaths, r.failures = r.deaths+1, r.failures+r.life.failures()
		}
	}
}

// begin begins a manager all of whose requests go well.
func (r *faultyRun) begin(ctx context.Context) (err error) {
	r.life = newLife(r.rand.Uint64(), false)
	r.life.heal()
	r.manager, err = r.life.begin(ctx)
	return err
}

func (r *faultyRun) end() error {
	r.life.kill()
	defer r.manager.close()
	if err := <-r.manager.ended; err != nil && !r.life.hasDied() {
		return err
	}
	return nil
}

// becomes waits until the end state is the one that is wanted.
func (r *faultyRun) becomes(ctx context.Context, want []string, objects []object) error {
	diff := ""
	err := poll(ctx, func(ctx context.Context) (bool, error) {
		got, err := endState(ctx, r.namespace, objects)
		if err != nil {
			return false, err
		}
		diff = cmp.Diff(want, got)
		return diff == "", nil
	})
	if err != nil {
		return fmt.Errorf("%w; the end state differs from that without faults (-without +with):\n%s", err, diff)
	}
	return nil
}

// writesNothing has another manager reconcile everything once more, and checks that it has
// nothing to write.
func (r *faultyRun) writesNothing(ctx context.Context, objects []object) error {
	if err := r.end(); err != nil {
		return err
	}
	before, err := written(ctx, r.namespace, objects)
	if err != nil {
		return err
	}
	begun := reconciles()
	if err := r.begin(ctx); err != nil {
		return err
	}
	last, since := 0.0, time.Now()
	err = poll(ctx, func(context.Context) (bool, error) {
		if now := reconciles(); now != last {
			last, since = now, time.Now()
		}
		return last >= begun+float64(len(objects)) && time.Since(since) > calm, nil
	})
	if err != nil {
		return fmt.Errorf("not all was reconciled: %w", err)
	}
	after, err := written(ctx, r.namespace, objects)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(before, after); diff != "" {
		return fmt.Errorf("one more reconcile of everything has written (-before +after):\n%s", diff)
	}
	if writes := r.life.writes(r.namespace); len(writes) > 0 {
		return fmt.Errorf("one more reconcile of everything made writes to the API server:\n%s", strings.Join(writes, "\n"))
	}
	return nil
}

// reconciles is how many this process has made.
func reconciles() float64 { return sum("controller_runtime_reconcile_total") }

// sum adds up a metric of this process.
func sum(name string) float64 {
	families, err := metrics.Registry.Gather()
	if err != nil {
		return -1
	}
	total := 0.0
	for _, family := range families {
		if strings.HasSuffix(family.GetName(), name) {
			for _, metric := range family.Metric {
				total += metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
			}
		}
	}
	return total
}
