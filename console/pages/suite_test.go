package pages_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	_ "time/tzdata" // as in the console

	"github.com/go-logr/logr"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/bursar-dev/bursar/api/identity/identify"
	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/cluster"
	"github.com/bursar-dev/bursar/console/health"
	"github.com/bursar-dev/bursar/console/marks"
	"github.com/bursar-dev/bursar/console/pages"
	"github.com/bursar-dev/bursar/console/requests"
	"github.com/bursar-dev/bursar/console/said"
	"github.com/bursar-dev/bursar/console/server"
	"github.com/bursar-dev/bursar/hack/showcase"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/history"
)

// begin is when the tests are: in the afternoon of a day of work, in the middle of a month.
var begin = time.Date(2026, 11, 18, 20, 4, 5, 0, time.UTC)

// The tests share one company and one console.
var shared struct {
	*showcase.Showcase
	url string
	// errors is how many errors the console has logged, and logged all that it has.
	errors atomic.Int64
	logged logs
	auth   *auth.Auth
	api    *api.API
	pages  *pages.Pages
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if address := os.Getenv(watchersVariable); address != "" {
		return 1, browsers(address)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ctrl.SetLogger(logr.Discard())
	if shared.Showcase, err = showcase.Start(ctx, begin); err != nil {
		return 1, err
	}
	defer func() {
		if stopped := shared.Stop(); err == nil {
			err = stopped
		}
	}()
	reader, err := pgxpool.New(ctx, shared.ConsoleURL)
	if err != nil {
		return 1, err
	}
	defer reader.Close()
	watched, err := cluster.New(shared.Console, slog.New(slog.DiscardHandler))
	if err != nil {
		return 1, err
	}
	watching, stopWatching := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- watched.Start(watching) }()
	defer func() {
		stopWatching()
		if failed := <-ended; err == nil {
			err = failed
		}
	}()
	for started := time.Now(); !watched.Complete(); time.Sleep(10 * time.Millisecond) {
		if time.Since(started) > time.Minute {
			return 1, context.DeadlineExceeded
		}
	}
	handler, err := console(watched, reader)
	if err != nil {
		return 1, err
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	shared.url = server.URL
	return m.Run(), nil
}

// now goes on from begin, so that what is new has a time of its own.
var started = time.Now()

func now() time.Time { return begin.Add(time.Since(started)) }

// console is the API and the pages of a console.
func console(watched *cluster.Cluster, reader *pgxpool.Pool) (http.Handler, error) {
	log := slog.New(countErrors{slog.NewTextHandler(&shared.logged, &slog.HandlerOptions{Level: slog.LevelDebug})})
	shared.auth = auth.New(auth.Options{
		Identifier: identify.New(identify.Options{Config: watched, Now: now}), Tenants: watched,
		PlatformAdmins: []auth.PlatformAdmin{{Provider: "company", Group: showcase.PlatformGroup}},
	})
	routes, err := api.New(api.Options{
		Auth: shared.auth, Cluster: watched, Ledger: history.NewReader(reader), Marks: marks.New(reader), Requests: requests.New(reader), Locks: said.NewLocks(reader), Health: health.New(reader), Log: log, Now: now, Version: "test",
	})
	if err != nil {
		return nil, err
	}
	all, err := pages.New(pages.Options{API: routes, Log: log, Now: now})
	if err != nil {
		return nil, err
	}
	shared.api, shared.pages = routes, all
	serving, err := server.New(server.Options{
		Address: "127.0.0.1:0", HealthAddress: "127.0.0.1:0", API: routes, Pages: all, Ready: func() error { return nil }, Registry: prometheus.NewRegistry(), Log: log,
	})
	if err != nil {
		return nil, err
	}
	return serving.Handler(), nil
}

// countErrors counts what is logged as an error: a page never is the cause of one.
type countErrors struct{ slog.Handler }

func (c countErrors) Handle(ctx context.Context, record slog.Record) error {
	if record.Level >= slog.LevelError {
		shared.errors.Add(1)
	}
	return c.Handler.Handle(ctx, record)
}

// logs keep what is logged, and show what is wrong in it.
type logs struct {
	mu   sync.Mutex
	kept bytes.Buffer
}

func (l *logs) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !bytes.Contains(line, []byte("level=DEBUG")) && !bytes.Contains(line, []byte("level=INFO")) {
		_, _ = os.Stderr.Write(line)
	}
	return l.kept.Write(line)
}

// Bytes are all that was logged.
func (l *logs) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.kept.Bytes())
}

// person is somebody who looks at pages.
type person struct {
	name, user string
	groups     []string
}

var (
	employee = person{name: "employee", user: "ana"}
	admin    = person{name: "admin", user: "rita"}
	above    = person{name: "admin-above", user: "carla"}
	platform = person{name: "platform-admin", user: "nadia", groups: []string{showcase.PlatformGroup}}
)

func (p person) token() string { return shared.Token(p.user, p.groups...) }

// get asks for a page without a browser.
func get(t testkit.T, path, token, language string) (status int, body string, header http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, shared.url+path, http.NoBody)
	testkit.Must(t, err)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	request.Header.Set("Accept-Language", language)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	testkit.Must(t, err)
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	testkit.Must(t, err)
	return response.StatusCode, string(content), response.Header
}
