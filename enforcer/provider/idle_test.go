package provider_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/enforcer/provider"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// idler is a provider that closes connections which are idle for a moment. It serves no
// request that comes after that, and remembers which have come.
type idler struct {
	idle        time.Duration
	connections sync.WaitGroup

	mu              sync.Mutex
	served, ignored map[string]int
}

func (i *idler) note(in map[string]int, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	in[r.Header.Get("X-Request-Id")]++
}

func (i *idler) serve(conn net.Conn) {
	i.connections.Add(1)
	defer i.connections.Done()
	defer func() { _ = conn.Close() }()
	from := bufio.NewReader(conn)
	for {
		if _, err := from.Peek(1); err != nil {
			break // the connection was idle for too long
		}
		_ = conn.SetReadDeadline(time.Time{})
		request, err := http.ReadRequest(from)
		if err != nil {
			break
		}
		_, _ = io.Copy(io.Discard, request.Body)
		i.note(i.served, request)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		_ = conn.SetReadDeadline(time.Now().Add(i.idle))
	}
	_ = conn.(interface{ CloseWrite() error }).CloseWrite()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if request, err := http.ReadRequest(from); err == nil {
		i.note(i.ignored, request)
	}
}

// TestSendAgainWhatWasNotRead: where a provider closes idle connections just as calls take
// them, no call fails that did not reach the provider before, and none is served twice.
func TestSendAgainWhatWasNotRead(t *testing.T) {
	for name, size := range map[string]int{"small": 10, "written in pieces": 1 << 20} {
		t.Run(name, func(t *testing.T) { sendWhileIdleConnectionsClose(t, size) })
	}
}

func sendWhileIdleConnectionsClose(t *testing.T, size int) {
	const calls, idle = 500, 2 * time.Millisecond
	upstream := &idler{idle: idle, served: map[string]int{}, ignored: map[string]int{}}
	url := rawServer(t, upstream.serve)
	client := provider.NewClient(credentials(t, "key"))
	failed := map[string]error{}
	for n := range calls {
		out := outgoing(url)
		id := fmt.Sprint("call-", n)
		out.Header.Set("X-Request-Id", id)
		out.Body = make([]byte, size)
		response, err := client.Send(t.Context(), out)
		if err != nil {
			failed[id] = err
		} else {
			testkit.Must(t, response.Body.Close())
		}
		time.Sleep(idle*3/4 + idle*time.Duration(n%200)/400)
	}
	client.Close()
	upstream.connections.Wait()
	upstream.mu.Lock()
	defer upstream.mu.Unlock()
	for id, n := range upstream.served {
		if n != 1 || failed[id] != nil {
			t.Errorf("%s was served %d times, and failed with %v", id, n, failed[id])
		}
	}
	for id, err := range failed {
		if upstream.ignored[id] == 0 {
			t.Errorf("%s has not come to the provider, and failed with %v", id, err)
		}
	}
	if len(upstream.served)+len(failed) != calls {
		t.Errorf("%d calls were served and %d failed, of %d", len(upstream.served), len(failed), calls)
	}
	t.Logf("%d calls came to a connection that the provider was about to close, of which %d failed", len(upstream.ignored), len(failed))
}

// connected is a connection to a provider, and the provider's end of it.
func connected(t *testing.T) (c *provider.Conn, server net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	c, err = provider.Dial(t.Context(), listener.Addr().String())
	testkit.Must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	server, err = listener.Accept()
	testkit.Must(t, err)
	t.Cleanup(func() { _ = server.Close() })
	return c, server
}

// TestReadNothing: a connection proves that nothing of a request was read if, and only if,
// the provider had ended its stream before any byte of the request came.
func TestReadNothing(t *testing.T) {
	write := func(c *provider.Conn, _ net.Conn) { _, _ = c.Write([]byte("request")) }
	read := func(_ *provider.Conn, server net.Conn) { _, _ = server.Read(make([]byte, 1)) }
	end := func(_ *provider.Conn, server net.Conn) { _ = server.Close() }
	reset := func(_ *provider.Conn, server net.Conn) {
		_ = server.(*net.TCPConn).SetLinger(0)
		_ = server.Close()
	}
	pause := func(*provider.Conn, net.Conn) { time.Sleep(5 * time.Millisecond) }
	hangUp := func(c *provider.Conn, _ net.Conn) { _ = c.Close() }
	type step = func(*provider.Conn, net.Conn)
	for name, tc := range map[string]struct {
		steps []step
		want  bool
	}{
		"ended, then written":               {[]step{end, write}, true},
		"written, then ended":               {[]step{write, end}, false},
		"written, read, then ended":         {[]step{write, read, end}, false},
		"reset, then written":               {[]step{reset, write}, false},
		"written, then reset":               {[]step{write, reset}, false},
		"reset between two writes":          {[]step{write, reset, write}, false},
		"read and reset between two writes": {[]step{write, read, reset, write}, false},
		"ended, then written twice":         {[]step{end, write, pause, write}, true},
		"written, read, then reset":         {[]step{write, read, reset}, false},
		"written, then hung up":             {[]step{write, hangUp}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c, server := connected(t)
			c.Expect()
			if !c.ReadNothing() || !c.MayWrite() {
				t.Fatal("before anything is written, nothing can have been read")
			}
			for _, take := range tc.steps {
				take(c, server)
			}
			_, _ = c.Read(make([]byte, 1))
			if got := c.ReadNothing(); got != tc.want {
				t.Errorf("certain that nothing was read: %t, want %t", got, tc.want)
			}
		})
	}
}

// TestWriteNothingToAClosedConnection: a request is not begun on a connection that the
// provider has closed, or that has an answer to nothing.
func TestWriteNothingToAClosedConnection(t *testing.T) {
	for name, before := range map[string]func(net.Conn){
		"closed":               func(server net.Conn) { _ = server.Close() },
		"an answer to nothing": func(server net.Conn) { _, _ = io.WriteString(server, "HTTP/1.1 408 Request Timeout\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			c, server := connected(t)
			before(server)
			c.Expect()
			if n, err := c.Write([]byte("request")); n != 0 || err == nil || !c.ReadNothing() {
				t.Errorf("wrote %d bytes, %v; certain that nothing was read: %t", n, err, c.ReadNothing())
			}
		})
	}
}

// TestSendOnceWhatMayHaveBeenRead: whatever a provider does on a connection that it kept,
// a request of which it has read one byte does not come a second time.
func TestSendOnceWhatMayHaveBeenRead(t *testing.T) {
	readRequest := func(conn net.Conn, from *bufio.Reader) {
		if request, err := http.ReadRequest(from); err == nil {
			_, _ = io.Copy(io.Discard, request.Body)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	}
	abort := func(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) }
	for name, second := range map[string]func(net.Conn, *bufio.Reader){
		"read to its end":             readRequest,
		"read to its end, and reset":  func(c net.Conn, r *bufio.Reader) { readRequest(c, r); abort(c) },
		"read a byte":                 func(_ net.Conn, r *bufio.Reader) { _, _ = r.ReadByte() },
		"read a byte, and reset":      func(c net.Conn, r *bufio.Reader) { _, _ = r.ReadByte(); abort(c) },
		"read, and half closed first": func(c net.Conn, r *bufio.Reader) { readRequest(c, r); _ = c.(*net.TCPConn).CloseWrite() },
		"read, and half an answer": func(c net.Conn, r *bufio.Reader) {
			readRequest(c, r)
			_, _ = io.WriteString(c, "HTTP/1.1 200 O")
		},
	} {
		t.Run(name, func(t *testing.T) {
			var begun atomic.Int64
			url := rawServer(t, func(conn net.Conn) {
				defer func() { _ = conn.Close() }()
				from := bufio.NewReaderSize(conn, 16)
				if _, err := from.Peek(1); err != nil {
					return
				}
				if begun.Add(1) > 1 {
					return // a request on another connection: the second one, again
				}
				readRequest(conn, from)
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				if _, err := from.Peek(1); err == nil {
					begun.Add(1)
					second(conn, from)
				}
			})
			client := provider.NewClient(credentials(t, "key"))
			defer client.Close()
			response, err := client.Send(t.Context(), outgoing(url))
			testkit.Must(t, err)
			testkit.Must(t, response.Body.Close())
			out := outgoing(url)
			out.Body = []byte(`{"model":"` + strings.Repeat("m", 1000) + `"}`)
			response, err = client.Send(t.Context(), out)
			if err == nil {
				_ = response.Body.Close()
			}
			if err == nil || errors.Is(err, provider.ErrNotSent) || begun.Load() != 2 {
				t.Errorf("got %v, and %d requests; want an error that leaves open what became of the second of 2", err, begun.Load())
			}
		})
	}
}
