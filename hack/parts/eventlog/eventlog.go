// Package eventlog records Events instead of the API server, for tests of what creates
// them.
package eventlog

import (
	"context"
	"sync"

	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Events are the recorded Events. As in the API server, there is one of a name.
type Events struct {
	mu    sync.Mutex
	names map[string]bool
	fresh []string
}

// Create records an Event, unless there is one of its name.
func (e *Events) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	event := object.(*eventsv1.Event)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.names[event.Name] {
		return apierrors.NewAlreadyExists(schema.GroupResource{Resource: "events"}, event.Name)
	}
	if e.names == nil {
		e.names = map[string]bool{}
	}
	e.names[event.Name] = true
	e.fresh = append(e.fresh, event.Type+" "+event.Reason+" "+event.Note)
	return nil
}

// Take returns the Events since it was called last, each with its type, reason and note.
func (e *Events) Take() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	fresh := e.fresh
	e.fresh = nil
	return fresh
}
