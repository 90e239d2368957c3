package relay

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
)

// Relay forwards connections to a server.
type Relay struct {
	// Addr is where it listens, "127.0.0.1:<port>".
	Addr string

	target   string
	listener net.Listener
	mu       sync.Mutex
	conns    map[net.Conn]struct{}
	isCut    bool
}

// Start starts a Relay to the server at an address. It runs until Stop.
func Start(target string) (*Relay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Relay{Addr: listener.Addr().String(), target: target, listener: listener, conns: map[net.Conn]struct{}{}}
	go r.serve()
	return r, nil
}

// StartTo starts a Relay to the server that a URL names, and returns the URL that leads
// there by the Relay.
func StartTo(raw string) (r *Relay, through string, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, "", fmt.Errorf("URL of the server: %w", err)
	}
	if r, err = Start(u.Host); err != nil {
		return nil, "", err
	}
	u.Host = r.Addr
	return r, u.String(), nil
}

// Cut ends all connections, and all that are made from now on, until Mend.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.isCut = true
	for conn := range r.conns {
		_ = conn.Close() // it may have ended
	}
}

// Mend lets connections through again.
func (r *Relay) Mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.isCut = false
}

// Stop ends the Relay and its connections.
func (r *Relay) Stop() error {
	r.Cut()
	return r.listener.Close()
}

func (r *Relay) serve() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return // it was stopped
		}
		go r.forward(conn)
	}
}

// forward copies both ways until one side ends, or the Relay is cut.
func (r *Relay) forward(conn net.Conn) {
	defer r.close(conn)
	if !r.add(conn) {
		return
	}
	server, err := net.Dial("tcp", r.target)
	if err != nil {
		return
	}
	defer r.close(server)
	if !r.add(server) {
		return
	}
	ended := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{conn, server}, {server, conn}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1]) // a connection that was cut ends with an error
			_ = pair[0].Close()
			ended <- struct{}{}
		}()
	}
	<-ended
}

// add notes a connection, unless the Relay is cut.
func (r *Relay) add(conn net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isCut {
		return false
	}
	r.conns[conn] = struct{}{}
	return true
}

func (r *Relay) close(conn net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, conn)
	_ = conn.Close() // it may have ended
}
