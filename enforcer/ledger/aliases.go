package ledger

import ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"

// What ledgerv1 declares, until the way of a call names it there.
type (
	// Entry is ledgerv1.Entry.
	Entry = ledgerv1.Entry
	// Refusal is ledgerv1.Refusal.
	Refusal = ledgerv1.Refusal
	// Outcome is ledgerv1.Outcome.
	Outcome = ledgerv1.Outcome
	// Decision is ledgerv1.Decision.
	Decision = ledgerv1.Decision
	// Pricing is ledgerv1.Pricing.
	Pricing = ledgerv1.Pricing
)

// See ledgerv1.
const (
	Settled       = ledgerv1.Settled
	Voided        = ledgerv1.Voided
	ChargedHold   = ledgerv1.ChargedHold
	Admitted      = ledgerv1.Admitted
	Replaced      = ledgerv1.Replaced
	Fallback      = ledgerv1.Fallback
	Shadowed      = ledgerv1.Shadowed
	Bounded       = ledgerv1.Bounded
	MostExpensive = ledgerv1.MostExpensive
)

// Decode is ledgerv1.Decode.
func Decode(encoded []byte) (Entry, error) { return ledgerv1.Decode(encoded) }
