package rollout_test

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/bursar-dev/bursar/controllers/rollout"
)

// TestTenThousandBusyObjects: objects that have new figures all the time are written
// less than fifty times in any second, and each of them has its turn.
func TestTenThousandBusyObjects(t *testing.T) {
	const objects, seconds = 10_000, 1_200
	pacer, now := rollout.NewStatusRateLimiter(), time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	due := map[time.Duration][]int{0: make([]int, objects)}
	for i := range objects {
		due[0][i] = i
	}
	last, longest := make([]int, objects), 0
	for second := range seconds {
		writes := 0
		for _, i := range due[time.Duration(second)] {
			wait := pacer.Delay(types.UID(fmt.Sprint(i)), now)
			if wait == 0 {
				longest = max(longest, second-last[i])
				writes, last[i] = writes+1, second
			}
			again := time.Duration(second) + max(1, (wait+time.Second-1)/time.Second)
			due[again] = append(due[again], i)
		}
		if writes > 50 {
			t.Fatalf("second %d: %d writes, want at most 50", second, writes)
		}
		now = now.Add(time.Second)
	}
	for i, at := range last {
		longest = max(longest, seconds-at)
		if longest > 400 {
			t.Fatalf("object %d had no turn for %d seconds", i, longest)
		}
	}
}

func TestFewObjectsDoNotWait(t *testing.T) {
	pacer, now := rollout.NewStatusRateLimiter(), time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for second := range 60 {
		for i := range 20 {
			if wait := pacer.Delay(types.UID(fmt.Sprint(i)), now); wait != 0 {
				t.Fatalf("second %d: object %d has to wait for %s", second, i, wait)
			}
		}
		now = now.Add(time.Second)
	}
}

func TestForgottenTurn(t *testing.T) {
	pacer, now := rollout.NewStatusRateLimiter(), time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for i := range 100 {
		pacer.Delay(types.UID(fmt.Sprint(i)), now)
	}
	first := pacer.Delay("late", now)
	if again := pacer.Delay("late", now.Add(first/2)); again != first-first/2 {
		t.Errorf("half way to its turn it waits for %s, want %s", again, first-first/2)
	}
	pacer.Forget("late")
	if anew := pacer.Delay("late", now); anew <= first {
		t.Errorf("after its turn was given up it waits for %s, want longer than %s", anew, first)
	}
}
