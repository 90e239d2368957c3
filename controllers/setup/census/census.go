package census

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
)

// listTimeout bounds what a scrape waits for the objects of a kind.
const listTimeout = 2 * time.Second

var (
	objects = prometheus.NewDesc("bursar_manager_objects",
		"Objects by kind and condition.", []string{"kind", "condition", "status"}, nil)
	waiting = prometheus.NewDesc("bursar_manager_oldest_unprogrammed_seconds",
		"Seconds for which the longest-waiting accepted object of the kind has not been programmed; 0 if none is waiting.", []string{"kind"}, nil)
)

// Census is a prometheus.Collector that counts when it is scraped.
type Census struct {
	reader client.Reader
	clock  clock.PassiveClock
	// kinds are the kinds that are counted, each with an empty list.
	kinds map[string]client.ObjectList
}

// New makes a Census of kinds, each with an empty list of its objects. The reader must
// be a cache: each scrape lists all objects.
func New(reader client.Reader, clock clock.PassiveClock, kinds map[string]client.ObjectList) *Census {
	return &Census{reader: reader, clock: clock, kinds: kinds}
}

// Describe says what is measured.
func (c *Census) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- objects
	descriptions <- waiting
}

// Collect counts. A kind that cannot be listed in time is left out.
func (c *Census) Collect(metrics chan<- prometheus.Metric) {
	for kind, empty := range c.kinds {
		ctx, cancel := context.WithTimeout(context.Background(), listTimeout)
		found, err := c.count(ctx, empty.DeepCopyObject().(client.ObjectList))
		cancel()
		if err != nil {
			continue
		}
		for verdict, count := range found.verdicts {
			metrics <- prometheus.MustNewConstMetric(objects, prometheus.GaugeValue, float64(count), kind, verdict.condition, string(verdict.status))
		}
		metrics <- prometheus.MustNewConstMetric(waiting, prometheus.GaugeValue, found.longest.Seconds(), kind)
	}
}

type verdict struct {
	condition string
	status    metav1.ConditionStatus
}

// count is what is found of one kind.
type count struct {
	verdicts map[verdict]int
	// longest is the longest time that an accepted object has not been programmed.
	longest time.Duration
}

func (c *Census) count(ctx context.Context, list client.ObjectList) (count, error) {
	found, now := count{verdicts: map[verdict]int{}}, c.clock.Now()
	// The objects are only read, so the cache need not copy them.
	if err := c.reader.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return found, err
	}
	return found, meta.EachListItem(list, func(item runtime.Object) error {
		object := item.(conditions.Object)
		all := object.GetProgrammedStatus().Conditions
		for _, condition := range all {
			found.verdicts[verdict{condition.Type, condition.Status}]++
		}
		programmed := meta.FindStatusCondition(all, v1alpha1.ConditionProgrammed)
		if programmed != nil && programmed.Status != metav1.ConditionTrue && meta.IsStatusConditionTrue(all, v1alpha1.ConditionAccepted) &&
			object.GetDeletionTimestamp().IsZero() {
			found.longest = max(found.longest, now.Sub(programmed.LastTransitionTime.Time))
		}
		return nil
	})
}
