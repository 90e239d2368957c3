package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bursar-dev/bursar/console/server"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestClientsThatDoNotRead: a client that asks for a large answer and does not read it is left,
// and keeps neither a connection nor the answer.
func TestClientsThatDoNotRead(t *testing.T) {
	const answerBytes = 64 << 20 // more than the kernel takes
	began, ended := make(chan struct{}), make(chan struct{})
	s, err := server.New(server.Options{
		Address: "127.0.0.1:0", HealthAddress: "127.0.0.1:0", Ready: func() error { return nil },
		Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), WriteTimeout: time.Second, ShutdownGrace: 10 * time.Second,
		API: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(began)
			defer close(ended)
			_, _ = w.Write(make([]byte, answerBytes))
		}),
	})
	testkit.Must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Run(ctx) }()
	connection, err := net.Dial("tcp", s.Address())
	testkit.Must(t, err)
	defer func() { _ = connection.Close() }()
	_, err = fmt.Fprint(connection, "GET /api/ai/me HTTP/1.1\r\nHost: console\r\n\r\n")
	testkit.Must(t, err)
	<-began
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the console still waits for a client that does not read")
	}
	stop()
	testkit.Must(t, <-stopped)
}
