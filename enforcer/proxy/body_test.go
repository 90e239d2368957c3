package proxy_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/enforcer/proxy"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// sender is a client that sends as little of a request as it likes.
type sender struct {
	t    *testing.T
	conn net.Conn
	from *bufio.Reader
}

// dial makes a sender, which has at most ten seconds.
func (d *door) dial(t *testing.T) *sender {
	t.Helper()
	conn, err := net.Dial("tcp", d.server.Listener.Addr().String())
	testkit.Must(t, err)
	testkit.Must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	t.Cleanup(func() { _ = conn.Close() })
	return &sender{t, conn, bufio.NewReader(conn)}
}

func (s *sender) send(text string) {
	s.t.Helper()
	_, err := io.WriteString(s.conn, text)
	testkit.Must(s.t, err)
}

// begin sends the header of a call with a body of so many bytes.
func (s *sender) begin(key string, length int) {
	s.t.Helper()
	s.send("POST /v1/chat/completions HTTP/1.1\r\nHost: bursar\r\nAuthorization: Bearer " + key + "\r\nContent-Length: " + strconv.Itoa(length) + "\r\n\r\n")
}

// read reads an answer to its end, and says with which error code it refuses.
func (s *sender) read() (status int, code string, header http.Header) {
	s.t.Helper()
	response, err := http.ReadResponse(s.from, nil) //nolint:bodyclose // it is read to its end, and the connection closed
	testkit.Must(s.t, err)
	body, err := io.ReadAll(response.Body)
	testkit.Must(s.t, err)
	if response.Close {
		response.Header.Set("Connection", "close")
	}
	return response.StatusCode, codeIn(string(body)), response.Header
}

// codeIn is the error code in a refusal.
func codeIn(body string) string {
	_, rest, _ := strings.Cut(body, `"code":"`)
	code, _, _ := strings.Cut(rest, `"`)
	return code
}

// isClosed waits until the proxy has closed the connection.
func (s *sender) isClosed() bool {
	_, err := io.Copy(io.Discard, s.from)
	var timeout net.Error
	return !errors.As(err, &timeout) || !timeout.Timeout()
}

// withMemory is a door whose bodies may take so much together.
func withMemory(bytes int64) func(*doorOptions) {
	return func(o *doorOptions) { o.door.RequestMemory = bytes }
}

// TestUnfinishedBodies: the bodies that a key has not finished take no more memory than its
// share, others find room, and the share is free again when they have ended.
func TestUnfinishedBodies(t *testing.T) {
	const size = 90 << 10
	d := newDoor(t, whole(200, answer), withMemory(300<<10))
	d.proxy.SetReadTimeouts(time.Minute, time.Minute, 200*time.Millisecond)
	first, second, other := d.dial(t), d.dial(t), d.dial(t)
	first.begin("key", size)
	testkit.Eventually(t, "the first body has its memory", func() bool { return d.proxy.MemoryInUse() == size })
	second.begin("key", size)
	if status, code, header := second.read(); status != 429 || code != "too_many_request_bytes" || header.Get("Retry-After") != "1" {
		t.Errorf("a second body of the same key: %d %s %v", status, code, header)
	}
	other.begin("key-of-another", len(chat))
	other.send(chat)
	if status, _, _ := other.read(); status != 200 {
		t.Errorf("another key gets %d", status)
	}
	if used := d.proxy.MemoryInUse(); used != size {
		t.Errorf("%d bytes are in use, want the %d of the first body", used, size)
	}
	first.send(chat + strings.Repeat(" ", size-len(chat)))
	if status, code, _ := first.read(); status != 200 {
		t.Errorf("the first body: %d %s", status, code)
	}
	if got := d.call(chat); got.status != 200 {
		t.Errorf("when it has ended: %d %s", got.status, got.body)
	}
	testkit.Eventually(t, "all memory is free", func() bool { return d.proxy.MemoryInUse() == 0 })
}

// TestTooLargeABodyIsNotRead: what its header says is enough to refuse it.
func TestTooLargeABodyIsNotRead(t *testing.T) {
	for name, tc := range map[string]struct {
		memory int64
		length int
	}{"larger than allowed": {64 << 20, 1<<20 + 1}, "larger than there is ever room for": {300 << 10, 100<<10 + 1}} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, whole(200, answer), withMemory(tc.memory))
			d.proxy.SetReadTimeouts(time.Minute, time.Minute, 200*time.Millisecond)
			s := d.dial(t)
			s.begin("key", tc.length)
			if status, code, _ := s.read(); status != 413 || code != "request_too_large" {
				t.Errorf("got %d %s", status, code)
			}
		})
	}
}

// TestNoMemoryWhileAnswersPass: a body takes memory until its provider answers, and not as
// long as the answer lasts.
func TestNoMemoryWhileAnswersPass(t *testing.T) {
	upstream := newGated()
	d := newDoor(t, upstream.serve, withMemory(300<<10))
	replies := make(chan reply, 1)
	go func() { replies <- d.call(streamedChat + strings.Repeat(" ", 90<<10)) }()
	<-upstream.started
	testkit.Eventually(t, "the memory of the body is free", func() bool { return d.proxy.MemoryInUse() == 0 })
	close(upstream.on)
	if got := <-replies; got.status != 200 || !strings.HasSuffix(got.body, done) {
		t.Errorf("got %d %s %v", got.status, got.body, got.err)
	}
}

// TestHeapWhileAnswersPass: bodies that are not counted any more take no memory.
func TestHeapWhileAnswersPass(t *testing.T) {
	const streams, size = 30, 1 << 20
	upstream := newGated()
	d := newDoor(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		stream(chunk)(w, r)
		<-upstream.on
	})
	before := heap()
	body := streamedChat + strings.Repeat(" ", size-len(streamedChat)) // of all clients
	for range streams {
		response, err := http.DefaultClient.Do(d.request(http.MethodPost, "/v1/chat/completions", body))
		testkit.Must(t, err)
		defer func() { _ = response.Body.Close() }()
	}
	testkit.Eventually(t, "no body is counted", func() bool { return d.proxy.MemoryInUse() == 0 })
	if more := heap() - before; more > streams*size/4 {
		t.Errorf("%d streams of requests of 1 MiB take %d KiB", streams, more>>10)
	}
	close(upstream.on)
}

// heap is how much memory is in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// TestBodiesThatDoNotCome: a client that lets the proxy wait is told so, and hung up on.
func TestBodiesThatDoNotCome(t *testing.T) {
	for name, tc := range map[string]struct {
		body, pause time.Duration
		send        func(*sender)
	}{
		"nothing of it": {time.Minute, 100 * time.Millisecond, func(*sender) {}},
		"some of it":    {time.Minute, 100 * time.Millisecond, func(s *sender) { s.send("{") }},
		"all too slow": {300 * time.Millisecond, time.Minute, func(s *sender) {
			for range 20 {
				_, _ = io.WriteString(s.conn, " ") // fails when the proxy has hung up
				time.Sleep(20 * time.Millisecond)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, whole(200, answer))
			d.proxy.SetReadTimeouts(tc.body, tc.pause, 100*time.Millisecond)
			s := d.dial(t)
			s.begin("key", 1000)
			tc.send(s)
			if status, code, _ := s.read(); status != 408 || code != "request_timeout" {
				t.Errorf("got %d %s", status, code)
			}
			if !s.isClosed() || d.proxy.MemoryInUse() != 0 {
				t.Errorf("the connection stays open, or %d bytes in use", d.proxy.MemoryInUse())
			}
		})
	}
}

// TestRefusedBodies: a client that is refused before its body was read cannot keep its
// connection by sending none of it.
func TestRefusedBodies(t *testing.T) {
	d := newDoor(t, whole(200, answer))
	d.proxy.SetReadTimeouts(time.Minute, time.Minute, 200*time.Millisecond)
	for name, tc := range map[string]struct {
		head string
		want int
	}{
		"unknown key":  {"POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer guess", 401},
		"unknown path": {"POST /v1/nothing HTTP/1.1", 404},
		"wrong method": {"PUT /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer key", 405},
		"models":       {"GET /v1/models HTTP/1.1\r\nAuthorization: Bearer key", 200},
		"no models":    {"GET /v1/models HTTP/1.1", 401},
	} {
		for how, framing := range map[string]string{"": "Content-Length: 1000", ", large": "Content-Length: 1000000", ", chunked": "Transfer-Encoding: chunked"} {
			t.Run(name+how, func(t *testing.T) {
				t.Parallel()
				s := d.dial(t)
				s.send(tc.head + "\r\nHost: bursar\r\n" + framing + "\r\n\r\n")
				begin := time.Now()
				if status, code, _ := s.read(); status != tc.want {
					t.Errorf("got %d %s, want %d", status, code, tc.want)
				}
				if !s.isClosed() || time.Since(begin) > 5*time.Second {
					t.Errorf("the connection was open for %s", time.Since(begin))
				}
			})
		}
	}
}

// TestStopReading: a proxy that is told to end waits a moment for bodies, but not as long as their
// senders take.
func TestStopReading(t *testing.T) {
	d := newDoor(t, whole(200, answer))
	d.proxy.SetReadTimeouts(time.Minute, time.Minute, 200*time.Millisecond)
	slow, quick := d.dial(t), d.dial(t)
	slow.begin("key", 1000)
	quick.begin("key-of-another", len(chat))
	testkit.Eventually(t, "both are read", func() bool { return d.proxy.MemoryInUse() == int64(1000+len(chat)) })
	d.proxy.StopReading()
	quick.send(chat)
	if status, code, _ := quick.read(); status != 200 {
		t.Errorf("a body that comes in time: %d %s", status, code)
	}
	if status, code, _ := slow.read(); status != 408 {
		t.Errorf("a body that does not come: %d %s", status, code)
	}
}

// TestConnectionsOfDoubtfulRequests: where two readers could find two ends of a request,
// nothing is read after it.
func TestConnectionsOfDoubtfulRequests(t *testing.T) {
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(chat), chat)
	for name, tc := range map[string]struct {
		head, body string
		closed     bool
	}{
		"length":             {"HTTP/1.1\r\nContent-Length: " + strconv.Itoa(len(chat)), chat, false},
		"chunked":            {"HTTP/1.1\r\nTransfer-Encoding: chunked", chunked, true},
		"both":               {"HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", chunked, true},
		"both, in HTTP/1.0":  {"HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: " + strconv.Itoa(len(chat)), chat, true},
		"keep-alive, in 1.0": {"HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: " + strconv.Itoa(len(chat)), chat, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, whole(200, answer))
			s := d.dial(t)
			version, fields, _ := strings.Cut(tc.head, "\r\n")
			s.send("POST /v1/chat/completions " + version + "\r\nHost: bursar\r\nAuthorization: Bearer key\r\n" + fields + "\r\n\r\n" + tc.body)
			status, code, header := s.read()
			if status != 200 || (header.Get("Connection") == "close") != tc.closed {
				t.Errorf("got %d %s with %v, want the connection closed: %t", status, code, header, tc.closed)
			}
			if tc.closed && !s.isClosed() {
				t.Error("the connection stays open")
			}
		})
	}
}

// TestChunkedBodies: a body whose length its header does not say is read whole, and
// refused when it is too large.
func TestChunkedBodies(t *testing.T) {
	d := newDoor(t, whole(200, answer))
	for size, want := range map[int]int{len(chat): 200, 16 << 10: 200, 16<<10 + 1: 200, 200_000: 200, 1 << 20: 200, 1<<20 + 1: 413, 3 << 20: 413} {
		request := d.request(http.MethodPost, "/v1/chat/completions", "")
		request.Body, request.ContentLength = io.NopCloser(strings.NewReader(chat+strings.Repeat(" ", size-len(chat)))), -1
		if got := d.do(request); got.status != want {
			t.Errorf("%d bytes: %d %s %v, want %d", size, got.status, got.body, got.err, want)
		}
	}
	testkit.Eventually(t, "all memory is free", func() bool { return d.proxy.MemoryInUse() == 0 })
}

// TestBodiesShare: the bodies never take more than all memory, and a caller that has none
// gets some, however much others have.
func TestBodiesShare(t *testing.T) {
	const limit = 1 << 20
	rapid.Check(t, func(t *rapid.T) {
		bodies := proxy.NewBodies(limit)
		type taken struct {
			of    admission.Subject
			bytes int64
		}
		var all []taken
		sum := func(of func(admission.Subject) bool) (n int64) {
			for _, one := range all {
				if of(one.of) {
					n += one.bytes
				}
			}
			return n
		}
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			if len(all) > 0 && rapid.IntRange(0, 3).Draw(t, "give back") == 0 {
				bodies.GiveBack(all[0].of, all[0].bytes)
				all = all[1:]
			}
			tenant := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "tenant")
			next := taken{admission.Subject{Tenant: tenant, Credential: tenant + rapid.SampledFrom([]string{"1", "2"}).Draw(t, "credential")}, rapid.Int64Range(0, limit).Draw(t, "bytes")}
			err := bodies.Take(next.of, next.bytes)
			if err == nil {
				all = append(all, next)
			}
			var none *call.NoRoom
			own := sum(func(s admission.Subject) bool { return s.Tenant == tenant })
			if err != nil && (!errors.As(err, &none) || none.Own != (own > 0)) {
				t.Fatalf("got %v, own: %d", err, own)
			}
			used := sum(func(admission.Subject) bool { return true })
			credential := sum(func(s admission.Subject) bool { return s.Credential == next.of.Credential })
			if used != bodies.InUse() || used > limit || own > limit/2 || credential > limit/3 {
				t.Fatalf("%d used, %d are told; %d of the tenant, %d of the credential", used, bodies.InUse(), own, credential)
			}
			if free := limit - used; bodies.Take(admission.Subject{Tenant: "new", Credential: "new"}, free/3) != nil {
				t.Fatalf("no room for a newcomer's third of the %d that are free", free)
			}
			bodies.GiveBack(admission.Subject{Tenant: "new", Credential: "new"}, (limit-used)/3)
		}
		for _, one := range all {
			bodies.GiveBack(one.of, one.bytes)
		}
		if bodies.InUse() != 0 {
			t.Fatalf("%d are in use at the end", bodies.InUse())
		}
	})
}

// TestFailures: a caller that has had too much read in vain waits, until time has paid for it;
// others do not.
func TestFailures(t *testing.T) {
	now := time.Unix(0, 0)
	failures := proxy.NewFailures(func() time.Time { return now })
	bad, good := admission.Subject{Tenant: "acme", Credential: "bad"}, admission.Subject{Tenant: "acme", Credential: "good"}
	for range 3 {
		failures.Note(bad, 31<<20)
	}
	failures.Note(good, 1<<20)
	if wait := failures.Wait(bad); wait < 7*time.Second || wait > 8*time.Second || failures.Wait(good) != 0 {
		t.Errorf("the one waits %s, the other %s", wait, failures.Wait(good))
	}
	now = now.Add(8 * time.Second)
	if wait := failures.Wait(bad); wait != 0 {
		t.Errorf("after that time it waits for %s more", wait)
	}
	now = now.Add(time.Hour)
	for i := range 3000 {
		failures.Note(admission.Subject{Credential: strconv.Itoa(i)}, 0)
		now = now.Add(time.Second)
	}
	if known := failures.Known(); known > 1001 {
		t.Errorf("%d credentials are remembered", known)
	}
}

// TestManyFailedRequests: a key whose requests fail is refused before any more of them is
// read.
func TestManyFailedRequests(t *testing.T) {
	d := newDoor(t, whole(200, answer))
	wrong := `{"model":"mini",` + strings.Repeat(" ", 1<<20-100) + `}`
	var last reply
	failed := 0
	for ; failed < 2000; failed++ {
		if last = d.call(wrong); last.status != 400 {
			break
		}
	}
	if failed < 60 || last.status != 429 || codeIn(last.body) != "too_many_failed_requests" || last.header.Get("Retry-After") == "" {
		t.Errorf("after %d requests of 1 MiB that were read in vain: %d %s %v %v", failed, last.status, last.body, last.header, last.err)
	}
	request := d.request(http.MethodPost, "/v1/chat/completions", chat)
	request.Header.Set("Authorization", "Bearer key-of-another")
	if got := d.do(request); got.status != 200 {
		t.Errorf("another key: %d %s", got.status, got.body)
	}
}
