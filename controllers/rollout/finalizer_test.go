package rollout

import (
	"context"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// patched counts the writes of finalizers.
type patched struct {
	client.Client
	times int
}

func (p *patched) Patch(context.Context, client.Object, client.Patch, ...client.PatchOption) error {
	p.times++
	return nil
}

// TestRelease: an object of which nothing is in force is let go at once, but not while what it
// names may come in a moment: it was created with the finalizer, and would get it again.
func TestRelease(t *testing.T) {
	api, now := &patched{}, clocktesting.NewFakePassiveClock(time.Now())
	r := NewReconciler(Kind[*v1alpha1.APIKey, v1alpha1.APIKeyStatus, *keyScope]{
		Name: "APIKey", Client: api, Recorder: &did{}, Clock: now, Waiting: &did{}, Debouncer: NewDebouncer(),
		NewScope: func(common Scope[*v1alpha1.APIKey]) *keyScope { return &keyScope{common} },
		Phases: []Phase[*keyScope]{{Name: "program", Run: func(_ context.Context, s *keyScope) error {
			s.Accepted, s.Withdrawn = verdict.Rejected(v1alpha1.ReasonTargetNotFound, "no budget yet"), true
			return nil
		}}},
	})
	written := 0
	r.write = func(context.Context, client.Object, any) (string, error) { written++; return "10", nil }
	for _, step := range []struct {
		after       time.Duration
		wantWritten int
	}{{0, 0}, {moment / 2, 0}, {moment, 1}} {
		now.SetTime(now.Now().Add(step.after))
		key := keyWith("uid", v1alpha1.Finalizer)
		key.Generation, key.ResourceVersion = 1, "9"
		_, err := r.Reconcile(t.Context(), key)
		testkit.Must(t, err)
		if written != step.wantWritten || api.times != step.wantWritten {
			t.Errorf("%s later: %d statuses and %d finalizers were written, want %d of each", step.after, written, api.times, step.wantWritten)
		}
		if HasFinalizer(key) != (step.wantWritten == 0) {
			t.Errorf("%s later: has the finalizer: %t", step.after, HasFinalizer(key))
		}
	}
}
