package proxy_test

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bursar-dev/bursar/enforcer/answercache"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/enforcer/idempotency"
	"github.com/bursar-dev/bursar/hack/fakeprovider"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// lostClaims are claims in a Redis that fails in the operations named. There is one
// name.
type lostClaims struct {
	mu       sync.Mutex
	fails    string
	standing *idempotency.Claim
	attempts map[string]int
}

func (c *lostClaims) attempt(operation string) error {
	c.attempts[operation]++
	if strings.Contains(c.fails, operation) {
		return errLost
	}
	return nil
}

func (c *lostClaims) Take(_ context.Context, claim idempotency.Claim) (idempotency.Claim, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.standing != nil {
		return *c.standing, false, c.attempt("take")
	}
	c.standing = &claim // also when its answer is lost
	return claim, true, c.attempt("take")
}

func (c *lostClaims) Release(context.Context, idempotency.Claim) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.attempt("release")
	if err == nil {
		c.standing = nil
	}
	return err
}

func (c *lostClaims) Keep(context.Context, idempotency.Claim) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.attempt("keep")
	if err == nil {
		c.standing.Made = true
	}
	return err
}

func (c *lostClaims) Interrupted(context.Context, idempotency.Claim) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return false, c.attempt("interrupted")
}

func (c *lostClaims) set(fails string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fails = fails
}

func (c *lostClaims) is(what func() bool) func() bool {
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return what()
	}
}

// newNamedDoor is a door, and a call through it that has a name.
func newNamedDoor(t *testing.T, upstream http.HandlerFunc, fails string, change ...func(*doorOptions)) (*door, *lostClaims, func() reply) {
	t.Helper()
	claims := &lostClaims{fails: fails, attempts: map[string]int{}}
	change = append([]func(*doorOptions){func(o *doorOptions) { o.Claims, o.Replays = claims, answercache.New(1<<20) }}, change...)
	d := newDoor(t, upstream, change...)
	return d, claims, func() reply {
		request := d.request(http.MethodPost, "/v1/chat/completions", chat)
		request.Header.Set(call.IdempotencyKeyHeader, "key")
		return d.do(request)
	}
}

// TestClaimIsLost: without an answer of Redis a named call is not made, and a claim
// that may have been taken is released.
func TestClaimIsLost(t *testing.T) {
	d, claims, send := newNamedDoor(t, whole(200, answer), "take release")
	if got := send(); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "1" || !strings.Contains(got.body, `"limiter_unavailable"`) {
		t.Errorf("got %+v", got)
	}
	if n := d.store.questions(); n != 0 {
		t.Errorf("the limiter was asked %d times", n)
	}
	testkit.Eventually(t, "the release is tried again", claims.is(func() bool { return claims.attempts["release"] > 2 }))
	claims.set("")
	testkit.Eventually(t, "the name is free", claims.is(func() bool { return claims.standing == nil }))
	if got := send(); got.status != http.StatusOK || got.body != answer {
		t.Errorf("got %+v", got)
	}
}

// TestEndOfAClaimIsLost: the answer is there, and that the call was made is said until
// it is heard.
func TestEndOfAClaimIsLost(t *testing.T) {
	d, claims, send := newNamedDoor(t, whole(200, answer), "keep")
	first := send()
	testkit.Eventually(t, "it is tried again", claims.is(func() bool { return claims.attempts["keep"] > 2 }))
	if got := send(); got.body != first.body || got.header.Get(call.ReplayedHeader) != "true" {
		t.Errorf("got %+v", got)
	}
	claims.set("")
	testkit.Eventually(t, "it is heard", claims.is(func() bool { return claims.standing.Made }))
	if err := d.calls.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if n := d.store.questions(); n != 1 {
		t.Errorf("the limiter was asked %d times, want once", n)
	}
}

// TestWhetherACallWasInterruptedIsLost: nobody knows, so it is to be asked again.
func TestWhetherACallWasInterruptedIsLost(t *testing.T) {
	d, claims, send := newNamedDoor(t, whole(200, answer), "keep interrupted", func(o *doorOptions) { o.Replays = answercache.New(0) })
	if got := send(); got.status != http.StatusOK {
		t.Fatalf("got %+v", got)
	}
	if got := send(); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, `"limiter_unavailable"`) {
		t.Errorf("got %+v", got)
	}
	claims.set("keep")
	if got := send(); got.status != http.StatusConflict || got.header.Get("Retry-After") != "1" || !strings.Contains(got.body, `"idempotency_key_in_use"`) {
		t.Errorf("got %+v", got)
	}
	if n := d.store.questions(); n != 1 {
		t.Errorf("the limiter was asked %d times, want once", n)
	}
	claims.set("")
}

// TestCutAnswerIsNotGivenAgain: an answer that is cut off in its midst was paid for, and
// is not there to be given again.
func TestCutAnswerIsNotGivenAgain(t *testing.T) {
	d, claims, send := newNamedDoor(t, hijack("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{\"id\""+strings.Repeat(" ", 70<<10)), "")
	if got := send(); got.err == nil {
		t.Errorf("got %+v, want it cut", got)
	}
	testkit.Eventually(t, "the claim is kept", claims.is(func() bool { return claims.standing != nil && claims.standing.Made }))
	got := send()
	if got.status != http.StatusConflict || got.header.Get("X-Should-Retry") != "false" || !strings.Contains(got.body, `"idempotency_answer_gone"`) {
		t.Errorf("got %+v", got)
	}
	if n := d.store.questions(); n != 1 {
		t.Errorf("the limiter was asked %d times, want once", n)
	}
}

// TestReplaysSayNothingOfRates: whichever fields a protocol's clients read, how the rate
// limits stood when the call was made is not said again.
func TestReplaysSayNothingOfRates(t *testing.T) {
	isRate := func(name string) bool { return strings.Contains(name, "Ratelimit-") }
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			fake := fakeprovider.New(fakeprovider.Options{})
			d := newProtocolsDoor(t, fake.ServeHTTP, func(o *doorOptions) {
				o.Claims, o.Replays = &lostClaims{attempts: map[string]int{}}, answercache.New(1<<20)
			})
			ask := func() (reply, []string) {
				request := d.ask(t.Context(), p, "hello [[output=1]]", 5, false)
				request.Header.Set(call.IdempotencyKeyHeader, "key")
				got := d.do(request)
				return got, slices.DeleteFunc(slices.Sorted(maps.Keys(got.header)), func(name string) bool { return !isRate(name) })
			}
			if first, rates := ask(); first.status != http.StatusOK || len(rates) != 6 {
				t.Fatalf("the call gets %+v with the rate fields %v, want six", first, rates)
			}
			if again, rates := ask(); again.header.Get(call.ReplayedHeader) != "true" || len(rates) != 0 {
				t.Errorf("the repeat gets %+v with the rate fields %v, want none", again, rates)
			}
		})
	}
}
