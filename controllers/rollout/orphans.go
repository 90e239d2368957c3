package rollout

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
)

var orphansWithdrawn = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "bursar_manager_orphans_withdrawn_total",
	Help: "Objects that were gone without their finalizer and of which something was still in force, by kind.",
}, []string{"kind"})

func init() { metrics.Registry.MustRegister(orphansWithdrawn) }

// LiveOrphans withdraws what objects have programmed that the API server does not have any more.
type LiveOrphans struct {
	live     client.Reader
	recorder *events.Recorder
}

// NewOrphans makes LiveOrphans. live must read from the API server, not from a cache.
func NewOrphans(live client.Reader, recorder *events.Recorder) *LiveOrphans {
	return &LiveOrphans{live: live, recorder: recorder}
}

// Withdraw asks the API server for the object and calls withdraw if there is none with its name
// and UID. If that withdraws anything, it counts, logs and records an Event. If the API server
// cannot be asked, nothing is withdrawn.
func (o *LiveOrphans) Withdraw(ctx context.Context, kind string, object client.Object, withdraw func(context.Context) (bool, error)) error {
	found := &metav1.PartialObjectMetadata{}
	found.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	err := o.live.Get(ctx, client.ObjectKeyFromObject(object), found)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return fmt.Errorf("find out whether %s %s is gone: %w", kind, client.ObjectKeyFromObject(object), err)
	case err == nil && found.UID == object.GetUID():
		return nil
	}
	withdrawn, err := withdraw(ctx)
	if err != nil || !withdrawn {
		return err
	}
	orphansWithdrawn.WithLabelValues(kind).Inc()
	logger := log.FromContext(ctx).WithValues("kind", kind, "object", client.ObjectKeyFromObject(object), "uid", object.GetUID())
	logger.Info("An object is gone without its finalizer: withdrew what it had in force")
	event := events.Event{
		Type: corev1.EventTypeWarning, Reason: v1alpha1.EventOrphanWithdrawn, Action: "Withdraw",
		Note: fmt.Sprintf("%s %s is gone without its finalizer: what it had in force was withdrawn", kind, object.GetName()),
	}
	if err := o.recorder.Record(ctx, events.Reference(kind, object), []events.Event{event}); err != nil {
		logger.Error(err, "Failed to record an Event", "reason", event.Reason) // there is nothing left to repeat
	}
	return nil
}
