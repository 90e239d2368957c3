package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// ErrNotSent is wrapped by the errors of Send when it is certain that the provider
// was asked for nothing. Any other error leaves open what the provider did.
var ErrNotSent = errors.New("not sent")

// Client sends calls to providers.
type Client struct {
	transport *http.Transport
	// fresh has a new connection for every call.
	fresh *http.Transport
	keys  *keyring
}

// NewClient makes a Client that finds the providers' keys in the files of a directory.
func NewClient(credentialsDir string) *Client {
	c := &Client{transport: newTransport(newDialer()), keys: &keyring{dir: credentialsDir}}
	c.fresh = c.transport.Clone()
	c.fresh.DisableKeepAlives = true
	return c
}

// Close closes the connections that are not in use.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// readBuffer is how much of an answer is read from a connection at once: what a provider sends faster
// than it is passed on takes fewer reads and writes.
const readBuffer = 16 << 10

// newTransport is a transport for many calls at once, each long: every call has a
// connection to itself, so that one broken connection ends one call. It follows
// no proxy of the environment and asks for no compression, which would hide the usage.
func newTransport(d *dialer) *http.Transport {
	return &http.Transport{
		DialContext:            d.dial,
		DialTLSContext:         d.dialTLS,
		ResponseHeaderTimeout:  15 * time.Minute, // a long whole answer has its header at its end
		MaxIdleConnsPerHost:    2048,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		DisableCompression:     true,
		ReadBufferSize:         readBuffer,
		Protocols:              http1(),
	}
}

func http1() *http.Protocols {
	p := &http.Protocols{}
	p.SetHTTP1(true)
	return p
}

// Outgoing is a call on its way out.
type Outgoing struct {
	Protocol protocol.Protocol
	Provider limiterv1.Provider
	// Path is where the provider is asked, below its endpoint, with the query.
	Path string
	// Header is all that is sent, except for the provider's key. It is not changed.
	Header protocol.Header
	Body   []byte
	// Written, if set, is called when there is an answer and all of Body is written, so that nobody
	// needs it any more. It may be called from any goroutine, and after Send has returned.
	Written func()
}

// Send sends a call and returns the answer as soon as its header is there. The caller
// closes the answer's body.
// Errors, including those of reading the body, quote nothing that the provider has sent.
//
// A provider may close an idle connection just when a call takes it. A call of which the
// provider then certainly read nothing is sent again, once, on a new connection. No other
// is ever sent twice.
func (c *Client) Send(ctx context.Context, out Outgoing) (*http.Response, error) {
	sent := &body{bytes: out.Body}
	response, progress, err := c.sendBy(ctx, c.transport, out, sent)
	if err != nil && progress.readNothing() && ctx.Err() == nil {
		response, progress, err = c.sendBy(ctx, c.fresh, out, sent)
	}
	switch {
	case err == nil:
		written := out.Written // out has the body
		progress.whenWritten(func() {
			sent.letGo()
			if written != nil {
				written()
			}
		})
		response.Body = answerBody{response.Body}
		return response, nil
	case !progress.mayHaveBeenSent():
		return nil, fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	return nil, fmt.Errorf("no answer: %w", err)
}

// sendBy sends a call by a transport. progress says of an error how far it came.
func (c *Client) sendBy(ctx context.Context, by http.RoundTripper, out Outgoing, body *body) (*http.Response, *progress, error) {
	progress := &progress{}
	request, key, err := c.request(progress.watch(ctx), out)
	if err != nil {
		return nil, progress, err
	}
	body.giveTo(request)
	response, err := by.RoundTrip(request)
	if err != nil {
		return nil, progress, failureOf(err)
	}
	withhold(key, response)
	return response, progress, nil
}

// request is the request of a call, and the provider's key in it.
func (c *Client) request(ctx context.Context, out Outgoing) (request *http.Request, key string, err error) {
	url := strings.TrimSuffix(out.Provider.Endpoint, "/") + out.Path
	request, err = http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
	if err != nil {
		return nil, "", err
	}
	request.Header = http.Header{"User-Agent": nil} // nil: none, rather than Go's own
	maps.Copy(request.Header, http.Header(out.Header))
	if file := out.Provider.CredentialFile; file != "" {
		if key, err = c.keys.read(file); err != nil {
			return nil, "", err
		}
	}
	out.Protocol.Authorize(protocol.Header(request.Header), key)
	return request, key, nil
}

// progress watches how far the sending of a request came. Its methods are called
// from the transport's goroutines.
type progress struct {
	mu sync.Mutex
	// begun is whether the request may have arrived, and written whether all of it was
	// written.
	begun, written bool
	// then is what is to be done when it is written; nil is nothing.
	then func()
	// reused is the connection, if it was used for another request before.
	reused *conn
}

func (p *progress) set(begun bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun = begun
}

func (p *progress) wrote(info httptrace.WroteRequestInfo) {
	p.mu.Lock()
	p.begun, p.written = info.Err == nil, info.Err == nil
	then := p.then
	p.mu.Unlock()
	if then != nil && info.Err == nil {
		then()
	}
}

// whenWritten does something when all of the request is written, which may be now.
func (p *progress) whenWritten(do func()) {
	p.mu.Lock()
	written := p.written
	p.then = do
	p.mu.Unlock()
	if written {
		do()
	}
}

// mayHaveBeenSent is false only if no provider can have got the whole request.
func (p *progress) mayHaveBeenSent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.begun
}

// readNothing reports whether the provider certainly read nothing of the request, because it
// had closed the connection, which was kept from an earlier request, before.
func (p *progress) readNothing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reused != nil && p.reused.readNothing()
}

// gotConn notes the connection that the request takes.
func (p *progress) gotConn(info httptrace.GotConnInfo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reused = nil
	if taken, ok := info.Conn.(*conn); ok && info.Reused {
		taken.expect()
		p.reused = taken
	}
}

// watch returns a context with which a request reports its progress. A request
// whose writing failed did not arrive whole, so that nothing can come of it. One
// whose writing was begun, and not reported as failed, may have arrived. The
// transport sends again only what it is sure has not been sent.
func (p *progress) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      p.gotConn,
		WroteHeaders: func() { p.set(true) },
		WroteRequest: p.wrote,
	})
}
