package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/bursar-dev/bursar/api/identity/identify"
	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/postgresclient"
	"github.com/bursar-dev/bursar/api/redisclient"
	"github.com/bursar-dev/bursar/api/tracing"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/adoption"
	"github.com/bursar-dev/bursar/enforcer/answercache"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/enforcer/idempotency"
	"github.com/bursar-dev/bursar/enforcer/identity"
	"github.com/bursar-dev/bursar/enforcer/ledger"
	"github.com/bursar-dev/bursar/enforcer/probing"
	"github.com/bursar-dev/bursar/enforcer/protocol"
	"github.com/bursar-dev/bursar/enforcer/provider"
	"github.com/bursar-dev/bursar/enforcer/proxy"
	"github.com/bursar-dev/bursar/enforcer/recovery"
	"github.com/bursar-dev/bursar/enforcer/retry"
	"github.com/bursar-dev/bursar/enforcer/session"
	"github.com/bursar-dev/bursar/enforcer/store"
)

// databaseConns is enough for the ledger's writer, which uses one at a time, for
// refusals, for adoption and for heartbeats.
const databaseConns = 5

// How long the steps of a shutdown may take that follow --shutdown-grace.
const (
	cutGrace    = 5 * time.Second  // for handlers to end whose answers were cut
	settleGrace = 10 * time.Second // for calls to be settled
	flushGrace  = 10 * time.Second // for the ledger to have them
	recordGrace = 2 * time.Second  // for refusals to be on record
	leaveGrace  = 2 * time.Second  // for the session to leave
)

// enforcer is everything that runs in this process.
type enforcer struct {
	options options
	log     *slog.Logger

	redis    redis.UniversalClient
	database *pgxpool.Pool
	provider *provider.Client
	// reports are what is seen of the providers.
	reports *provider.Reports
	checker *provider.Checker

	running  *config.Config
	follower *config.Follower
	session  *session.Session
	limiter  limiter
	// begun is closed when the session has begun: others know of it, and of the
	// configuration by which it will admit calls.
	begun     chan struct{}
	beginOnce sync.Once
	adopter   *adoption.Adopter
	prober    *probing.Prober
	announcer *recovery.Announcer
	bypass    *recovery.Bypass
	admitter  *admission.Admitter
	ledger    *ledger.Writer
	refusals  *ledger.RefusalWriter
	// answers are kept for the fallback Cache, replays for repeats of named calls.
	answers, replays *answercache.Cache
	tracing          *tracing.Tracing
	identifier       *identity.Identifier
	calls            *call.Calls
	proxy            *proxy.Proxy

	server, health    *http.Server
	callsAt, healthAt net.Listener
	shuttingDown      atomic.Bool
	background        sync.WaitGroup
	inBackground      context.Context
	stopBackground    context.CancelFunc
	// stopProbes stops answering probes, and waits until the last is answered.
	stopProbes func()
}

// newEnforcer puts an enforcer together and opens its ports. It does not need Redis
// and Postgres to be reachable yet.
func newEnforcer(options options, log *slog.Logger) (e *enforcer, err error) {
	e = &enforcer{options: options, log: log, begun: make(chan struct{})}
	e.inBackground, e.stopBackground = context.WithCancel(context.Background())
	if e.redis, err = redisclient.Open(options.redisURL); err != nil {
		return nil, err
	}
	if e.database, err = postgresclient.Open(context.Background(), options.databaseURL, databaseConns); err != nil {
		return nil, err
	}
	if e.tracing, err = tracing.Start("bursar-enforcer", os.Getenv, log); err != nil {
		return nil, err
	}
	running := config.New()
	e.running = running
	e.reports = provider.NewReports(options.credentialsDir)
	e.session = session.New(e.redis, running, func() int64 { return e.announcer.Known() }, e.beginSession, log)
	e.session.Report(e.reports)
	e.limiter.Store(store.New(e.redis, e.session.ID()))
	e.admitter = admission.NewAdmitter(e.limiter.Load())
	e.ledger = ledger.NewWriter(e.database, &e.limiter, log)
	e.admitter.RecordIn(e.ledger)
	e.admitter.Follow(running.Tenant)
	e.refusals = ledger.NewRefusalWriter(e.database, log)
	e.announcer = recovery.NewAnnouncer(recovery.AnnouncerOptions{
		Redis: e.redis, Database: e.database, Limiter: e.limiter.Load(), Calls: e.admitter, Ledger: e.ledger, Session: e.session.ID, Log: log,
	})
	e.follower = config.NewFollower(e.redis, running, e.announcer.SetEpoch, log)
	e.session.CatchUpWith(e.follower.CatchUp)
	lost := func() bool { return e.follower.Failure() != nil }
	e.bypass = recovery.NewBypass(e.database, e.session.ID, e.begun, lost, e.announcer.Hear, e.ledger.FailingSince, log)
	e.session.ReportLedger(e.bypass.Trouble)
	e.adopter = adoption.New(e.redis, &e.limiter, e.ledger, e.session.ID, log)
	e.prober = probing.New(e.redis, running, e.admitter, e.session.ID, log)
	e.provider = provider.NewClient(options.credentialsDir)
	e.answers, e.replays = answercache.New(options.answerCacheBytes), answercache.New(options.replayCacheBytes)
	registry := prometheus.NewRegistry()
	protocols := protocol.Protocols()
	e.checker = provider.NewChecker(e.provider, e.reports, protocols)
	e.identifier = identity.NewIdentifier(identity.Options{
		Config: running, Protocols: protocols, WantKeys: e.wantKeys, TellUses: e.tellUses, Metrics: identify.NewMetrics("enforcer", registry),
	})
	e.calls = call.New(call.Options{
		Protocols: protocols, Identifier: e.identifier,
		Config: running, Admitter: e.admitter, Ledger: e.ledger, Refusals: e.refusals,
		Answers: e.answers, Claims: idempotency.New(e.redis, options.idempotencyWindow, e.session.ID), Replays: e.replays,
		Providers: e.reports, Metrics: call.NewMetrics(registry), Log: log, Tracer: e.tracing.Tracer(), Session: e.session.ID(), Begun: e.begun,
	})
	e.proxy = proxy.New(proxy.Options{
		Calls: e.calls, Client: e.provider,
		MaxRequestBytes: options.maxRequestBytes, RequestMemory: options.requestMemoryBytes, DrainTimeout: options.drainTimeout, AllowedOrigins: options.corsAllowedOrigins,
	})
	e.registerMetrics(registry, running)
	e.server, e.health = e.newServer(e.closing(e.proxy)), e.newServer(e.healthHandler(registry))
	if e.callsAt, err = net.Listen("tcp", options.listenAddress); err != nil {
		return nil, err
	}
	if e.healthAt, err = net.Listen("tcp", options.healthAddress); err != nil {
		return nil, errors.Join(err, e.callsAt.Close())
	}
	return e, nil
}

func (e *enforcer) newServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(e.log.Handler(), slog.LevelWarn),
	}
}

// wantKeys asks the leading manager to fetch the keys of an IdentityProvider.
func (e *enforcer) wantKeys(ctx context.Context, provider string) error {
	return e.redis.HSet(ctx, limiterv1.WantedKeysKey, provider, e.session.ID()).Err()
}

// tellUses tells the leading manager when API keys were used. A later time that another
// enforcer has told stays.
func (e *enforcer) tellUses(ctx context.Context, at time.Time, names []string) error {
	members := make([]redis.Z, len(names))
	for i, name := range names {
		members[i] = redis.Z{Score: float64(at.Unix()), Member: name}
	}
	return e.redis.ZAddArgs(ctx, limiterv1.KeyUsesKey, redis.ZAddArgs{GT: true, Members: members}).Err()
}

// run serves until ctx ends, and then shuts down in good order.
func (e *enforcer) run(ctx context.Context) error {
	for _, task := range []func(context.Context){
		e.follower.Run, e.session.Run, e.onceBegun(e.adopter.Run), e.onceBegun(e.announcer.Run), e.bypass.Run,
		e.admitter.Run, e.ledger.Run,
		e.refusals.Run, e.answers.Run, e.replays.Run, e.lookAtKeys, e.checkProviders, e.identifier.Run,
	} {
		e.background.Go(func() { task(e.inBackground) })
	}
	e.startProbes()
	failed := make(chan error, 2)
	serve := func(server *http.Server, listener net.Listener) {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	}
	go serve(e.server, e.callsAt)
	go serve(e.health, e.healthAt)
	e.log.Info("enforcer is serving", "calls", e.callsAt.Addr().String(), "health", e.healthAt.Addr().String(), "session", e.session.ID())
	var failure error
	select {
	case <-ctx.Done():
	case failure = <-failed:
	}
	return errors.Join(failure, e.shutdown())
}

// lookAtKeys looks for the files with the providers' keys, once the configuration says which
// providers there are.
func (e *enforcer) lookAtKeys(ctx context.Context) {
	e.onceBegun(func(ctx context.Context) { e.reports.Run(ctx, e.running.Providers) })(ctx)
}

// checkProviders checks the providers that ask for it, once the configuration says which there are.
func (e *enforcer) checkProviders(ctx context.Context) {
	e.onceBegun(func(ctx context.Context) { e.checker.Run(ctx, e.running.Providers) })(ctx)
}

// startProbes answers probes until stopProbes. A probe takes holds, so probes end before
// the shutdown waits for the holds of this process to end.
func (e *enforcer) startProbes() {
	ctx, cancel := context.WithCancel(e.inBackground)
	var probes sync.WaitGroup
	probes.Go(func() { e.onceBegun(e.prober.Run)(ctx) })
	e.stopProbes = func() {
		cancel()
		probes.Wait()
	}
}

// onceBegun makes a task wait until the session has begun. Nothing is admitted before: others must
// first know of the session, so that they wait for it to run their changes, and can adopt its calls.
func (e *enforcer) onceBegun(task func(context.Context)) func(context.Context) {
	return func(ctx context.Context) {
		select {
		case <-ctx.Done():
		case <-e.begun:
			task(ctx)
		}
	}
}

// beginSession makes new calls belong to a session. Calls that were admitted before end
// in the session that admitted them.
func (e *enforcer) beginSession(id string) {
	next := e.limiter.Load().Next(id)
	e.limiter.Store(next)
	e.admitter.Use(next)
	e.beginOnce.Do(func() { close(e.begun) })
}

// limiter is the store of the session that this process has now.
type limiter struct{ atomic.Pointer[store.Store] }

// Forget is that of the store. Calls of an earlier session of this process are dropped by
// its adopter.
func (l *limiter) Forget(ctx context.Context, root string, callIDs []string) error {
	return l.Load().Forget(ctx, root, callIDs)
}

// Settled is that of the store.
func (l *limiter) Settled(ctx context.Context, take func(entries [][]byte) error) error {
	return l.Load().Settled(ctx, take)
}

// Recount is that of the store.
func (l *limiter) Recount(ctx context.Context, root string, tenants []string) error {
	return l.Load().Recount(ctx, root, tenants)
}

// SettleAdopted is that of the store.
func (l *limiter) SettleAdopted(
	ctx context.Context, dead string, call limiterv1.OpenCall, cost money.Nanos, entry *ledgerv1.Entry,
) (ended bool, err error) {
	return l.Load().SettleAdopted(ctx, dead, call, cost, entry)
}

// closing makes a handler tell clients to close their connections, with each answer once the enforcer is
// shutting down. A call that comes on a connection just as the enforcer closes it would fail.
func (e *enforcer) closing(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e.shuttingDown.Load() {
			w.Header().Set("Connection", "close")
		}
		handler.ServeHTTP(w, r)
	})
}

// shutdown serves calls until the shutdown delay is over, lets answers in progress finish, settles their calls, writes
// them to the ledger, and leaves. An error means that some calls are left in Redis.
func (e *enforcer) shutdown() error {
	e.shuttingDown.Store(true)
	if delay := e.options.shutdownDelay; delay > 0 {
		e.log.Info("shutting down: serving calls until others get them", "for", delay.String())
		time.Sleep(delay)
	}
	e.log.Info("shutting down: waiting for answers in progress", "within", e.options.shutdownGrace.String())
	e.stopServing()
	e.stopProbes()
	err := errors.Join(within(e.options.settleGrace, e.endCalls), within(e.options.flushGrace, e.flush), e.refusedByLedger())
	if unrecorded := within(recordGrace, e.refusals.Flush); unrecorded != nil {
		e.log.Warn("some refusals were not recorded", "error", unrecorded)
	}
	e.stopBackground()
	e.background.Wait()
	if err == nil { // otherwise another session adopts what this one left behind
		err = within(leaveGrace, e.session.Leave)
		_ = within(leaveGrace, e.bypass.Leave) // after an error, others wait for limiterv1.SessionLife
	}
	e.tracing.Stop()
	e.provider.Close()
	e.database.Close()
	err = errors.Join(err, e.redis.Close(), e.health.Close())
	if err == nil {
		e.log.Info("all calls are settled and in the ledger")
	}
	return err
}

// flush waits until the ledger has all calls, including those that could not be settled in Redis.
func (e *enforcer) flush(ctx context.Context) error {
	unsettled := make(chan error, 1)
	go func() { unsettled <- e.recordUnsettled(ctx) }()
	return errors.Join(e.ledger.Flush(ctx), <-unsettled)
}

// recordUnsettled tells the ledger the ends of calls and holds that Redis could not be told. The
// adopter of the session charges them in full, but the ledger keeps their true cost.
func (e *enforcer) recordUnsettled(ctx context.Context) error {
	entries := append(e.calls.Unsettled(), e.admitter.Unended()...)
	if len(entries) == 0 {
		return nil
	}
	var written []ledgerv1.Entry
	err := retry.Until(ctx, func(ctx context.Context) (err error) {
		written, err = e.ledger.Write(ctx, entries)
		return err
	}, func(err error, pause time.Duration) {
		e.log.Error("failed to record the calls that were not settled; will retry", "calls", len(entries), "error", err, "after", pause.String())
	})
	e.logUnrecorded(entries, written)
	if err != nil {
		return fmt.Errorf("%d calls that were not settled are not in the ledger, and will be charged in full: %w", len(entries)-len(written), err)
	}
	e.log.Warn("calls that Redis was not told of are in the ledger", "calls", len(written), "of", len(entries))
	return nil
}

// logUnrecorded logs the calls whose end neither Redis nor the ledger knows.
func (e *enforcer) logUnrecorded(entries, written []ledgerv1.Entry) {
	recorded := map[string]bool{}
	for _, entry := range written {
		recorded[entry.CallID] = true
	}
	for _, entry := range entries {
		if !recorded[entry.CallID] {
			e.log.Error("a call was not settled, and is not in the ledger: it will be charged its full hold", "entry", string(entry.Encode()))
		}
	}
}

// refusedByLedger returns an error if the database refused some calls for good: they are
// only in Redis, so the session must not be removed from there.
func (e *enforcer) refusedByLedger() error {
	if n := e.ledger.Refused(); n > 0 {
		return fmt.Errorf("the ledger rejected %d calls, which are only in Redis", n)
	}
	return nil
}

// endCalls waits until every hold of this process has ended: those of the calls that
// were made, and those that an admission without an answer may have left.
func (e *enforcer) endCalls(ctx context.Context) error {
	return errors.Join(e.calls.Drain(ctx), e.admitter.Flush(ctx))
}

// stopServing closes the port and waits until all handlers have ended; those that
// take too long have their answers cut.
func (e *enforcer) stopServing() {
	e.proxy.StopReading()
	if within(e.options.shutdownGrace, e.server.Shutdown) == nil {
		return
	}
	e.log.Warn("the shutdown grace is over: answers in progress are cut off")
	e.proxy.Cut()
	if err := within(cutGrace, e.server.Shutdown); err != nil {
		e.log.Error("request handlers did not end in time", "error", errors.Join(err, e.server.Close()))
	}
}

func within(d time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return do(ctx)
}
