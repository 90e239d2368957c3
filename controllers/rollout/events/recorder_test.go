package events_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
)

// told are the Events that were told, by their names. err is what becomes of the next.
type told struct {
	events map[string]*eventsv1.Event
	err    error
}

func (t *told) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	if t.err != nil {
		return t.err
	}
	if t.events[object.GetName()] != nil {
		return apierrors.NewAlreadyExists(schema.GroupResource{Resource: "events"}, object.GetName())
	}
	if t.events == nil {
		t.events = map[string]*eventsv1.Event{}
	}
	t.events[object.GetName()] = object.(*eventsv1.Event)
	return nil
}

func TestRecord(t *testing.T) {
	api := &told{}
	about := corev1.ObjectReference{Kind: "TenantBudget", Namespace: "acme", Name: "acme", UID: "u1"}
	warned := events.Event{Type: "Warning", Reason: "BudgetWarning", Action: "Warn", Field: "spec.limits{daily}", Turn: "80%", Note: "4.00 spent"}
	with := func(change func(*events.Event)) events.Event {
		other := warned
		change(&other)
		return other
	}
	elsewhere, later := about, about
	elsewhere.UID, later.ResourceVersion = "u2", "17"
	for _, step := range []struct {
		name  string
		about corev1.ObjectReference
		event events.Event
		want  int
	}{
		{"the first", about, warned, 1},
		{"again", about, warned, 1},
		{"again, of a later version, by which more is spent", later, with(func(e *events.Event) { e.Note = "4.10 spent" }), 1},
		{"of another turn", about, with(func(e *events.Event) { e.Turn = "90%" }), 2},
		{"of another limit", about, with(func(e *events.Event) { e.Field = "spec.limits{monthly}" }), 3},
		{"of another reason", about, with(func(e *events.Event) { e.Reason = "BreakerOpened" }), 4},
		{"of an object that was made anew", elsewhere, warned, 5},
	} {
		// Each by another manager.
		if err := events.NewRecorder(api, nil).Record(t.Context(), step.about, []events.Event{step.event}); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := len(api.events); got != step.want {
			t.Errorf("%s: %d Events, want %d", step.name, got, step.want)
		}
	}
}

// present is an object as it is now.
type present struct {
	client.Reader
	version string
}

func (p present) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	if p.version == "" {
		return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
	}
	object.SetResourceVersion(p.version)
	return nil
}

// TestRecordStatusChange: a change from a status that is not the present one is not recorded.
func TestRecordStatusChange(t *testing.T) {
	budget := &v1alpha1.TenantBudget{}
	budget.Namespace, budget.Name, budget.ResourceVersion = "acme", "acme", "17"
	for version, want := range map[string]int{"17": 1, "18": 0, "": 0} {
		api := &told{}
		err := events.NewRecorder(api, present{version: version}).RecordStatusChange(t.Context(), "TenantBudget", budget, []events.Event{{Reason: "Accepted"}})
		if len(api.events) != want || apierrors.IsConflict(err) != (want == 0) {
			t.Errorf("the budget is of version %q, was read of 17: %d Events, %v, want %d, or else a conflict", version, len(api.events), err, want)
		}
	}
}

// TestRecordAnything: the API server accepts Events with names and notes of any length, and Events of
// objects without a namespace.
func TestRecordAnything(t *testing.T) {
	for _, name := range []string{"a", strings.Repeat("a", 253), strings.Repeat("a", 235) + "-" + strings.Repeat("b", 17)} {
		api := &told{}
		event := events.Event{Type: "Normal", Reason: "Accepted", Action: "Accept", Note: strings.Repeat("é", 600) + "x"}
		if err := events.NewRecorder(api, nil).Record(t.Context(), corev1.ObjectReference{Name: name}, []events.Event{event}); err != nil {
			t.Fatal(err)
		}
		for name, event := range api.events {
			if wrong := validation.IsDNS1123Subdomain(name); len(wrong) > 0 {
				t.Errorf("the Event is named %s: %v", name, wrong)
			}
			if event.Namespace != corev1.NamespaceDefault || len(event.Note) > 1024 || strings.Trim(event.Note, "é") != "" {
				t.Errorf("the Event is in namespace %q, with a note of %d bytes", event.Namespace, len(event.Note))
			}
		}
	}
}

// TestRecordIsRefused: an Event that the API server may accept later is retried, and one that it
// rejects for good blocks nothing.
func TestRecordIsRefused(t *testing.T) {
	resource := schema.GroupResource{Resource: "events"}
	for name, tc := range map[string]struct {
		err       error
		wantError bool
	}{
		"no answer":              {err: errors.New("connection refused"), wantError: true},
		"an answer of trouble":   {err: apierrors.NewInternalError(errors.New("etcd is away")), wantError: true},
		"too many requests":      {err: apierrors.NewTooManyRequests("wait", 1), wantError: true},
		"a conflict of a quota":  {err: apierrors.NewConflict(resource, "x", errors.New("try again")), wantError: true},
		"the namespace is going": {err: apierrors.NewForbidden(resource, "x", errors.New("is being terminated"))},
		"the namespace is gone":  {err: apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "acme")},
		"it is too large":        {err: apierrors.NewGenericServerResponse(http.StatusRequestEntityTooLarge, "create", resource, "x", "", 0, false)},
	} {
		t.Run(name, func(t *testing.T) {
			err := events.NewRecorder(&told{err: tc.err}, nil).Record(t.Context(), corev1.ObjectReference{Name: "acme"}, []events.Event{{Reason: "Accepted"}})
			if (err != nil) != tc.wantError || err != nil && !errors.Is(err, tc.err) {
				t.Errorf("got %v, want an error: %v", err, tc.wantError)
			}
		})
	}
}
