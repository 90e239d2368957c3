package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// named is a request with an Idempotency-Key.
func named(r *http.Request, key string) *http.Request {
	r.Header.Set(call.IdempotencyKeyHeader, key)
	return r
}

// callNamed makes a call of gerente-1 with an Idempotency-Key.
func (r *running) callNamed(key, body string) answer {
	r.t.Helper()
	return do(r.client, named(r.request("gerente-1", body), key))
}

// codeOf is the code of a refusal, empty for an answer.
func codeOf(a answer) string {
	var refusal struct {
		Error struct{ Code string }
	}
	_ = json.Unmarshal([]byte(a.body), &refusal) // an answer is no refusal
	return refusal.Error.Code
}

// awaitReplay repeats a call until it is no longer under way.
func (r *running) awaitReplay(key, body string) (got answer) {
	r.t.Helper()
	testkit.Eventually(r.t, "the call has ended", func() bool {
		got = r.callNamed(key, body)
		return codeOf(got) != "idempotency_key_in_use"
	})
	return got
}

// billedCalls is how many calls the provider wants to be paid for.
func (w *world) billedCalls() int { return len(w.provider.Bill().Calls) }

// TestSameKeySameAnswer: a repeat gets the answer of the first call, whole or
// streamed, and nothing is paid for twice.
func TestSameKeySameAnswer(t *testing.T) {
	w := newWorld(t)
	e := w.ready()
	bodies := []string{
		chat("gpt-4o", "[[output=5]]"), chat("gpt-4o", "[[output=5]]", `"stream":true`),
		// Charged, though there is no whole answer: the repeat must not be paid for, either.
		chat("gpt-4o", "[[output=5 cut=2]]", `"stream":true`), chat("gpt-4o", "[[output=5 usage=none]]"),
	}
	for i, body := range bodies {
		key := fmt.Sprint("key-", i)
		first := e.callNamed(key, body)
		again := e.awaitReplay(key, body)
		if again.status != 200 || again.body != first.body || again.header.Get(call.CallIDHeader) != first.header.Get(call.CallIDHeader) ||
			again.header.Get("Content-Type") != first.header.Get("Content-Type") || again.header.Get(call.ReplayedHeader) != "true" {
			t.Errorf("%s: got %+v\nwant the first answer again, %+v", body, again, first)
		}
		if first.header.Get(call.ReplayedHeader) != "" {
			t.Errorf("the first answer says that it was given before")
		}
		for name := range again.header {
			if strings.HasPrefix(name, "X-Ratelimit-") {
				t.Errorf("the answer that was given before says %s", name)
			}
		}
	}
	rows := w.rows(len(bodies))
	if got := w.billedCalls(); got != len(bodies) {
		t.Errorf("the provider wants to be paid for %d calls, want %d", got, len(bodies))
	}
	w.atRest(rows)
}

// TestFailedAnswerIsGivenAgain: a call that the provider took and never answered is
// charged, and a repeat is told the same.
func TestFailedAnswerIsGivenAgain(t *testing.T) {
	w := newWorld(t)
	e := w.ready()
	body := chat("gpt-4o", "[[output=5 cut=0]]", `"stream":true`)
	first := e.callNamed("key", body)
	again := e.awaitReplay("key", body)
	if again.status != first.status || again.body != first.body || w.billedCalls() != 1 {
		t.Errorf("first %d %s, then %d %s, with %d calls at the provider; want the same of one", first.status, first.body, again.status, again.body, w.billedCalls())
	}
	w.atRest(w.rows(1))
}

// TestWhoseKeyItIs: a key is one user's.
func TestWhoseKeyItIs(t *testing.T) {
	w := newWorld(t)
	e := w.ready()
	body := chat("gpt-4o", "[[output=5]]")
	e.callNamed("key", body)
	if got := do(e.client, named(e.request("empleado-1", body), "key")); got.status != 200 || got.header.Get(call.ReplayedHeader) != "" {
		t.Errorf("another user with the same key: %+v", got)
	}
	if got := e.callNamed("other-key", body); got.status != 200 || got.header.Get(call.ReplayedHeader) != "" {
		t.Errorf("the same user with another key: %+v", got)
	}
	if got := w.billedCalls(); got != 3 {
		t.Errorf("%d calls were made, want 3", got)
	}
	w.atRest(w.rows(3))
}

func TestSameKeyAnotherRequest(t *testing.T) {
	w := newWorld(t)
	enforcers := []*running{w.ready(), w.ready()}
	first := enforcers[0].callNamed("key", chat("gpt-4o", "[[output=5]]"))
	for i, e := range enforcers {
		got := e.callNamed("key", chat("gpt-4o", "[[output=6]]"))
		if got.status != http.StatusUnprocessableEntity || codeOf(got) != "idempotency_key_reused" ||
			got.header.Get(call.CallIDHeader) != first.header.Get(call.CallIDHeader) {
			t.Errorf("enforcer %d: got %+v", i, got)
		}
	}
	if got := w.billedCalls(); got != 1 {
		t.Errorf("%d calls were made, want 1", got)
	}
}

func TestInvalidKeys(t *testing.T) {
	w := newWorld(t)
	e := w.ready()
	for name, keys := range map[string][]string{
		"empty": {""}, "two": {"a", "b"}, "too long": {strings.Repeat("x", 256)}, "with a blank": {"a b"}, "not ASCII": {"clé"},
	} {
		r := e.request("gerente-1", chat("gpt-4o", "[[output=5]]"))
		r.Header[call.IdempotencyKeyHeader] = keys
		if got := do(e.client, r); got.status != http.StatusBadRequest || codeOf(got) != "idempotency_key_invalid" {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if got := e.callNamed(strings.Repeat("x", 255), chat("gpt-4o", "[[output=5]]")); got.status != 200 {
		t.Errorf("the longest: got %+v", got)
	}
}

// TestManyAtOnceWithOneKey: of 50 at once through two enforcers, one is made.
func TestManyAtOnceWithOneKey(t *testing.T) {
	const callers = 50
	w := newWorld(t)
	enforcers := []*running{w.ready(), w.ready()}
	body := chat("penny", "[[first=50ms]]")
	answers := make([]answer, callers)
	var all sync.WaitGroup
	for i := range callers {
		e := enforcers[i%2]
		r := named(e.request("gerente-1", body), "key")
		all.Go(func() { answers[i] = do(e.client, r) })
	}
	all.Wait()
	made := 0
	for _, a := range answers {
		switch code := codeOf(a); {
		case a.status == 200 && a.header.Get(call.ReplayedHeader) == "":
			made++
		case a.status == 200 || a.status == http.StatusConflict && (code == "idempotency_key_in_use" || code == "idempotency_answer_gone"):
		default:
			t.Errorf("got %+v", a)
		}
		if codeOf(a) == "idempotency_key_in_use" && a.header.Get("Retry-After") != "1" {
			t.Errorf("a call under way may be asked for again after %q", a.header.Get("Retry-After"))
		}
	}
	if made != 1 {
		t.Errorf("%d calls were made, want 1", made)
	}
	rows := w.rows(1)
	w.likeTheBill(rows)
	w.atRest(rows)
}

// TestOtherEnforcer: an enforcer that did not make the call says where it stands, and
// makes none.
func TestOtherEnforcer(t *testing.T) {
	w := newWorld(t)
	one, other := w.ready(), w.ready()
	body := chat("gpt-4o", "[[output=5 pause=2]]", `"stream":true`)
	open, err := open(one.client, named(one.request("gerente-1", body), "key"))
	testkit.Must(t, err)
	for i, e := range []*running{one, other} {
		if got := e.callNamed("key", body); got.status != http.StatusConflict || codeOf(got) != "idempotency_key_in_use" || got.header.Get("Retry-After") != "1" {
			t.Errorf("enforcer %d, while the call is open: got %+v", i, got)
		}
	}
	testkit.Eventually(t, "the provider holds the stream", func() bool { return w.provider.Paused() == 1 })
	w.provider.Resume()
	first := open.read()
	if got := other.awaitReplay("key", body); got.status != http.StatusConflict || codeOf(got) != "idempotency_answer_gone" ||
		got.header.Get("X-Should-Retry") != "false" || !strings.Contains(got.body, first.header.Get(call.CallIDHeader)) {
		t.Errorf("the other enforcer, afterwards: got %+v", got)
	}
	if got := one.callNamed("key", body); got.body != first.body {
		t.Errorf("the enforcer that made it, afterwards: got %+v", got)
	}
	rows := w.rows(1)
	w.likeTheBill(rows)
	w.atRest(rows)
}

// TestClientHangsUpAndAsksAgain is what keys are for: the answer that was lost on its
// way is there.
func TestClientHangsUpAndAsksAgain(t *testing.T) {
	w := newWorld(t)
	e := w.ready()
	body := chat("gpt-4o", "[[output=5 pause=2]]", `"stream":true`)
	open, err := open(e.client, named(e.request("gerente-1", body), "key"))
	testkit.Must(t, err)
	testkit.Eventually(t, "the provider holds the stream", func() bool { return w.provider.Paused() == 1 })
	open.hangUp()
	w.provider.Resume()
	got := e.awaitReplay("key", body)
	if got.status != 200 || !strings.Contains(got.body, "token4") || !strings.HasSuffix(got.body, "data: [DONE]\n\n") {
		t.Errorf("got %+v, want the whole stream", got)
	}
	rows := w.rows(1)
	w.likeTheBill(rows)
	w.atRest(rows)
}

// TestWhatCostNothingFreesItsKey: a call that was not made, or that the provider
// refused, is made when it is asked for again.
func TestWhatCostNothingFreesItsKey(t *testing.T) {
	t.Parallel()
	t.Run("refused by the budget", func(t *testing.T) {
		w := newWorld(t)
		e := w.ready()
		poor := acme
		poor.Money = append(poor.Money[:0:0], poor.Money...)
		poor.Money[0].Amount = 1
		revision, err := w.put(poor)
		testkit.Must(t, err)
		testkit.Eventually(t, "the enforcer runs it", func() bool { return w.runs(e, revision) })
		body := chat("gpt-4o", "[[output=5]]")
		for range 2 {
			if got := e.callNamed("key", body); codeOf(got) != "budget_exhausted" {
				t.Fatalf("got %+v", got)
			}
		}
		revision, err = w.put(acme)
		testkit.Must(t, err)
		testkit.Eventually(t, "the enforcer runs it", func() bool { return w.runs(e, revision) })
		if got := e.callNamed("key", body); got.status != 200 || got.header.Get(call.ReplayedHeader) != "" {
			t.Errorf("with money: got %+v", got)
		}
		rows := w.rows(1)
		w.likeTheBill(rows)
		w.atRest(rows)
	})
	t.Run("the provider could not be reached", func(t *testing.T) {
		w := newWorld(t)
		e := w.ready()
		away := w.fake()
		away.Endpoint = "http://127.0.0.1:1/v1"
		revision, err := w.put(away)
		testkit.Must(t, err)
		testkit.Eventually(t, "the enforcer runs it", func() bool { return w.runs(e, revision) })
		body := chat("gpt-4o", "[[output=5]]")
		for range 2 {
			if got := e.callNamed("key", body); codeOf(got) != "provider_unreachable" {
				t.Fatalf("got %+v", got)
			}
		}
		revision, err = w.put(w.fake())
		testkit.Must(t, err)
		testkit.Eventually(t, "the enforcer runs it", func() bool { return w.runs(e, revision) })
		if got := e.callNamed("key", body); got.status != 200 {
			t.Errorf("when it is there: got %+v", got)
		}
	})
	t.Run("the provider refused", func(t *testing.T) {
		w := newWorld(t)
		e := w.ready()
		body := chat("gpt-4o", "[[status=500]]")
		calls := map[string]bool{}
		for range 2 {
			got := e.callNamed("key", body)
			if got.status != 500 || got.header.Get(call.ReplayedHeader) != "" {
				t.Errorf("got %+v", got)
			}
			calls[got.header.Get(call.CallIDHeader)] = true
		}
		if len(calls) != 2 {
			t.Errorf("the second attempt has the id of the first")
		}
		w.atRest(w.rows(2))
	})
	t.Run("the request was wrong", func(t *testing.T) {
		w := newWorld(t)
		e := w.ready()
		if got := e.callNamed("key", chat("unknown", "hi")); got.status != http.StatusNotFound {
			t.Errorf("got %+v", got)
		}
		if got := e.callNamed("key", chat("gpt-4o", "[[output=5]]")); got.status != 200 {
			t.Errorf("another request with the key that was free: got %+v", got)
		}
	})
}

// TestKilledWhileANamedCallIsOpen: nobody has its answer, it is charged, and not made again.
func TestKilledWhileANamedCallIsOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.ready()
	c := w.spawn()
	body := chat("gpt-4o", "[[output=5 pause=2]]", `"stream":true`)
	open, err := open(c.client, named(c.request(body), "key"))
	testkit.Must(t, err)
	defer open.hangUp()
	testkit.Eventually(t, "the provider holds the stream", func() bool { return w.provider.Paused() == 1 })
	c.kill()
	w.provider.Resume()
	w.awaitAdoption(c.session)
	got := e.callNamed("key", body)
	if got.status != http.StatusConflict || codeOf(got) != "idempotency_call_interrupted" || got.header.Get("X-Should-Retry") != "false" {
		t.Errorf("got %+v", got)
	}
	if got := w.billedCalls(); got != 1 {
		t.Errorf("%d calls were made, want 1", got)
	}
	w.atRest(w.rows(1))
}

// TestWindow: a key names the call for as long as the window, and no longer.
func TestWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	revision := w.configure()
	e := w.start(func(o *options) { o.idempotencyWindow = time.Second })
	testkit.Eventually(t, "the enforcer runs the configuration", func() bool { return w.runs(e, revision) })
	body := chat("gpt-4o", "[[output=5]]")
	first := e.callNamed("key", body)
	if ttl := w.claims(t); len(ttl) != 1 || ttl[0] <= 0 || ttl[0] > time.Second {
		t.Errorf("claims live %v, want one of at most a second", ttl)
	}
	testkit.Eventually(t, "the key is free", func() bool { return len(w.claims(t)) == 0 })
	if got := e.callNamed("key", body); got.status != 200 || got.header.Get(call.CallIDHeader) == first.header.Get(call.CallIDHeader) {
		t.Errorf("after the window: got %+v", got)
	}
}

// claims are the times that the claims in Redis have left.
func (w *world) claims(t *testing.T) (left []time.Duration) {
	t.Helper()
	keys, err := w.redis.Keys(t.Context(), "bursar:{*}:idempotency:*").Result()
	testkit.Must(t, err)
	for _, key := range keys {
		ttl, err := w.redis.PTTL(t.Context(), key).Result()
		testkit.Must(t, err)
		if ttl != -2 { // else it went meanwhile
			left = append(left, ttl)
		}
	}
	return left
}

// TestRedisIsToldNoNamesAndNoWords: whatever a caller writes stays out of Redis.
func TestRedisIsToldNoNamesAndNoWords(t *testing.T) {
	w := newWorld(t)
	e := w.ready()
	if got := e.callNamed("the-secret-name", chat("gpt-4o", "the secret words [[output=5]]")); got.status != 200 {
		t.Fatalf("got %+v", got)
	}
	keys, err := w.redis.Keys(t.Context(), "*idempotency*").Result()
	testkit.Must(t, err)
	if len(keys) != 1 {
		t.Fatalf("claims: %v", keys)
	}
	value, err := w.redis.Get(t.Context(), keys[0]).Result()
	testkit.Must(t, err)
	for _, secret := range []string{"secret", "gerente-1", "token"} {
		if strings.Contains(keys[0]+value, secret) {
			t.Errorf("Redis is told %q: %s %s", secret, keys[0], value)
		}
	}
}
