package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/api/redisclient"
	"github.com/bursar-dev/bursar/hack/fakeprovider"
	"github.com/bursar-dev/bursar/hack/parts/documents"
	"github.com/bursar-dev/bursar/hack/parts/ledgerdb"
	"github.com/bursar-dev/bursar/hack/parts/redis"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// asEnforcer makes this test binary an enforcer.
const asEnforcer = "BURSAR_TEST_AS_ENFORCER"

var ledgerServer *ledgerdb.Server

func TestMain(m *testing.M) {
	if os.Getenv(asEnforcer) != "" {
		main()
		return
	}
	redisclient.LogTo(slog.New(slog.DiscardHandler))
	flag.Parse()
	_ = flag.Set("test.parallel", "4") // those that run at once mostly wait
	os.Exit(ledgerdb.Use(func(s *ledgerdb.Server) int {
		ledgerServer = s
		return m.Run()
	}))
}

// providerKey is the key that the fake provider wants.
const providerKey = "the-provider's-key"

// world is everything around an enforcer, for one test alone: an empty Redis, an empty ledger,
// and a provider that has billed nothing.
type world struct {
	t        *testing.T
	redisURL string
	redis    *goredis.Client
	database ledgerdb.Database
	ledger   *pgxpool.Pool
	provider *fakeprovider.Server
	keys     string
	// epoch is the number of the one under which calls are counted.
	epoch int64
	// log is that of enforcers that run in this process.
	log *slog.Logger
}

func newWorld(t *testing.T) *world {
	t.Helper()
	server, err := redis.Start(t.Context(), redis.Options{})
	testkit.Must(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	w := &world{t: t, redisURL: server.URL, redis: connect(t, server.Addr), keys: t.TempDir(), epoch: 1, log: slog.New(slog.DiscardHandler)}
	w.database, err = ledgerServer.NewDatabase(t.Context())
	testkit.Must(t, err)
	w.ledger = w.connectLedger()
	w.provider, err = fakeprovider.Start("127.0.0.1:0", fakeprovider.Options{Key: providerKey})
	testkit.Must(t, err)
	t.Cleanup(func() { _ = w.provider.Stop() })
	testkit.Must(t, os.WriteFile(filepath.Join(w.keys, "fake"), []byte(providerKey+"\n"), 0o600))
	return w
}

func (w *world) connectLedger() *pgxpool.Pool {
	w.t.Helper()
	pool, err := pgxpool.New(w.t.Context(), w.database.Admin)
	testkit.Must(w.t, err)
	w.t.Cleanup(pool.Close)
	return pool
}

// put writes documents as the control plane does.
func (w *world) put(all ...any) (revision int64, err error) {
	return documents.Put(w.t.Context(), w.redis, all...)
}

func connect(t *testing.T, addr string) *goredis.Client {
	client := goredis.NewClient(&goredis.Options{Addr: addr})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// listens is whether anybody takes connections at the address.
func listens(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

// acme is a tenant with a dollar a day and room for many calls; gerente-1 and
// empleado-1 are its users, who have a dollar a month each.
var acme = limiterv1.Tenant{Level: limiterv1.Level{
	Tenant: "acme", TimeZone: "UTC",
	Money: []limiterv1.MoneyLimit{
		{Name: "yearly", Per: limiterv1.PerTenant, Period: period.Year, Amount: money.USD},
		{Name: "each-user", Per: limiterv1.PerUser, Period: period.Year, Amount: money.USD},
	},
	Rates: []limiterv1.RateLimit{
		{Name: "tiers/gerente", Per: limiterv1.PerUser, Selector: limiterv1.Selector{Tiers: []string{"gerente"}}, Unit: limiterv1.Requests, Count: 1000, Burst: 1000, Window: 60_000},
		{Name: "tiers/empleado", Per: limiterv1.PerUser, Selector: limiterv1.Selector{Tiers: []string{"empleado"}}, Unit: limiterv1.Requests, Count: 5, Burst: 5, Window: 3_600_000},
	},
}}

// fake is the fake provider with its own prices.
func (w *world) fake() limiterv1.Provider {
	model := func(name string, most int64, prices price.List) limiterv1.Model {
		return limiterv1.Model{Name: name, UpstreamName: name, MaxOutputTokens: most, Prices: price.Book{price.Default: {Base: prices}}}
	}
	return limiterv1.Provider{
		Name: "fake", Protocol: limiterv1.OpenAI, Endpoint: w.provider.URL + "/v1", CredentialFile: "fake",
		Models: []limiterv1.Model{
			model("gpt-4o", 1000, price.List{price.Input: 2500 * money.USD / 1000, price.CachedInput: 1250 * money.USD / 1000, price.Output: 10 * money.USD}),
			model("gpt-4o-mini", 1000, price.List{price.Input: 150 * money.USD / 1000, price.CachedInput: 75 * money.USD / 1000, price.Output: 600 * money.USD / 1000}),
			model("penny", 1, price.List{price.Input: 0, price.Output: 10_000 * money.USD}),
		},
	}
}

func keyOf(user, tier string) limiterv1.Credential {
	hash := sha256.Sum256([]byte("key-of-" + user))
	return limiterv1.Credential{
		SHA256: hex.EncodeToString(hash[:]), Name: "acme/" + user, Tenant: "acme", User: user, Tier: tier,
	}
}

// configure writes acme, its users, and the provider.
func (w *world) configure() int64 {
	w.t.Helper()
	revision, err := w.put(acme, keyOf("gerente-1", "gerente"), keyOf("empleado-1", "empleado"), w.fake())
	testkit.Must(w.t, err)
	return revision
}

func (w *world) options() options {
	return options{
		listenAddress: "127.0.0.1:0", healthAddress: "127.0.0.1:0",
		redisURL: w.redisURL, databaseURL: w.database.Enforcer, credentialsDir: w.keys,
		shutdownGrace: time.Minute, drainTimeout: time.Minute, maxRequestBytes: 1 << 20, requestMemoryBytes: 64 << 20,
		answerCacheBytes: 1 << 20, idempotencyWindow: time.Hour, replayCacheBytes: 1 << 20,
		settleGrace: settleGrace, flushGrace: flushGrace,
	}
}

// running is an enforcer that runs in this process.
type running struct {
	*enforcer
	t      *testing.T
	stop   context.CancelFunc
	ended  chan error
	client *http.Client
}

// start runs an enforcer until the test ends, unless it is stopped before.
func (w *world) start(change ...func(*options)) *running {
	w.t.Helper()
	o := w.options()
	for _, f := range change {
		f(&o)
	}
	e, err := newEnforcer(o, w.log)
	testkit.Must(w.t, err)
	ctx, stop := context.WithCancel(context.Background())
	r := &running{enforcer: e, t: w.t, stop: stop, ended: make(chan error, 1), client: &http.Client{Transport: &http.Transport{}}}
	go func() { r.ended <- e.run(ctx) }()
	w.t.Cleanup(func() {
		r.client.CloseIdleConnections()
		stop()
		if err, ok := <-r.ended; ok && err != nil {
			w.t.Errorf("the enforcer ends with %v", err)
		}
	})
	return r
}

// ready starts an enforcer that runs what configure has written, and whose session has begun.
func (w *world) ready() *running {
	w.t.Helper()
	revision := w.configure()
	r := w.start()
	testkit.Eventually(w.t, "the enforcer runs the configuration", func() bool { return w.runs(r, revision) && r.hasBegun() })
	return r
}

// runs is whether the enforcer has said that it runs the revision.
func (w *world) runs(r *running, revision int64) bool {
	state, _ := w.redis.HGet(w.t.Context(), limiterv1.SessionStatesKey, r.session.ID()).Result()
	return strings.Contains(state, fmt.Sprintf(`"revision":%d,`, revision))
}

// shutDown tells the enforcer to end and waits until it has.
func (r *running) shutDown() error {
	r.t.Helper()
	r.client.CloseIdleConnections()
	r.stop()
	select {
	case err := <-r.ended:
		close(r.ended)
		return err
	case <-time.After(time.Minute):
		r.t.Fatal("the enforcer does not end")
		return nil
	}
}

// answer is what a client sees.
type answer struct {
	status int
	header http.Header
	// closes is whether the connection ends with it.
	closes bool
	body   string
	err    error
}

// opened is an answer whose header is there.
type opened struct {
	status int
	header http.Header
	closes bool
	body   io.ReadCloser
}

// open sends a request and waits for the answer's header.
func open(client *http.Client, request *http.Request) (*opened, error) {
	response, err := client.Do(request) //nolint:bodyclose // who reads the answer closes it
	if err != nil {
		return nil, err
	}
	return &opened{response.StatusCode, response.Header, response.Close, response.Body}, nil
}

// read is the answer to its end.
func (o *opened) read() answer {
	defer o.hangUp()
	body, err := io.ReadAll(o.body)
	return answer{o.status, o.header, o.closes, string(body), err}
}

func (o *opened) hangUp() { _ = o.body.Close() } // there is nothing to do about an error

// do sends a request and reads the answer.
func do(client *http.Client, request *http.Request) answer {
	o, err := open(client, request)
	if err != nil {
		return answer{err: err}
	}
	return o.read()
}

// chat is a request to a model, with further members; prompt may have directives
// for the fake provider.
func chat(model, prompt string, members ...string) string {
	body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}]`, model, prompt)
	for _, m := range members {
		body += "," + m
	}
	return body + "}"
}

// request is a call of a user to the enforcer at an address.
func request(t *testing.T, address, user, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/v1/chat/completions", strings.NewReader(body))
	testkit.Must(t, err)
	r.Header.Set("Authorization", "Bearer key-of-"+user)
	return r
}

func (r *running) request(user, body string) *http.Request {
	return request(r.t, r.callsAt.Addr().String(), user, body)
}

func (r *running) call(user, body string) answer { return do(r.client, r.request(user, body)) }

// open makes a call and waits for the answer's header.
func (r *running) open(user, body string) *opened {
	r.t.Helper()
	o, err := open(r.client, r.request(user, body))
	testkit.Must(r.t, err)
	return o
}

// probe asks the health port.
func (r *running) probe(path string) answer {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+r.healthAt.Addr().String()+path, nil)
	testkit.Must(r.t, err)
	return do(r.client, request)
}
