package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/setup"
	"github.com/bursar-dev/bursar/hack/stack"
)

// namespace has all objects. Its budgets may name any tenant.
const namespace = "bench"

// progressEvery is how often progress is printed.
const progressEvery = 10 * time.Second

// changeTimeout is how long one change may take to show.
const changeTimeout = time.Minute

// bench is a stack with many budgets.
type bench struct {
	options
	stack *stack.Stack
	api   client.Client
	raw   rest.Interface
	redis *redis.Client
	// database is the ledger's, as its superuser.
	database *pgxpool.Pool
	seen     *watcher
	// writes is what was last read of the API server's counters, and cost of all others.
	writes map[string]float64
	cost   cost
	size   size
}

func newBench(ctx context.Context, s *stack.Stack, o options) (*bench, error) {
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst, config.WarningHandlerWithContext = -1, -1, rest.NoWarnings{}
	scheme, err := setup.Scheme()
	if err != nil {
		return nil, err
	}
	api, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	set, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	options, err := redis.ParseURL(s.RedisURL)
	if err != nil {
		return nil, err
	}
	database, err := pgxpool.New(ctx, s.DatabaseURL)
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, stack: s, api: api, raw: set.RESTClient(), redis: redis.NewClient(options), database: database}
	b.seen, err = watch(ctx, config, scheme)
	return b, err
}

// program applies everything, and waits until all is programmed.
func (b *bench) program(ctx context.Context) error {
	err := b.api.Create(ctx, &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{v1alpha1.DelegatedLabel: "true"}}})
	if err != nil {
		return err
	}
	if err := b.mark(ctx); err != nil {
		return err
	}
	if b.size.nothing, err = b.used(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, b.within,
		fmt.Errorf("not all objects were programmed within %s (-within)", b.within))
	defer cancel()
	begin := time.Now()
	if err := b.apply(ctx); err != nil {
		return cmp.Or(ended(ctx), err)
	}
	fmt.Printf("applied in %.1f s\n", time.Since(begin).Seconds())
	told := time.Now()
	for n := 0; n < 2*b.budgets; n = b.seen.programmed() {
		if time.Since(told) >= progressEvery {
			fmt.Printf("  %6d of %d objects are programmed after %.0f s\n", n, 2*b.budgets, time.Since(begin).Seconds())
			told = time.Now()
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	took := time.Since(begin)
	fmt.Printf("all programmed after %.1f s\n", took.Seconds())
	if b.size.programmed, err = b.used(ctx); err != nil {
		return err
	}
	return b.wrote(ctx, took)
}

// apply creates the budgets and their policies.
func (b *bench) apply(ctx context.Context) error {
	applying, ctx := errgroup.WithContext(ctx)
	applying.SetLimit(b.writers)
	for i := range b.budgets {
		applying.Go(func() error {
			if err := b.api.Create(ctx, budget(i)); err != nil {
				return err
			}
			return b.api.Create(ctx, policy(i))
		})
	}
	return applying.Wait()
}

func name(i int) string { return fmt.Sprintf("tenant-%05d", i) }

func budget(i int) *v1alpha1.TenantBudget {
	return &v1alpha1.TenantBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name(i)},
		Spec: v1alpha1.TenantBudgetSpec{
			Tenant: name(i), TimeZone: "America/Argentina/Buenos_Aires",
			Limits: []v1alpha1.MoneyLimit{
				{Name: "daily", Period: "Day", Amount: "5.00"},
				{Name: "monthly", Period: "Month", Amount: "100.00"},
				{Name: "each-user", Period: "Month", Amount: "50.00", Per: v1alpha1.ScopeUser},
			},
			Ladder: []v1alpha1.Rung{{AtPercent: 80, Action: v1alpha1.ActionWarn}, {AtPercent: 90, Action: v1alpha1.ActionTrip}},
		},
	}
}

func policy(i int) *v1alpha1.RateLimitPolicy {
	return &v1alpha1.RateLimitPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name(i)},
		Spec: v1alpha1.RateLimitPolicySpec{
			TargetRef: &v1alpha1.TargetRef{Name: name(i)},
			Limits: []v1alpha1.RateLimit{
				{Name: "requests", Per: v1alpha1.ScopeUser, Requests: ptr.To[int64](1000), Window: "1m"},
				{Name: "tokens", Per: v1alpha1.ScopeTenant, Tokens: ptr.To[int64](1_000_000), Window: "1m"},
			},
		},
	}
}

// idle counts what is written while nothing happens.
func (b *bench) idle(ctx context.Context) error {
	// What is still to be said of the rollout is said first.
	if err := pause(ctx, b.rest); err != nil {
		return err
	}
	if err := b.mark(ctx); err != nil {
		return err
	}
	var err error
	if b.size.restFrom, err = b.used(ctx); err != nil {
		return err
	}
	if err := pause(ctx, b.rest); err != nil {
		return err
	}
	if b.size.restTo, err = b.used(ctx); err != nil {
		return err
	}
	return b.wrote(ctx, b.rest)
}

// change changes budgets one after the other, each among all the others.
func (b *bench) change(ctx context.Context) error {
	var run, shown []time.Duration
	for i := range b.changes {
		changed := budget(i * b.budgets / b.changes)
		if err := b.api.Get(ctx, client.ObjectKeyFromObject(changed), changed); err != nil {
			return err
		}
		changed.Spec.Limits[0].Amount = "4.00"
		begin := time.Now()
		if err := b.api.Update(ctx, changed); err != nil {
			return err
		}
		if err := until(ctx, "enforcers run the change of "+changed.Name, func() (bool, error) { return b.runs(ctx, changed) }); err != nil {
			return err
		}
		run = append(run, time.Since(begin))
		if err := until(ctx, changed.Name+" is programmed", func() (bool, error) { return b.seen.isProgrammed(changed), nil }); err != nil {
			return err
		}
		shown = append(shown, time.Since(begin))
	}
	report("all enforcers run it after", run)
	report("Programmed shows after", shown)
	return nil
}

// report prints the middle one and the longest.
func report(what string, took []time.Duration) {
	slices.Sort(took)
	fmt.Printf("%-28s %.3f s (median of %d), %.3f s (longest)\n", what, took[len(took)/2].Seconds(), len(took), took[len(took)-1].Seconds())
}

// memory prints the most memory that the programs had.
func (b *bench) memory() error {
	fmt.Printf("\n== Peak memory\n\n")
	peaks := map[string]int{"manager": b.stack.Managers[0].Process().PID()}
	for i, enforcer := range b.stack.Enforcers {
		peaks[fmt.Sprintf("enforcer %d", i+1)] = enforcer.PID()
	}
	for _, program := range slices.Sorted(maps.Keys(peaks)) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", peaks[program]))
		if err != nil {
			return err
		}
		fmt.Printf("%-12s %s kB\n", program, vmHWM.FindSubmatch(status)[1])
	}
	return nil
}

var vmHWM = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// until waits until something is so, which fails when it takes too long.
func until(ctx context.Context, what string, isSo func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, changeTimeout, fmt.Errorf("timed out after %s waiting until %s", changeTimeout, what))
	defer cancel()
	for {
		if so, err := isSo(); so || err != nil {
			return err
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
