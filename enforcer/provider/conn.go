package provider

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// connectTimeout bounds a connection to a provider, and its TLS handshake as well.
	connectTimeout = 10 * time.Second
	// keepAlive is how often a silent connection is probed.
	keepAlive = 15 * time.Second
)

// errClosedByProvider is the error of writing a request to a connection that the provider
// has closed. Nothing was written.
var errClosedByProvider = errors.New("the provider has closed the idle connection")

// dialer dials providers.
type dialer struct {
	net.Dialer
	tls *tls.Config
}

func newDialer() *dialer {
	return &dialer{
		Dialer: net.Dialer{Timeout: connectTimeout, KeepAlive: keepAlive},
		tls:    &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}},
	}
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	plain, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: plain, tcp: tcpOf(plain)}, nil
}

func (d *dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	plain, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	config := d.tls.Clone()
	if config.ServerName, _, err = net.SplitHostPort(address); err != nil {
		return nil, errors.Join(err, plain.Close())
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	secure := tls.Client(plain, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, plain.Close())
	}
	return &conn{Conn: secure, tcp: tcpOf(plain)}, nil
}

func tcpOf(c net.Conn) *net.TCPConn {
	tcp, _ := c.(*net.TCPConn) // nil for a connection of which nothing is known
	return tcp
}

// conn is a connection to a provider that can tell, when the provider has closed it, whether
// the provider may have read any of the last request on it.
//
// The proof is TCP's: a provider that closes the connection acknowledges, with the end of its
// stream, every byte that has reached it. If no byte of the request is acknowledged by then,
// the provider had given the connection up before the request came. Other ends of a
// connection, such as a reset, prove nothing.
type conn struct {
	net.Conn
	// tcp is the connection below TLS.
	tcp *net.TCPConn

	mu sync.Mutex
	// waiting is whether a request is to be written, of which nothing was written yet.
	waiting bool
	// ended is whether the provider has ended its stream.
	ended bool
	// before is how many bytes were acknowledged when the request was begun, if all that
	// had been written before were; 0 if not, or if the system does not tell.
	before uint64
	// unread is whether the end of the stream proves that nothing of the request was read.
	unread bool
	// broken is whether a write has failed, and not because of the end of the stream or a
	// close of our own: what looks like the end then may be a reset, which the write has
	// reported.
	broken bool
}

// expect says that the next write begins a request.
func (c *conn) expect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting, c.unread = true, false
}

// Write writes, except the beginning of a request to a provider that has closed the
// connection.
func (c *conn) Write(b []byte) (int, error) {
	if !c.mayWrite() {
		return 0, errClosedByProvider
	}
	n, err := c.Conn.Write(b)
	if err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, net.ErrClosed) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.broken = true
	}
	return n, err
}

func (c *conn) mayWrite() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.waiting {
		return true
	}
	now := stateOf(c.tcp)
	if c.ended || now.pending {
		return false // bytes that answer no request could be taken for the answer to this one
	}
	c.waiting, c.before = false, 0
	if now.settled {
		c.before = now.acknowledged
	}
	return true
}

// Read reads, and notes at the end of the stream what the provider had received.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if errors.Is(err, io.EOF) {
		c.noteEnd()
	}
	return n, err
}

func (c *conn) noteEnd() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.ended = true
	c.unread = !c.waiting && c.before > 0 && stateOf(c.tcp).acknowledged == c.before
}

// readNothing is whether the provider certainly read nothing of the request that was
// expected. REQUIRES: the request has failed, and nothing is written any more.
func (c *conn) readNothing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting || c.unread && !c.broken
}

// state is what the system knows of a connection. The zero state is that nothing is known.
type state struct {
	// pending is whether there is something to read, the end of the stream, or an error.
	pending bool
	// acknowledged is how many bytes the other side has acknowledged since the connection
	// was made, and settled whether that is all that was written.
	acknowledged uint64
	settled      bool
}
