package call

import (
	"testing"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// TestRefusalsAreKept: a refusal with the same words is not built again, even if the call wanted
// something else that the words do not name, and no more than mostRefusals are kept.
func TestRefusalsAreKept(t *testing.T) {
	var kept refusals
	refuse := func(reason ledgerv1.Reason, bound money.Nanos) *Problem {
		p := protocol.OpenAI{}
		return kept.of(refusalWords{refusal: admission.Refusal{Reason: reason, Bound: bound}, protocol: p.Name()}, p)
	}
	for reason, saysBound := range map[ledgerv1.Reason]bool{
		ledgerv1.BudgetExhausted: true, ledgerv1.BreakerOpen: false, ledgerv1.BreakerForced: false,
	} {
		first := refuse(reason, 1)
		if again := refuse(reason, 1); again != first {
			t.Errorf("%s: the same is built again", reason)
		}
		if other := refuse(reason, 2); (other != first) != saysBound {
			t.Errorf("%s: with another bound, another refusal: %t, want %t", reason, other != first, saysBound)
		}
	}
	for bound := range 2 * money.Nanos(mostRefusals) {
		refuse(ledgerv1.BudgetExhausted, bound)
		if n := len(kept.kept); n > mostRefusals {
			t.Fatalf("%d refusals are kept, want %d at most", n, mostRefusals)
		}
	}
}
