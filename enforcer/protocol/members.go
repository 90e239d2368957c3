package protocol

import (
	"bytes"
	"slices"

	"github.com/tidwall/gjson"
)

// maxMember is the size of the largest member that is read. Usage is hundreds of bytes.
const maxMember = 64 << 10

// maxOutput is the size of the largest member with the answer's output that is read, to see
// whether there is any. Of a larger one it is known that there is.
const maxOutput = 4 << 10

// outputs are the members that have the output of answers, or may have all of an answer again.
var outputs = []string{"choices", "output", "content", "response"}

// memberScanner finds members of the object that a whole answer is, as the answer
// passes by in pieces, cut anywhere. However large the answer is, it keeps no more
// of it than the members.
type memberScanner struct {
	names []string
	found map[string][]byte

	depth    int
	inString bool
	escaped  bool
	state    scanState
	// key is the last key at depth 1, with its quotes, and value what has come of
	// the value that is being kept.
	key, value []byte
	keeping    bool
	broken     bool
	// marked is how much of a byte order mark has come.
	marked int
	// maxOutput is the size of the largest of outputs that is kept.
	maxOutput int
	// output is whether the value is one of outputs, and tooLong those that are longer.
	output  bool
	tooLong []string
}

// scanState is where in the outermost object the scanner is.
type scanState int

const (
	beforeObject scanState = iota
	beforeKey
	inKey
	afterKey
	inValue
	afterObject
)

func newMemberScanner(names ...string) *memberScanner {
	return &memberScanner{names: names, found: map[string][]byte{}, maxOutput: maxOutput}
}

// scan takes the next piece.
func (s *memberScanner) scan(piece []byte) {
	for len(piece) > 0 && !s.broken {
		if s.inString {
			piece = piece[s.scanString(piece):]
			continue
		}
		s.scanByte(piece[0])
		piece = piece[1:]
	}
}

// scanString takes the bytes up to the end of the string, or of the piece, and
// returns how many they are.
func (s *memberScanner) scanString(piece []byte) int {
	n := 0
	for n < len(piece) && s.inString {
		switch {
		case s.escaped:
			s.escaped = false
		case piece[n] == '\\':
			s.escaped = true
		case piece[n] == '"':
			s.inString = false
		}
		n++
	}
	s.keep(piece[:n]...)
	if !s.inString && s.state == inKey {
		s.state = afterKey
	}
	return n
}

// keep keeps what belongs to a key, or to a value that is wanted.
func (s *memberScanner) keep(b ...byte) {
	switch {
	case s.keeping && s.output && len(s.value)+len(b) > s.maxOutput:
		s.keeping = false
		s.tooLong = append(s.tooLong, gjson.ParseBytes(s.key).Str)
	case s.state == inKey && len(s.key)+len(b) <= maxMember:
		s.key = append(s.key, b...)
	case s.keeping && (s.output || len(s.value)+len(b) <= maxMember):
		s.value = append(s.value, b...)
	case s.state == inKey || s.keeping:
		s.broken = true
	}
}

func (s *memberScanner) scanByte(b byte) {
	space := b == ' ' || b == '\t' || b == '\r' || b == '\n'
	switch {
	case s.state == inValue:
		s.scanValue(b)
	case space:
	case s.state == beforeObject && s.marked < len(byteOrderMark) && b == byteOrderMark[s.marked]:
		s.marked++
	case s.state == beforeObject && b == '{':
		s.depth, s.state = 1, beforeKey
	case s.state == beforeKey && b == '"':
		s.state, s.inString, s.key = inKey, true, s.key[:0]
		s.keep(b)
	case s.state == beforeKey && b == '}':
		s.depth, s.state = 0, afterObject
	case s.state == afterKey && b == ':':
		s.begin()
	default:
		s.broken = true
	}
}

// begin begins a value.
func (s *memberScanner) begin() {
	name := gjson.ParseBytes(s.key).Str
	s.state, s.value = inValue, nil
	s.keeping, s.output = slices.Contains(s.names, name), slices.Contains(outputs, name)
	if _, twice := s.found[name]; twice || s.long(name) {
		s.broken = true // parsers differ in which they take
	}
}

func (s *memberScanner) scanValue(b byte) {
	if s.depth == 1 && (b == ',' || b == '}') {
		s.endValue(b)
		return
	}
	switch b {
	case '"':
		s.inString = true
	case '{', '[':
		s.depth++
	case '}', ']':
		s.depth--
	}
	s.keep(b)
}

// endValue takes the byte after a value.
func (s *memberScanner) endValue(b byte) {
	if s.keeping {
		s.found[gjson.ParseBytes(s.key).Str] = bytes.TrimSpace(s.value)
		s.keeping = false
	}
	if s.state = beforeKey; b == '}' {
		s.depth, s.state = 0, afterObject
	}
}

// member is a member of the object. It does not exist when it was not there, or the
// object is not whole.
func (s *memberScanner) member(name string) gjson.Result {
	value := s.found[name]
	if s.broken || s.state != afterObject || checkShape(value) != nil || !gjson.ValidBytes(value) {
		return gjson.Result{}
	}
	return gjson.ParseBytes(value)
}

// long is whether a member was there that is longer than what is read of it.
func (s *memberScanner) long(name string) bool { return slices.Contains(s.tooLong, name) }
