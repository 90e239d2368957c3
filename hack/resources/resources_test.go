package resources_test

import (
	"reflect"
	"testing"

	"github.com/bursar-dev/bursar/hack/resources"
)

// TestTheSameSeedMakesTheSame: a failure can be made again.
func TestTheSameSeedMakesTheSame(t *testing.T) {
	first, second := resources.New(7, "a", "b").Make(50), resources.New(7, "a", "b").Make(50)
	if !reflect.DeepEqual(first, second) {
		t.Error("the same seed made others")
	}
	if other := resources.New(8, "a", "b").Make(50); reflect.DeepEqual(first, other) {
		t.Error("another seed made the same")
	}
}

// TestSpoil: a wrong update is another, and leaves the resource as it was.
func TestSpoil(t *testing.T) {
	maker := resources.New(1, "a", "b")
	for _, r := range maker.Make(100) {
		if !r.IsValid() {
			continue
		}
		was := r.DeepCopy()
		spoiled := maker.Spoil(r)
		if spoiled.IsValid() || reflect.DeepEqual(spoiled.Object, r.Object) || !reflect.DeepEqual(was.Object, r.Object) {
			t.Errorf("%v became %v", r, spoiled)
		}
	}
}

// TestKindsAndFlaws: there are all kinds, right and wrong.
func TestKindsAndFlaws(t *testing.T) {
	right, wrong := map[string]int{}, map[string]int{}
	for _, r := range resources.New(1, "a", "b").Make(600) {
		if r.IsValid() {
			right[r.GetKind()]++
		} else {
			wrong[r.GetKind()]++
		}
	}
	for _, kind := range []string{"TenantBudget", "RateLimitPolicy", "APIKey", "ModelProvider", "BudgetGrant", "IdentityProvider", "Membership"} {
		if right[kind] < 10 || wrong[kind] < 10 {
			t.Errorf("%s: %d right and %d wrong, want at least 10 of each", kind, right[kind], wrong[kind])
		}
	}
}
