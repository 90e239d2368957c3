package protocol

import (
	"bytes"
	"slices"

	"github.com/tidwall/gjson"
)

// maxMember is the size of the largest member that is read. Usage is hundreds of bytes.
const maxMember = 64 << 10

// maxOutput is the size of the largest member with the answer's output that is read, to see
// whether there is any output. A larger one certainly has some.
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
	// key is the last key at depth 1, with its quotes, name the one of names that it is, if any,
	// and value what has come of the value that is being kept.
	key, value []byte
	name       string
	keeping    bool
	broken     bool
	// room is where values are kept, one behind the other, as long as they fit.
	room []byte
	// marked is how much of a byte order mark has come.
	marked int
	// maxOutput is the size of the largest of outputs that is kept.
	maxOutput int
	// output is whether the value is one of outputs, and tooLong the names of members that are
	// too long to be kept.
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

// membersSize is more than what is kept of most answers.
const membersSize = 1 << 10

// scan takes the next piece.
func (s *memberScanner) scan(piece []byte) {
	for len(piece) > 0 && !s.broken {
		switch {
		case s.inString:
			piece = piece[s.scanString(piece):]
		case s.state == inValue:
			piece = piece[s.scanValue(piece):]
		default:
			s.scanByte(piece[0])
			piece = piece[1:]
		}
	}
}

// scanString takes the bytes up to the end of the string, or of the piece, and
// returns how many they are.
func (s *memberScanner) scanString(piece []byte) int {
	n, quote := 0, -1 // the next quote, once it was looked for
	for n < len(piece) && s.inString {
		if s.escaped {
			s.escaped = false
			n++
			continue
		}
		if quote < n {
			quote = indexFrom(piece, n, '"')
		}
		switch escape := indexFrom(piece[:quote], n, '\\'); {
		case escape < quote:
			s.escaped, n = true, escape+1
		case quote < len(piece):
			s.inString, n = false, quote+1
		default:
			n = len(piece)
		}
	}
	s.keep(piece[:n])
	if !s.inString && s.state == inKey {
		s.state = afterKey
	}
	return n
}

// indexFrom is the index of the first c at or after from; len(b) if there is none.
func indexFrom(b []byte, from int, c byte) int {
	if i := bytes.IndexByte(b[from:], c); i >= 0 {
		return from + i
	}
	return len(b)
}

// keep keeps what belongs to a key, or to a value that is wanted.
func (s *memberScanner) keep(b []byte) {
	switch {
	case s.keeping && s.output && len(s.value)+len(b) > s.maxOutput:
		s.keeping = false
		s.tooLong = append(s.tooLong, s.name)
	case s.state == inKey && len(s.key)+len(b) <= maxMember:
		s.key = append(s.key, b...)
	case s.keeping && (s.output || len(s.value)+len(b) <= maxMember):
		s.value = append(s.value, b...)
	case s.state == inKey || s.keeping:
		s.broken = true
	}
}

// scanByte takes a byte that is outside of strings and values.
func (s *memberScanner) scanByte(b byte) {
	space := b == ' ' || b == '\t' || b == '\r' || b == '\n'
	switch {
	case space:
	case s.state == beforeObject && s.marked < len(byteOrderMark) && b == byteOrderMark[s.marked]:
		s.marked++
	case s.state == beforeObject && b == '{':
		s.depth, s.state = 1, beforeKey
	case s.state == beforeKey && b == '"':
		s.state, s.inString, s.key = inKey, true, append(s.key[:0], b)
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
	s.name, s.keeping = s.wanted()
	s.state, s.output = inValue, slices.Contains(outputs, s.name)
	if !s.keeping {
		return
	}
	if s.room == nil {
		s.room = make([]byte, 0, membersSize)
	}
	s.value = s.room[len(s.room):]
	if _, twice := s.found[s.name]; twice || s.long(s.name) {
		s.broken = true // parsers differ in which they take
	}
}

// wanted is the one of the names that the key is, if it is one.
func (s *memberScanner) wanted() (name string, ok bool) {
	key := s.key[1 : len(s.key)-1]
	if bytes.IndexByte(key, '\\') >= 0 {
		key = []byte(gjson.ParseBytes(s.key).Str)
	}
	for _, name := range s.names {
		if string(key) == name {
			return name, true
		}
	}
	return "", false
}

// scanValue takes the bytes of a value up to the beginning of a string, the end of the value or
// that of the piece, and returns how many they are.
func (s *memberScanner) scanValue(piece []byte) int {
	for n, b := range piece {
		switch b {
		case '"':
			s.inString = true
			s.keep(piece[:n+1])
			return n + 1
		case '{', '[':
			s.depth++
		case '}', ']', ',':
			if s.depth == 1 && b != ']' {
				s.keep(piece[:n])
				s.endValue(b)
				return n + 1
			}
			if b != ',' {
				s.depth--
			}
		}
	}
	s.keep(piece)
	return len(piece)
}

// endValue takes the byte after a value.
func (s *memberScanner) endValue(b byte) {
	if s.keeping {
		s.found[s.name] = bytes.TrimSpace(s.value)
		s.keeping = false
		if end := len(s.room) + len(s.value); end <= cap(s.room) {
			s.room = s.room[:end]
		}
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

// long reports whether a member was there that is too long to be kept.
func (s *memberScanner) long(name string) bool { return slices.Contains(s.tooLong, name) }
