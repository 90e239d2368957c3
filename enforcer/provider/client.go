package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
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
	transport http.RoundTripper
	keys      keyring
}

// NewClient makes a Client that finds the providers' keys in the files of a directory.
func NewClient(credentialsDir string) *Client {
	return &Client{transport: newTransport(), keys: keyring{dir: credentialsDir}}
}

// Close closes the connections that are not in use.
func (c *Client) Close() {
	if t, ok := c.transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// newTransport is a transport for many calls at once, each long: every call has a
// connection to itself, so that one broken connection ends one call. It follows
// no proxy of the environment and asks for no compression, which would hide the usage.
func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  15 * time.Minute, // a long whole answer has its header at its end
		MaxIdleConnsPerHost:    2048,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		DisableCompression:     true,
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
}

// Send sends a call and returns the answer as soon as its header is there. The caller
// closes the answer's body.
func (c *Client) Send(ctx context.Context, out Outgoing) (*http.Response, error) {
	progress := &progress{}
	request, err := c.request(progress.watch(ctx), out)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	response, err := c.transport.RoundTrip(request)
	switch {
	case err == nil:
		return response, nil
	case !progress.mayHaveBeenSent():
		return nil, fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	return nil, fmt.Errorf("no answer: %w", err)
}

func (c *Client) request(ctx context.Context, out Outgoing) (*http.Request, error) {
	url := strings.TrimSuffix(out.Provider.Endpoint, "/") + out.Path
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(out.Body))
	if err != nil {
		return nil, err
	}
	request.Header = http.Header{"User-Agent": nil} // nil: none, rather than Go's own
	maps.Copy(request.Header, http.Header(out.Header))
	var key string
	if file := out.Provider.CredentialFile; file != "" {
		if key, err = c.keys.read(file); err != nil {
			return nil, err
		}
	}
	out.Protocol.Authorize(protocol.Header(request.Header), key)
	return request, nil
}

// progress watches how far the sending of a request came. Its methods are called
// from the transport's goroutines.
type progress struct {
	mu    sync.Mutex
	begun bool
}

func (p *progress) set(begun bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun = begun
}

// mayHaveBeenSent is false only if no provider can have got the whole request.
func (p *progress) mayHaveBeenSent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.begun
}

// watch returns a context with which a request reports its progress. A request
// whose writing failed did not arrive whole, so that nothing can come of it. One
// whose writing was begun, and not reported as failed, may have arrived. The
// transport sends again only what it is sure has not been sent.
func (p *progress) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { p.set(true) },
		WroteRequest: func(info httptrace.WroteRequestInfo) { p.set(info.Err == nil) },
	})
}
