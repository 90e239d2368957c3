package rollout

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
	"github.com/bursar-dev/bursar/hack/parts/eventlog"
)

var errUnanswered = errors.New("no answer")

// keyWith is an APIKey with a UID, and perhaps our finalizer.
func keyWith(uid string, finalizers ...string) *v1alpha1.APIKey {
	return &v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "key", UID: types.UID(uid), Finalizers: finalizers}}
}

// apiServer has the object of that UID, or none, or does not answer.
type apiServer struct {
	client.Client
	uid    string
	failed error
}

func (s *apiServer) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if s.failed != nil {
		return s.failed
	}
	if s.uid == "" {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "apikeys"}, key.Name)
	}
	into.SetUID(types.UID(s.uid))
	return nil
}

// leaving is a reconciler whose objects go.
type leaving struct {
	*Reconciler[*v1alpha1.APIKey, v1alpha1.APIKeyStatus, *keyScope]
	api       *apiServer
	told      *eventlog.Events
	withdrawn []string
	// failed is how a withdrawal fails.
	failed error
}

func newLeaving() *leaving {
	l := &leaving{api: &apiServer{}, told: &eventlog.Events{}}
	l.Reconciler = NewReconciler(Kind[*v1alpha1.APIKey, v1alpha1.APIKeyStatus, *keyScope]{
		Name: "APIKey", Client: l.api, Orphans: NewOrphans(l.api, events.NewRecorder(l.told, nil)),
		Withdraw: func(_ context.Context, key *v1alpha1.APIKey) (bool, error) {
			if l.failed == nil {
				l.withdrawn = append(l.withdrawn, string(key.UID))
			}
			return l.failed == nil, l.failed
		},
	})
	return l
}

// deleted tells of a delete event, and returns how many names are to be reconciled.
func (l *leaving) deleted(t *testing.T, object client.Object) int {
	t.Helper()
	q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer q.ShutDown()
	l.departed.handler().Delete(t.Context(), event.DeleteEvent{Object: object}, q)
	return q.Len()
}

// TestDeparted: what an object has programmed that was deleted without its finalizer is withdrawn
// once, unless the API server still has the object. After an error, nothing is withdrawn until the
// next attempt.
func TestDeparted(t *testing.T) {
	name := client.ObjectKeyFromObject(keyWith(""))
	for test, tc := range map[string]struct {
		gone []string
		// live is the UID of the object that the API server has.
		live                string
		unanswered, refused error
		want                []string
		wantErr             error
		// wantAfter is what is withdrawn once errors have gone.
		wantAfter []string
	}{
		"none is gone":                          {},
		"one is gone":                           {gone: []string{"1"}, want: []string{"1"}, wantAfter: []string{"1"}},
		"one is gone, and another has its name": {gone: []string{"1"}, live: "2", want: []string{"1"}, wantAfter: []string{"1"}},
		"two had the name, one after the other": {gone: []string{"1", "2"}, want: []string{"1", "2"}, wantAfter: []string{"1", "2"}},
		"the event was wrong":                   {gone: []string{"1"}, live: "1"},
		"of two, the API server has the second": {gone: []string{"1", "2"}, live: "2", want: []string{"1"}, wantAfter: []string{"1"}},
		"the API server does not answer":        {gone: []string{"1"}, unanswered: errUnanswered, wantErr: errUnanswered, wantAfter: []string{"1"}},
		"the store does not answer":             {gone: []string{"1"}, refused: errUnanswered, wantErr: errUnanswered, wantAfter: []string{"1"}},
		"not even whether another has the name": {gone: []string{"1", "2"}, unanswered: errUnanswered, wantErr: errUnanswered, wantAfter: []string{"1", "2"}},
	} {
		t.Run(test, func(t *testing.T) {
			l := newLeaving()
			for _, uid := range tc.gone {
				if queued := l.deleted(t, keyWith(uid, v1alpha1.Finalizer)); queued != 1 {
					t.Errorf("%d names are to be reconciled, want one", queued)
				}
			}
			l.api.uid, l.api.failed, l.failed = tc.live, tc.unanswered, tc.refused
			if err := l.withdrawDeparted(t.Context(), name); !errors.Is(err, tc.wantErr) {
				t.Errorf("got %v, want %v", err, tc.wantErr)
			}
			if diff := cmp.Diff(tc.want, l.withdrawn); diff != "" {
				t.Errorf("withdrawn (-want +got):\n%s", diff)
			}
			l.api.failed, l.failed = nil, nil
			for range 2 { // the second time, nothing is left
				if err := l.withdrawDeparted(t.Context(), name); err != nil {
					t.Error(err)
				}
			}
			if diff := cmp.Diff(tc.wantAfter, l.withdrawn); diff != "" {
				t.Errorf("withdrawn in the end (-want +got):\n%s", diff)
			}
			if told := l.told.Take(); len(told) != len(slices.Compact(slices.Clone(tc.wantAfter))) {
				t.Errorf("told %q of %q", told, tc.wantAfter)
			}
		})
	}
}

// TestDepartedInOrder: if finalize has removed an object's finalizer, nothing is left to withdraw, and
// the API server is not asked. That is true only of that object, not of the next of its name.
func TestDepartedInOrder(t *testing.T) {
	l := newLeaving()
	l.departed.expect("1")
	if queued := l.deleted(t, keyWith("1")); queued != 0 {
		t.Errorf("%d names are to be reconciled, want none", queued)
	}
	if queued := l.deleted(t, keyWith("2")); queued != 1 {
		t.Errorf("another object is taken for it: %d names are to be reconciled", queued)
	}
	if len(l.departed.expected) != 0 {
		t.Errorf("expected for ever: %v", l.departed.expected)
	}
	l.failed = errUnanswered
	if err := l.finalize(t.Context(), keyWith("3", v1alpha1.Finalizer)); !errors.Is(err, errUnanswered) {
		t.Errorf("finalize: %v", err)
	}
	if queued := l.deleted(t, keyWith("3")); queued != 1 {
		t.Error("an object that went after finalize had failed left what it had in force")
	}
}
