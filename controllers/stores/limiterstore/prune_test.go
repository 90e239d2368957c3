package limiterstore_test

import (
	"fmt"
	"maps"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// TestPrune: the ids of many withdrawn documents leave the changes. A reader that had read that far
// goes on from there, and one that had not still hears of every withdrawal.
func TestPrune(t *testing.T) {
	configurations, store, behind := filled(t)
	incarnation := behind.Incarnation
	withdrawn := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			id := limiterv1.DocumentID{Kind: limiterv1.CredentialDocument, Name: fmt.Sprint("k", i)}
			put(t, store, id, document("u", 1, "UTC"))
			if _, err := store.Withdraw(t.Context(), id, "u"); err != nil {
				t.Fatal(err)
			}
		}
	}
	prune := func() int64 {
		t.Helper()
		upTo, err := store.Position(t.Context())
		if err != nil || upTo.Incarnation != incarnation {
			t.Fatalf("the position is %+v, %v", upTo, err)
		}
		pruned, err := store.Prune(t.Context(), upTo)
		if err != nil {
			t.Fatal(err)
		}
		return pruned
	}
	withdrawn(0, 100)
	if pruned := prune(); pruned != 0 {
		t.Errorf("of a hundred, %d are pruned, want none", pruned)
	}
	gone := limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: "t1"}
	if _, err := store.Withdraw(t.Context(), gone, "u"); err != nil {
		t.Fatal(err)
	}
	withdrawn(100, 1000)
	abreast := copyOf(t, configurations)
	if pruned := prune(); pruned != 1002 { // t0, too
		t.Errorf("%d are pruned, want 1002", pruned)
	}
	if left, kept := client.ZCard(t.Context(), limiterv1.ChangesKey).Val(), client.HLen(t.Context(), limiterv1.DocumentsKey).Val(); left != kept {
		t.Errorf("there are %d changes, of %d documents", left, kept)
	}

	put(t, store, acme, document("u", 1, "UTC"))
	want := copyOf(t, configurations)
	unread := limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: "not in Redis"}
	abreast.Documents[unread], behind.Documents[unread] = "1 {}", "1 {}"
	for _, tc := range []struct {
		name   string
		copied *limiterstore.Configuration
		anew   bool
	}{{"who was abreast", &abreast, false}, {"who was behind", &behind, true}} {
		for range 2 { // the second time, there is nothing to read
			if err := configurations.Update(t.Context(), tc.copied); err != nil {
				t.Fatal(err)
			}
		}
		if _, kept := tc.copied.Documents[unread]; kept == tc.anew {
			t.Errorf("%s reads everything anew: %t, want %t", tc.name, !kept, tc.anew)
		}
		delete(tc.copied.Documents, unread)
		if !maps.Equal(tc.copied.Documents, want.Documents) || tc.copied.Revision != want.Revision || !tc.copied.Complete {
			t.Errorf("%s has %d documents up to %d, want %d up to %d", tc.name, len(tc.copied.Documents), tc.copied.Revision, len(want.Documents), want.Revision)
		}
	}
}
