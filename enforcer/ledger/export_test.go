package ledger

import (
	"context"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
)

// SetLimit sets how many entries wait in memory at most.
func (w *Writer) SetLimit(limit int) { w.limit = limit }

// MaxRefusals is how many refusals wait in memory, at most.
const MaxRefusals = maxRefusals

// SettleLate settles a call late, as if the ledger might have it.
func SettleLate(ctx context.Context, db Database, e ledgerv1.Entry) error {
	_, err := settleLate(ctx, db, []ledgerv1.Entry{e})
	return err
}
