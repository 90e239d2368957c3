package proxy_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// BenchmarkCall is a call from its arrival to the end of its answer, with the fake
// store, and a provider on the loopback interface: whole, and as a stream of frames.
func BenchmarkCall(b *testing.B) {
	frames := slices.Repeat([]string{chunk}, 200)
	for name, of := range map[string]struct {
		upstream http.HandlerFunc
		body     string
	}{
		"whole":    {whole(200, answer), chat},
		"streamed": {stream(append(frames, usageChunk, done)...), streamedChat},
	} {
		b.Run(name, func(b *testing.B) {
			d := newDoor(b, of.upstream)
			b.ReportAllocs()
			for b.Loop() {
				w := &discard{header: http.Header{}}
				d.proxy.ServeHTTP(w, d.request(http.MethodPost, "/v1/chat/completions", of.body))
				if w.status != http.StatusOK {
					b.Fatalf("status %d", w.status)
				}
			}
		})
	}
}

// BenchmarkRefusal is a call that a limit of money refuses which is known to refuse all: one that is
// spent, and one that never has room for the call, so that its caller is told what to do.
func BenchmarkRefusal(b *testing.B) {
	for name, reply := range map[string]admission.AdmitReply{
		"spent":     {Refusing: 1, Spent: 95 * money.Cent, Debts: left(200_000, 20)},
		"too large": {Refusing: 1, Spent: money.USD - 100_000, Debts: left(200_000, 20)},
	} {
		b.Run(name, func(b *testing.B) {
			d := newDoor(b, nil)
			refusing(reply)(d)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				w := &discard{header: http.Header{}}
				d.proxy.ServeHTTP(w, d.request(http.MethodPost, "/v1/chat/completions", chat))
				if w.status != http.StatusTooManyRequests {
					b.Fatalf("status %d", w.status)
				}
				if n%1000 == 0 {
					d.refusals.given = nil // what the fake remembers is not measured
				}
			}
		})
	}
}

// discard is a client that takes in whatever comes.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header              { return d.header }
func (d *discard) WriteHeader(status int)           { d.status = status }
func (d *discard) Write(piece []byte) (int, error)  { return len(piece), nil }
func (d *discard) FlushError() error                { return nil }
func (d *discard) SetReadDeadline(time.Time) error  { return nil }
func (d *discard) SetWriteDeadline(time.Time) error { return nil }
