package recovery_test

import (
	"fmt"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// below is the document of acme below a parent, "" for none.
func below(parent string) limiterv1.Tenant {
	document := acme
	document.Sources = []limiterv1.Source{{Kind: "TenantBudget", Name: "acme", UID: "acme"}}
	if parent != "" {
		document.Ancestors = []limiterv1.Level{{Tenant: parent, TimeZone: "UTC"}}
	}
	return document
}

// put does what the controller does with a document.
func (w *world) put(t *testing.T, document limiterv1.Tenant) {
	t.Helper()
	testkit.Must(t, w.recounter().Prepare(t.Context(), document))
	_, err := limiterstore.NewDocuments(w.redis).Put(t.Context(), limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: "acme"}, document)
	testkit.Must(t, err)
	testkit.Must(t, w.recounter().Recount(t.Context(), document))
}

// TestMoved: what a tenant spent counts in whatever tree it is, with what it has open in
// the tree from which it comes, however often it comes back and by whatever way it goes.
func TestMoved(t *testing.T) {
	field := limiterv1.MoneyField(daily(limiterv1.PerTenant))
	for name, leave := range map[string]func(t *testing.T, w *world){
		"to another parent": func(t *testing.T, w *world) { w.put(t, below("latam")) },
		"deleted, and created elsewhere": func(t *testing.T, w *world) {
			id := limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: "acme"}
			_, err := limiterstore.NewDocuments(w.redis).Withdraw(t.Context(), id, "acme")
			testkit.Must(t, err)
			w.put(t, below("latam"))
			_, err = limiterstore.NewDocuments(w.redis).Withdraw(t.Context(), id, "acme")
			testkit.Must(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.start(t, 1)
			w.completed(t, 0)
			at := w.now(t)
			counter := func(root string) limiterv1.MoneyCounter {
				return w.counter(t, limiterv1.TenantCountersKey(root, "acme"), field)
			}
			w.put(t, below("emea"))
			w.toLedger(t, acmeCall("in-emea", at, 10*money.Cent, true))
			open := acmeCall("open-in-emea", at, 3*money.Cent, false)
			open.Root = "emea"
			settled := acmeCall("settled-in-emea", at, 4*money.Cent, true) // and not in the ledger yet
			settled.Root = "emea"
			w.toRedis(t, "live", open, settled)

			leave(t, w)
			if got := counter("latam"); got.Spent != 17*money.Cent || got.Held != 0 {
				t.Errorf("in latam: %s spent, %s held; want what is in the ledger, what is not there yet, and the bound of what is open", got.Spent, got.Held)
			}
			if got := counter("emea"); got != (limiterv1.MoneyCounter{}) {
				t.Errorf("in emea, which it has left: %+v, want nothing to admit by", got)
			}
			w.toLedger(t, acmeCall("in-latam", at, 20*money.Cent, true))

			w.put(t, below("emea"))
			if got := counter("emea"); got.Spent != 34*money.Cent || got.Held != 3*money.Cent {
				t.Errorf("back in emea: %s spent, %s held; want 0.34 and 0.03", got.Spent, got.Held)
			}
		})
	}
}

// TestParentIsGone: tenants go on counting against a parent whose budget was deleted. Looking at one of them
// does not have the parent counted anew, which would keep all of them waiting.
func TestParentIsGone(t *testing.T) {
	w := newWorld(t)
	w.start(t, 1)
	epoch := w.completed(t, 0)
	documents := limiterstore.NewDocuments(w.redis)
	parent := acme
	parent.Tenant, parent.Sources = "emea", []limiterv1.Source{{Kind: "TenantBudget", Name: "emea", UID: "emea"}}
	id := limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: "emea"}
	testkit.Must(t, w.recounter().Prepare(t.Context(), parent))
	_, err := documents.Put(t.Context(), id, parent)
	testkit.Must(t, err)
	child := below("emea")
	child.Ancestors[0].Money = parent.Money
	w.put(t, child)
	_, err = documents.Withdraw(t.Context(), id, "emea")
	testkit.Must(t, err)

	testkit.Must(t, w.recounter().Prepare(t.Context(), child))
	counters := limiterstore.TenantCounters{Root: "emea", Tenant: "emea", Epoch: epoch}
	admits, valid, err := w.counters.Valid(t.Context(), counters, limiterv1.MoneyField(daily(limiterv1.PerTenant)))
	if err != nil || !admits || !valid[0] {
		t.Errorf("after another look at the child, the parent's counters admit calls: %t, valid: %v, %v", admits, valid, err)
	}
}

// TestMovedOnBeforeCallsHaveEnded: a tenant that moves on while calls are open in the trees from which
// it comes takes them all along, and their bounds count wherever it is.
func TestMovedOnBeforeCallsHaveEnded(t *testing.T) {
	w := newWorld(t)
	w.start(t, 1)
	w.completed(t, 0)
	at := w.now(t)
	var want money.Nanos
	for i, parent := range []string{"emea", "latam", "apac", "emea", "nordics"} {
		w.put(t, below(parent))
		got := w.counter(t, limiterv1.TenantCountersKey(parent, "acme"), limiterv1.MoneyField(daily(limiterv1.PerTenant)))
		if got.Spent+got.Held != want {
			t.Errorf("move %d, to %s: %s counts, want %s", i, parent, got.Spent+got.Held, want)
		}
		open := acmeCall(fmt.Sprint("open-", i), at, money.Nanos(i+1)*money.Cent, false)
		open.Root = parent
		w.toRedis(t, "live", open)
		want += open.Amount
	}
}

// TestHeldThoughRecorded: an enforcer told the ledger of the end of a call, but not Redis, which
// was out of its reach. In a recount, the call counts once: it holds its bound until another
// session ends it in Redis, which releases the hold and posts what the call is charged.
func TestHeldThoughRecorded(t *testing.T) {
	w := newWorld(t)
	w.start(t, 1)
	w.completed(t, 0)
	w.put(t, below(""))
	at := w.now(t)
	ended := acmeCall("ended", at, 2*money.Cent, true)
	w.toLedger(t, ended)
	open := acmeCall("ended", at, 5*money.Cent, false)
	w.toRedis(t, "dead", open)
	testkit.Must(t, w.counters.Distrust(t.Context(), "acme", "acme"))
	testkit.Must(t, w.recounter().Recount(t.Context(), below("")))
	got := w.counter(t, limiterv1.TenantCountersKey("acme", "acme"), limiterv1.MoneyField(daily(limiterv1.PerTenant)))
	if got.Spent != 0 || got.Held != 5*money.Cent {
		t.Errorf("%s spent and %s held, want 0.00 and 0.05", got.Spent, got.Held)
	}
}
