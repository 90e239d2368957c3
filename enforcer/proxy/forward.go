package proxy

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
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
		return nil // the client has gone, and nothing was sent
	}
	client := newClient(w, r, p.timeouts.write)
	ctx, release := p.outlive(client.gone)
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
	return pass(c, client, answer.Body)
}

// outlive is a context for the provider's side of a call. It outlives the client
// by as long as an answer may be drained, so that the true usage comes in.
func (p *Proxy) outlive(client context.Context) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(client))
	keepDraining := context.AfterFunc(client, func() {
		select {
		case <-time.After(p.DrainTimeout):
			cancel()
		case <-ctx.Done():
		}
	})
	keepForwarding := context.AfterFunc(p.forwarding, cancel)
	return ctx, func() {
		keepDraining()
		keepForwarding()
		cancel()
	}
}

// pass passes the answer to the client, unless the client gets another in its place.
func pass(c *call.Call, client *client, answer io.Reader) *call.Response {
	if client.head.Streamed {
		client.begin()
	}
	rest := c.Finish(copyAnswer(c, client, answer))
	if rest.Instead != nil {
		return rest.Instead
	}
	client.write(rest.Piece)
	if rest.Cut {
		panic(http.ErrAbortHandler)
	}
	client.finish()
	return nil
}

// copyAnswer passes the answer on as it comes, until its end, and returns why it was cut
// off if it was.
func copyAnswer(c *call.Call, client *client, answer io.Reader) error {
	buffer := make([]byte, 32<<10)
	for {
		n, err := answer.Read(buffer)
		client.write(c.Pass(buffer[:n]))
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case client.drained > drainBytes:
			return errDrained
		}
	}
}

var errDrained = errors.New("the client has gone, and more comes than is drained")

// client is the receiver of an answer, until it has gone; then it is a drain.
type client struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	gone    context.Context
	hangUp  context.CancelFunc
	// head is what comes before the answer's body; begun is whether it was sent.
	head  *call.Head
	begun bool
	// drained is how many bytes have come since the client has gone.
	drained int64
}

func newClient(w http.ResponseWriter, r *http.Request, timeout time.Duration) *client {
	gone, hangUp := context.WithCancel(r.Context())
	return &client{w: w, control: http.NewResponseController(w), timeout: timeout, gone: gone, hangUp: hangUp}
}

// begin sends the head of the answer, once.
func (c *client) begin() {
	if c.begun {
		return
	}
	c.begun = true
	maps.Copy(c.w.Header(), c.head.Header)
	c.w.WriteHeader(c.head.Status)
	c.do(c.control.Flush)
}

// write sends a piece of the answer at once.
func (c *client) write(piece []byte) {
	if len(piece) == 0 {
		return
	}
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

// finish lets the server end the answer, which may have been silent for long.
func (c *client) finish() {
	c.begin()
	c.do(func() error { return nil })
}

// do sends something, and takes the client for gone when that fails.
func (c *client) do(send func() error) {
	if c.gone.Err() != nil {
		return
	}
	err := c.control.SetWriteDeadline(time.Now().Add(c.timeout))
	if err == nil {
		err = send()
	}
	if err != nil {
		c.hangUp()
	}
}
