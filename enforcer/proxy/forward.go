package proxy

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/enforcer/protocol"
	"github.com/bursar-dev/bursar/enforcer/provider"
)

// drainBytes is how much of an answer is read on after its client has gone.
const drainBytes = 64 << 20

// forward sends the call to its provider and passes the answer to the client, unless
// the client gets another, which is returned.
func (p *Proxy) forward(c *call.Call, forward *call.Forward, w http.ResponseWriter, r *http.Request, room *room) *call.Response {
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // the client has gone, and nothing was sent; it may still read
	}
	leaving := &leaving{toItsEnd: forward.ToItsEnd}
	client := newClient(w, r, p.timeouts.write, leaving)
	ctx, release := p.outlive(client, leaving)
	leaving.provider = ctx
	defer release()
	c.Sending()
	body := forward.Body
	forward.Body = nil // nobody is to hold it while the answer passes by
	answer, err := p.Client.Send(ctx, provider.Outgoing{
		Protocol: forward.Protocol, Provider: forward.Provider,
		Path: forward.Path, Header: forward.Header, Body: body, Written: room.leave,
	})
	if err != nil {
		return c.NoAnswer(!errors.Is(err, provider.ErrNotSent), err)
	}
	defer func() { _ = answer.Body.Close() }() // it was read as far as it is wanted
	head, response := c.Answer(answer.StatusCode, protocol.Header(answer.Header))
	if response != nil {
		return response
	}
	client.head = head
	return pass(c, client, answer.Body, leaving)
}

const (
	// lag is how long a client that keeps up may take for a piece of an answer.
	lag = 50 * time.Millisecond
	// grace is how long an answer is read on after its client has gone, if little of it is
	// left: its usage or its end, or what has come while the client did not take it.
	grace = 2 * time.Second
	// lastWords is how long a client has to take in why its connection is going to be cut.
	// Some of them forget what they have not read of an answer when it breaks off.
	lastWords = 500 * time.Millisecond
)

// leaving decides when to leave a provider whose client has gone. Closing the connection tells
// the provider.
type leaving struct {
	// toItsEnd is whether the answer is read to its end, for as long as answers are drained.
	toItsEnd bool
	// progress is how far the answer has come.
	progress atomic.Int32
	// lagging is whether the client did not take the last piece at once, and writing is since
	// when the next one is being sent, in nanoseconds since the Unix epoch; 0 while none is. More
	// of the answer may have come, then, than the client was sent.
	lagging atomic.Bool
	writing atomic.Int64
	// provider ends when the provider is left, for the reason that is its cause.
	provider context.Context
}

// why is why the answer has ended, whose reading has failed with err.
func (l *leaving) why(err error) error {
	if left := context.Cause(l.provider); left != nil {
		return left
	}
	return err
}

// after is how long the answer is still read if its client goes now.
func (l *leaving) after(drain time.Duration) time.Duration {
	switch progress := protocol.Progress(l.progress.Load()); {
	case l.toItsEnd || progress == protocol.NotBegun:
		return drain
	case progress == protocol.OutputEnded || l.isBehind():
		return min(drain, grace)
	}
	return 0
}

func (l *leaving) isBehind() bool {
	since := l.writing.Load()
	return l.lagging.Load() || since > 0 && time.Since(time.Unix(0, since)) > lag
}

// note notes how far the answer has come.
func (l *leaving) note(progress protocol.Progress) { l.progress.Store(int32(progress)) }

// atOnce is whether the provider is left at once if its client has gone.
func (l *leaving) atOnce() bool {
	return !l.toItsEnd && protocol.Progress(l.progress.Load()) == protocol.Underway && !l.isBehind()
}

// outlive is a context for the provider's side of a call. It outlives the client by as
// long as the answer is still to be read, unless all answers are cut.
func (p *Proxy) outlive(client *client, leaving *leaving) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(p.forwarding)
	keepReading := context.AfterFunc(client.gone, func() {
		select {
		case <-time.After(leaving.after(p.DrainTimeout)):
			cancel(call.ErrClientGone)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		keepReading()
		cancel(nil)
	}
}

// pass passes the answer to the client, unless the client gets another in its place.
func pass(c *call.Call, client *client, answer io.Reader, leaving *leaving) *call.Response {
	if client.head.Streamed {
		client.beginAtOnce()
	}
	buffer := newBuffer()
	defer buffer.release() // when nobody looks at the last piece any more
	cut := copyAnswer(c, client, answer, leaving, buffer)
	if cut != nil && !client.begun {
		c.Unshown()
	}
	rest := c.Finish(cut)
	if rest.Instead != nil {
		return rest.Instead
	}
	client.write(rest.Piece)
	client.trail(rest.Trailer)
	if rest.Cut {
		client.flush()
		client.takeIn(rest.Piece)
		panic(http.ErrAbortHandler)
	}
	client.finish()
	return nil
}

// copyAnswer passes the answer on as it comes, until its end, and returns why it was cut
// off if it was.
func copyAnswer(c *call.Call, client *client, answer io.Reader, leaving *leaving, buffer *buffer) error {
	for {
		n, err := answer.Read(buffer.bytes())
		client.write(c.Pass(buffer.bytes()[:n]))
		leaving.note(c.Progress())
		switch left := leaving.atOnce() && client.gone.Err() != nil; {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return leaving.why(err)
		case left, client.drained > drainBytes:
			return call.ErrClientGone
		}
		buffer.fit(n)
	}
}

// client is the receiver of an answer, until it has gone; then it is a drain.
type client struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	gone    context.Context
	hangUp  context.CancelFunc
	leaving *leaving
	// head is what comes before the answer's body; begun is whether it was sent.
	head  *call.Head
	begun bool
	// held is what was held back of a whole answer since heldSince, so that its head can
	// say what it cost.
	held      []byte
	heldSince time.Time
	// drained is how many bytes have come since the client has gone.
	drained int64
}

func newClient(w http.ResponseWriter, r *http.Request, timeout time.Duration, leaving *leaving) *client {
	gone, hangUp := context.WithCancel(r.Context())
	return &client{w: w, control: http.NewResponseController(w), timeout: timeout, gone: gone, hangUp: hangUp, leaving: leaving}
}

// begin writes the head of the answer, once. It is sent with what follows.
func (c *client) begin() {
	if c.begun {
		return
	}
	c.begun = true
	maps.Copy(c.w.Header(), c.head.Header)
	c.w.WriteHeader(c.head.Status)
}

// beginAtOnce sends the head of the answer before there is any of its body.
func (c *client) beginAtOnce() {
	c.begin()
	c.do(c.control.Flush)
}

// A whole answer is held back until its end, or until it is larger than maxHeld or has not
// ended after maxHeldFor: some providers send blanks, so that nobody takes the connection for
// dead.
const (
	maxHeld    = 64 << 10 // times a thousand calls at once, a small part of an enforcer's memory
	maxHeldFor = time.Second
)

// holdsBack keeps the piece if it need not be sent yet.
func (c *client) holdsBack(piece []byte) bool {
	if c.begun || c.head.Streamed || len(c.held)+len(piece) > maxHeld {
		return false
	}
	if c.heldSince.IsZero() {
		c.heldSince = time.Now()
	}
	if time.Since(c.heldSince) > maxHeldFor {
		return false
	}
	c.held = append(c.held, piece...)
	return true
}

// write sends a piece of the answer: at once if it is streamed.
func (c *client) write(piece []byte) {
	if len(piece) == 0 || c.holdsBack(piece) {
		return
	}
	if held := c.held; len(held) > 0 {
		c.held, piece = nil, append(held, piece...)
	}
	c.send(piece)
}

// trail has the server send fields after the body, unless the head has them.
func (c *client) trail(fields protocol.Header) {
	if !c.begun {
		return
	}
	for name, values := range fields {
		c.w.Header()[http.TrailerPrefix+name] = values
	}
}

// flush sends what was held back.
func (c *client) flush() {
	held := c.held
	c.held = nil
	if len(held) > 0 {
		c.send(held)
	}
}

// send sends a piece of the answer at once.
func (c *client) send(piece []byte) {
	c.begin()
	c.do(func() error {
		if _, err := c.w.Write(piece); err != nil {
			return err
		}
		return c.control.Flush()
	})
	if c.gone.Err() != nil {
		c.drained += int64(len(piece))
	}
}

// takeIn gives the client some time for the last piece, if there is one, unless it has gone.
func (c *client) takeIn(piece []byte) {
	if len(piece) == 0 {
		return
	}
	select {
	case <-c.gone.Done():
	case <-time.After(lastWords):
	}
}

// finish lets the server end the answer, which may have been silent for long. What was held back
// of a whole answer is sent then, with its head and its end.
func (c *client) finish() {
	c.begin()
	c.do(func() error {
		_, err := c.w.Write(c.held)
		return err
	})
}

// do sends something, and takes the client for gone when that fails.
func (c *client) do(send func() error) {
	if c.gone.Err() != nil {
		return
	}
	begun := time.Now()
	c.leaving.writing.Store(begun.UnixNano())
	err := c.control.SetWriteDeadline(begun.Add(c.timeout))
	if err == nil {
		err = send()
	}
	c.leaving.lagging.Store(time.Since(begun) > lag)
	c.leaving.writing.Store(0)
	if err != nil {
		c.hangUp()
	}
}
