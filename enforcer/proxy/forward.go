package proxy

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/bursar-dev/bursar/enforcer/protocol"
	"github.com/bursar-dev/bursar/enforcer/provider"
)

const (
	// defaultWriteTimeout is how long a client may take to take in some of an
	// answer. One that takes longer counts as gone.
	defaultWriteTimeout = time.Minute
	// drainBytes is how much of an answer is read on after its client has gone.
	drainBytes = 64 << 20
)

// forward sends the call to its provider and passes the answer to the client.
func (p *Proxy) forward(c *call, w http.ResponseWriter, r *http.Request) *refusal {
	if r.Context().Err() != nil {
		return nil // the client has gone, and nothing was sent
	}
	client := newClient(w, r, p.writeTimeout)
	client.recording = c.recording
	ctx, release := p.outlive(client.gone)
	defer release()
	c.progress.sent = true // unless Send is certain that it was not
	begun := time.Now()
	response, err := p.Client.Send(ctx, provider.Outgoing{
		ID: c.id, Protocol: c.endpoint.Protocol(), Provider: c.route.Provider,
		Path: c.bounded.Path, Body: c.bounded.Body, Header: r.Header,
	})
	c.progress.sent = !errors.Is(err, provider.ErrNotSent)
	if err != nil {
		p.Metrics.answered(c.route.Provider.Name, 0, begun)
		p.Log.Warn("no answer from a provider", "provider", c.route.Provider.Name, "call", c.id, "error", err)
		return noAnswer(c.progress.sent)
	}
	defer func() { _ = response.Body.Close() }() // it was read as far as it is wanted
	c.progress.status = response.StatusCode
	p.Metrics.answered(c.route.Provider.Name, response.StatusCode, begun)
	p.free(c)
	if unusable(response) {
		p.Log.Warn("a provider's answer is not for the client", "provider", c.route.Provider.Name, "call", c.id, "status", response.StatusCode)
		return unusableAnswer(response.StatusCode)
	}
	client.answer = response
	return p.pass(c, client)
}

// unusable is whether an answer says nothing to a client: a redirect, or that the
// provider does not know Bursar's key.
func unusable(response *http.Response) bool {
	return response.StatusCode < 200 ||
		response.StatusCode >= 300 && response.StatusCode < 400 ||
		response.StatusCode == http.StatusUnauthorized
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

// pass passes the answer to the client and notes what it used.
func (p *Proxy) pass(c *call, client *client) *refusal {
	answer, streamed := c.bounded.Whole(), isStream(client.answer)
	if streamed {
		answer = c.bounded.Stream()
		client.answer.Header.Del("Content-Length") // it counts what will be left out
		client.begin()
	}
	err := c.copy(client, answer, streamed)
	client.write(answer.End(err != nil))
	if usage, ok := answer.Usage(); ok {
		c.progress.usage = &usage
	}
	if !answer.Unfinished() {
		client.finish()
		p.remember(c)
		return nil
	}
	p.Metrics.cut(c.route.Provider.Name)
	p.Log.Warn("a provider's answer was cut off", "provider", c.route.Provider.Name, "call", c.id, "error", err)
	return client.tellCut(answer, c.endpoint.Protocol())
}

func isStream(response *http.Response) bool {
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	return err == nil && kind == "text/event-stream" && response.StatusCode < 300
}

// copy passes the answer on as it comes, until its end, and returns why it was cut
// off if it was.
func (c *call) copy(client *client, answer protocol.Answer, streamed bool) error {
	buffer := make([]byte, 32<<10)
	for {
		n, err := client.answer.Body.Read(buffer)
		if n > 0 && streamed && c.progress.firstToken.IsZero() {
			c.progress.firstToken = time.Now()
		}
		client.write(answer.Pass(buffer[:n]))
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
	// answer is the provider's; begun is whether its header was sent.
	answer *http.Response
	begun  bool
	// recording is given the same, also when the client has gone.
	recording *recording
	// drained is how many bytes have come since the client has gone.
	drained int64
}

func newClient(w http.ResponseWriter, r *http.Request, timeout time.Duration) *client {
	gone, hangUp := context.WithCancel(r.Context())
	return &client{w: w, control: http.NewResponseController(w), timeout: timeout, gone: gone, hangUp: hangUp}
}

// begin sends the header of the answer, once.
func (c *client) begin() {
	if c.begun {
		return
	}
	c.begun = true
	provider.CopyHeader(c.w.Header(), c.answer.Header)
	c.recording.begin(c.answer.StatusCode, c.w.Header())
	c.w.WriteHeader(c.answer.StatusCode)
	c.do(c.control.Flush)
}

// write sends a piece of the answer at once.
func (c *client) write(piece []byte) {
	if len(piece) == 0 {
		return
	}
	c.begin()
	c.recording.write(piece)
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
	c.recording.end()
	c.do(func() error { return nil })
}

// tellCut tells the client that the answer was cut off: with a refusal if it has
// seen nothing of it, else in the answer's midst if that has a way to, else by
// cutting the connection.
func (c *client) tellCut(answer protocol.Answer, spoken protocol.Protocol) *refusal {
	cut := answerCut()
	if !c.begun {
		return cut
	}
	cut.protocol = spoken
	problem, cutAsWell := answer.Problem(cut.body())
	c.write(problem)
	if problem == nil || cutAsWell {
		panic(http.ErrAbortHandler)
	}
	c.recording.end()
	return nil
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
