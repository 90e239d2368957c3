package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/answercache"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// gated is an upstream that streams a chunk, then waits to be let on.
type gated struct {
	started, on chan struct{}
	left        chan error // why it ended, when it was cancelled
	first       string     // the chunk
}

func newGated() *gated {
	return &gated{started: make(chan struct{}), on: make(chan struct{}), left: make(chan error, 1), first: chunk}
}

func (g *gated) serve(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // until then, nobody is told that the client has gone
	stream(g.first)(w, r)
	close(g.started)
	select {
	case <-g.on:
		stream(usageChunk, done)(w, r)
	case <-r.Context().Done():
		g.left <- r.Context().Err()
	}
}

// hangUpMidStream makes a call and hangs up once its first chunk is there.
func (d *door) hangUpMidStream() {
	d.t.Helper()
	d.hangUpWithin(d.request("POST", "/v1/chat/completions", streamedChat))
}

// hangUpWithin makes a call and hangs up once its first chunk is there.
func (d *door) hangUpWithin(request *http.Request) {
	d.t.Helper()
	ctx, hangUp := context.WithCancel(d.t.Context())
	defer hangUp()
	response, err := http.DefaultClient.Do(request.WithContext(ctx))
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := io.ReadFull(response.Body, make([]byte, len(chunk))); err != nil {
		d.t.Fatal(err)
	}
	hangUp()
	_ = response.Body.Close()
}

// seenOfChunk is what a call is charged that the client has left after its first chunk: the
// input that was held, five bytes of text, the end of a message, and what the provider may
// have generated in the tenth of a second in which it learns of that.
var seenOfChunk = money.Nanos(len(streamedChat)*1000 + (5+2+10)*10_000)

func TestClientHangsUp(t *testing.T) {
	drain := func(o *doorOptions) { o.door.DrainTimeout = time.Minute }
	toItsEnd := func(d *door) *door {
		d.config.routes[0].Provider.OnClientGone = limiterv1.Drain
		return d
	}
	t.Run("and the provider is told at once", func(t *testing.T) {
		upstream := newGated()
		d := newDoor(t, upstream.serve, drain)
		d.hangUpMidStream()
		if err := <-upstream.left; !errors.Is(err, context.Canceled) {
			t.Errorf("the provider was left with %v", err)
		}
		entry, end := d.ending()
		if entry.Outcome != ledgerv1.ChargedSeen || entry.Cost != seenOfChunk || end.Cost != seenOfChunk {
			t.Errorf("got %s at %s, want what was seen: %s", entry.Outcome, entry.Cost, seenOfChunk)
		}
	})
	t.Run("and the answer is drained, as the ModelProvider says", func(t *testing.T) {
		upstream := newGated()
		d := toItsEnd(newDoor(t, upstream.serve, drain))
		d.hangUpMidStream()
		close(upstream.on)
		entry, _ := d.ending()
		if entry.Outcome != ledgerv1.Settled || entry.Cost != usedCost {
			t.Errorf("got %s at %s, want the truth: %s", entry.Outcome, entry.Cost, usedCost)
		}
	})
	t.Run("and the answer takes too long to be drained", func(t *testing.T) {
		upstream := newGated()
		d := toItsEnd(newDoor(t, upstream.serve, func(o *doorOptions) { o.door.DrainTimeout = 50 * time.Millisecond }))
		d.hangUpMidStream()
		entry, _ := d.ending()
		if entry.Outcome != ledgerv1.ChargedSeen || entry.Cost != seenOfChunk {
			t.Errorf("got %s at %s, want what was seen: %s", entry.Outcome, entry.Cost, seenOfChunk)
		}
		if err := <-upstream.left; !errors.Is(err, context.Canceled) {
			t.Errorf("the provider was left with %v", err)
		}
	})
	t.Run("and all is said but the usage", func(t *testing.T) {
		upstream := newGated()
		upstream.first = strings.Replace(chunk, `"delta"`, `"finish_reason":"stop","delta"`, 1)
		d := newDoor(t, upstream.serve, drain)
		d.hangUpMidStream()
		close(upstream.on)
		entry, _ := d.ending()
		if entry.Outcome != ledgerv1.Settled || entry.Cost != usedCost {
			t.Errorf("got %s at %s, want the truth: %s", entry.Outcome, entry.Cost, usedCost)
		}
	})
	t.Run("and may ask again for what it has named", func(t *testing.T) {
		upstream := newGated()
		d := newDoor(t, upstream.serve, drain, func(o *doorOptions) {
			o.Claims, o.Replays = &lostClaims{attempts: map[string]int{}}, answercache.New(1<<20)
		})
		request := d.request("POST", "/v1/chat/completions", streamedChat)
		request.Header.Set(call.IdempotencyKeyHeader, "key")
		d.hangUpWithin(request)
		close(upstream.on)
		if entry, _ := d.ending(); entry.Outcome != ledgerv1.Settled {
			t.Errorf("got %s, want the truth", entry.Outcome)
		}
		again := d.request("POST", "/v1/chat/completions", streamedChat)
		again.Header.Set(call.IdempotencyKeyHeader, "key")
		if got := d.do(again); got.header.Get(call.ReplayedHeader) != "true" || got.body != chunk+done {
			t.Errorf("asked again, the client sees %+v", got)
		}
	})
	t.Run("and the answer has no end", func(t *testing.T) {
		left := make(chan struct{})
		d := toItsEnd(newDoor(t, func(w http.ResponseWriter, r *http.Request) {
			stream(chunk)(w, r)
			comment := []byte(":" + strings.Repeat(" ", 1<<20) + "\n\n")
			for r.Context().Err() == nil {
				_, _ = w.Write(comment)
			}
			close(left)
		}))
		d.hangUpMidStream()
		entry, _ := d.ending()
		if entry.Outcome == ledgerv1.Settled || entry.Cost < seenOfChunk-10*10_000 { // the longer it takes, the more there may have been
			t.Errorf("got %s at %s, want what was seen", entry.Outcome, entry.Cost)
		}
		<-left
	})
	t.Run("before a stream begins", func(t *testing.T) {
		asked, on, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
		d := newDoor(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			close(asked)
			<-on
			stream(chunk)(w, r)
			<-r.Context().Done()
			close(left)
		}, drain)
		d.hangUpWhenAsked(streamedChat, asked)
		close(on)
		<-left
		if entry, _ := d.ending(); entry.Outcome != ledgerv1.ChargedSeen || entry.Cost != seenOfChunk {
			t.Errorf("got %s at %s, want what was seen: %s", entry.Outcome, entry.Cost, seenOfChunk)
		}
	})
	t.Run("before a whole answer", func(t *testing.T) {
		asked, on := make(chan struct{}), make(chan struct{})
		d := newDoor(t, func(w http.ResponseWriter, r *http.Request) {
			close(asked)
			<-on
			whole(200, answer)(w, r)
		}, drain)
		d.hangUpWhenAsked(chat, asked)
		close(on)
		entry, _ := d.ending()
		if entry.Outcome != ledgerv1.Settled || entry.Cost != usedCost {
			t.Errorf("got %s at %s, want the truth: %s", entry.Outcome, entry.Cost, usedCost)
		}
	})
}

// hangUpWhenAsked makes a call and hangs up once the provider is asked.
func (d *door) hangUpWhenAsked(body string, asked <-chan struct{}) {
	d.t.Helper()
	ctx, hangUp := context.WithCancel(d.t.Context())
	go func() {
		<-asked
		hangUp()
	}()
	if got := d.do(d.request("POST", "/v1/chat/completions", body).WithContext(ctx)); !errors.Is(got.err, context.Canceled) {
		d.t.Fatalf("got %+v", got)
	}
}

// TestCut: a shutdown that cannot wait ends answers as their providers might, and what was
// seen of them is charged.
func TestCut(t *testing.T) {
	d := newDoor(t, newGated().serve)
	response, err := http.DefaultClient.Do(d.request("POST", "/v1/chat/completions", streamedChat))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.ReadFull(response.Body, make([]byte, len(chunk))); err != nil {
		t.Fatal(err)
	}
	d.proxy.Cut()
	if rest, err := io.ReadAll(response.Body); !strings.HasPrefix(string(rest), `data: {"error":`) || err != nil {
		t.Errorf("the client sees %q, %v", rest, err)
	}
	if entry, _ := d.ending(); entry.Outcome != ledgerv1.ChargedSeen || entry.Cost != seenOfChunk {
		t.Errorf("got %s at %s, want what was seen: %s", entry.Outcome, entry.Cost, seenOfChunk)
	}
}

// TestStreamIsNotHeldBack: each frame is with the client before the next is made.
func TestStreamIsNotHeldBack(t *testing.T) {
	next := make(chan struct{})
	d := newDoor(t, func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			stream(chunk)(w, r)
			<-next
		}
		stream(usageChunk, done)(w, r)
	})
	response, err := http.DefaultClient.Do(d.request("POST", "/v1/chat/completions", streamedChat))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body := bufio.NewReader(response.Body)
	for range 3 {
		line, err := body.ReadString('\n')
		if blank, _ := body.ReadString('\n'); err != nil || line+blank != chunk {
			t.Fatalf("got %q, %v", line+blank, err)
		}
		next <- struct{}{}
	}
	if rest, err := io.ReadAll(body); string(rest) != done || err != nil {
		t.Errorf("at the end: %q, %v", rest, err)
	}
}

// TestBlanksAreNotHeldBack: an answer that never says what it is takes no memory, and its client
// sees that something comes.
func TestBlanksAreNotHeldBack(t *testing.T) {
	d := newDoor(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "\uFEFF")
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, strings.Repeat(" ", 4<<10))
		}
	})
	response, err := http.DefaultClient.Do(d.request("POST", "/v1/chat/completions", streamedChat))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.ReadFull(response.Body, make([]byte, 16<<10)); err != nil {
		t.Error(err)
	}
}

// TestClientThatDoesNotRead: it counts as gone, and its call ends with the truth.
func TestClientThatDoesNotRead(t *testing.T) {
	comment := ":" + strings.Repeat(" ", 1<<20) + "\n\n"
	d := newDoor(t, func(w http.ResponseWriter, r *http.Request) {
		stream(chunk)(w, r)
		for range 12 { // more than the buffers between the two can take
			_, _ = io.WriteString(w, comment)
		}
		stream(usageChunk, done)(w, r)
	})
	d.proxy.SetWriteTimeout(50 * time.Millisecond)
	conn, err := net.Dial("tcp", d.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := d.request("POST", "/v1/chat/completions", streamedChat).Write(conn); err != nil {
		t.Fatal(err)
	}
	if entry, _ := d.ending(); entry.Outcome != ledgerv1.Settled || entry.Cost != usedCost {
		t.Errorf("got %s at %s, want the truth: %s", entry.Outcome, entry.Cost, usedCost)
	}
}

// TestClientThatSendsNoMore: a client that closes its side of the connection counts as gone. If it does so
// before its call was sent, it gets no answer, rather than an empty one that looks like success.
func TestClientThatSendsNoMore(t *testing.T) {
	d := newDoor(t, stream(chunk))
	gone := make(chan context.Context, 1)
	inner := d.server.Config.Handler
	d.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gone <- r.Context()
		inner.ServeHTTP(w, r)
	})
	conn, err := net.Dial("tcp", d.server.Listener.Addr().String())
	testkit.Must(t, err)
	defer func() { _ = conn.Close() }()
	d.store.decide = func(admission.AdmitRequest) *admission.AdmitReply {
		testkit.Must(t, conn.(*net.TCPConn).CloseWrite())
		<-(<-gone).Done()
		return nil
	}
	testkit.Must(t, d.request("POST", "/v1/chat/completions", chat).Write(conn))
	answer, err := io.ReadAll(conn)
	testkit.Must(t, err)
	if len(answer) > 0 {
		t.Errorf("got %q", answer)
	}
	if entry, _ := d.ending(); entry.Outcome != ledgerv1.Voided {
		t.Errorf("the call is %s, want %s", entry.Outcome, ledgerv1.Voided)
	}
}

// TestSilence: the time that a client has to take in an answer does not run while
// the provider is silent, nor does it end the next answer on the connection.
func TestSilence(t *testing.T) {
	const timeout = 20 * time.Millisecond
	d := newDoor(t, func(w http.ResponseWriter, r *http.Request) {
		for _, piece := range []string{chunk, usageChunk, done, ""} {
			stream(piece)(w, r)
			time.Sleep(3 * timeout) // the silence
		}
	})
	d.proxy.SetWriteTimeout(timeout)
	conn, err := net.Dial("tcp", d.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	replies := bufio.NewReader(conn)
	for _, tc := range []struct {
		body string
		want int
	}{{streamedChat, 200}, {"{}", 400}, {streamedChat, 200}} {
		if err := d.request("POST", "/v1/chat/completions", tc.body).Write(conn); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(replies, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != tc.want {
			t.Errorf("got %d %q, %v; want %d", response.StatusCode, body, err, tc.want)
		}
		time.Sleep(3 * timeout) // the client is silent, too
	}
}
