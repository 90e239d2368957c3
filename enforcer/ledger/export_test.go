package ledger

// SetLimit sets how many entries wait in memory at most.
func (w *Writer) SetLimit(limit int) { w.limit = limit }

// MaxRefusals is how many refusals wait in memory, at most.
const MaxRefusals = maxRefusals
