package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/hack/parts/controlplane"
	"github.com/bursar-dev/bursar/hack/parts/ledgerdb"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// faultsVariable is how many enforcers `make faults` has killed.
const faultsVariable = "BURSAR_FAULTS"

// faults is how often something is to go wrong in a test.
func faults(t *testing.T, few int) int {
	t.Helper()
	many := os.Getenv(faultsVariable)
	if many == "" {
		return few
	}
	n, err := strconv.Atoi(many)
	testkit.Must(t, err)
	return n
}

// child is an enforcer in a process of its own.
type child struct {
	t       *testing.T
	cmd     *exec.Cmd
	address string
	session string
	client  *http.Client
	log     *logOf
}

// spawn starts an enforcer in a process of its own, with further arguments, and waits until
// it serves calls.
func (w *world) spawn(args ...string) *child {
	w.t.Helper()
	return w.spawnProgram(os.Args[0], args...)
}

// spawnProgram is spawn, of the program given.
func (w *world) spawnProgram(program string, args ...string) *child {
	w.t.Helper()
	cmd := exec.Command(program, append([]string{
		"--listen-address", "127.0.0.1:0", "--health-address", "127.0.0.1:0", "--provider-credentials-dir", w.keys}, args...)...)
	cmd.Env = append(os.Environ(), asEnforcer+"=yes", redisVariable+"="+w.redisURL, databaseVariable+"="+w.database.Enforcer)
	stderr, err := cmd.StderrPipe()
	testkit.Must(w.t, err)
	testkit.Must(w.t, cmd.Start())
	c := &child{t: w.t, cmd: cmd, client: &http.Client{Transport: &http.Transport{}}, log: &logOf{ended: make(chan struct{})}}
	w.t.Cleanup(c.kill)
	log := bufio.NewReader(stderr)
	for c.address == "" {
		var line struct{ Msg, Calls, Session string }
		text, err := log.ReadBytes('\n')
		testkit.Must(w.t, err)
		testkit.Must(w.t, json.Unmarshal(text, &line))
		if line.Msg == "enforcer is serving" {
			c.address, c.session = line.Calls, line.Session
		}
	}
	go c.log.read(log)
	testkit.Eventually(w.t, "the child is configured", func() bool {
		request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "http://"+c.address+"/v1/models", nil)
		testkit.Must(w.t, err)
		request.Header.Set("Authorization", "Bearer key-of-gerente-1")
		got := do(c.client, request)
		return got.status == http.StatusOK && strings.Contains(got.body, "penny")
	})
	return c
}

// kill ends the child at once.
func (c *child) kill() {
	c.client.CloseIdleConnections()
	if c.cmd.ProcessState == nil {
		_ = c.cmd.Process.Kill() // fails when it has ended
		_ = c.cmd.Wait()         // says that it was killed
	}
}

func (c *child) signal(signal os.Signal) {
	c.t.Helper()
	testkit.Must(c.t, c.cmd.Process.Signal(signal))
}

func (c *child) request(body string) *http.Request {
	return request(c.t, c.address, "gerente-1", body)
}

// awaitAdoption waits until nobody knows the sessions any more.
func (w *world) awaitAdoption(sessions ...string) {
	w.t.Helper()
	testkit.Eventually(w.t, "the dead are adopted", func() bool {
		scores, err := w.redis.ZMScore(w.t.Context(), limiterv1.SessionsKey, sessions...).Result()
		testkit.Must(w.t, err)
		for _, score := range scores {
			if score != 0 {
				return false
			}
		}
		return true
	})
}

// ownLedger gives the world a Postgres of its own, which can be stopped.
func (w *world) ownLedger() (stop, start func()) {
	w.t.Helper()
	opts := ledgerdb.Options{Dir: w.t.TempDir()}
	own, err := ledgerdb.Start(w.t.Context(), opts)
	testkit.Must(w.t, err)
	opts.Port = own.Port()
	w.database, err = own.NewDatabase(w.t.Context())
	testkit.Must(w.t, err)
	w.t.Cleanup(func() { _ = own.Stop() })
	w.ledger.Close()
	w.ledger = w.connectLedger()
	return func() {
			w.t.Helper()
			testkit.Must(w.t, own.Crash())
		}, func() {
			w.t.Helper()
			own, err = ledgerdb.Start(context.Background(), opts)
			testkit.Must(w.t, err)
			w.ledger.Close()
			w.ledger = w.connectLedger()
		}
}

const held = `"stream":true,"max_completion_tokens":20`

// TestKilled: an enforcer is killed while calls are open, others are settled, and
// Postgres is away. The open ones are charged in full, all are in the ledger, once,
// and nothing stays held.
func TestKilled(t *testing.T) {
	t.Parallel()
	const open, settled = 3, 4
	w := newWorld(t)
	stopLedger, startLedger := w.ownLedger()
	survivor := w.ready()
	victim := w.spawn()
	stopLedger()
	for range settled {
		if got := do(victim.client, victim.request(chat("gpt-4o-mini", "[[output=1]]"))); got.status != 200 {
			t.Fatalf("without Postgres: %d %s", got.status, got.body)
		}
	}
	ids := map[string]bool{}
	for range open {
		stream, err := openCall(victim, chat("gpt-4o", "[[output=9 pause=4]]", held))
		testkit.Must(t, err)
		defer stream.hangUp()
		ids[stream.header.Get(call.CallIDHeader)] = true
	}
	testkit.Eventually(t, "the provider holds the streams", func() bool { return w.provider.Paused() == open })
	victim.kill()
	startLedger()
	rows := w.rows(open + settled)
	for id, r := range rows {
		if want := map[bool]string{true: "ChargedHold", false: "Settled"}[ids[id]]; r.Outcome != want || ids[id] && r.Cost != r.Held {
			t.Errorf("call %s: %+v, want %s", id, r, want)
		}
	}
	w.awaitAdoption(victim.session)
	w.atRest(rows)
	if live := w.redis.ZCard(t.Context(), limiterv1.SessionsKey).Val(); live != 1 {
		t.Errorf("%d sessions, want the survivor's alone", live)
	}
	testkit.Must(t, survivor.shutDown())
	w.ledger.Close()
}

// TestKilledWithAShare: nobody can know whether the dead enforcer was cut off and has spent
// its share, so the share is charged in full, as a row of its own.
func TestKilledWithAShare(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	survivor := w.ready()
	sharing := acme
	sharing.StoreLossPercent = 10
	revision, err := w.put(sharing)
	testkit.Must(t, err)
	testkit.Eventually(t, "the survivor runs it", func() bool { return w.runs(survivor, revision) })
	victim := w.spawn()
	if got := do(victim.client, victim.request(chat("gpt-4o-mini", "[[output=1]]"))); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	w.rows(1)
	testkit.Eventually(t, "the share is held", func() bool { return w.counter(ofTenant).Held == 10*money.Cent })
	victim.kill()
	rows := w.rows(2)
	charged := 0
	for _, r := range rows {
		if r.Outcome == "ChargedHold" && money.Nanos(r.Cost) == 10*money.Cent && r.Held == r.Cost {
			charged++
		}
	}
	if charged != 1 {
		t.Errorf("rows %+v, want the share of 0.10 charged in full once", rows)
	}
	w.awaitAdoption(victim.session)
	w.atRest(rows)
	testkit.Must(t, survivor.shutDown())
}

func openCall(c *child, body string) (*opened, error) {
	return open(c.client, c.request(body))
}

// TestSlept: an enforcer sleeps until its session is declared dead, with one call open, and
// another settled but not in the ledger. The open call, which was charged in full, gets its
// true cost in ledger and counters when it has ended; nothing else changes, and the enforcer
// continues as another session.
func TestSlept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stopLedger, startLedger := w.ownLedger()
	survivor := w.ready()
	sleeper := w.spawn()
	stopLedger()
	if got := do(sleeper.client, sleeper.request(chat("gpt-4o-mini", "[[output=1]]"))); got.status != 200 {
		t.Fatalf("without Postgres: %d %s", got.status, got.body)
	}
	testkit.Eventually(t, "that call is settled", func() bool { is := w.counter(ofTenant); return is.Spent > 0 && is.Held == 0 })
	stream, err := openCall(sleeper, chat("gpt-4o", "[[output=9 pause=4]]", held))
	testkit.Must(t, err)
	testkit.Eventually(t, "the provider holds the stream", func() bool { return w.provider.Paused() == 1 })
	sleeper.signal(syscall.SIGSTOP)
	startLedger()
	w.awaitAdoption(sleeper.session)
	before := w.rows(2)
	w.addsUp(before)
	open := stream.header.Get(call.CallIDHeader)
	if r := before[open]; r.Outcome != "ChargedHold" || r.Cost != r.Held {
		t.Errorf("the call that is open: %+v, want it charged in full", r)
	}
	go controlplane.Recover(t.Context(), w.redis, w.ledger, acme)

	sleeper.signal(syscall.SIGCONT)
	w.provider.Resume()
	if got := stream.read(); got.err != nil || !strings.HasSuffix(got.body, "data: [DONE]\n\n") {
		t.Errorf("the stream: %s %v", got.body, got.err)
	}
	testkit.Eventually(t, "the sleeper admits calls as another session", func() bool {
		return do(sleeper.client, sleeper.request(chat("gpt-4o-mini", "[[output=1]]"))).status == 200
	})
	testkit.Eventually(t, "the call that was open has its true cost", func() bool { return w.allRows()[open].Outcome == "Settled" })
	rows := w.rows(3)
	for id, r := range before {
		if id != open && rows[id] != r {
			t.Errorf("call %s: %+v, was %+v before the sleeper awoke", id, rows[id], r)
		}
	}
	w.likeTheBill(rows)
	w.settles(rows)
	sessions := w.redis.ZRange(t.Context(), limiterv1.SessionsKey, 0, -1).Val()
	if len(sessions) != 2 || strings.Contains(strings.Join(sessions, " "), sleeper.session) {
		t.Errorf("sessions %v, want the survivor's and another than %s", sessions, sleeper.session)
	}
	sleeper.signal(syscall.SIGTERM)
	if err := sleeper.cmd.Wait(); err != nil {
		t.Errorf("the sleeper ends with %v", err)
	}
	testkit.Must(t, survivor.shutDown())
	w.ledger.Close()
}

// TestSleptWhileALimitWasLowered: an enforcer slept while a limit was lowered, until nothing waited for it
// any more. It admits no call by the old limit.
func TestSleptWhileALimitWasLowered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lowered := acme
	lowered.Money = slices.Clone(acme.Money)
	lowered.Money[0].Amount = 1
	w.refusedAfterSleep(lowered, 429)
}

// TestSleptWhileAKeyWasEnded: an enforcer slept while the validity of a key was ended. It admits no call with
// that key.
func TestSleptWhileAKeyWasEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ended, at := keyOf("gerente-1", "gerente"), time.Now()
	ended.ExpiresAt = &at
	w.refusedAfterSleep(ended, 401)
}

// refusedAfterSleep has an enforcer sleep during a change, and calls wait for it to awake. None of them is
// made, and those that follow are refused with a status.
func (w *world) refusedAfterSleep(change any, status int) {
	t := w.t
	survivor := w.ready()
	sleeper := w.spawn()
	if got := do(sleeper.client, sleeper.request(chat("gpt-4o-mini", "[[output=1]]"))); got.status != 200 {
		t.Fatalf("before: %d %s", got.status, got.body)
	}
	sleeper.signal(syscall.SIGSTOP)
	var changes []any
	for i := range 3000 { // which it has to read first
		changes = append(changes, keyOf(fmt.Sprint("somebody-", i), "gerente"))
	}
	revision, err := w.put(append(changes, change)...)
	testkit.Must(t, err)
	testkit.Eventually(t, "the survivor runs it", func() bool { return w.runs(survivor, revision) })
	w.awaitAdoption(sleeper.session)
	var calls sync.WaitGroup
	for range 50 {
		request := sleeper.request(chat("gpt-4o-mini", "[[output=1]]"))
		calls.Go(func() {
			if got := do(sleeper.client, request); got.status == 200 {
				t.Errorf("a call is answered as before: %v", got.header)
			}
		})
	}
	sleeper.signal(syscall.SIGCONT)
	calls.Wait()
	testkit.Eventually(t, "the sleeper refuses calls as another session", func() bool {
		return do(sleeper.client, sleeper.request(chat("gpt-4o-mini", "[[output=1]]"))).status == status
	})
	testkit.Must(t, survivor.shutDown())
	w.ledger.Close()
}

// TestKilledAtRandom: enforcers are killed one after the other under load. Every
// call that a client got an answer to is in the ledger, once; counters are what the
// ledger adds up to; nothing is held, and no call counts as in flight.
func TestKilledAtRandom(t *testing.T) {
	t.Parallel()
	kills := faults(t, 5)
	w := newWorld(t)
	tenant := acme
	tenant.Money = []limiterv1.MoneyLimit{
		{Name: "yearly", Per: limiterv1.PerTenant, Period: period.Year, Amount: 1000 * money.USD},
		{Name: "each-user", Per: limiterv1.PerUser, Period: period.Year, Amount: 1000 * money.USD},
	}
	inFlight := limiterv1.RateLimit{Name: "flight/all", Per: limiterv1.PerTenant, Unit: limiterv1.InFlight, Burst: 1000}
	tenant.Rates = []limiterv1.RateLimit{inFlight}
	_, err := w.put(tenant, keyOf("gerente-1", "gerente"), w.fake())
	testkit.Must(t, err)
	survivors := []*running{w.start(), w.start()}

	begin := time.Now()
	var (
		sessions []string
		answered sync.Map
		dying    sync.WaitGroup
	)
	for range kills {
		victim := w.spawn()
		sessions = append(sessions, victim.session)
		ctx, stop := context.WithCancel(t.Context())
		var load sync.WaitGroup
		for i := range 4 {
			load.Go(func() {
				for ctx.Err() == nil {
					body := chat("gpt-4o", "[[output=9 delay=5ms]]", held)
					if i == 0 {
						body = chat("penny", "one")
					}
					if got := do(victim.client, victim.request(body)); got.status == 200 {
						answered.Store(got.header.Get(call.CallIDHeader), true)
					}
				}
			})
		}
		dying.Go(func() {
			time.Sleep(time.Duration(rand.Int64N(int64(500 * time.Millisecond)))) // when it dies is what is tried
			victim.kill()
			stop()
			load.Wait()
		})
		if len(sessions)%2 == 0 { // two at a time
			dying.Wait()
		}
	}
	dying.Wait()
	killed := time.Now()
	w.awaitAdoption(sessions...)
	adopted := time.Since(killed)
	rows := w.allRows()
	missing, charged := 0, 0
	answered.Range(func(id, _ any) bool {
		if _, ok := rows[id.(string)]; !ok {
			missing++
		}
		return true
	})
	for _, r := range rows {
		if r.Outcome == "ChargedHold" {
			charged++
		}
	}
	if missing > 0 || charged == 0 {
		t.Errorf("%d calls that were answered are not in the ledger, %d were charged in full", missing, charged)
	}
	w.atRest(rows)
	raw, err := w.redis.HGet(t.Context(), limiterv1.TenantCountersKey("acme", "acme"), limiterv1.RateField(inFlight)).Result()
	if testkit.Must(t, err); strings.Trim(raw[:8], "\x00") != "" {
		t.Errorf("calls count as in flight: %x", raw)
	}
	t.Logf("%d enforcers killed within %s: %d calls in the ledger, %d of them charged in full; all adopted %s after the last",
		kills, killed.Sub(begin).Round(time.Millisecond), len(rows), charged, adopted.Round(time.Millisecond))
	for _, s := range survivors {
		testkit.Must(t, s.shutDown())
	}
}
