package feed_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	goredis "github.com/redis/go-redis/v9"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rollout/feed"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/parts/redis"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// soon is more than the feed needs for anything, and less than a heartbeat, at
// which it would look at the enforcers by itself.
const soon = limiterv1.Heartbeat * 3 / 4

// objects are a programmed budget and one that waits for enforcers.
type objects struct{ client.Reader }

func (objects) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	budget := func(name string, programmed metav1.ConditionStatus) v1alpha1.TenantBudget {
		b := v1alpha1.TenantBudget{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 1}}
		b.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionProgrammed, Status: programmed, ObservedGeneration: 1}}
		return b
	}
	list.(*v1alpha1.TenantBudgetList).Items = []v1alpha1.TenantBudget{
		budget("programmed", metav1.ConditionTrue), budget("waiting", metav1.ConditionFalse),
	}
	return nil
}

// fleet is what a test says the live enforcers are.
type fleet struct {
	mu    sync.Mutex
	fleet limiterstore.Fleet
	err   error
	// looks is how often it was asked for.
	looks int
}

func (f *fleet) Fleet(context.Context) (limiterstore.Fleet, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks++
	return f.fleet, f.err
}

// awaitLook waits until the feed has begun to look once more.
func (f *fleet) awaitLook(t *testing.T) {
	t.Helper()
	looks := func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.looks
	}
	before := looks()
	testkit.Eventually(t, "the feed looks at the enforcers", func() bool { return looks() > before })
}

func (f *fleet) become(err error, sessions map[string]int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
	f.fleet = limiterstore.Fleet{Incarnation: "i", Sessions: map[string]limiterv1.SessionState{}}
	for session, revision := range sessions {
		f.fleet.Sessions[session] = limiterv1.SessionState{Incarnation: "i", Revision: revision}
	}
}

// report makes an enforcer report on a provider.
func (f *fleet) report(session, provider string, report limiterv1.ProviderReport) {
	f.mu.Lock()
	defer f.mu.Unlock()
	state := f.fleet.Sessions[session]
	state.Providers = map[string]limiterv1.ProviderReport{provider: report}
	sessions := maps.Clone(f.fleet.Sessions)
	sessions[session] = state
	f.fleet.Sessions = sessions
}

// taken takes names out of the queue until it has those that are wanted, or fails
// when it gets others or none.
func taken(t *testing.T, queue feed.Queue, within time.Duration, want ...string) {
	t.Helper()
	slices.Sort(want)
	var got []string
	deadline := time.Now().Add(within)
	for len(got) < len(want) && time.Now().Before(deadline) {
		if queue.Len() == 0 {
			time.Sleep(time.Millisecond)
			continue
		}
		item, _ := queue.Get()
		queue.Done(item)
		if !slices.Contains(got, item.Name) {
			got = append(got, item.Name)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("work (-want +got):\n%s", diff)
	}
}

// started runs a feed until the test ends.
func started(t *testing.T, f *feed.Feed) *feed.Feed {
	t.Helper()
	go func() { _ = f.Start(t.Context()) }() // it ends with the context
	return f
}

func publish(t *testing.T, redisClient *goredis.Client, message string) {
	t.Helper()
	if err := redisClient.Publish(t.Context(), limiterv1.FeedChannel, message).Err(); err != nil {
		t.Fatal(err)
	}
}

// nothing fails when there is work.
func nothing(t *testing.T, redisClient *goredis.Client, queue feed.Queue) {
	t.Helper()
	publish(t, redisClient, "tenant last") // which comes after whatever was on its way
	taken(t, queue, soon, "of last")
	if queue.Len() > 0 {
		item, _ := queue.Get()
		t.Fatalf("%s was disturbed for nothing", item.Name)
	}
}

func TestSource(t *testing.T) {
	dir := t.TempDir()
	server, err := redis.Start(t.Context(), redis.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	redisClient := goredis.NewClient(&goredis.Options{Addr: server.Addr})
	t.Cleanup(func() { _ = redisClient.Close() })
	enforcers := &fleet{}
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	t.Cleanup(queue.ShutDown)

	waiting := feed.NewWaiting()
	news := started(t, feed.New(redisClient, enforcers)).Source(feed.Audience{
		Objects: objects{},
		List:    &v1alpha1.TenantBudgetList{},
		Waiting: waiting,
		OfTenant: func(_ context.Context, tenant string) ([]types.NamespacedName, error) {
			return []types.NamespacedName{{Name: "of " + tenant}}, nil
		},
		OfProvider: func(_ context.Context, provider string) ([]types.NamespacedName, error) {
			return []types.NamespacedName{{Name: "provider " + provider}}, nil
		},
	})
	if err := news.Start(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	all := []string{"programmed", "waiting"}
	taken(t, queue, 10*time.Second, all...)

	publish(t, redisClient, "tenant acme")
	taken(t, queue, soon, "of acme")
	publish(t, redisClient, "tenant acme company")
	taken(t, queue, soon, "of acme", "of company")

	enforcers.become(nil, map[string]int64{"one": 1})
	publish(t, redisClient, "session one")
	taken(t, queue, soon, all...)

	enforcers.become(nil, map[string]int64{"one": 2, "two": 1})
	publish(t, redisClient, "session two")
	taken(t, queue, soon, all...)

	// Each object that waits is looked at when all have what it waits for, and once.
	wait := func(name string, rollout conditions.Rollout) {
		rollout.All = 2
		waiting.Note(&v1alpha1.TenantBudget{ObjectMeta: metav1.ObjectMeta{Name: name}}, rollout)
	}
	wait("for two", conditions.Rollout{Revision: 2, Running: 1})
	wait("for three", conditions.Rollout{Revision: 3})
	wait("for those below", conditions.Rollout{Revision: 2, Behind: 1})
	wait("no more", conditions.Rollout{Revision: 2})
	wait("no more", conditions.Rollout{Revision: 2, Running: 2})
	wait("for Redis", conditions.Rollout{Revision: 2, Err: errors.New("no answer")})
	enforcers.become(nil, map[string]int64{"one": 3, "two": 1})
	publish(t, redisClient, "session one")
	enforcers.awaitLook(t)
	nothing(t, redisClient, queue)
	enforcers.become(nil, map[string]int64{"one": 3, "two": 2})
	publish(t, redisClient, "session two")
	taken(t, queue, soon, "for two")
	nothing(t, redisClient, queue)
	enforcers.become(nil, map[string]int64{"one": 3, "two": 3})
	publish(t, redisClient, "session two")
	taken(t, queue, soon, "for three", "for those below")
	wait("for what came meanwhile", conditions.Rollout{Revision: 3, Running: 1})
	taken(t, queue, soon, "for what came meanwhile")
	enforcers.become(nil, map[string]int64{"one": 2, "two": 1})

	// Nothing has changed, and nobody is disturbed.
	publish(t, redisClient, "nonsense")
	publish(t, redisClient, "session two")
	enforcers.awaitLook(t)
	nothing(t, redisClient, queue)

	// What they report of a provider concerns that provider alone.
	enforcers.report("two", "openai", limiterv1.ProviderReport{Credential: limiterv1.KeyRejected})
	publish(t, redisClient, "session two")
	taken(t, queue, soon, "provider openai")
	publish(t, redisClient, "session two")
	enforcers.awaitLook(t)
	nothing(t, redisClient, queue)

	// One dies without a word.
	enforcers.become(nil, map[string]int64{"one": 2})
	taken(t, queue, 2*limiterv1.Heartbeat, all...)
	// Redis does not answer, then it does.
	enforcers.become(errors.New("no answer"), nil)
	taken(t, queue, 2*limiterv1.Heartbeat, all...)
	enforcers.become(nil, map[string]int64{"one": 2})
	taken(t, queue, 2*limiterv1.Heartbeat, all...)

	// Redis goes and comes back: whatever was missed is looked for, and then the
	// feed goes on.
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	again, err := redis.Start(t.Context(), redis.Options{Dir: dir, Port: server.Port})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Stop() })
	taken(t, queue, 10*time.Second, all...)
	publish(t, redisClient, "tenant acme")
	taken(t, queue, soon, "of acme")
}

// TestRebuiltInAMoment: when the limiter has lost everything, objects are enqueued only once it is rebuilt, or
// if that takes long.
func TestRebuiltInAMoment(t *testing.T) {
	server, err := redis.Start(t.Context(), redis.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	redisClient := goredis.NewClient(&goredis.Options{Addr: server.Addr})
	t.Cleanup(func() { _ = redisClient.Close() })
	enforcers := &fleet{}
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	t.Cleanup(queue.ShutDown)
	become := func(epoch string) {
		enforcers.become(nil, map[string]int64{"one": 1})
		enforcers.mu.Lock()
		enforcers.fleet.Epoch = epoch
		enforcers.mu.Unlock()
		publish(t, redisClient, limiterv1.FeedEpoch+" 1")
	}
	become(`{"number":1,"state":"Open"}`)
	news := started(t, feed.New(redisClient, enforcers)).Source(feed.Audience{
		Objects: objects{}, List: &v1alpha1.TenantBudgetList{}, Waiting: feed.NewWaiting(),
		OfTenant: func(_ context.Context, tenant string) ([]types.NamespacedName, error) {
			return []types.NamespacedName{{Name: "of " + tenant}}, nil
		},
	})
	if err := news.Start(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	all := []string{"programmed", "waiting"}
	taken(t, queue, 10*time.Second, all...)
	enforcers.awaitLook(t)
	enforcers.awaitLook(t) // so that what came of the first is in the queue
	for queue.Len() > 0 {
		item, _ := queue.Get()
		queue.Done(item)
	}

	for _, lost := range []string{"", `{"number":2,"state":"Rebuilding"}`} {
		become(lost)
		enforcers.awaitLook(t)
		nothing(t, redisClient, queue)
	}
	become(`{"number":2,"state":"Open"}`)
	taken(t, queue, soon, all...)

	become(`{"number":3,"state":"Rebuilding"}`)
	taken(t, queue, 3*limiterv1.Heartbeat, all...)
	become(`{"number":3,"state":"Refused","reason":"it may evict counters"}`)
	taken(t, queue, soon, all...)
}

// TestNewsGoesFirst: objects that a message is about go before all others, and objects that are programmed
// come last.
func TestNewsGoesFirst(t *testing.T) {
	server, err := redis.Start(t.Context(), redis.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	redisClient := goredis.NewClient(&goredis.Options{Addr: server.Addr})
	t.Cleanup(func() { _ = redisClient.Close() })
	queue := priorityqueue.New[reconcile.Request]("test")
	t.Cleanup(queue.ShutDown)
	queue.Add(reconcile.Request{NamespacedName: types.NamespacedName{Name: "applied"}})
	news := started(t, feed.New(redisClient, &fleet{})).Source(feed.Audience{
		Objects: objects{}, List: &v1alpha1.TenantBudgetList{}, Waiting: feed.NewWaiting(),
		OfTenant: func(_ context.Context, tenant string) ([]types.NamespacedName, error) {
			return []types.NamespacedName{{Name: "of " + tenant}}, nil
		},
	})
	if err := news.Start(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	const all = 4
	testkit.Eventually(t, "all that is to be done waits in the queue", func() bool {
		publish(t, redisClient, "tenant acme")
		return queue.Len() >= all
	})
	var got []string
	for range all { // none is done before all are taken: it may still be told of again
		item, _, _ := queue.GetWithPriority()
		got = append(got, item.Name)
	}
	if want := []string{"of acme", "applied", "waiting", "programmed"}; !slices.Equal(got, want) {
		t.Errorf("order of work: %q, want %q", got, want)
	}
}
