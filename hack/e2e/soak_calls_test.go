package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// soakCall is a call as its client saw it.
type soakCall struct {
	tag, tenant string
	// life is the enforcer that was called.
	life         *life
	begun, ended time.Time
	// status is 0 without an answer; whole is whether the answer came to its end.
	status int
	whole  bool
}

// tally is what the clients know.
type tally struct {
	mu    sync.Mutex
	calls map[string]*soakCall
	open  map[*life]map[string]int
	// lost is since when the first admitted call of each slot is looked for.
	lost     time.Time
	admitted map[int]time.Duration
	last     atomic.Int64
}

func newTally() *tally {
	return &tally{calls: map[string]*soakCall{}, open: map[*life]map[string]int{}, lost: time.Now(), admitted: map[int]time.Duration{}}
}

func (y *tally) begin(l *life, tenant string) *soakCall {
	call := &soakCall{tag: fmt.Sprintf("call-%d", y.last.Add(1)), tenant: tenant, life: l, begun: time.Now()}
	y.mu.Lock()
	defer y.mu.Unlock()
	y.calls[call.tag] = call
	if y.open[l] == nil {
		y.open[l] = map[string]int{}
	}
	y.open[l][tenant]++
	return call
}

func (y *tally) end(call *soakCall, status int, whole bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	call.ended, call.status, call.whole = time.Now(), status, whole
	y.open[call.life][call.tenant]--
	if status == http.StatusOK && call.tenant == soakFree && call.begun.After(y.lost) {
		if _, known := y.admitted[call.life.slot]; !known {
			y.admitted[call.life.slot] = time.Since(y.lost)
		}
	}
}

// openAt is how many calls of each tenant an enforcer has open.
func (y *tally) openAt(l *life) map[string]int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return maps.Clone(y.open[l])
}

// openBetween is how many calls of each tenant an enforcer had open at any moment of a time.
func (y *tally) openBetween(l *life, from, to time.Time) map[string]int {
	y.mu.Lock()
	defer y.mu.Unlock()
	open := map[string]int{}
	for _, call := range y.calls {
		if call.life == l && call.begun.Before(to) && (call.ended.IsZero() || call.ended.After(from)) {
			open[call.tenant]++
		}
	}
	return open
}

// when is the time in which calls were made, given by their tags.
func (y *tally) when(tags []string) (from, to time.Time) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, tag := range tags {
		call := y.calls[tag]
		if call == nil {
			continue
		}
		if from.IsZero() || call.begun.Before(from) {
			from = call.begun
		}
		if call.ended.After(to) {
			to = call.ended
		}
	}
	return from, to
}

func (y *tally) lose() {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.lost = time.Now()
	clear(y.admitted)
}

func (y *tally) allAdmitted(slots []*slot) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	return len(y.admitted) == len(slots)
}

// recovered is how long it took until the first enforcer, and the last, admitted a call.
func (y *tally) recovered() (first, last time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	first = recoversWithin
	for _, after := range y.admitted {
		first, last = min(first, after), max(last, after)
	}
	return first.Round(time.Millisecond), last.Round(time.Millisecond)
}

func (y *tally) statuses() string {
	y.mu.Lock()
	defer y.mu.Unlock()
	count := map[int]int{}
	for _, call := range y.calls {
		count[call.status]++
	}
	return fmt.Sprint(count)
}

// traffic is what callers do until it ends.
type traffic struct {
	stop    context.CancelFunc
	callers sync.WaitGroup
	client  *http.Client
}

// startTraffic calls through each enforcer as each tenant: quick calls of all sorts, and
// streams that stay open for seconds.
func (s *soak) startTraffic() *traffic {
	ctx, stop := context.WithCancel(s.Context())
	f := &traffic{stop: stop, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 2 * time.Minute}}
	s.Cleanup(f.end)
	s.tally.lose()
	for _, at := range s.slots {
		for i, tenant := range soakCallers {
			for j, body := range []func(*rand.Rand) soakRequest{quickCall, slowCall} {
				random := rand.New(rand.NewPCG(s.seed, uint64(1000+100*s.struck+10*at.number+2*i+j)))
				f.callers.Go(func() {
					for ctx.Err() == nil {
						f.call(ctx, s.tally, at.serving(), tenant, body(random))
						sleep(ctx, time.Duration(random.Int64N(int64(500*time.Millisecond))))
					}
				})
			}
		}
	}
	return f
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (f *traffic) end() {
	f.stop()
	f.callers.Wait()
	f.client.CloseIdleConnections()
}

// soakRequest is what a client asks for, and after how long it hangs up, if it does.
type soakRequest struct {
	model, directives string
	stream            bool
	hangsUp           time.Duration
}

// quickCall is one of all sorts: whole, streamed, cut by either side, failed.
func quickCall(random *rand.Rand) soakRequest {
	output := fmt.Sprintf("output=%d", 1+random.IntN(20))
	switch n := random.IntN(100); {
	case n < 60:
		return soakRequest{model: "soak-penny", directives: "output=1"}
	case n < 75:
		return soakRequest{model: "soak-mini", directives: output}
	case n < 85:
		return soakRequest{model: "soak-mini", directives: output + " delay=5ms", stream: true}
	case n < 92:
		return soakRequest{model: "soak-mini", directives: output + " delay=20ms", stream: true, hangsUp: time.Duration(1+random.IntN(300)) * time.Millisecond}
	case n < 95:
		return soakRequest{model: "soak-penny", directives: "output=1 first=20ms", hangsUp: time.Duration(1+random.IntN(40)) * time.Millisecond}
	case n < 97:
		return soakRequest{model: "soak-mini", directives: fmt.Sprintf("output=20 cut=%d", random.IntN(20)), stream: true}
	case n < 98:
		return soakRequest{model: "soak-mini", directives: "output=20 cut=3"}
	case n < 99:
		return soakRequest{model: "soak-mini", directives: fmt.Sprintf("output=20 fail=%d", random.IntN(20)), stream: true}
	}
	return soakRequest{model: "soak-penny", directives: "status=500"}
}

// slowCall is a stream that is open for some seconds, whatever fails meanwhile.
func slowCall(random *rand.Rand) soakRequest {
	if random.IntN(2) == 0 {
		return soakRequest{model: "soak-penny", directives: fmt.Sprintf("output=1 first=%dms", 500+random.IntN(6000)), stream: true}
	}
	return soakRequest{model: "soak-mini", directives: fmt.Sprintf("output=%d delay=%dms", 10+random.IntN(30), 50+random.IntN(200)), stream: true}
}

// call makes a call, and tells the tally how it went.
func (f *traffic) call(ctx context.Context, y *tally, l *life, tenant string, request soakRequest) (status int) {
	// A call that has begun is let finish: its answer counts.
	ctx = context.WithoutCancel(ctx)
	if request.hangsUp > 0 {
		var hangUp context.CancelFunc
		ctx, hangUp = context.WithTimeout(ctx, request.hangsUp)
		defer hangUp()
	}
	call := y.begin(l, tenant)
	whole := false
	defer func() { y.end(call, status, whole) }()
	response, err := chatWith(ctx, f.client, l.URL, tenant, map[string]any{
		"model": request.model, "messages": prompt("[[" + request.directives + "]]"), "stream": request.stream, "user": call.tag,
	})
	if err != nil {
		return 0
	}
	defer func() { _ = response.Body.Close() }()
	status = response.StatusCode
	body, err := io.ReadAll(response.Body)
	whole = err == nil && status == http.StatusOK && (!request.stream || bytes.Contains(body, []byte("[DONE]"))) && !strings.Contains(request.directives, "fail=")
	return status
}
