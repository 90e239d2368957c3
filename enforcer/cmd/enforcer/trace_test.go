package main

import (
	"slices"
	"syscall"
	"testing"

	"github.com/bursar-dev/bursar/hack/parts/collector"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestTraces: if the environment names an endpoint, the enforcer sends the spans of its calls there, the
// last ones as it ends. Otherwise it has no tracer.
func TestTraces(t *testing.T) {
	w := newWorld(t)
	without := w.ready()
	if without.tracing.Tracer() != nil {
		t.Error("there is a tracer that nobody has asked for")
	}
	received := collector.Start(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.URL)
	with := w.spawn()
	if got := do(with.client, with.request(chat("gpt-4o-mini", "[[output=1]]"))); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	with.signal(syscall.SIGTERM)
	testkit.Must(t, with.cmd.Wait())
	var got []string
	for _, span := range received.Spans() {
		got = append(got, span.Name)
	}
	slices.Sort(got)
	want := []string{"POST /v1/chat/completions", "admit", "bound", "chat gpt-4o-mini", "claim", "identify", "read", "record", "settle"}
	if !slices.Equal(got, want) || !slices.Equal(received.Services(), []string{"bursar-enforcer"}) {
		t.Errorf("%v sent the spans %v, want %v", received.Services(), got, want)
	}
}
