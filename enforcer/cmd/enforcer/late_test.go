package main

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/hack/parts/controlplane"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// hanging is a way to Redis that takes what it is given and passes nothing on while it
// hangs, as a network does that loses packets.
type hanging struct {
	listener net.Listener
	target   string
	mu       sync.Mutex
	// let is closed while bytes pass.
	let chan struct{}
}

func (w *world) hangingWay() (way *hanging, url string) {
	w.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	testkit.Must(w.t, err)
	way = &hanging{listener: listener, target: w.redis.Options().Addr, let: make(chan struct{})}
	close(way.let)
	w.t.Cleanup(func() { _ = listener.Close() })
	go way.serve()
	return way, "redis://" + listener.Addr().String() + "/0"
}

func (h *hanging) hang() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.let = make(chan struct{})
}

func (h *hanging) pass() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.let)
}

func (h *hanging) await() {
	h.mu.Lock()
	let := h.let
	h.mu.Unlock()
	<-let
}

func (h *hanging) serve() {
	for {
		conn, err := h.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", h.target)
		if err != nil {
			_ = conn.Close()
			continue
		}
		go h.copy(conn, server)
		go h.copy(server, conn)
	}
}

// copy passes on what comes from one side to the other, and waits while the way hangs.
func (h *hanging) copy(to, from net.Conn) {
	defer func() { _, _ = to.Close(), from.Close() }()
	for buffer := make([]byte, 64<<10); ; {
		n, err := from.Read(buffer)
		h.await()
		if err != nil {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// openStreams opens streams that the provider holds before their end.
func (w *world) openStreams(c *child, n int) (streams []*opened) {
	w.t.Helper()
	for range n {
		stream, err := openCall(c, chat("gpt-4o", "[[output=9 pause=4]]", held))
		testkit.Must(w.t, err)
		if stream.status != 200 {
			w.t.Fatalf("a stream begins with %d", stream.status)
		}
		streams = append(streams, stream)
	}
	testkit.Eventually(w.t, "the provider holds the streams", func() bool { return w.provider.Paused() == n })
	return streams
}

// endWhole lets the streams end.
func (w *world) endWhole(streams []*opened) {
	w.t.Helper()
	w.provider.Resume()
	for _, stream := range streams {
		if got := stream.read(); got.err != nil || !strings.HasSuffix(got.body, "data: [DONE]\n\n") {
			w.t.Errorf("a stream: %s %v", got.body, got.err)
		}
	}
}

// settledLikeTheBill waits until the ledger has all calls at what the provider bills.
func (w *world) settledLikeTheBill(calls int) map[string]row {
	w.t.Helper()
	testkit.Within(w.t, time.Minute, "the ledger has the true costs", func() bool {
		rows, bill, total := w.allRows(), w.provider.Bill(), int64(0)
		for _, r := range rows {
			total += r.Cost
		}
		for _, billed := range bill.Calls {
			if rows[billed.ID].Cost != billed.CostNanos || rows[billed.ID].Outcome != "Settled" {
				return false
			}
		}
		return len(rows) >= calls && total == bill.TotalNanos
	})
	rows := w.allRows()
	w.likeTheBill(rows)
	return rows
}

// TestEndedWhileRedisForgot: twenty streams are open when Redis loses everything and the
// control plane is away. They end; their enforcer sleeps until it is declared dead by one
// that knows of no call; then the control plane is back, and the enforcer awakes. All it
// knows of its calls reaches the ledger and the counters.
func TestEndedWhileRedisForgot(t *testing.T) {
	t.Parallel()
	const streams = 20
	w := newWorld(t)
	survivor := w.ready()
	_, err := w.ledger.Exec(t.Context(), "UPDATE limiter_epoch SET taken = 1, opened = 1")
	testkit.Must(t, err)
	ctx, stopManager := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); controlplane.Recover(ctx, w.redis, w.ledger, acme) }()
	sleeper := w.spawn()
	open := w.openStreams(sleeper, streams)
	stopManager()
	<-stopped
	testkit.Must(t, w.redis.FlushAll(t.Context()).Err())
	w.endWhole(open)
	testkit.Eventually(t, "the sleeper's heart beats", func() bool {
		return w.redis.ZScore(t.Context(), limiterv1.SessionsKey, sleeper.session).Val() > 0
	})
	sleeper.signal(syscall.SIGSTOP)
	w.awaitAdoption(sleeper.session)
	go controlplane.Recover(t.Context(), w.redis, w.ledger, acme)
	back := time.Now()
	testkit.Eventually(t, "the limiter is rebuilt", func() bool { return w.currentEpoch().State == limiterv1.EpochValid })
	took := time.Since(back).Round(time.Millisecond)
	sleeper.signal(syscall.SIGCONT)
	w.epoch = 2
	w.settles(w.settledLikeTheBill(streams))
	t.Logf("%d calls ended while Redis had forgotten them: each is in the ledger at its bill; the limiter is rebuilt %s after the control plane is back", streams, took)
	sleeper.signal(syscall.SIGTERM)
	if err := sleeper.cmd.Wait(); err != nil {
		t.Errorf("the sleeper ends with %v", err)
	}
	testkit.Must(t, survivor.shutDown())
}

// TestSharesOfTheDead: an enforcer that cannot reach Redis serves calls from its share, before and
// after another charges that share in full. In the end, the ledger has the cost of each call, and
// the share itself costs nothing.
func TestSharesOfTheDead(t *testing.T) {
	t.Parallel()
	const calls = 15
	w := newWorld(t)
	survivor := w.ready()
	go controlplane.Recover(t.Context(), w.redis, w.ledger, acme)
	sharing := acme
	sharing.StoreLossPercent = 10
	revision, err := w.put(sharing)
	testkit.Must(t, err)
	testkit.Eventually(t, "the survivor runs it", func() bool { return w.runs(survivor, revision) })
	way, url := w.hangingWay()
	cut := w.start(func(o *options) { o.redisURL = url })
	testkit.Eventually(t, "the other runs it", func() bool { return w.runs(cut, revision) })
	if got := cut.call("gerente-1", chat("gpt-4o-mini", "[[output=1]]")); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	w.rows(1)
	testkit.Eventually(t, "the share is held", func() bool { return w.counter(ofTenant).Held == 10*money.Cent })
	session := cut.session.ID()
	way.hang()
	var served atomic.Int64
	serve := func(n int) {
		var all sync.WaitGroup
		for range n {
			all.Go(func() {
				got := cut.call("gerente-1", chat("gpt-4o-mini", "[[output=1]]"))
				if got.status == 200 && got.header.Get(call.StoreLostHeader) != "" {
					served.Add(1)
				}
			})
		}
		all.Wait()
	}
	serve(5)
	w.awaitAdoption(session)
	serve(calls - 5)
	if served.Load() != calls {
		t.Errorf("%d calls were served from the share, want %d", served.Load(), calls)
	}
	charged := func() (cost money.Nanos) {
		testkit.Must(t, w.ledger.QueryRow(t.Context(), `SELECT coalesce(sum(cost_nanos), 0)::bigint FROM ai_usage_logs WHERE endpoint = 'share'`).Scan(&cost))
		return cost
	}
	if got := charged(); got != 10*money.Cent {
		t.Errorf("the share was charged %s, want it in full", got)
	}
	way.pass()
	rows := w.settledLikeTheBill(1 + calls + 1)
	if got := charged(); got != 0 {
		t.Errorf("the share costs %s beside its calls", got)
	}
	w.settles(rows)
	testkit.Must(t, survivor.shutDown())
	testkit.Must(t, cut.shutDown())
}

// TestShutdownWithoutRedis: Redis hangs when an enforcer shuts down with calls that have ended
// but are not settled. Their true costs go to the ledger, whether or not another enforcer has
// charged them in full by then, and the counters follow.
func TestShutdownWithoutRedis(t *testing.T) {
	t.Parallel()
	const streams = 5
	for name, adoptedFirst := range map[string]bool{"before it is adopted": false, "when it was adopted": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			survivor := w.ready()
			go controlplane.Recover(t.Context(), w.redis, w.ledger, acme)
			way, url := w.hangingWay()
			cut := w.start(func(o *options) { o.redisURL, o.settleGrace, o.flushGrace = url, 500*time.Millisecond, 2*time.Second })
			testkit.Eventually(t, "it serves calls", func() bool {
				return cut.call("gerente-1", chat("penny", "one")).status == 200
			})
			before := len(w.provider.Bill().Calls)
			w.rows(before)
			var open []*opened
			for range streams {
				open = append(open, cut.open("gerente-1", chat("gpt-4o", "[[output=9 pause=4]]", held)))
			}
			testkit.Eventually(t, "the provider holds the streams", func() bool { return w.provider.Paused() == streams })
			session := cut.session.ID()
			way.hang()
			w.endWhole(open)
			if adoptedFirst {
				w.awaitAdoption(session)
			}
			err := cut.shutDown()
			var unsettled *call.UnsettledError
			if !errors.As(err, &unsettled) || unsettled.Calls != streams {
				t.Errorf("it ends with %v, want that %d calls were not settled", err, streams)
			}
			w.likeTheBill(w.rows(before + streams))
			if adoptedFirst { // then the auditor has the tenant counted anew, which the enforcer could not
				testkit.Must(t, survivor.limiter.Recount(t.Context(), "acme", []string{"acme"}))
			}
			w.awaitAdoption(session)
			rows := w.rows(before + streams)
			w.likeTheBill(rows)
			w.settles(rows)
			testkit.Must(t, survivor.shutDown())
		})
	}
}
