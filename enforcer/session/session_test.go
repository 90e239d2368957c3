package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/enforcer/session"
	"github.com/bursar-dev/bursar/hack/parts/redis"
	"github.com/bursar-dev/bursar/hack/testkit"
)

var client *goredis.Client

func TestMain(m *testing.M) {
	os.Exit(redis.Use(func(_ *redis.Server, c *goredis.Client) int {
		client = c
		return m.Run()
	}))
}

// running is a configuration that tests change.
type running struct {
	now     atomic.Pointer[config.Running]
	changed chan struct{}
}

func newRunning() *running {
	r := &running{changed: make(chan struct{}, 1)}
	r.now.Store(&config.Running{})
	return r
}

func (r *running) Running() config.Running  { return *r.now.Load() }
func (r *running) Changed() <-chan struct{} { return r.changed }
func (r *running) set(incarnation string, revision int64) {
	r.now.Store(&config.Running{Incarnation: incarnation, Revision: revision})
	r.changed <- struct{}{}
}

// news subscribes to what the control plane is told.
func news(t *testing.T) <-chan *goredis.Message {
	t.Helper()
	subscription := client.Subscribe(t.Context(), limiterv1.FeedChannel)
	t.Cleanup(func() { _ = subscription.Close() })
	if _, err := subscription.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	return subscription.Channel()
}

func wantNews(t *testing.T, messages <-chan *goredis.Message, want string) {
	t.Helper()
	select {
	case got := <-messages:
		if got.Payload != want {
			t.Fatalf("told %q, want %q", got.Payload, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("never told %q", want)
	}
}

func state(t *testing.T, id string) limiterv1.SessionState {
	t.Helper()
	raw, err := client.HGet(t.Context(), limiterv1.SessionStatesKey, id).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	var s limiterv1.SessionState
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func lastBeat(t *testing.T, id string) float64 {
	t.Helper()
	beat, err := client.ZScore(t.Context(), limiterv1.SessionsKey, id).Result()
	if err != nil {
		t.Fatal(err)
	}
	return beat
}

func TestSession(t *testing.T) {
	messages, runs := news(t), newRunning()
	begun := make(chan string, 1)
	s := session.New(client, runs, noEpoch, func(id string) { begun <- id }, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan struct{})
	begin := time.Now()
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	told := limiterv1.FeedSession + " " + s.ID()

	// Without a configuration, the session is not announced, so that nothing waits for this
	// enforcer yet. Only the passing of time shows that it is not.
	select {
	case got := <-messages:
		t.Errorf("told %q before the first configuration", got.Payload)
	case got := <-begun:
		t.Errorf("session %s has begun before the first configuration", got)
	case <-time.After(100 * time.Millisecond):
	}
	runs.set("first", 7)
	wantNews(t, messages, told)
	host, _ := os.Hostname()
	if got := state(t, s.ID()); got.Incarnation != "first" || got.Revision != 7 || got.Host != host || got.Started.IsZero() {
		t.Errorf("with the first configuration: %+v", got)
	}
	if got := <-begun; got != s.ID() {
		t.Errorf("session %s has begun, want %s", got, s.ID())
	}
	beat := lastBeat(t, s.ID())
	if now := float64(time.Now().UnixMilli()); beat > now || beat < float64(begin.UnixMilli()) {
		t.Errorf("beat at %.0f, which is not between %d and %.0f", beat, begin.UnixMilli(), now)
	}

	for revision := int64(8); revision < 11; revision++ {
		runs.set("first", revision)
		wantNews(t, messages, told)
		if got := state(t, s.ID()); got.Incarnation != "first" || got.Revision != revision {
			t.Errorf("revision %d: reported %+v", revision, got)
		}
	}
	if took := time.Since(begin); took > 2*limiterv1.Heartbeat {
		t.Errorf("it took %s to tell of three revisions: they wait for the heartbeat", took)
	}

	// The next beat comes by itself, and is no news.
	beat = lastBeat(t, s.ID())
	testkit.Eventually(t, "the next heartbeat", func() bool { return lastBeat(t, s.ID()) > beat })
	select {
	case got := <-messages:
		t.Errorf("told %q of a heartbeat", got.Payload)
	default:
	}

	stop()
	<-done
	if _, err := client.ZScore(t.Context(), limiterv1.SessionsKey, s.ID()).Result(); err != nil {
		t.Errorf("Run has returned and the session is gone: %v", err)
	}
	if err := s.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantNews(t, messages, told)
	if _, err := client.ZScore(t.Context(), limiterv1.SessionsKey, s.ID()).Result(); !errors.Is(err, goredis.Nil) {
		t.Errorf("a session that has left is still among those that live: %v", err)
	}
	if hasState, err := client.HExists(t.Context(), limiterv1.SessionStatesKey, s.ID()).Result(); err != nil || hasState {
		t.Errorf("the state of a session that has left is still there: %v, %v", hasState, err)
	}
}

func TestSessionsDiffer(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	if a, b := session.New(client, newRunning(), noEpoch, func(string) {}, log), session.New(client, newRunning(), noEpoch, func(string) {}, log); a.ID() == b.ID() {
		t.Errorf("two sessions with the same id %s", a.ID())
	}
}

// TestDeclaredDead: a process whose session was declared dead begins another life, calls begun
// for both, and does not return to the first.
func TestDeclaredDead(t *testing.T) {
	begun := make(chan string, 2)
	runs := newRunning()
	runs.set("first", 1)
	s := session.New(client, runs, noEpoch, func(id string) { begun <- id }, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	first := <-begun
	if err := client.Set(ctx, limiterv1.FenceKey(first), 1, time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.ZRem(ctx, limiterv1.SessionsKey, first).Err(); err != nil {
		t.Fatal(err)
	}
	select {
	case second := <-begun:
		if second == first || s.ID() != second {
			t.Errorf("%s was declared dead, and goes on as %s (%s)", first, second, s.ID())
		}
		lastBeat(t, second)
	case <-time.After(10 * time.Second):
		t.Fatal("no life follows")
	}
	if err := client.ZScore(ctx, limiterv1.SessionsKey, first).Err(); err == nil {
		t.Errorf("%s is among the living again", first)
	}
	stop()
	<-done
	if err := s.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestBeginsWhenCaughtUp: a life begins once others know of it, and the configuration was read to its
// end after that.
func TestBeginsWhenCaughtUp(t *testing.T) {
	begun, caughtUp, runs := make(chan string, 1), make(chan error), newRunning()
	runs.set("first", 1)
	s := session.New(client, runs, noEpoch, func(id string) { begun <- id }, slog.New(slog.DiscardHandler))
	s.CatchUpWith(func(ctx context.Context) error {
		if err := client.ZScore(ctx, limiterv1.SessionsKey, s.ID()).Err(); err != nil {
			t.Errorf("the configuration is read before others know of the session: %v", err)
		}
		return <-caughtUp
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	for range 2 { // lives
		caughtUp <- errors.New("Redis is away")
		select {
		case id := <-begun:
			t.Errorf("%s has begun with a configuration that was not read", id)
		default:
		}
		caughtUp <- nil
		id := <-begun
		if err := client.Set(ctx, limiterv1.FenceKey(id), 1, time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
		if err := client.ZRem(ctx, limiterv1.SessionsKey, id).Err(); err != nil {
			t.Fatal(err)
		}
	}
	caughtUp <- nil
	<-begun
	stop()
	<-done
	if err := s.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// noEpoch is what a session knows that has heard of none.
func noEpoch() int64 { return 0 }
