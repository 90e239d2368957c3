package outage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/controllers/rollout/events"
	"github.com/bursar-dev/bursar/hack/parts/eventlog"
)

// cluster keeps the one ConfigMap, unless it is away.
type cluster struct {
	client.Client
	kept    *corev1.ConfigMap
	applied int
	isAway  bool
}

func (c *cluster) Get(_ context.Context, _ client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	if c.kept == nil {
		return apierrors.NewNotFound(schema.GroupResource{}, name)
	}
	c.kept.DeepCopyInto(object.(*corev1.ConfigMap))
	return nil
}

func (c *cluster) Apply(_ context.Context, configuration runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
	if c.isAway {
		return errors.New("no answer")
	}
	applied := configuration.(*applycorev1.ConfigMapApplyConfiguration)
	c.applied++
	applied.WithUID("the one").WithResourceVersion(fmt.Sprint(c.applied))
	c.kept = &corev1.ConfigMap{Data: applied.Data}
	c.kept.UID, c.kept.ResourceVersion = *applied.UID, *applied.ResourceVersion
	return nil
}

// TestWatcher: an outage is told once, and its end once, by whichever manager leads.
func TestWatcher(t *testing.T) {
	api, heard := &cluster{}, &eventlog.Events{}
	isUp, isKnown := true, true
	newWatcher := func() *Watcher {
		return New(api, api, events.NewRecorder(heard, nil), "ns", Watched{Redis, func(context.Context) error {
			switch {
			case !isKnown:
				return fmt.Errorf("%w: nobody answers", ErrUnknown)
			case isUp:
				return nil
			}
			return errors.New("connection refused")
		}})
	}
	watcher := newWatcher()
	// looks are the reasons of the Events of so many looks.
	looks := func(n int) (reasons []string) {
		for range n {
			if err := watcher.look(t.Context()); err != nil && !api.isAway {
				t.Fatal(err)
			}
		}
		for _, event := range heard.Take() {
			reasons = append(reasons, event[:len("Warning StoreLost")])
		}
		return reasons
	}
	for _, step := range []struct {
		name   string
		change func()
		want   []string
	}{
		{"all is well", func() {}, nil},
		{"away", func() { isUp = false }, []string{"Warning StoreLost"}},
		{"still away", func() {}, nil},
		{"still away, and another manager", func() { watcher = newWatcher() }, nil},
		{"nobody knows", func() { isUp, isKnown = true, false }, nil},
		{"back", func() { isKnown = true }, []string{"Normal StoreBack "}},
		{"away, and that cannot be kept", func() { isUp, api.isAway = false, true }, []string{"Warning StoreLost"}},
		{"nor by another manager", func() { watcher = newWatcher() }, nil},
		{"it can be kept", func() { api.isAway = false }, nil},
		{"back, with another manager", func() { isUp, watcher = true, newWatcher() }, []string{"Normal StoreBack "}},
	} {
		step.change()
		if got := looks(2 * failureThreshold); !slices.Equal(got, step.want) {
			t.Errorf("%s: told %q, want %q", step.name, got, step.want)
		}
	}
	isUp = false
	if got := looks(failureThreshold - 1); len(got) > 0 {
		t.Errorf("a short outage: told %q", got)
	}
	isUp = true
	if got := looks(failureThreshold); len(got) > 0 {
		t.Errorf("after a short outage: told %q", got)
	}
}

// TestStoreThatRefusesWrites: the Event says so, and what the store says.
func TestStoreThatRefusesWrites(t *testing.T) {
	api, heard := &cluster{}, &eventlog.Events{}
	watcher := New(api, api, events.NewRecorder(heard, nil), "ns", Watched{Redis, func(context.Context) error {
		return fmt.Errorf("%w: OOM command not allowed", ErrRefuses)
	}})
	for range failureThreshold {
		if err := watcher.look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	told := heard.Take()
	if len(told) != 1 || !strings.Contains(told[0], "Redis has refused to be written to since") || !strings.Contains(told[0], "OOM command not allowed") {
		t.Errorf("told %q", told)
	}
}
