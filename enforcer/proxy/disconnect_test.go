package proxy_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/hack/fakeprovider"
)

// transcript is a stream as the fake gave it, frame by frame, and what it billed.
type transcript struct {
	protocol   api
	directives string
	frames     []string
	billed     money.Nanos
	// writes are where in the stream the fake has written, and what it had billed then.
	writes []billedWrite
}

type billedWrite struct {
	at     int
	billed money.Nanos
}

// billedFor is what the fake had billed when it had sent so many frames.
func (s transcript) billedFor(frames int) (billed money.Nanos) {
	length := len(strings.Join(s.frames[:frames], ""))
	for i, w := range s.writes {
		if i == 0 || w.at < length {
			billed = w.billed
		}
	}
	return billed
}

// replay answers every call with a transcript, up to a number of frames, after which
// the connection breaks.
type replay struct {
	mu     sync.Mutex
	frames []string
	broken bool
	// step, if set, is waited for before each frame except the first.
	step chan struct{}
}

func (r *replay) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	_, _ = io.Copy(io.Discard, request.Body)
	r.mu.Lock()
	frames, broken, step := r.frames, r.broken, r.step
	r.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	_ = http.NewResponseController(w).Flush()
	for i, frame := range frames {
		if step != nil && i > 0 {
			<-step
		}
		_, _ = io.WriteString(w, frame)
		_ = http.NewResponseController(w).Flush()
	}
	if broken {
		panic(http.ErrAbortHandler)
	}
}

func (r *replay) set(frames []string, broken bool, step chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frames, r.broken, r.step = frames, broken, step
}

// record records transcripts of every protocol that streams.
func record(t *testing.T) (all []transcript) {
	t.Helper()
	fake := fakeprovider.New(fakeprovider.Options{})
	var recorded *teeWriter
	d := newProtocolsDoor(t, func(w http.ResponseWriter, r *http.Request) {
		recorded = &teeWriter{ResponseWriter: w, bill: func() money.Nanos {
			calls := fake.Bill().Calls
			return money.Nanos(calls[len(calls)-1].CostNanos)
		}}
		fake.ServeHTTP(recorded, r)
	})
	for _, p := range protocols {
		if p.neverStreams {
			continue
		}
		for _, directives := range append([]string{"", "cached=2", "crlf", "comments", "duplicate"}, p.more...) {
			got := d.do(d.ask(t.Context(), p, "one two three [[output=3 "+directives+"]]", 20, true))
			d.entry(got.header.Get(call.CallIDHeader))
			newline := "\n\n"
			if strings.Contains(directives, "crlf") {
				newline = "\r\n\r\n"
			}
			frames := strings.SplitAfter(strings.TrimSuffix(recorded.String(), newline), newline)
			frames[len(frames)-1] += newline
			all = append(all, transcript{p, directives, frames, money.Nanos(billOf(t, fake, got).CostNanos), recorded.writes})
		}
	}
	return all
}

// teeWriter keeps what is written, and what was billed then.
type teeWriter struct {
	http.ResponseWriter
	bytes.Buffer
	bill   func() money.Nanos
	writes []billedWrite
}

func (w *teeWriter) Write(b []byte) (int, error) {
	w.writes = append(w.writes, billedWrite{w.Len(), w.bill()})
	w.Buffer.Write(b)
	return w.ResponseWriter.Write(b)
}

func (w *teeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// TestDisconnectAtEveryFrame: wherever the provider or the client goes, the call costs
// no less than what was billed until then, and no more than its hold. The hold is charged
// where nothing was seen, or the model may have thought what it has not shown.
func TestDisconnectAtEveryFrame(t *testing.T) {
	t.Parallel()
	transcripts := record(t)
	if len(transcripts) < 40 {
		t.Errorf("there are %d transcripts", len(transcripts))
	}
	byProtocol := map[string][]transcript{}
	for _, script := range transcripts {
		byProtocol[script.protocol.name] = append(byProtocol[script.protocol.name], script)
	}
	for name, scripts := range byProtocol {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &disconnects{replay: &replay{}, ends: map[ledgerv1.Outcome]int{}}
			d.door = newProtocolsDoor(t, d.replay.ServeHTTP)
			for _, script := range scripts {
				d.provider(script)
				d.client(script)
			}
			t.Logf("%d transcripts, disconnects: %v; those charged by what was seen: %s", len(scripts), d.ends, &d.seen)
		})
	}
}

// disconnects are calls of which one side goes away, and how they ended.
type disconnects struct {
	*door
	replay *replay
	ends   map[ledgerv1.Outcome]int
	// seen are those that were charged by what was seen of them.
	seen tally
}

// provider has the provider go after each number of frames.
func (d *disconnects) provider(script transcript) {
	for frames := range len(script.frames) + 1 {
		d.replay.set(script.frames[:frames], true, nil)
		got := d.do(d.ask(d.t.Context(), script.protocol, "one two three", 20, true))
		d.check(script, frames, "provider", got.header.Get(call.CallIDHeader))
		if frames == 0 && got.err == nil && !strings.Contains(got.body, `"error"`) {
			d.t.Errorf("the client sees no error in %q", got.body)
		}
	}
}

// client has the client go after each number of frames, before there are more.
func (d *disconnects) client(script transcript) {
	for frames := 1; frames < len(script.frames); frames++ {
		d.check(script, frames, "client", d.leaveAfter(d.replay, script, frames))
	}
}

func (d *disconnects) check(script transcript, frames int, who, callID string) {
	entry, billed := d.entry(callID), script.billedFor(frames)
	d.ends[entry.Outcome]++
	if entry.Outcome == ledgerv1.ChargedSeen {
		d.seen.add(entry.Cost, billed)
	}
	right := map[ledgerv1.Outcome]bool{
		ledgerv1.Settled:     entry.Cost == script.billed,
		ledgerv1.ChargedSeen: entry.Cost >= billed && entry.Cost < entry.Held && frames > 0,
		ledgerv1.ChargedHold: entry.Cost == entry.Held && entry.Held >= script.billed,
	}
	if !right[entry.Outcome] || entry.Cost == 0 {
		d.t.Errorf("%q, %s gone after %d of %d frames: %s of %s, held %s, billed %s of %s",
			script.directives, who, frames, len(script.frames), entry.Outcome, entry.Cost, entry.Held, billed, script.billed)
	}
}

// leaveAfter makes a call whose client hangs up when so many frames have come.
func (d *door) leaveAfter(upstream *replay, script transcript, frames int) (callID string) {
	d.t.Helper()
	step := make(chan struct{}, len(script.frames))
	upstream.set(script.frames, false, step)
	for range frames - 1 {
		step <- struct{}{}
	}
	ctx, hangUp := context.WithCancel(d.t.Context())
	defer hangUp()
	response, err := http.DefaultClient.Do(d.ask(ctx, script.protocol, "one two three", 20, true))
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	seen := len(strings.Join(script.frames[:frames], ""))
	if strings.HasPrefix(script.protocol.name, "Chat Completions") { // of which some is left out
		seen = 1
	}
	_, _ = io.ReadAtLeast(response.Body, make([]byte, 1<<20), seen)
	hangUp()
	close(step)
	return response.Header.Get(call.CallIDHeader)
}
