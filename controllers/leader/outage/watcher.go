package outage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
)

const (
	// lookEvery is how often each store is pinged, lookTimeout how long a ping may take,
	// and failureThreshold how many pings in a row must fail before the store is lost.
	lookEvery        = time.Second
	lookTimeout      = 2 * time.Second
	failureThreshold = 3
)

// name is the name of the ConfigMap that says which stores are out of reach, and since
// when. Events refer to it.
const name = "bursar-manager"

// Watched is what is watched.
type Watched struct {
	// Name is the name of the store in Events, and in lower case that in metrics.
	Name string
	// Ping fails when it is out of reach, with ErrRefuses when it answers that it takes no writes, and
	// with ErrUnknown when nobody can say.
	Ping func(context.Context) error
}

// ErrUnknown means that it is not known whether a store is out of reach. What was last
// reported of it stands.
var ErrUnknown = errors.New("not known")

// ErrRefuses means that a store answers, but accepts no writes. The error that wraps it says why.
var ErrRefuses = errors.New("it takes no writes")

// Watcher watches stores.
type Watcher struct {
	client    client.Client
	reader    client.Reader
	recorder  *events.Recorder
	namespace string
	stores    []Watched

	// lost is what the ConfigMap says: store -> since when it is out of reach; nil
	// before it was read. about refers to it, as it was read or written last.
	lost  map[string]string
	about corev1.ObjectReference
	// failed is how often in a row a store was out of reach, and since when.
	failed map[string]int
	since  map[string]time.Time
}

// New makes a Watcher, which keeps its ConfigMap in the namespace. reader must not need
// a cache.
func New(client client.Client, reader client.Reader, recorder *events.Recorder, namespace string, stores ...Watched) *Watcher {
	return &Watcher{
		client: client, reader: reader, recorder: recorder, namespace: namespace, stores: stores,
		failed: map[string]int{}, since: map[string]time.Time{},
	}
}

// NeedLeaderElection keeps all but the leader out.
func (w *Watcher) NeedLeaderElection() bool { return true }

// Start watches until ctx ends.
func (w *Watcher) Start(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := w.look(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "Failed to record which stores are out of reach; will retry")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (w *Watcher) look(ctx context.Context) error {
	if err := w.recall(ctx); err != nil {
		return err
	}
	for _, store := range w.stores {
		if err := w.lookAt(ctx, store); err != nil {
			return err
		}
	}
	return nil
}

// recall reads what this manager or another has told.
func (w *Watcher) recall(ctx context.Context) error {
	if w.lost != nil {
		return nil
	}
	var kept corev1.ConfigMap
	err := w.reader.Get(ctx, client.ObjectKey{Namespace: w.namespace, Name: name}, &kept)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("read ConfigMap %s/%s: %w", w.namespace, name, err)
	}
	if err != nil {
		return w.keep(ctx, map[string]string{}) // Events are about it: it has to be there
	}
	w.lost = map[string]string{}
	maps.Copy(w.lost, kept.Data)
	w.refer(kept.UID, kept.ResourceVersion)
	return nil
}

// keep writes which stores are out of reach.
func (w *Watcher) keep(ctx context.Context, lost map[string]string) error {
	configuration := applycorev1.ConfigMap(name, w.namespace).WithData(lost)
	if err := w.client.Apply(ctx, configuration, rollout.FieldOwner, client.ForceOwnership); err != nil {
		return fmt.Errorf("apply ConfigMap %s/%s: %w", w.namespace, name, err)
	}
	w.lost = lost
	w.refer(ptr.Deref(configuration.UID, ""), ptr.Deref(configuration.ResourceVersion, ""))
	return nil
}

func (w *Watcher) refer(uid types.UID, resourceVersion string) {
	w.about = corev1.ObjectReference{
		APIVersion: "v1", Kind: "ConfigMap", Namespace: w.namespace, Name: name, UID: uid, ResourceVersion: resourceVersion,
	}
}

func (w *Watcher) lookAt(ctx context.Context, store Watched) error {
	pinging, cancel := context.WithTimeout(ctx, lookTimeout)
	err := store.Ping(pinging)
	cancel()
	if ctx.Err() != nil || errors.Is(err, ErrUnknown) {
		return nil
	}
	since, wasLost := w.lost[store.Name]
	switch {
	case err == nil:
		w.failed[store.Name] = 0
		measure(store, true)
		if wasLost {
			return w.turn(ctx, store, "", fmt.Sprintf("%s answers again; it had been out of reach since %s", store.Name, since))
		}
	case !wasLost:
		if w.failed[store.Name]++; w.failed[store.Name] == 1 {
			w.since[store.Name] = time.Now()
		}
		if w.failed[store.Name] >= failureThreshold {
			measure(store, false)
			since := w.since[store.Name].UTC().Format(time.RFC3339)
			return w.turn(ctx, store, since, lossOf(store, since, err))
		}
	default:
		measure(store, false)
	}
	return nil
}

// The names of stores.
const (
	Redis    = "Redis"
	Postgres = "Postgres"
	// Ledger is Postgres as the enforcers find it, with a login of their own.
	Ledger = "Ledger"
)

// meanwhile is what the loss of a store means.
var meanwhile = map[string]string{
	Redis:    "calls are refused, except those of tenants with onStoreLoss AllowBounded, and changes wait",
	Postgres: "calls continue, the ledger is written later, and new limits wait",
	Ledger:   "an enforcer cannot write to it, as the condition LedgerUnreachable of TenantBudgets explains; calls continue, and are recorded later",
}

// lossOf says that a store was lost, why if the store says so itself, and what that means.
func lossOf(store Watched, since string, err error) string {
	if errors.Is(err, ErrRefuses) {
		return fmt.Sprintf("%s has refused to be written to since %s (%s): %s", store.Name, since, err, meanwhile[store.Name])
	}
	return fmt.Sprintf("%s has been out of reach since %s: %s", store.Name, since, meanwhile[store.Name])
}

// turn raises the Event that the store is out of reach since a time or, if since is
// empty, that it is back, and then writes the ConfigMap. The Event is raised once, even
// by two managers: its name comes from the ConfigMap's state before.
func (w *Watcher) turn(ctx context.Context, store Watched, since, note string) error {
	lost := maps.Clone(w.lost)
	event := events.Event{
		Type: corev1.EventTypeWarning, Reason: v1alpha1.EventStoreLost, Action: "Wait", Note: note,
		Field: "data." + store.Name, Turn: w.about.ResourceVersion,
	}
	if lost[store.Name] = since; since == "" {
		delete(lost, store.Name)
		event.Type, event.Reason, event.Action = corev1.EventTypeNormal, v1alpha1.EventStoreBack, "GoOn"
	}
	if err := w.recorder.Record(ctx, w.about, []events.Event{event}); err != nil {
		return err
	}
	return w.keep(ctx, lost)
}
