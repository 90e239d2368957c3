package adoption_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/adoption"
	"github.com/bursar-dev/bursar/hack/parts/controlplane"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// watchedWriter is a ledger that is looked at before and after calls are written to it.
type watchedWriter struct {
	adoption.LedgerWriter
	// before and after are called around a write; an error of before ends it.
	before, after func() error
}

func (w *watchedWriter) WriteAdopted(ctx context.Context, entries []ledgerv1.Entry) (written []ledgerv1.Entry, err error) {
	if w.before != nil && len(entries) > 0 {
		if err := w.before(); err != nil {
			return nil, err
		}
	}
	written, err = w.LedgerWriter.WriteAdopted(ctx, entries)
	if w.after != nil && len(entries) > 0 {
		err = errors.Join(err, w.after())
	}
	return written, err
}

// audit audits the tenant, and fails where that tells of anything. Counters that are to be
// counted anew are audited after that.
func (w *world) audit(t testkit.T, when string) {
	t.Helper()
	told, err := w.auditor.Audit(context.Background(), w.doc.Tenant)
	if err != nil && !errors.Is(err, controlplane.ErrNotValid) {
		t.Fatalf("%s: the audit failed: %v", when, err)
	}
	if len(told) > 0 {
		t.Fatalf("%s: the audit tells %q", when, told)
	}
}

// countAnew has the tenant counted anew although nothing is wrong, as happens whenever Redis has
// forgotten a call.
func (w *world) countAnew(t testkit.T) {
	t.Helper()
	testkit.Must(t, w.owner.Recount(context.Background(), w.doc.Tenant, []string{w.doc.Tenant}))
	w.recount(t)
}

// isDriftTold checks that an audit reports a counter that is far too high. Audits leave such a counter
// as it is; one that is too low would be counted anew.
func (w *world) isDriftTold(t testkit.T) {
	t.Helper()
	ctx := context.Background()
	key := limiterv1.TenantCountersKey(w.doc.Tenant, w.doc.Tenant)
	field := limiterv1.MoneyField(limiterv1.MoneyLimit{Period: period.Year})
	is := counterOf(t, key)
	wrong := is
	w.wrong++
	wrong.Spent = 100*money.USD + w.wrong // another each time: what is told twice is one Event
	testkit.Must(t, client.HSet(ctx, key, field, wrong.Encode()).Err())
	told, err := w.auditor.Audit(ctx, w.doc.Tenant)
	testkit.Must(t, err)
	if len(told) != 1 || !strings.HasPrefix(told[0], "Warning DriftFound limit yearly counts "+wrong.Spent.String()+" USD as spent since ") {
		t.Fatalf("of a counter that is wrong is told %q", told)
	}
	testkit.Must(t, client.HSet(ctx, key, field, is.Encode()).Err())
	w.audit(t, "when the counter is right again")
}

var errDies = errors.New("the adopter dies")

// TestNoDriftOfWhatRedisWasNotToldOf: an enforcer shuts down while Redis hangs, and can tell only the
// ledger what a call has cost. Audits report no drift at any point while others adopt the call, even
// when an adopter dies in the midst of it; but they do report a counter that is wrong meanwhile.
func TestNoDriftOfWhatRedisWasNotToldOf(t *testing.T) {
	admin, enforcer := newPools(t)
	for name, tc := range map[string]struct {
		cost money.Nanos
		// counted is whether the tenant is counted anew before the call is adopted.
		counted bool
	}{
		"as much as it holds":               {cost: 10 * money.Cent},
		"less than it holds":                {cost: 3 * money.Cent},
		"less than it holds, counted anew":  {cost: 3 * money.Cent, counted: true},
		"as much as it holds, counted anew": {cost: 10 * money.Cent, counted: true},
		"nothing":                           {cost: 0, counted: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, admin, enforcer)
			before, _ := w.admit(t, 5*money.Cent, 2*money.Cent)
			testkit.Must(t, w.settle(t.Context(), before))
			call, ok := w.admit(t, 10*money.Cent, tc.cost)
			if !ok {
				t.Fatal("not admitted")
			}
			_, err := w.recorder.Write(t.Context(), []ledgerv1.Entry{call.entry})
			testkit.Must(t, err)
			w.audit(t, "when the ledger has the call")
			if tc.counted {
				w.countAnew(t)
				w.audit(t, "when the tenant was counted anew")
			}
			w.isDriftTold(t)

			w.writing.before = func() error {
				w.audit(t, "when the call is charged in full")
				w.isDriftTold(t)
				return errDies
			}
			if err := w.adopter.Adopt(t.Context(), w.session); !errors.Is(err, errDies) {
				t.Fatalf("the first adoption: %v", err)
			}
			w.writing.before = nil
			w.writing.after = func() error {
				w.audit(t, "when the ledger was told")
				w.recount(t)
				w.audit(t, "when the tenant was recounted")
				w.isDriftTold(t)
				return nil
			}
			testkit.Must(t, w.adopter.Adopt(t.Context(), w.session))
			w.check(t, map[string]money.Nanos{before.entry.CallID: 2 * money.Cent, call.entry.CallID: tc.cost})
			w.audit(t, "when the call is adopted")
			w.isDriftTold(t)
		})
	}
}
