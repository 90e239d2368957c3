package protocol

import "bytes"

// maxFrame is the size of the largest frame that is read. Larger ones, which no
// provider is known to send, pass unread.
const maxFrame = 16 << 20

// eventStream is a stream of server-sent events on its way through: frames of
// lines that end in LF, CR or CRLF, each frame closed by a blank line.
//
// Bytes pass as they come, unless frames may be changed: then each is held back
// until it is whole. Wherever the stream is cut into chunks, the same bytes come
// out and the same frames are read.
type eventStream struct {
	// read is given the data of each frame and returns what the client is to see of
	// it: the same slice, or the start of it after a change in place, or nil to
	// leave the frame out.
	read func(data []byte) []byte
	// changing is whether what read returns matters.
	changing bool
	// tap, if set, is given the data of each frame that has come to its end, before read is.
	tap func(data []byte)

	frame    []byte // the frame so far, unless it is too large
	line     int    // the length of its last line so far
	tooLarge bool   // the frame is passing unread
	afterCR  bool   // the last byte was a CR, whose LF may follow
	leftOut  bool   // the last whole frame was left out
	out      []byte
	joined   []byte
	plain    []byte
	copied   int64 // how many bytes were copied, for a benchmark
	cut      bool  // the frame was cut off
	unread   int64 // how many bytes have passed unread
	largest  int   // the size of the largest frame that was read
}

// pass takes a chunk of the stream and returns what the client is to see now.
func (s *eventStream) pass(chunk []byte) []byte {
	s.out = s.out[:0]
	for rest := chunk; len(rest) > 0; {
		rest = rest[s.take(rest):]
	}
	if !s.changing {
		return chunk
	}
	return s.out
}

// take takes the next bytes, up to and including the end of a line, and returns
// how many they are.
func (s *eventStream) take(b []byte) int {
	if s.afterCR && b[0] == '\n' {
		s.afterCR = false
		s.lineFeed()
		return 1
	}
	end := bytes.IndexAny(b, "\r\n")
	if end < 0 {
		s.add(b)
		s.line += len(b)
		s.afterCR = false
		return len(b)
	}
	s.add(b[:end+1])
	s.afterCR = b[end] == '\r'
	if s.line+end == 0 {
		s.endFrame()
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

// emit lets the client see b, where frames may be changed; else it sees what comes.
func (s *eventStream) emit(b []byte) {
	if s.changing {
		s.out = append(s.out, b...)
		s.copied += int64(len(b))
	}
}

func (s *eventStream) endFrame() {
	s.largest = max(s.largest, len(s.frame))
	seen := s.readFrame()
	s.leftOut = seen == nil && !s.tooLarge
	s.emit(seen)
	s.frame, s.tooLarge = s.frame[:0], false
}

// end takes the end of the stream and returns what the client is still to see: a
// last frame without its blank line, if the stream was not cut off in it.
func (s *eventStream) end(cut bool) []byte {
	s.cut = cut
	seen := s.readFrame()
	if cut || !s.changing {
		return nil
	}
	return seen
}

// interject is a frame with the given event, if any, and data, for a client in the
// midst of a stream.
func (s *eventStream) interject(event string, data []byte) []byte {
	var frame []byte
	if s.tooLarge || !s.changing && s.open() {
		frame = append(frame, "\n\n"...) // close the frame that the client has begun to see
	}
	if event != "" {
		frame = append(append(append(frame, "event: "...), event...), '\n')
	}
	frame = append(append(frame, "data: "...), data...)
	return append(frame, "\n\n"...)
}

// readFrame reads the frame and returns what the client is to see of it.
func (s *eventStream) readFrame() []byte {
	data, at := s.data()
	if data == nil {
		return s.frame
	}
	if s.tap != nil && !s.cut {
		s.tap(data)
	}
	seen := s.read(data)
	switch {
	case seen == nil:
		return nil
	case len(seen) == len(data) || at < 0:
		return s.frame
	}
	n := copy(s.frame[at+len(seen):], s.frame[at+len(data):])
	return s.frame[:at+len(seen)+n]
}

var (
	byteOrderMark = []byte("\uFEFF")
	dataField     = []byte("data:")
)

// data is the data of the frame, nil when it has none, and where in the frame it
// is: -1 when it stands on several lines, or has names written with escapes, which no known
// provider does, and is then read and left out like any other, but not changed.
func (s *eventStream) data() (data []byte, at int) {
	for rest := bytes.TrimPrefix(s.frame, byteOrderMark); len(rest) > 0; {
		line, next := cutLine(rest)
		if value, found := bytes.CutPrefix(line, dataField); found {
			value = bytes.TrimPrefix(value, []byte{' '})
			if data == nil {
				data, at = value, cap(s.frame)-cap(value)
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
	i := bytes.IndexAny(b, "\r\n")
	switch {
	case i < 0:
		return b, nil
	case b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n':
		return b[:i], b[i+2:]
	}
	return b[:i], b[i+1:]
}
