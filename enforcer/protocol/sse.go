package protocol

import (
	"bytes"
	"slices"
)

// maxFrame is the size of the largest frame that is read. Larger ones, which no
// provider is known to send, pass unread.
const maxFrame = 16 << 20

// eventStream is a stream of server-sent events on its way through: frames of
// lines that end in LF, CR or CRLF, each frame closed by a blank line.
//
// Bytes pass as they come, unless parts of frames may be hidden: then each is held back
// until it is whole. Frames that come whole are read where they are; the others are
// put together first. Wherever the stream is cut into chunks, the same bytes come
// out and the same frames are read.
type eventStream struct {
	// arrive is told that a piece, or the end, has come, before anything in it is read.
	arrive func()
	// read is given the data of each frame, which it is neither to change nor to keep, and
	// returns what of it the client is not to see.
	read func(data []byte) hidden
	// hiding is whether what read returns matters.
	hiding bool
	// tap, if set, is given the data of each frame that has come to its end, before read is.
	tap func(data []byte)
	// varies, if set, says what may differ between the data that was read last and frames that say
	// the same except for the text in them; nothing if that data says more than text. As long as
	// there is something, such frames are not read: again is given their values.
	varies func(data []byte) []varying
	again  func(values)

	frame    []byte // the frame so far, unless it is too large or has come whole
	line     int    // the length of its last line so far
	tooLarge bool   // the frame is passing unread
	afterCR  bool   // the last byte was a CR, whose LF may follow
	leftOut  bool   // the last whole frame was left out
	out      []byte
	template template
	joined   []byte
	plain    []byte
	copied   int64 // how many bytes were copied, for a benchmark
	cut      bool  // the frame was cut off
	unread   int64 // how many bytes have passed unread: of frames that are too large, or nest too deep
	largest  int   // the size of the largest frame that was read
}

// hidden is what of a frame the client is not to see.
type hidden struct {
	// all is whether it sees nothing of the frame.
	all bool
	// span is where it is in the data.
	span
}

// pass takes a chunk of the stream and returns what the client is to see now.
func (s *eventStream) pass(chunk []byte) []byte {
	s.arrive()
	s.out = s.out[:0]
	if s.hiding {
		s.out = slices.Grow(s.out, len(s.frame)+len(chunk)) // mostly, nearly all of it is seen
	}
	for rest := chunk; len(rest) > 0; {
		if length := s.takeRepeated(rest); length > 0 {
			rest = rest[length:]
			continue
		}
		if frame := s.wholeFrame(rest); len(frame) > 0 {
			s.endFrame(frame)
			rest = rest[len(frame):]
			continue
		}
		rest = rest[s.take(rest):]
	}
	if !s.hiding {
		return chunk
	}
	return s.out
}

// takeRepeated takes the frame with which b begins, if that is the same as one before except for a few
// values, and returns how long it is; else 0. Where such a frame ends need not be looked for.
func (s *eventStream) takeRepeated(b []byte) int {
	if s.open() || s.afterCR || !s.template.isWhole() {
		return 0
	}
	values, hide, length := s.template.match(b)
	if length > 0 {
		s.again(values)
		s.largest, s.leftOut = max(s.largest, length), s.emitBut(hide, b[:length])
	}
	return length
}

// wholeFrame is the frame that begins with b, if all of it is there, and its lines end in LF or
// CRLF; else nothing.
func (s *eventStream) wholeFrame(b []byte) []byte {
	if s.open() || s.afterCR {
		return nil
	}
	b = b[:min(len(b), maxFrame)]
	for length := 0; ; {
		end := endOfLine(b[length:])
		if end < 0 {
			return nil
		}
		length += end + 1
		if b[length-1] == '\r' {
			if length == len(b) || b[length] != '\n' {
				return nil
			}
			length++
		}
		if end == 0 {
			return b[:length]
		}
	}
}

// endOfLine is where the first LF or CR is; -1 where there is none.
func endOfLine(b []byte) int {
	lf := bytes.IndexByte(b, '\n')
	if lf >= 0 {
		b = b[:lf]
	}
	if cr := bytes.IndexByte(b, '\r'); cr >= 0 {
		return cr
	}
	return lf
}

// take takes the next bytes, up to and including the end of a line, and returns
// how many they are.
func (s *eventStream) take(b []byte) int {
	if s.afterCR && b[0] == '\n' {
		s.afterCR = false
		s.lineFeed()
		return 1
	}
	end := endOfLine(b)
	if end < 0 {
		s.add(b)
		s.line += len(b)
		s.afterCR = false
		return len(b)
	}
	s.add(b[:end+1])
	s.afterCR = b[end] == '\r'
	if s.line+end == 0 {
		s.endFrame(s.frame)
		s.frame, s.tooLarge = s.frame[:0], false
	}
	s.line = 0
	return end + 1
}

// lineFeed takes the LF of a CRLF whose CR has already ended the line, and
// perhaps the frame: then it shares the frame's fate.
func (s *eventStream) lineFeed() {
	switch {
	case s.open():
		s.add([]byte{'\n'})
	case !s.leftOut:
		s.emit([]byte{'\n'})
	}
}

// open is whether a frame has begun and not ended.
func (s *eventStream) open() bool { return len(s.frame) > 0 || s.tooLarge }

func (s *eventStream) add(b []byte) {
	if !s.tooLarge && len(s.frame)+len(b) > maxFrame {
		s.tooLarge = true
		s.unread += int64(len(s.frame))
		s.emit(s.frame)
		s.frame = s.frame[:0]
	}
	if s.tooLarge {
		s.unread += int64(len(b))
		s.emit(b)
		return
	}
	s.frame = append(s.frame, b...)
	s.copied += int64(len(b))
}

// emit lets the client see b, where something may be hidden; else it sees what comes.
func (s *eventStream) emit(b []byte) {
	if s.hiding {
		s.out = append(s.out, b...)
		s.copied += int64(len(b))
	}
}

// endFrame takes a frame that is whole.
func (s *eventStream) endFrame(frame []byte) {
	s.largest = max(s.largest, len(frame))
	s.leftOut = s.show(frame)
}

// show reads a frame, lets the client see of it what it is to see, and returns whether that is
// nothing.
func (s *eventStream) show(frame []byte) (leftOut bool) {
	return s.emitBut(s.readFrame(frame), frame)
}

// emitBut lets the client see of a frame what is not hidden, and returns whether that is nothing.
func (s *eventStream) emitBut(hide hidden, frame []byte) (leftOut bool) {
	if hide.all {
		return true
	}
	s.emit(frame[:hide.from])
	s.emit(frame[hide.to:])
	return false
}

// end takes the end of the stream and returns what the client is still to see: a
// last frame without its blank line, if the stream was not cut off in it.
func (s *eventStream) end(cut bool) []byte {
	s.arrive()
	s.cut, s.out = cut, s.out[:0]
	s.show(s.frame)
	if cut {
		return nil
	}
	return s.out
}

// interject is a frame with the given event, if any, and data, for a client in the
// midst of a stream.
func (s *eventStream) interject(event string, data []byte) []byte {
	var frame []byte
	if s.tooLarge || !s.hiding && s.open() {
		frame = append(frame, "\n\n"...) // close the frame that the client has begun to see
	}
	if event != "" {
		frame = append(append(append(frame, "event: "...), event...), '\n')
	}
	frame = append(append(frame, "data: "...), data...)
	return append(frame, "\n\n"...)
}

// readFrame reads a frame and returns what of it the client is not to see.
func (s *eventStream) readFrame(frame []byte) hidden {
	if values, hide, length := s.template.match(frame); length > 0 && length == len(frame) {
		s.again(values)
		return hide
	}
	data, at := s.data(frame)
	if data == nil {
		return hidden{}
	}
	if tooDeep(data) {
		s.unread += int64(len(data))
		return hidden{}
	}
	if s.tap != nil && !s.cut {
		s.tap(data)
	}
	hide := s.read(data)
	switch {
	case hide.all:
		return hide
	case at < 0:
		return hidden{}
	}
	hide.span = hide.shifted(at)
	s.learn(frame, data, at, hide)
	return hide
}

// learn makes a frame that was read the template of those to come, if nothing but text is to
// differ in them. Its data is at a place in it.
func (s *eventStream) learn(frame, data []byte, at int, hide hidden) {
	if s.varies == nil || s.cut || len(frame) > maxTemplate {
		return
	}
	if varies := s.varies(data); len(varies) > 0 {
		s.template.learn(frame, at, varies, hide)
	}
}

var (
	byteOrderMark = []byte("\uFEFF")
	dataField     = []byte("data:")
)

// data is the data of the frame, nil when it has none, and where in the frame it
// is: -1 when it stands on several lines, or has names written with escapes, which no known
// provider does, and is then read and left out like any other, but no part of it is hidden.
func (s *eventStream) data(frame []byte) (data []byte, at int) {
	for rest := bytes.TrimPrefix(frame, byteOrderMark); len(rest) > 0; {
		line, next := cutLine(rest)
		if value, found := bytes.CutPrefix(line, dataField); found {
			value = bytes.TrimPrefix(value, []byte{' '})
			if data == nil {
				data, at = value, cap(frame)-cap(value)
			} else {
				s.joined = append(append(append(s.joined[:0], data...), '\n'), value...)
				data, at = s.joined, -1
			}
		}
		rest = next
	}
	if bytes.Contains(data, asciiEscape) {
		s.plain = appendPlain(s.plain[:0], data)
		if len(s.plain) < len(data) {
			return s.plain, -1
		}
	}
	return data, at
}

// cutLine cuts off the first line, without what ends it.
func cutLine(b []byte) (line, rest []byte) {
	i := endOfLine(b)
	switch {
	case i < 0:
		return b, nil
	case b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n':
		return b[:i], b[i+2:]
	}
	return b[:i], b[i+1:]
}
