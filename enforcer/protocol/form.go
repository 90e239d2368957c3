package protocol

import "bytes"

// Form is what an answer is, by its first bytes.
type Form int

const (
	// Undecided is when more of it must come.
	Undecided Form = iota
	// Object is what begins as JSON does.
	Object
	// Events is what begins as a stream of events does.
	Events
	// Neither is what is not read here.
	Neither
)

// blank are bytes that may stand before JSON, and before the first event.
const blank = " \t\r\n"

// beginnings are how a stream of events may begin: with a field, or with a comment.
var beginnings = [][]byte{[]byte("data:"), []byte("event:"), []byte("id:"), []byte("retry:"), []byte(":")}

// FormOf is the form of an answer of which the first bytes are there.
func FormOf(first []byte) Form {
	rest := bytes.TrimLeft(bytes.TrimPrefix(first, byteOrderMark), blank)
	if len(rest) == 0 || bytes.HasPrefix(byteOrderMark, first) {
		return Undecided
	}
	if rest[0] == '{' || rest[0] == '[' {
		return Object
	}
	for _, beginning := range beginnings {
		switch {
		case bytes.HasPrefix(rest, beginning):
			return Events
		case bytes.HasPrefix(beginning, rest):
			return Undecided
		}
	}
	return Neither
}
