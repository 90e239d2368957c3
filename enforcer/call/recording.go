package call

import (
	"bytes"
	"maps"
	"time"

	"github.com/bursar-dev/bursar/enforcer/answercache"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// recording is a copy of an answer as its client is given it. A nil one copies
// nothing.
type recording struct {
	answer answercache.Answer
	// tooLarge is whether the answer is larger than what is ever kept.
	tooLarge bool
	// ended is whether the answer is there to its end.
	ended bool
}

func (r *recording) begin(status int, header protocol.Header) {
	if r != nil {
		r.answer.Status, r.answer.Header, r.answer.At = status, maps.Clone(header), time.Now()
	}
}

// set adds a field to the header of an answer that has begun.
func (r *recording) set(name, value string) {
	if r != nil && r.answer.Header != nil {
		r.answer.Header.Set(name, value)
	}
}

func (r *recording) write(piece []byte) {
	if r == nil || r.tooLarge {
		return
	}
	if len(r.answer.Body)+len(piece) > answercache.MaxAnswerBytes {
		r.tooLarge, r.answer.Body = true, nil
		return
	}
	r.answer.Body = append(r.answer.Body, piece...)
}

func (r *recording) end() {
	if r != nil {
		r.ended = true
	}
}

// forget forgets what was written.
func (r *recording) forget() {
	if r != nil {
		*r = recording{}
	}
}

// whole records an answer of which nothing was written before.
func (r *recording) whole(response *Response) {
	r.begin(response.Status, response.Header)
	r.write(response.Body)
	r.end()
}

// kept is the answer, if it is there to its end and may be kept, with those fields of its
// header that are named; none means all.
func (r *recording) kept(names ...string) (answer answercache.Answer, ok bool) {
	if r == nil || r.tooLarge || !r.ended {
		return answer, false
	}
	answer = r.answer
	answer.Body = bytes.Clone(answer.Body)
	if len(names) > 0 {
		answer.Header = protocol.Header{}
		for _, name := range names {
			if values := r.answer.Header[name]; len(values) > 0 {
				answer.Header[name] = values
			}
		}
	}
	return answer, true
}
