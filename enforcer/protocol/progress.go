package protocol

import "time"

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

// Cut says when and how an answer was cut off.
type Cut struct {
	// At is when the last of it could have come.
	At time.Time
	// Ahead is how long the provider may have gone on after At, before it knew that nobody
	// listens: zero where the provider itself has ended the answer.
	Ahead time.Duration
}
