package protocol

// Progress is how far an answer has come.
type Progress int

// How far an answer may have come.
const (
	// NotBegun: nothing of it was seen by which it could be said what the call costs.
	NotBegun Progress = iota
	// Underway: some of it was seen, and more output may come.
	Underway
	// OutputEnded: it seems that all output has come, and that its usage or its end is still to come.
	OutputEnded
)
