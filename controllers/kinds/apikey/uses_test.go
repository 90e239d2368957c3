package apikey

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestUsesAreWrittenInTurn: of many keys in use, only so many statuses are updated at once, each once an
// hour, and a status that is written for another reason does not get a later use.
func TestUsesAreWrittenInTurn(t *testing.T) {
	const keys = 10_000
	hour := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	uses := map[string]time.Time{}
	for i := range keys {
		uses[fmt.Sprintf("acme/%d", i)] = hour
	}
	last, seen := newLastUses(nil), map[string]bool{}
	for looks := 1; ; looks++ {
		chosen := last.choose(uses)
		if len(chosen) == 0 {
			break
		}
		if len(chosen) > usesAtOnce || looks > keys/usesAtOnce+1 {
			t.Fatalf("look %d chooses %d keys", looks, len(chosen))
		}
		due := 0
		for document := range uses {
			if last.of(document, nil) != nil {
				due++
			}
		}
		if due != len(chosen) {
			t.Fatalf("look %d chooses %d keys, and %d are due", looks, len(chosen), due)
		}
		for _, document := range chosen {
			if seen[document] {
				t.Fatalf("%s is chosen twice", document)
			}
			seen[document] = true
		}
	}
	if len(seen) != keys {
		t.Errorf("%d of %d keys were chosen", len(seen), keys)
	}
	uses["acme/7"] = hour.Add(time.Hour)
	if chosen := last.choose(uses); len(chosen) != 1 || chosen[0] != "acme/7" {
		t.Errorf("an hour later %q", chosen)
	}
	if got := last.of("acme/7", &metav1.Time{Time: hour}); !got.Time.Equal(hour.Add(time.Hour)) {
		t.Errorf("it was used at %s", got)
	}
	if later := (&metav1.Time{Time: hour.Add(2 * time.Hour)}); last.of("acme/7", later) != later {
		t.Error("the time goes back")
	}
	if chosen := last.choose(nil); len(chosen) > 0 || len(last.written) > 0 {
		t.Errorf("of none: %q, and %d are remembered", chosen, len(last.written))
	}
}
