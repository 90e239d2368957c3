package server

import (
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestPortsThatFail: a console that nobody can ask any more ends, and does not go on to say that it is healthy.
func TestPortsThatFail(t *testing.T) {
	s, err := New(Options{
		Address: "127.0.0.1:0", HealthAddress: "127.0.0.1:0", Ready: func() error { return nil }, Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	testkit.Must(t, err)
	testkit.Must(t, s.apiAt.Close())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context()) }()
	testkit.Eventually(t, "the console ends", func() bool { return len(ended) == 1 })
	if err := <-ended; err == nil {
		t.Error("the console does not say why it ends")
	}
}
