package proxy_test

import (
	"net/http"
	"slices"
	"testing"
	"time"
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
