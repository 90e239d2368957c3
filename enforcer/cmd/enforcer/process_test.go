package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// logOf is what a child has logged so far.
type logOf struct {
	mu    sync.Mutex
	text  strings.Builder
	ended chan struct{}
}

// read reads the log to its end.
func (l *logOf) read(from io.Reader) {
	defer close(l.ended)
	_, _ = io.Copy(l, from) // ends with the child
}

func (l *logOf) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logOf) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// terminate tells the child to end, and end waits until it has, as it should.
func (c *child) terminate() { c.signal(syscall.SIGTERM) }

func (c *child) end() {
	c.t.Helper()
	c.client.CloseIdleConnections()
	<-c.log.ended
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("the enforcer ends with %v:\n%s", err, c.log)
	}
}

// TestSIGTERM: an enforcer in a process of its own, told to end in the midst of a
// stream, finishes the stream, settles the call and exits well.
func TestSIGTERM(t *testing.T) {
	w := newWorld(t)
	w.configure()
	child := w.spawn()
	stream, err := open(child.client, child.request(chat("gpt-4o", "[[output=9 pause=4]]", held)))
	testkit.Must(t, err)
	testkit.Eventually(t, "the provider holds the stream", func() bool { return w.provider.Paused() == 1 })
	child.terminate()
	testkit.Eventually(t, "the port is closed", func() bool { return !listens(child.address) })
	w.provider.Resume()
	if got := stream.read(); got.err != nil || !strings.HasSuffix(got.body, "data: [DONE]\n\n") || got.header.Get(call.CallIDHeader) == "" {
		t.Errorf("the stream: %s %v", got.body, got.err)
	}
	child.end()
	rows := w.rows(len(w.provider.Bill().Calls))
	w.likeTheBill(rows)
	w.atRest(rows)
}

// TestLogDoesNotQuoteProviders: whatever a provider sends before, in, or after its answer,
// its key does not come into the log.
func TestLogDoesNotQuoteProviders(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
	w := newWorld(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	defer func() { _ = listener.Close() }()
	answers := make(chan string, 1)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if request, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.Copy(io.Discard, request.Body)
				key := strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer ")
				_, _ = io.WriteString(conn, strings.ReplaceAll(<-answers, "KEY", key))
			}
			_ = conn.Close()
		}
	}()
	echo := w.fake()
	echo.Endpoint = "http://" + listener.Addr().String()
	_, err = w.put(acme, keyOf("gerente-1", "gerente"), echo)
	testkit.Must(t, err)
	child := w.spawn("--log-level=debug")
	for _, a := range []string{
		"KEY\r\n\r\n", "HTTP/1.1 200 OK\r\nKEY\r\n\r\n", answer + "KEY", answer + "HTTP/1.1 200 KEY\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nKEY\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nKEY\r\n\r\n",
	} {
		answers <- a
		do(child.client, child.request(chat("gpt-4o", "hello")))
	}
	child.terminate()
	child.end()
	if log := child.log.String(); strings.Contains(log, providerKey) || !strings.Contains(log, "no answer from a provider") {
		t.Errorf("the log:\n%s", log)
	}
}
