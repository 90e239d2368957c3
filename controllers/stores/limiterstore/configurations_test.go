package limiterstore_test

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/documents"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// copyOf is a copy of the configuration that Redis has.
func copyOf(t *testing.T, configurations *limiterstore.Configurations) (copied limiterstore.Configuration) {
	t.Helper()
	if err := configurations.Update(t.Context(), &copied); err != nil {
		t.Fatal(err)
	}
	return copied
}

// filled is a complete configuration of several pages, one document of which was withdrawn.
func filled(t *testing.T) (*limiterstore.Configurations, *limiterstore.Documents, limiterstore.Configuration) {
	t.Helper()
	store := newStore(t)
	configurations := limiterstore.NewConfigurations(client)
	for i := range documents.PageSize + 3 {
		put(t, store.Documents, limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: fmt.Sprint("t", i)}, document("u", int64(i+1), "UTC"))
	}
	if _, err := store.Withdraw(t.Context(), limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: "t0"}, "u"); err != nil {
		t.Fatal(err)
	}
	incarnation, err := configurations.Incomplete(t.Context())
	if err != nil || incarnation == "" {
		t.Fatalf("incomplete: %q, %v; want what was put one by one", incarnation, err)
	}
	if err := configurations.Complete(t.Context(), incarnation); err != nil {
		t.Fatal(err)
	}
	copied := copyOf(t, configurations)
	if len(copied.Documents) != documents.PageSize+2 || !copied.Complete {
		t.Fatalf("the copy has %d documents, complete %t; want %d, true", len(copied.Documents), copied.Complete, documents.PageSize+2)
	}
	return configurations, store.Documents, copied
}

// TestRestore: a copy takes the place of what is lost, of an earlier state, and of nothing
// else.
func TestRestore(t *testing.T) {
	acme := limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: "acme"}
	for name, c := range map[string]struct {
		lose     func(t *testing.T, store *limiterstore.Documents)
		restored bool
	}{
		"lost": {func(t *testing.T, _ *limiterstore.Documents) { client.FlushAll(t.Context()) }, true},
		"an earlier state": {func(t *testing.T, _ *limiterstore.Documents) {
			client.DecrBy(t.Context(), limiterv1.RevisionKey, 2)
			client.Del(t.Context(), limiterv1.DocumentsKey)
		}, true},
		"the same": {func(*testing.T, *limiterstore.Documents) {}, false},
		"a newer":  {func(t *testing.T, store *limiterstore.Documents) { put(t, store, acme, document("u", 1, "UTC")) }, false},
		"another's": {func(t *testing.T, _ *limiterstore.Documents) {
			client.Set(t.Context(), limiterv1.IncarnationKey, "other", 0)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			configurations, store, copied := filled(t)
			c.lose(t, store)
			before := copyOfAny(t, configurations)
			restored, err := configurations.Restore(t.Context(), copied)
			if err != nil || restored != c.restored {
				t.Fatalf("restored: %t, %v; want %t", restored, err, c.restored)
			}
			after := copyOf(t, configurations)
			if !restored {
				if !maps.Equal(after.Documents, before.Documents) || after.Position != before.Position {
					t.Error("the configuration changed, although nothing was restored")
				}
				return
			}
			if !maps.Equal(after.Documents, copied.Documents) || !after.Complete || after.Revision != copied.Revision {
				t.Errorf("%d documents up to %d, complete %t; want the copy", len(after.Documents), after.Revision, after.Complete)
			}
			if after.Incarnation == copied.Incarnation {
				t.Error("it is the same incarnation: enforcers that saw more of it than the copy has would not read it anew")
			}
			if again := put(t, store, acme, document("u", 1, "UTC")); again <= copied.Revision {
				t.Errorf("the next revision is %d, want one after %d", again, copied.Revision)
			}
			if left := client.Keys(t.Context(), "*restored*").Val(); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestRestoreIntoAFullRedis: attempts that fail leave nothing behind.
func TestRestoreIntoAFullRedis(t *testing.T) {
	configurations, _, copied := filled(t)
	client.FlushAll(t.Context())
	limit := func(bytes string) {
		t.Helper()
		if err := client.ConfigSet(t.Context(), "maxmemory", bytes).Err(); err != nil {
			t.Fatal(err)
		}
	}
	defer limit("0")
	for _, room := range []int64{1, 64 << 10, 128 << 10} { // full at once, and in the midst of it
		used, err := client.InfoMap(t.Context(), "memory").Result()
		if err != nil {
			t.Fatal(err)
		}
		now, err := strconv.ParseInt(used["Memory"]["used_memory"], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		limit(strconv.FormatInt(now+room, 10))
		if restored, err := configurations.Restore(t.Context(), copied); err == nil || restored {
			t.Errorf("with %d bytes: restored %t, %v; want that Redis is full", room, restored, err)
		}
		limit("0")
		if left := client.Keys(t.Context(), "*").Val(); len(left) > 0 {
			t.Errorf("with %d bytes, left behind: %v", room, left)
		}
	}
	if restored, err := configurations.Restore(t.Context(), copied); err != nil || !restored {
		t.Errorf("with room again: restored %t, %v", restored, err)
	}
}

// copyOfAny is a copy of the configuration, should there be one.
func copyOfAny(t *testing.T, configurations *limiterstore.Configurations) (copied limiterstore.Configuration) {
	t.Helper()
	if err := configurations.Update(t.Context(), &copied); err != nil && !errors.Is(err, limiterstore.ErrConfigurationLost) {
		t.Fatal(err)
	}
	return copied
}

// TestCopyOfWhatIsLost: a copy is not brought up to date with a loss.
func TestCopyOfWhatIsLost(t *testing.T) {
	configurations, _, copied := filled(t)
	client.DecrBy(t.Context(), limiterv1.RevisionKey, 1)
	for range 2 {
		if err := configurations.Update(t.Context(), &copied); !errors.Is(err, limiterstore.ErrConfigurationLost) {
			t.Errorf("%v; want that it is lost", err)
		}
		client.FlushAll(t.Context())
	}
	if len(copied.Documents) != documents.PageSize+2 || !copied.Complete {
		t.Errorf("the copy has %d documents, complete %t; want all", len(copied.Documents), copied.Complete)
	}
}

// TestLeadersBeginNoConfiguration: what was lost is restored before a leader changes it.
func TestLeadersBeginNoConfiguration(t *testing.T) {
	newStore(t)
	_, leader, _ := leaders()
	var suspended *limiterstore.SuspendedError
	if _, err := leader.Put(t.Context(), acme, document("u1", 1, "UTC")); !errors.As(err, &suspended) {
		t.Errorf("put: %v; want that the limiter is suspended", err)
	}
	if _, err := leader.Withdraw(t.Context(), acme, "u1"); !errors.As(err, &suspended) {
		t.Errorf("withdraw: %v; want that the limiter is suspended", err)
	}
	if n := client.DBSize(t.Context()).Val(); n > 1 { // the term
		t.Errorf("%d keys were left", n)
	}
}

// TestRestoreTenThousandTenants: it takes seconds, during which callers wait or get 503.
func TestRestoreTenThousandTenants(t *testing.T) {
	configurations, _, copied := filled(t)
	_, body, _ := strings.Cut(copied.Documents[limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: "t1"}], " ")
	for i := range 10_000 {
		copied.Revision++
		copied.Documents[limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: fmt.Sprint("many-", i)}] = fmt.Sprint(copied.Revision, " ", body)
	}
	client.FlushAll(t.Context())
	begin := time.Now()
	if restored, err := configurations.Restore(t.Context(), copied); err != nil || !restored {
		t.Fatalf("restored %t, %v", restored, err)
	}
	took := time.Since(begin)
	after := copyOf(t, configurations)
	t.Logf("%d documents are restored after %s and read back after %s", len(after.Documents), took.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
	if len(after.Documents) != len(copied.Documents) || !after.Complete {
		t.Errorf("%d documents, complete %t; want %d, true", len(after.Documents), after.Complete, len(copied.Documents))
	}
	if took > 10*time.Second {
		t.Errorf("restored after %s", took)
	}
}
