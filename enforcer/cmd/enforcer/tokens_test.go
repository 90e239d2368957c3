package main

import (
	"bufio"
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/hack/parts/collector"
	"github.com/bursar-dev/bursar/hack/parts/issuer"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// stackAuth is a project whose users sign in, and the IdentityProvider that trusts it.
type stackAuth struct {
	*issuer.StackAuth
	w *world
}

func (w *world) newStackAuth() *stackAuth {
	w.t.Helper()
	s := &stackAuth{w: w}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { s.ServeHTTP(rw, r) }))
	w.t.Cleanup(server.Close)
	var err error
	s.StackAuth, err = issuer.NewStackAuth(server.URL, "f3f0")
	testkit.Must(w.t, err)
	return s
}

// document is the IdentityProvider with some keys.
func (s *stackAuth) document(keys []byte) limiterv1.IdentityProvider {
	return limiterv1.IdentityProvider{
		Name: "stack-auth", Issuers: []string{s.Issuer(issuer.Regular)}, Audiences: []string{s.Project}, Algorithms: []string{"ES256"},
		Keys: keys, Leeway: 60_000, Mappings: limiterv1.ClaimMappings{User: limiterv1.ClaimMapping{Claim: "email"}},
	}
}

// manage fetches the keys when they are wanted, as the leading manager does, until the
// test ends.
func (s *stackAuth) manage() {
	ticker := time.NewTicker(limiterv1.WantedKeysLook)
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				s.fetchIfWanted()
			}
		}
	})
	s.w.t.Cleanup(func() {
		close(done)
		wg.Wait()
	})
}

func (s *stackAuth) fetchIfWanted() {
	ctx := s.w.t.Context()
	wanted, err := s.w.redis.HDel(ctx, limiterv1.WantedKeysKey, "stack-auth").Result()
	if err != nil || wanted == 0 {
		return
	}
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/api/v1/projects/f3f0/.well-known/jwks.json", nil))
	if _, err := s.w.put(s.document(recorder.Body.Bytes())); err != nil {
		s.w.t.Error(err)
	}
}

func (r *running) callWithToken(token string) answer {
	request := r.request("", chat("gpt-4o-mini", "hi"))
	request.Header.Set("Authorization", "Bearer "+token)
	return do(r.client, request)
}

// TestRotation: an issuer begins to sign with a key that nobody was told of, and its keys
// change while calls are made: no call is refused, and the keys are fetched once.
func TestRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.newStackAuth()
	big := acme
	big.Money = []limiterv1.MoneyLimit{{Name: "yearly", Per: limiterv1.PerTenant, Period: acme.Money[0].Period, Amount: 1000 * money.USD}}
	big.Rates = nil
	revision, err := w.put(big, w.fake(), s.document(s.Keys(issuer.Regular)), limiterv1.Members{
		Name: "acme/people", Tenant: "acme", Provider: "stack-auth", Members: []limiterv1.Member{{Email: "ana@example.com", Tier: "gerente"}},
	})
	testkit.Must(t, err)
	s.manage()
	r := w.start()
	testkit.Eventually(t, "the enforcer runs the configuration", func() bool { return w.runs(r, revision) })

	const perSecond, seconds = 200, 5
	var calls sync.WaitGroup
	var refused atomic.Int64
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	for n := range perSecond * seconds {
		<-tick.C
		switch n {
		case perSecond:
			testkit.Must(t, s.Rotate(issuer.Regular, false))
		case 4 * perSecond: // the key before is dropped
			_, err := w.put(s.document(issuer.Set(s.Key(issuer.Regular))))
			testkit.Must(t, err)
		}
		token := s.Token(issuer.Regular, "ana", "ana@example.com", time.Now(), map[string]any{"n": n})
		calls.Go(func() {
			if got := r.callWithToken(token); got.status != http.StatusOK && refused.Add(1) < 5 {
				t.Errorf("call %d: got %d %s %v", n, got.status, got.body, got.err)
			}
		})
	}
	calls.Wait()
	if n := refused.Load(); n > 0 {
		t.Errorf("%d calls were refused", n)
	}
	if n := s.Fetched(); n != 1 {
		t.Errorf("the keys were fetched %d times, want once", n)
	}
	testkit.Eventually(t, "the ledger has who has called", func() bool {
		var n int
		err := w.ledger.QueryRow(t.Context(), `SELECT count(*) FROM ai_usage_logs
			WHERE user_id = 'ana@example.com' AND identity_provider = 'stack-auth' AND subject = 'ana' AND credential = ''`).Scan(&n)
		return err == nil && n == perSecond*seconds
	})
}

// TestTokensAreNowhere: Redis, Postgres, logs, metrics and spans have nothing of a token, valid or not,
// except whose it is.
func TestTokensAreNowhere(t *testing.T) {
	w := newWorld(t)
	var logs bytes.Buffer
	w.log = slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	received := collector.Start(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.URL)
	s := w.newStackAuth()
	revision, err := w.put(acme, w.fake(), s.document(s.Keys(issuer.Regular)), limiterv1.Members{
		Name: "acme/people", Tenant: "acme", Provider: "stack-auth", Members: []limiterv1.Member{{Subject: "ana", Tier: "gerente"}},
	})
	testkit.Must(t, err)
	r := w.start()
	testkit.Eventually(t, "the enforcer runs the configuration", func() bool { return w.runs(r, revision) })
	heard := w.listen()
	token := s.Token(issuer.Regular, "ana", "ana@example.com", time.Now(), nil)
	spoiled := s.Token(issuer.Regular, "eve", "", time.Now(), nil)
	spoiled = spoiled[:strings.LastIndex(spoiled, ".")] + token[strings.LastIndex(token, "."):]
	got := r.callWithToken(token)
	if refused := r.callWithToken(spoiled); got.status != http.StatusOK || refused.status != http.StatusUnauthorized {
		t.Fatalf("got %d %s, and %d %s for one with a wrong signature", got.status, got.body, refused.status, refused.body)
	}
	said := map[string]string{"metrics": r.probe("/metrics").body}
	testkit.Must(t, r.shutDown())
	testkit.Must(t, w.redis.Echo(t.Context(), "bye").Err())
	var rows string
	testkit.Must(t, w.ledger.QueryRow(t.Context(), `SELECT string_agg(l::text, ' ') FROM ai_usage_logs AS l`).Scan(&rows))
	said["Postgres"], said["logs"], said["spans"] = rows, logs.String(), fmt.Sprint(received.Spans())
	id := got.header.Get("X-Bursar-Call-Id")
	testkit.Eventually(t, "all that Redis was told is heard", func() bool {
		said["Redis"] = heard()
		return strings.Contains(said["Redis"], "bye")
	})
	checkSaid(t, said, map[string]string{
		"Redis": id, "Postgres": id, "spans": id, "logs": "level=", "metrics": `credential="token",result="BadSignature"`,
	}, token, spoiled)
}

// listen hears, from here on, all commands that Redis gets. heard is those so far.
func (w *world) listen() (heard func() string) {
	t := w.t
	t.Helper()
	conn, err := net.Dial("tcp", w.redis.Options().Addr)
	testkit.Must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprint(conn, "MONITOR\r\n")
	testkit.Must(t, err)
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, 1<<20)
	if lines.Scan(); lines.Text() != "+OK" {
		t.Fatalf("MONITOR answers %q", lines.Text())
	}
	var mu sync.Mutex
	var said strings.Builder
	go func() {
		for lines.Scan() {
			mu.Lock()
			said.WriteString(lines.Text())
			mu.Unlock()
		}
	}()
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return said.String()
	}
}

// checkSaid checks that each place has what it is to have, and nothing of the tokens.
func checkSaid(t *testing.T, said, wanted map[string]string, tokens ...string) {
	t.Helper()
	for place, want := range wanted {
		if !strings.Contains(said[place], want) {
			t.Errorf("%s: nothing was heard of %q", place, want)
		}
		for _, token := range tokens {
			for _, part := range strings.Split(token, ".") {
				if strings.Contains(said[place], part) {
					t.Errorf("%s: a part of a token was written down: %s", place, part)
				}
			}
		}
	}
}
