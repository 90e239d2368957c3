package proxy

import (
	"bytes"
	"net/http"
	"time"

	"github.com/bursar-dev/bursar/enforcer/answercache"
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

func (r *recording) begin(status int, header http.Header) {
	if r != nil {
		r.answer.Status, r.answer.Header, r.answer.At = status, header.Clone(), time.Now()
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

// refusal is an answer that is an error of ours, of which nothing was written before.
func (r *recording) refusal(header http.Header, refused *refusal) {
	r.begin(refused.status, header)
	r.write(refused.text())
	r.end()
}

// whole is the answer, if it is there to its end and may be kept, with those fields of its header
// that are named; none means all.
func (r *recording) whole(names ...string) (answer answercache.Answer, ok bool) {
	if r == nil || r.tooLarge || !r.ended {
		return answer, false
	}
	answer = r.answer
	answer.Body = bytes.Clone(answer.Body)
	if len(names) > 0 {
		answer.Header = http.Header{}
		for _, name := range names {
			if values := r.answer.Header.Values(name); len(values) > 0 {
				answer.Header[name] = values
			}
		}
	}
	return answer, true
}

// give gives a client an answer in the place of a call.
func (p *Proxy) give(c *call, w http.ResponseWriter, answer answercache.Answer) {
	c.answered = true
	p.free(c)
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	control := http.NewResponseController(w)
	if control.SetWriteDeadline(time.Now().Add(p.writeTimeout)) != nil {
		return // the client has gone
	}
	w.WriteHeader(answer.Status)
	_, _ = w.Write(answer.Body) // the client may have gone
	_ = control.SetWriteDeadline(time.Time{})
}
