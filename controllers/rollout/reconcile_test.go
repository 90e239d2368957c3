package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// did is what was done in a reconcile, in order.
type did struct {
	steps   []string
	status  v1alpha1.APIKeyStatus
	failing map[string]error
}

func (d *did) do(step string) error {
	d.steps = append(d.steps, step)
	return d.failing[step]
}

func (d *did) RecordStatusChange(context.Context, string, client.Object, []events.Event) error {
	return d.do("events")
}

func (d *did) Note(client.Object, conditions.Rollout) { _ = d.do("note") }

// keyScope is a reconcile of an APIKey.
type keyScope struct{ Scope[*v1alpha1.APIKey] }

func (s *keyScope) Statuses() (before, after v1alpha1.APIKeyStatus) {
	programmed := s.Rollout.Programmed(s.Accepted)
	return s.Object.Status, v1alpha1.APIKeyStatus{
		ProgrammedStatus: s.Rollout.Common(s.Object, s.Now, s.Accepted, programmed, conditions.Ready(s.Accepted, programmed)),
	}
}

func (s *keyScope) Events(v1alpha1.APIKeyStatus, v1alpha1.APIKeyStatus) []events.Event { return nil }

// TestReconcile: every phase runs that can, whatever has failed, and the status has every
// condition, after the Events that lead to it.
func TestReconcile(t *testing.T) {
	away := fmt.Errorf("away: %w", limiterstore.ErrUnavailable)
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "apikeys"}, "key", away)
	gone := apierrors.NewNotFound(schema.GroupResource{Resource: "apikeys"}, "key")
	all := []string{"accept", "hold", "program", "observe", "events", "status", "record", "note"}
	for name, tc := range map[string]struct {
		failing    map[string]error
		wantSteps  []string
		want       map[string]string
		wantErrors []error
	}{
		"all goes well": {nil, all, map[string]string{"Accepted": "True Accepted", "Programmed": "True Programmed"}, nil},
		"whether it is accepted cannot be found out": {
			map[string]error{"accept": away}, []string{"accept", "observe", "events", "status", "record", "note"},
			map[string]string{"Accepted": "Unknown InternalError", "Programmed": "Unknown InternalError"}, []error{away},
		},
		"the API server does not take the finalizer": {
			map[string]error{"hold": apierrors.NewInternalError(away)},
			[]string{"accept", "hold", "observe", "events", "status", "record", "note"},
			map[string]string{"Accepted": "True Accepted", "Programmed": "Unknown InternalError"}, nil,
		},
		"Redis is away": {
			map[string]error{"program": away, "observe": away}, all,
			map[string]string{"Accepted": "True Accepted", "Programmed": "Unknown StoreUnavailable"}, []error{away},
		},
		"Events cannot be recorded": {
			map[string]error{"events": away}, []string{"accept", "hold", "program", "observe", "events", "record", "note"}, nil, []error{away},
		},
		"what comes after the status fails": {
			map[string]error{"record": away}, all, map[string]string{"Programmed": "True Programmed"}, []error{away},
		},
		"the object has changed, a phase finds":           {map[string]error{"hold": conflict}, []string{"accept", "hold"}, nil, []error{conflict}},
		"the object has changed, who writes it is told":   {map[string]error{"status": conflict}, all[:6], nil, []error{conflict}},
		"the object is gone, who writes it is told":       {map[string]error{"status": gone}, all[:6], nil, nil},
		"the object has changed, who tells of it is told": {map[string]error{"events": conflict}, all[:5], nil, []error{conflict}},
	} {
		t.Run(name, func(t *testing.T) {
			d := &did{failing: tc.failing}
			phase := func(step string, found func(*keyScope)) func(context.Context, *keyScope) error {
				return func(_ context.Context, s *keyScope) error {
					err := d.do(step)
					if err == nil {
						found(s)
					}
					return err
				}
			}
			nothing := func(*keyScope) {}
			r := NewReconciler(Kind[*v1alpha1.APIKey, v1alpha1.APIKeyStatus, *keyScope]{
				Name: "APIKey", Recorder: d, Clock: clocktesting.NewFakePassiveClock(time.Now()), Waiting: d,
				NewScope: func(common Scope[*v1alpha1.APIKey]) *keyScope { return &keyScope{common} },
				Phases: []Phase[*keyScope]{
					{Name: "accept", Run: phase("accept", func(s *keyScope) { s.Accepted = verdict.Accepted() })},
					{Name: "hold", Run: phase("hold", nothing), Needs: []string{"accept"}},
					{Name: "program", Run: phase("program", nothing), Needs: []string{"hold"}, Programs: true},
					{Name: "observe", Programs: true, Run: phase("observe", func(s *keyScope) {
						s.Rollout = conditions.Rollout{Revision: 7, Running: 1, All: 1}
					})},
				},
				PhasesAfterStatus: []Phase[*keyScope]{{Name: "record", Run: phase("record", nothing)}},
			})
			r.write = func(_ context.Context, _ client.Object, status any) (string, error) {
				d.status = status.(v1alpha1.APIKeyStatus)
				return "1", d.do("status")
			}
			_, err := r.Reconcile(t.Context(), &v1alpha1.APIKey{})
			if diff := cmp.Diff(tc.wantSteps, d.steps); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if (err != nil) != (len(tc.failing) > 0) {
				t.Errorf("error: %v", err)
			}
			if isGone := errors.Is(tc.failing["status"], gone); isGone && !apierrors.IsConflict(err) {
				t.Errorf("error %v, want a conflict, so that the reconcile starts over", err)
			}
			for _, want := range tc.wantErrors {
				if !errors.Is(err, want) {
					t.Errorf("error %v, want %v in it", err, want)
				}
			}
			got := map[string]string{}
			for _, c := range d.status.Conditions {
				got[c.Type] = fmt.Sprintf("%s %s", c.Status, c.Reason)
			}
			if slices.Contains(tc.wantSteps, "status") && len(got) != 5 {
				t.Errorf("conditions %v, want all five", got)
			}
			for condition, want := range tc.want {
				if got[condition] != want {
					t.Errorf("%s is %q, want %q", condition, got[condition], want)
				}
			}
		})
	}
}

// TestReconcileReadsItsOwnWrites: while the cache does not have the last written status of an
// object, the object is read anew, even if its old status is equal to the one that would be written.
func TestReconcileReadsItsOwnWrites(t *testing.T) {
	var away error
	r := NewReconciler(Kind[*v1alpha1.APIKey, v1alpha1.APIKeyStatus, *keyScope]{
		Name: "APIKey", Recorder: &did{}, Clock: clocktesting.NewFakePassiveClock(time.Now()), Waiting: &did{},
		NewScope: func(common Scope[*v1alpha1.APIKey]) *keyScope { return &keyScope{common} },
		Phases: []Phase[*keyScope]{{Name: "observe", Programs: true, Run: func(_ context.Context, s *keyScope) error {
			s.Accepted, s.Rollout = verdict.Accepted(), conditions.Rollout{Revision: 7, Running: 1, All: 1}
			return away
		}}},
	})
	stored := &v1alpha1.APIKey{}
	stored.UID, stored.ResourceVersion = "uid", "9"
	r.write = func(_ context.Context, object client.Object, status any) (string, error) {
		stored.Status = status.(v1alpha1.APIKeyStatus)
		version, err := strconv.Atoi(object.GetResourceVersion())
		stored.ResourceVersion = strconv.Itoa(version + 1)
		return stored.ResourceVersion, err
	}
	programmed := func() string { return string(meta.FindStatusCondition(stored.Status.Conditions, "Programmed").Status) }
	_, err := r.Reconcile(t.Context(), stored.DeepCopy())
	testkit.Must(t, err)
	cached := stored.DeepCopy()
	away = errors.New("away")
	if _, err := r.Reconcile(t.Context(), cached.DeepCopy()); !errors.Is(err, away) || programmed() != "Unknown" {
		t.Fatalf("Redis is away: %v, Programmed is %s", err, programmed())
	}
	away = nil
	result, err := r.Reconcile(t.Context(), cached.DeepCopy())
	testkit.Must(t, err)
	if result.RequeueAfter != stale {
		t.Errorf("the cache is late: looked at again after %s, want %s", result.RequeueAfter, stale)
	}
	_, err = r.Reconcile(t.Context(), stored.DeepCopy())
	testkit.Must(t, err)
	if programmed() != "True" {
		t.Errorf("the cache has caught up: Programmed is %s", programmed())
	}
}

// TestReconcileReadsItsOwnFinalizer: while the cache does not have what a phase has written to an
// object, the object is read anew, and not written again, which would be a conflict.
func TestReconcileReadsItsOwnFinalizer(t *testing.T) {
	d, patches := &did{}, 0
	r := NewReconciler(Kind[*v1alpha1.APIKey, v1alpha1.APIKeyStatus, *keyScope]{
		Name: "APIKey", Recorder: d, Clock: clocktesting.NewFakePassiveClock(time.Now()), Waiting: d,
		NewScope: func(common Scope[*v1alpha1.APIKey]) *keyScope { return &keyScope{common} },
		Phases: []Phase[*keyScope]{{Name: "add finalizer", Run: func(_ context.Context, s *keyScope) error {
			if !HasFinalizer(s.Object) {
				patches++
				s.Object.Finalizers, s.Object.ResourceVersion = []string{v1alpha1.Finalizer}, "10"
			}
			return nil
		}}},
	})
	r.write = func(context.Context, client.Object, any) (string, error) { return "", errors.New("away") }
	cached := &v1alpha1.APIKey{}
	cached.UID, cached.ResourceVersion = "uid", "9"
	stored := cached.DeepCopy()
	if _, err := r.Reconcile(t.Context(), stored); err == nil {
		t.Fatal("the status was written")
	}
	result, err := r.Reconcile(t.Context(), cached.DeepCopy())
	testkit.Must(t, err)
	if result.RequeueAfter != stale || patches != 1 {
		t.Errorf("the cache is late: looked at again after %s, want %s; %d patches, want 1", result.RequeueAfter, stale, patches)
	}
	if _, err := r.Reconcile(t.Context(), stored); err == nil || patches != 1 {
		t.Errorf("the cache has caught up: %v, want an attempt to write the status; %d patches, want 1", err, patches)
	}
}
