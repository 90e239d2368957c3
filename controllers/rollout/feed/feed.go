package feed

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// coalesce is how long news of enforcers waits for more of it.
const coalesce = 50 * time.Millisecond

// rebuilding is how long a rebuild of the limiter may take before objects are enqueued for it. Most are
// done in a moment: the status of every object would say that the limiter is suspended, and a moment
// later that it is not, and all these writes would delay the recount of the tenants.
const rebuilding = limiterv1.Heartbeat

// newsPriority makes objects that a message is about go first: a breaker that has
// opened does not wait for thousands of objects that were applied just before.
const newsPriority = 10

// Queue is where work goes.
type Queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// Fleet reads the live enforcers.
type Fleet interface {
	Fleet(ctx context.Context) (limiterstore.Fleet, error)
}

// Audience is the objects of one kind, for which there may be news.
type Audience struct {
	// Objects finds them.
	Objects client.Reader
	// List is an empty list of the kind.
	List client.ObjectList
	// OfTenant finds those that news of a tenant is about; nil when none ever is.
	OfTenant finder
	// OfProbe finds those that wait for a probe of a tenant; nil when none ever does.
	OfProbe finder
	// OfProvider finds those that enforcers' reports on a provider are about; nil when none
	// ever is.
	OfProvider finder
	// OfLedger is whether all of them report why enforcers cannot write to the ledger.
	OfLedger bool
	// Waiting are those that wait for the enforcers.
	Waiting *Waiting
}

// Feed hears what happens in Redis for all its sources together: one subscription, and one
// look at the enforcers, however many kinds there are.
type Feed struct {
	redis redis.UniversalClient
	fleet Fleet
	// late receives after an object began to wait for a revision that all enforcers already run.
	late chan struct{}
	// seen is the last look at the enforcers for which objects were enqueued.
	seen look
	// lost is when the feed noticed that the limiter is being rebuilt, while objects are not enqueued
	// for that; zero otherwise.
	lost time.Time

	mu        sync.Mutex
	listeners []*listener
	// hears is set once the feed is subscribed.
	hears bool
}

// New makes a Feed. Its sources hear nothing until it is started.
func New(redis redis.UniversalClient, fleet Fleet) *Feed {
	return &Feed{redis: redis, fleet: fleet, late: make(chan struct{}, 1)}
}

// Source is the news for an audience. It never ends before its context does,
// however long Redis is away.
func (f *Feed) Source(audience Audience) source.Source {
	audience.Waiting.tell(f.late)
	return source.Func(func(ctx context.Context, queue Queue) error {
		l := &listener{audience: audience, queue: queue}
		if missed := f.join(l); missed {
			go l.addAll(ctx)
		}
		context.AfterFunc(ctx, func() { f.leave(l) })
		return nil
	})
}

// join adds a listener, and reports whether it may have missed messages. One that joins before the
// feed is subscribed has missed none: all its objects are enqueued when the feed is.
func (f *Feed) join(l *listener) (missed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners = append(f.listeners, l)
	return f.hears
}

// subscribed notes that messages come from now on, and returns the listeners there are.
func (f *Feed) subscribed() []*listener {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hears = true
	return slices.Clone(f.listeners)
}

func (f *Feed) leave(l *listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners = slices.DeleteFunc(f.listeners, func(other *listener) bool { return other == l })
}

// joined are the listeners there are now.
func (f *Feed) joined() []*listener {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.listeners)
}

// Start hears what happens, until ctx ends.
func (f *Feed) Start(ctx context.Context) error {
	subscription := f.redis.Subscribe(ctx, limiterv1.FeedChannel)
	defer func() { _ = subscription.Close() }()
	messages := subscription.ChannelWithSubscriptions()

	routine := time.NewTicker(limiterv1.Heartbeat)
	defer routine.Stop()
	var soon <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case message := <-messages:
			if f.hear(ctx, message) && soon == nil {
				soon = time.After(coalesce)
			}
		case <-soon:
			soon = nil
			f.lookAtFleet(ctx)
		case <-f.late:
			for _, l := range f.joined() {
				l.addArrived(f.seen)
			}
		case <-routine.C:
			f.lookAtFleet(ctx)
		}
	}
}

// hear handles a message, and reports whether it calls for a look at the enforcers.
func (f *Feed) hear(ctx context.Context, message any) bool {
	switch message := message.(type) {
	case *redis.Subscription:
		// Connected, for the first time or again: messages may have been missed.
		for _, l := range f.subscribed() {
			l.addAll(ctx)
		}
		return true
	case *redis.Message:
		about, names, _ := strings.Cut(message.Payload, " ")
		heard.WithLabelValues(label(about)).Inc()
		for _, l := range f.joined() {
			l.hear(ctx, about, strings.Fields(names))
		}
		return about == limiterv1.FeedSession || about == limiterv1.FeedEpoch
	}
	return false
}

// look is what one look at the enforcers found.
type look struct {
	limiterstore.Fleet
	failed bool
}

// lookAtFleet looks at the enforcers, and adds the objects whose rollout may have changed.
func (f *Feed) lookAtFleet(ctx context.Context) {
	fleet, err := f.fleet.Fleet(ctx)
	now := look{Fleet: fleet, failed: err != nil}
	noteEnforcers(now)
	if f.isAboutToBeRebuilt(now) {
		return
	}
	was := f.seen
	f.seen = now
	for _, l := range f.joined() {
		l.compare(ctx, was, now)
	}
}

// isAboutToBeRebuilt reports whether the limiter has been suspended for a new epoch since objects were last
// enqueued, so recently that the epoch may well be valid in a moment.
func (f *Feed) isAboutToBeRebuilt(now look) bool {
	if now.failed || now.Epoch == f.seen.Epoch || !now.BetweenEpochs() {
		f.lost = time.Time{}
		return false
	}
	if f.lost.IsZero() {
		f.lost = time.Now()
	}
	return time.Since(f.lost) < rebuilding
}

func sameSessions(a, b look) bool {
	if len(a.Sessions) != len(b.Sessions) {
		return false
	}
	for session := range a.Sessions {
		if _, found := b.Sessions[session]; !found {
			return false
		}
	}
	return true
}

// ledgerTroubles are the sessions that cannot write to the ledger, and why.
func ledgerTroubles(l look) map[string]limiterv1.LedgerTrouble {
	troubles := map[string]limiterv1.LedgerTrouble{}
	for session, state := range l.Sessions {
		if state.Ledger != "" {
			troubles[session] = state.Ledger
		}
	}
	return troubles
}

// reportedAnew are the providers on which the report of an enforcer has changed.
func reportedAnew(a, b look) []string {
	names := map[string]bool{}
	for session, was := range a.Sessions {
		is := b.Sessions[session]
		for _, reports := range []map[string]limiterv1.ProviderReport{was.Providers, is.Providers} {
			for name := range reports {
				if !was.Providers[name].Equal(is.Providers[name]) {
					names[name] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// finder finds the objects that news of a tenant, or a provider, is about.
type finder = func(ctx context.Context, name string) ([]types.NamespacedName, error)

// listener feeds one queue.
type listener struct {
	audience Audience
	queue    Queue
}

// hear adds the objects that a message is about.
func (l *listener) hear(ctx context.Context, about string, names []string) {
	find := map[string]finder{limiterv1.FeedTenant: l.audience.OfTenant, limiterv1.FeedProbe: l.audience.OfProbe}[about]
	for _, name := range names {
		l.addOf(ctx, find, name)
	}
}

// compare adds the objects for which something has changed from one look to the next.
func (l *listener) compare(ctx context.Context, was, now look) {
	troubleTurned := l.audience.OfLedger && !maps.Equal(ledgerTroubles(was), ledgerTroubles(now))
	if now.failed != was.failed || now.Incarnation != was.Incarnation || now.Epoch != was.Epoch || !sameSessions(was, now) || troubleTurned {
		l.audience.Waiting.forget(now.Fleet)
		l.addAll(ctx)
		return
	}
	for _, provider := range reportedAnew(was, now) {
		l.addOf(ctx, l.audience.OfProvider, provider)
	}
	l.addArrived(now)
}

func (l *listener) addOf(ctx context.Context, find finder, name string) {
	if find == nil {
		return
	}
	keys, err := find(ctx, name)
	if err != nil {
		log.FromContext(ctx).Error(err, "Failed to queue a message; its objects are reconciled at their next periodic check", "about", name)
	}
	l.addFirst(keys...)
}

// addArrived adds the objects that waited for what all enforcers run by now.
func (l *listener) addArrived(now look) {
	l.addFirst(l.audience.Waiting.arrived(now.Fleet)...)
}

// addFirst adds objects that go before all others.
func (l *listener) addFirst(keys ...types.NamespacedName) {
	for _, key := range keys {
		l.add(reconcile.Request{NamespacedName: key}, newsPriority)
	}
}

func (l *listener) add(request reconcile.Request, priority int) {
	if queue, ok := l.queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		queue.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, request)
		return
	}
	l.queue.Add(request)
}

// addAll adds every object; those that are programmed let the others go first.
func (l *listener) addAll(ctx context.Context) {
	l.each(ctx, func(request reconcile.Request, programmed bool) {
		priority := 0
		if programmed {
			priority = handler.LowPriority
		}
		l.add(request, priority)
	})
}

func (l *listener) each(ctx context.Context, visit func(request reconcile.Request, programmed bool)) {
	list := l.audience.List.DeepCopyObject().(client.ObjectList)
	// The objects are only read, so the cache need not copy them.
	err := l.audience.Objects.List(ctx, list, client.UnsafeDisableDeepCopy)
	if err == nil {
		err = meta.EachListItem(list, func(item runtime.Object) error {
			object := item.(interface {
				client.Object
				conditions.Object
			})
			visit(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(object)}, conditions.IsProgrammed(object))
			return nil
		})
	}
	if err != nil {
		log.FromContext(ctx).Error(err, "Failed to queue the enforcers' change; objects are reconciled at their next periodic check")
	}
}
