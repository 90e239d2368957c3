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

// whole is the answer, once all of it was written, with those fields of its header
// that are named; none means all.
func (r *recording) whole(names ...string) (answer answercache.Answer, ok bool) {
	if r == nil || r.tooLarge || r.answer.Status == 0 {
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

// give gives a client an answer that was kept.
func (p *Proxy) give(w http.ResponseWriter, answer answercache.Answer) {
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
