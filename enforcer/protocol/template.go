package protocol

import "bytes"

// maxTemplate is the size of the largest frame that is made a template. Most are hundreds of bytes.
const maxTemplate = 4 << 10

// template recognises frames that are the same as one before them except for a few values: the text
// that came, and what numbers or pads frames. Nearly all frames of a stream are so, and what they
// say is known without parsing them.
type template struct {
	// frame is a copy of the frame before, and varies are the values in it that may differ, in
	// the order in which they stand. There is no template without any.
	frame  []byte
	varies []varying
	// hide is what of the frame the client is not to see.
	hide hidden
}

// span is a part of a frame, or of its data.
type span struct{ from, to int }

func (s span) isEmpty() bool { return s.from == s.to }

func (s span) shifted(by int) span { return span{s.from + by, s.to + by} }

// varying is a value that differs from frame to frame.
type varying struct {
	what what
	// span is where it is: the inside of a string, or a number.
	span
}

// what is the kind of a value that differs from frame to frame.
type what int

const (
	// someText is a string, not empty, that the model has generated.
	someText what = iota
	// someNumber is the number of the frame.
	someNumber
	// padding is a string that means nothing.
	padding
)

// values are those of a frame that a template matches. They lie in the frame.
type values struct{ text, number []byte }

// learn makes a frame the template. varies are places in its data, which begins at a place in it.
func (t *template) learn(frame []byte, at int, varies []varying, hide hidden) {
	t.frame, t.varies, t.hide = append(t.frame[:0], frame...), t.varies[:0], hide
	for _, v := range varies {
		t.varies = append(t.varies, varying{v.what, v.shifted(at)})
	}
}

// isWhole is whether the template has its blank line, of which no LF may still come: what begins with
// such a frame has all of it.
func (t *template) isWhole() bool {
	return bytes.HasSuffix(t.frame, []byte("\n\n")) || bytes.HasSuffix(t.frame, []byte("\n\r\n"))
}

// match matches the frame with which b begins. It returns the values in the frame, what of it the client
// is not to see, and how long it is; 0 if the template does not match.
func (t *template) match(b []byte) (found values, hide hidden, length int) {
	at, of := 0, 0 // as far as the frame, and the template, are compared
	hide = t.hide
	for _, v := range t.varies {
		same := t.frame[of:v.from]
		if !bytes.HasPrefix(b[at:], same) {
			return values{}, hidden{}, 0
		}
		at += len(same)
		value, ok := v.what.begins(b[at:])
		if !ok {
			return values{}, hidden{}, 0
		}
		switch v.what {
		case someText:
			found.text = value
		case someNumber:
			found.number = value
		}
		if at, of = at+len(value), v.to; of <= t.hide.from {
			hide.span = t.hide.shifted(at - of)
		}
	}
	if rest := t.frame[of:]; len(t.varies) == 0 || !bytes.HasPrefix(b[at:], rest) {
		return values{}, hidden{}, 0
	}
	return found, hide, at + len(t.frame[of:])
}

// begins is the value of that kind with which b begins, if there is one that has no escapes and,
// unless it is padding, is not empty.
func (w what) begins(b []byte) (value []byte, ok bool) {
	for i, c := range b {
		switch {
		case w == someNumber && (c < '0' || c > '9'), w != someNumber && c == '"':
			return b[:i], i > 0 || w == padding
		case c == '\\' || c < ' ':
			return nil, false
		}
	}
	return nil, false
}
