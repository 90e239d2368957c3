package protocol

import (
	"bytes"
	"strings"
)

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
var beginnings = []string{"data:", "event:", "id:", "retry:", ":"}

// FormOf is the form of an answer of which the first bytes are there.
func FormOf(first []byte) Form {
	rest := string(bytes.TrimLeft(bytes.TrimPrefix(first, byteOrderMark), blank))
	if rest == "" || bytes.HasPrefix(byteOrderMark, first) {
		return Undecided
	}
	if rest[0] == '{' || rest[0] == '[' {
		return Object
	}
	for _, beginning := range beginnings {
		switch {
		case strings.HasPrefix(rest, beginning):
			return Events
		case strings.HasPrefix(beginning, rest):
			return Undecided
		}
	}
	return Neither
}
