package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/bursar-dev/bursar/enforcer/call"
)

// A body of unknown length is read in pieces, each as large as all before it together, within
// these bounds.
const firstPiece, lastPiece = 16 << 10, 1 << 20

// timeouts are how long clients may take.
type timeouts struct {
	// body is for a request's body, and pause for sending nothing of it.
	body, pause time.Duration
	// rest is for what is not read: of a request that was refused, or was still to be read
	// when the enforcer was told to end.
	rest time.Duration
	// write is for taking in some of an answer. A client that takes longer counts as gone.
	write time.Duration
}

var defaultTimeouts = timeouts{body: time.Minute, pause: 10 * time.Second, rest: 5 * time.Second, write: time.Minute}

// readBody reads the body of a call, whose memory is that of room until it is left.
func (p *Proxy) readBody(w http.ResponseWriter, r *http.Request, c *call.Call, room *room) (body []byte, err error) {
	if r.ContentLength > p.maxBody {
		return nil, &call.BodyTooLarge{Limit: p.maxBody}
	}
	room.of = c.Subject()
	if wait := p.failures.wait(room.of); wait > 0 {
		return nil, &call.TooManyFailures{Wait: wait}
	}
	timed := p.newTimedBody(w, r)
	defer timed.done()
	if r.ContentLength >= 0 {
		body, err = readKnown(timed, r.ContentLength, room)
	} else {
		body, err = p.readUnknown(timed, room)
	}
	room.whole = err == nil
	return body, err
}

// readKnown reads a body of known length into memory of that size.
func readKnown(from io.Reader, length int64, room *room) ([]byte, error) {
	if err := room.grow(length); err != nil {
		return nil, err
	}
	body := make([]byte, length)
	_, err := io.ReadFull(from, body)
	return body, err
}

// readUnknown reads a body whose length its header does not say, piece by piece.
func (p *Proxy) readUnknown(from io.Reader, room *room) ([]byte, error) {
	var pieces [][]byte
	for length := int64(0); ; {
		size := min(max(length, firstPiece), lastPiece)
		if err := room.grow(size); err != nil {
			return nil, err
		}
		piece, err := readUpTo(from, make([]byte, size))
		length += int64(len(piece))
		pieces = append(pieces, piece)
		switch {
		case length > p.maxBody:
			return nil, &call.BodyTooLarge{Limit: p.maxBody}
		case errors.Is(err, io.EOF):
			return bytes.Join(pieces, nil), nil
		case err != nil:
			return nil, err
		}
	}
}

// readUpTo reads until the buffer is full or from fails. It returns the error of from as it is:
// io.EOF only at the end of the body.
func readUpTo(from io.Reader, buffer []byte) (filled []byte, err error) {
	n := 0
	for n < len(buffer) && err == nil {
		var more int
		more, err = from.Read(buffer[n:])
		n += more
	}
	return buffer[:n], err
}

// timedBody is a body that its client must send in time.
type timedBody struct {
	timeouts
	from    io.Reader
	control *http.ResponseController
	stop    func() bool

	mu sync.Mutex
	// until is when all of it must have come; over is whether reading it has ended.
	until time.Time
	over  bool
}

// newTimedBody begins to read a body. When the enforcer is told to end, there is little time
// left.
func (p *Proxy) newTimedBody(w http.ResponseWriter, r *http.Request) *timedBody {
	t := &timedBody{timeouts: p.timeouts, from: r.Body, control: http.NewResponseController(w), until: time.Now().Add(p.timeouts.body)}
	t.stop = context.AfterFunc(p.ending, t.hurry)
	return t
}

// Read reads some of the body.
func (t *timedBody) Read(b []byte) (int, error) {
	if err := t.setDeadline(time.Now().Add(t.pause)); err != nil {
		return 0, err
	}
	n, err := t.from.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = &call.BodyTooSlow{Within: t.body, Pause: t.pause}
	}
	return n, err
}

func (t *timedBody) setDeadline(at time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return nil
	}
	if t.until.Before(at) {
		at = t.until
	}
	return t.control.SetReadDeadline(at)
}

func (t *timedBody) hurry() {
	at := time.Now().Add(t.rest)
	t.mu.Lock()
	if at.Before(t.until) {
		t.until = at
	}
	t.mu.Unlock()
	_ = t.setDeadline(at) // fails when the client has gone
}

// done ends the reading. It clears the deadline, which must not apply to the answer.
func (t *timedBody) done() {
	t.stop()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	_ = t.control.SetReadDeadline(time.Time{}) // fails when the client has gone
}
