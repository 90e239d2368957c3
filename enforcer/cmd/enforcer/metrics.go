package main

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/redisclient"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/enforcer/store"
)

// registerMetrics registers what is measured outside of package call. docs/metrics.md
// lists all of them.
func (e *enforcer) registerMetrics(registry *prometheus.Registry, running *config.Config) {
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	e.registerLimiter(registry, running)
	e.registerLedger(registry)
	e.registerHolds(registry)
	gauge(registry, "bursar_enforcer_remembered_tokens", "Verified tokens that are remembered, so that calls with them are not verified again.",
		func() float64 { return float64(e.identifier.Remembered()) })
	e.registerAdoption(registry)
	gauge(registry, "bursar_enforcer_request_memory_bytes", "Memory that the bodies of requests in progress take until their providers answer.",
		func() float64 { return float64(e.proxy.MemoryInUse()) })
	gauge(registry, "bursar_enforcer_request_memory_limit_bytes", "Maximum of bursar_enforcer_request_memory_bytes; requests beyond it are refused.",
		func() float64 { return float64(e.options.requestMemoryBytes) })
}

// registerLimiter registers the state of Redis, of the configuration that comes from there, and of the epoch.
func (e *enforcer) registerLimiter(registry *prometheus.Registry, running *config.Config) {
	gauge(registry, "bursar_enforcer_config_revision", "Revision of the configuration that is applied in full.",
		func() float64 { return float64(running.Running().Revision) })
	gauge(registry, "bursar_enforcer_config_broken_documents", "Configuration documents that could not be applied; their previous versions stay in force.",
		func() float64 { return float64(e.follower.Broken()) })
	gauge(registry, "bursar_enforcer_store_available", "1 if the last read of the configuration from Redis succeeded, else 0.",
		func() float64 { return number(e.follower.Failure() == nil) })
	gauge(registry, "bursar_enforcer_epoch", "Newest epoch that the enforcer knows; 0 before the first.",
		func() float64 { return float64(e.announcer.Epoch().Number) })
	gauge(registry, "bursar_enforcer_epoch_valid", "1 if that epoch is valid, so that calls can be admitted, else 0.",
		func() float64 { return number(e.announcer.Epoch().State == limiterv1.EpochValid) })
	e.registerBroken(registry)
	e.registerLate(registry)
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bursar_enforcer_redis_failures_total",
		Help: "Commands and connections that failed, by kind of failure (unreachable, timeout, refused).",
	}, []string{"failure"})
	registry.MustRegister(failures)
	for _, failure := range redisclient.Failures {
		failures.WithLabelValues(string(failure))
	}
	redisclient.OnFailure(e.redis, func(f redisclient.Failure) { failures.WithLabelValues(string(f)).Inc() })
}

// registerBroken counts and logs what the scripts find broken.
func (e *enforcer) registerBroken(registry *prometheus.Registry) {
	found := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bursar_enforcer_broken_counters_total",
		Help: "Corrupt values in the limiter's store that were repaired, by kind of value (money, bucket, call) and kind of fault (negative, unreadable, fraction, overflow, time).",
	}, []string{"counter", "kind"})
	registry.MustRegister(found)
	for _, counter := range store.BrokenCounters {
		for _, kind := range store.BrokenKinds {
			found.WithLabelValues(counter, kind)
		}
	}
	e.limiter.Load().OnBroken(func(b store.Broken) {
		found.WithLabelValues(b.Counter, b.Kind).Inc()
		e.log.Error("repaired a corrupt value in Redis",
			"counter", b.Counter, "key", b.Key, "field", b.Field, "kind", b.Kind, "found", b.Found, "mended", b.Mended)
	})
}

// registerLate counts the calls that ended after their session was declared dead, or after
// Redis had lost them.
func (e *enforcer) registerLate(registry *prometheus.Registry) {
	var owned, posted atomic.Int64
	recorded := e.ledger.Late()
	for outcome, count := range map[string]*atomic.Int64{
		string(store.Owned): &owned, string(store.Posted): &posted,
		"amended": &recorded.Amended, "kept": &recorded.Kept,
	} {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name:        "bursar_enforcer_late_settlements_total",
			Help:        "Calls that ended after their session was declared dead or the limiter's store had lost them, by outcome: owned (settled before another enforcer charged them), posted (the store did not know them; their cost was posted and their tenants are recounted), amended (the ledger had charged them in full and has their true cost now), kept (they were to be charged in full, but the ledger had their true cost).",
			ConstLabels: prometheus.Labels{"outcome": outcome},
		}, func() float64 { return float64(count.Load()) }))
	}
	e.limiter.Load().OnLate(func(late store.Late, call string) {
		switch late {
		case store.Owned:
			owned.Add(1)
			e.log.Info("this session was declared dead, and has settled the call before another enforcer did", "call", call)
		case store.Posted:
			posted.Add(1)
			e.log.Warn("a call ended that the limiter's store no longer knew: its cost is posted, and its tenants are recounted", "call", call)
		}
	})
}

// registerHolds measures the holds that belong to no call: shares, and those of admissions
// that got no answer.
func (e *enforcer) registerHolds(registry *prometheus.Registry) {
	gauge(registry, "bursar_enforcer_shares", "Shares that the enforcer has in reserve for calls while the limiter's store is unavailable.",
		func() float64 { count, _ := e.admitter.Shares(); return float64(count) })
	gauge(registry, "bursar_enforcer_shares_left_usd", "What calls may still take of these shares, in US dollars.",
		func() float64 { _, left := e.admitter.Shares(); return float64(left) / float64(money.USD) })
	gauge(registry, "bursar_enforcer_unconfirmed_voids", "Admissions and shares that may hold money until the limiter's store confirms that they are voided.",
		func() float64 { return float64(e.admitter.Unconfirmed()) })
}

func (e *enforcer) registerLedger(registry *prometheus.Registry) {
	gauge(registry, "bursar_enforcer_ledger_waiting", "Settled calls waiting to be written to the ledger.",
		func() float64 { return float64(e.ledger.Waiting()) })
	gauge(registry, "bursar_enforcer_ledger_missing", "Settled calls that are only in Redis, waiting to be written to the ledger.",
		func() float64 { return float64(e.ledger.Missing()) })
	gauge(registry, "bursar_enforcer_ledger_oldest_waiting_seconds", "How long the oldest of them has waited; 0 when none waits.", e.oldestWaiting)
	counter(registry, "bursar_enforcer_ledger_write_failures_total", "Failed attempts to write to the ledger; each is retried.",
		func() float64 { return float64(e.ledger.Failures()) })
	counter(registry, "bursar_enforcer_ledger_refused_total", "Settled calls that the ledger rejected permanently; they stay in Redis.",
		func() float64 { return float64(e.ledger.Refused()) })
	counter(registry, "bursar_enforcer_ledger_left_total", "Settled calls that found the ledger's queue full; they stay in Redis until it has room.",
		func() float64 { return float64(e.ledger.Left()) })
	counter(registry, "bursar_enforcer_ledger_lost_total", "Settled calls that found the ledger's queue full and were lost with the data of Redis; they are in no ledger.",
		func() float64 { return float64(e.ledger.Lost()) })
	counter(registry, "bursar_enforcer_refusals_recorded_total", "Refused calls that were recorded.",
		func() float64 { return float64(e.refusals.Recorded()) })
	counter(registry, "bursar_enforcer_refusals_left_out_total", "Refused calls that were not recorded, because there were too many at once.",
		func() float64 { return float64(e.refusals.LeftOut()) })
}

// oldestWaiting is the age in seconds of the first call that waits for the ledger. Both
// times are by the limiter's clock.
func (e *enforcer) oldestWaiting() float64 {
	oldest, ok := e.ledger.Oldest()
	if !ok {
		return 0
	}
	return max(e.admitter.Now(oldest.Root).Sub(oldest.SettledAt), time.Duration(0)).Seconds()
}

func (e *enforcer) registerAdoption(registry *prometheus.Registry) {
	adopted := e.adopter.Adopted()
	counter(registry, "bursar_enforcer_adopted_sessions_total", "Sessions of dead enforcers whose adoption was completed.",
		func() float64 { return float64(adopted.Sessions.Load()) })
	counter(registry, "bursar_enforcer_adopted_charged_calls_total", "Open calls of dead enforcers that were charged in full.",
		func() float64 { return float64(adopted.Charged.Load()) })
	counter(registry, "bursar_enforcer_adopted_recorded_calls_total", "Settled calls of dead enforcers that were written to the ledger.",
		func() float64 { return float64(adopted.Recorded.Load()) })
	counter(registry, "bursar_enforcer_adopted_left_calls_total", "Calls of dead enforcers that stay in Redis, because they are unreadable or the ledger rejects them; counted at each attempt.",
		func() float64 { return float64(adopted.Left.Load()) })
}

func gauge(registry *prometheus.Registry, name, help string, value func() float64) {
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

func counter(registry *prometheus.Registry, name, help string, value func() float64) {
	registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
