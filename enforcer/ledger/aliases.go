package ledger

import ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"

// Names that the proxy has for what ledgerv1 declares.
type (
	Entry    = ledgerv1.Entry
	Refusal  = ledgerv1.Refusal
	Outcome  = ledgerv1.Outcome
	Decision = ledgerv1.Decision
	Pricing  = ledgerv1.Pricing
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
