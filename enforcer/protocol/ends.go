package protocol

// ends are the answers to one call, choices or candidates, that have given their reason to
// stop. Some give it more than once.
type ends struct {
	// of is how many answers were asked for.
	of int64
	// indexes are those of the answers, no more of them than were asked for, whatever a
	// provider sends.
	indexes map[int64]bool
}

func endsOf(answers int64) ends { return ends{of: answers, indexes: map[int64]bool{}} }

// note notes that the answer with an index has come to its end.
func (e *ends) note(index int64) {
	if !e.all() {
		e.indexes[index] = true
	}
}

func (e *ends) all() bool { return int64(len(e.indexes)) >= e.of }
func (e *ends) any() bool { return len(e.indexes) > 0 }
