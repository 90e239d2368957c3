package protocol

import "time"

// Cut says when and how an answer was cut off.
type Cut struct {
	// At is when the last of it could have come.
	At time.Time
	// Ahead is how long the provider may have gone on after At, before it knew that nobody
	// listens: zero where the provider itself has ended the answer.
	Ahead time.Duration
}
