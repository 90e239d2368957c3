package limiterstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// holder is the holder of a Lease.
type holder struct{ atomic.Int64 }

var errNotHeld = errors.New("another holds the Lease")

// seenBy is the Lease as manager i sees it. While it looks, meanwhile is called.
func (h *holder) seenBy(i int64, meanwhile func()) limiterstore.Lease {
	return leaseFunc(func(context.Context) error {
		if h.Load() != i {
			return errNotHeld
		}
		meanwhile()
		return nil
	})
}

type leaseFunc func(context.Context) error

func (f leaseFunc) Held(ctx context.Context) error { return f(ctx) }

// leaders are two managers that lead one after the other: the first of them does.
func leaders() (lease *holder, former, now *limiterstore.Documents) {
	lease = &holder{}
	return lease, limiterstore.NewLeaderDocuments(client, lease.seenBy(0, func() {})), limiterstore.NewLeaderDocuments(client, lease.seenBy(1, func() {}))
}

// begin begins a configuration: a leader does not by itself.
func begin(t *testing.T) {
	t.Helper()
	if err := limiterstore.NewConfigurations(client).Begin(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// TestFormerLeader: the writes of a former leader have no effect once another manager has
// begun its term, even if Redis has lost that.
func TestFormerLeader(t *testing.T) {
	for name, loses := range map[string]func(){
		"Redis keeps all":       func() {},
		"Redis loses all":       func() { client.FlushAll(context.Background()) },
		"Redis loses the term":  func() { client.Del(context.Background(), limiterv1.TermKey) },
		"an older term is back": func() { client.Set(context.Background(), limiterv1.TermKey, "older", 0) },
	} {
		t.Run(name, func(t *testing.T) {
			newStore(t)
			begin(t)
			lease, former, now := leaders()
			put(t, former, acme, document("u1", 1, "UTC"))
			lease.Store(1)
			put(t, former, acme, document("u1", 2, "UTC")) // nobody has begun yet
			put(t, now, acme, document("u1", 3, "UTC"))
			loses()
			begin(t)
			revision := put(t, now, acme, document("u1", 3, "UTC"))

			if _, err := former.Put(t.Context(), acme, document("u1", 2, "UTC")); !errors.Is(err, errNotHeld) {
				t.Errorf("the former leader puts a document, %v; want that it does not hold the Lease", err)
			}
			if withdrawn, err := former.Withdraw(t.Context(), acme, "u1"); withdrawn || !errors.Is(err, errNotHeld) {
				t.Errorf("the former leader withdraws a document: %t, %v; want that it does not hold the Lease", withdrawn, err)
			}
			observed, err := now.Observe(t.Context(), acme)
			if err != nil || observed.Revision != revision || !observed.Contains("u1", 3) {
				t.Errorf("revision %d of %+v, %v; want generation 3 in revision %d", observed.Revision, observed.Sources, err, revision)
			}
			if again := put(t, now, acme, document("u1", 4, "UTC")); again <= revision {
				t.Errorf("the leader's next revision is %d, want one after %d", again, revision)
			}
		})
	}
}

// TestObservedByTheLeader: what a leader has observed, before it wrote anything, does
// not change under it.
func TestObservedByTheLeader(t *testing.T) {
	newStore(t)
	begin(t)
	lease, former, now := leaders()
	put(t, former, acme, document("u1", 1, "UTC"))
	lease.Store(1)
	if _, err := now.Observe(t.Context(), acme); err != nil {
		t.Fatal(err)
	}
	if _, err := former.Put(t.Context(), acme, document("u1", 2, "UTC")); !errors.Is(err, errNotHeld) {
		t.Errorf("the former leader puts a document, %v; want that it does not hold the Lease", err)
	}
}

// TestOneLeaderAfterAnother: whenever the Lease changes hands, and also while a manager
// looks who holds it, writes have effect in the order in which their managers led.
func TestOneLeaderAfterAnother(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			rt.Fatal(err)
		}
		begin(t)
		m := &managers{t: t, rt: rt, busy: map[int]bool{}}
		m.handOver()
		rt.Repeat(map[string]func(*rapid.T){
			"hand over": func(*rapid.T) { m.handOver() },
			"write":     func(*rapid.T) { m.write() },
			"lose the term": func(*rapid.T) {
				if err := client.Del(t.Context(), limiterv1.TermKey).Err(); err != nil {
					rt.Fatal(err)
				}
			},
		})
	})
}

// managers hold the Lease one after another, each once: one that has lost it begins anew.
type managers struct {
	t      *testing.T
	rt     *rapid.T
	holder holder
	// stores are those of all managers so far, and busy those in the midst of a write.
	stores []*limiterstore.Documents
	busy   map[int]bool
	// wrote is the newest manager that has written.
	wrote int
	// disturbed is whether another has tried to write in the midst of the newest write.
	disturbed bool
}

func (m *managers) handOver() {
	i := int64(len(m.stores))
	m.stores = append(m.stores, limiterstore.NewLeaderDocuments(client, m.holder.seenBy(i, func() { m.meanwhile() })))
	m.holder.Store(i)
}

// meanwhile is what may happen after a manager was seen to lead, and before it knows.
func (m *managers) meanwhile() {
	if rapid.Bool().Draw(m.rt, "hands over while one looks") {
		m.handOver()
	}
	if rapid.Bool().Draw(m.rt, "writes while one looks") {
		m.write()
	}
}

func (m *managers) write() {
	newest := len(m.stores) - 1
	i := rapid.IntRange(max(0, newest-3), newest).Draw(m.rt, "who")
	if m.busy[i] {
		return
	}
	m.busy[i], m.disturbed = true, len(m.busy) > 0
	_, err := m.stores[i].Put(m.t.Context(), acme, document("u1", 1, fmt.Sprint(rapid.Uint64().Draw(m.rt, "what"))))
	delete(m.busy, i)
	switch {
	case err == nil && i < m.wrote:
		m.rt.Fatalf("manager %d wrote, after manager %d", i, m.wrote)
	case err == nil:
		m.wrote = i
	case i == len(m.stores)-1 && !m.disturbed:
		m.rt.Fatalf("manager %d leads and cannot write: %v", i, err)
	}
}
