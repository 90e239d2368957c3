package history

// LookAt sets how many rows are looked at for one page of a list.
func (r *Reader) LookAt(rows int) { r.mostLookedAt = rows }
