package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/hack/parts/documents"
	"github.com/bursar-dev/bursar/hack/parts/ledgerdb"
	"github.com/bursar-dev/bursar/hack/parts/process"
	"github.com/bursar-dev/bursar/hack/parts/redis"
)

// startTimeout is how long a part may take to start.
const startTimeout = 3 * time.Minute

// parts are the processes that are measured, and those that they need.
type parts struct {
	options
	dir      string
	upstream string
	postgres *ledgerdb.Server
	subjects []*subject
	stops    []func() error
}

// subject is a program that is measured.
type subject struct {
	name string
	// calls is where it is called, and refused where it refuses, if it is measured at that.
	calls, refused *target
	pid            int
	// redis is the Redis that it asks, and ledger the DSN of the superuser of the database that it
	// writes to; empty where it writes to none.
	redis  *goredis.Client
	ledger string
}

func (p *parts) onStop(stop func() error) { p.stops = append(p.stops, stop) }

func (p *parts) stop() (err error) {
	for _, stop := range slices.Backward(p.stops) {
		err = errors.Join(err, stop())
	}
	return err
}

func (p *parts) start(ctx context.Context, upstreamAddress string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if p.dir, err = os.MkdirTemp("", "bursar-bench-"); err != nil {
		return err
	}
	p.onStop(func() error { return os.RemoveAll(p.dir) })
	for _, start := range []func(context.Context) error{
		func(ctx context.Context) error { return p.startUpstream(ctx, upstreamAddress) },
		func(ctx context.Context) error { return p.startFloor(ctx, bareFloor, "bare proxy") },
		p.startAsking, p.startRefusing, p.startEnforcers,
	} {
		if err := start(ctx); err != nil {
			return err
		}
	}
	if p.peerURL != "" {
		p.subjects = append(p.subjects, &subject{name: "peer", pid: p.peerPID,
			calls: &target{url: p.peerURL, key: p.peerKey, model: p.peerModel, status: http.StatusOK}})
	}
	p.subjects = slices.DeleteFunc(p.subjects, func(s *subject) bool { return !p.of.MatchString(s.name) })
	return nil
}

func (p *parts) startUpstream(ctx context.Context, address string) error {
	if strings.HasSuffix(address, ":0") {
		port, err := process.FreePort()
		if err != nil {
			return err
		}
		address = fmt.Sprintf("127.0.0.1:%d", port)
	}
	p.upstream = "http://" + address
	_, err := p.launch(ctx, upstreamFloor, address)
	return err
}

// launch starts this program as a floor.
func (p *parts) launch(ctx context.Context, floor, address string, env ...string) (*process.Process, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	child, err := process.Start(process.Options{
		Name: floor, Path: path, LogFile: filepath.Join(p.dir, floor+".log"),
		Env: append(append(os.Environ(), asFloor+"="+floor, floorAddress+"="+address, floorUpstream+"="+p.upstream), env...),
	})
	if err != nil {
		return nil, err
	}
	p.onStop(child.Stop)
	return child, child.WaitReady(ctx, func(ctx context.Context) error { return listens(ctx, address) })
}

func (p *parts) startFloor(ctx context.Context, floor, name string, env ...string) error {
	port, err := process.FreePort()
	if err != nil {
		return err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	child, err := p.launch(ctx, floor, address, env...)
	if err != nil {
		return err
	}
	p.subjects = append(p.subjects, &subject{name: name, pid: child.PID(),
		calls: &target{url: "http://" + address + path, key: "none", model: quickModel, status: http.StatusOK}})
	return nil
}

func (p *parts) startAsking(ctx context.Context) error {
	server, client, err := p.startRedis(ctx)
	if err != nil {
		return err
	}
	if err := p.startFloor(ctx, redisFloor, "bare + Redis", floorRedis+"="+server.URL); err != nil {
		return err
	}
	p.subjects[len(p.subjects)-1].redis = client
	return nil
}

func (p *parts) startRefusing(ctx context.Context) error {
	if err := p.startFloor(ctx, refusingFloor, "429 handler"); err != nil {
		return err
	}
	s := p.subjects[len(p.subjects)-1]
	s.calls, s.refused = nil, s.calls
	s.refused.status = http.StatusTooManyRequests
	return nil
}

func (p *parts) startRedis(ctx context.Context) (*redis.Server, *goredis.Client, error) {
	server, err := redis.Start(ctx, redis.Options{})
	if err != nil {
		return nil, nil, err
	}
	p.onStop(server.Stop)
	client := goredis.NewClient(&goredis.Options{Addr: server.Addr})
	p.onStop(client.Close)
	return server, client, nil
}

// path is where all are called.
const path = "/v1/chat/completions"

func (p *parts) startEnforcers(ctx context.Context) (err error) {
	if p.postgres, err = ledgerdb.Start(ctx, ledgerdb.Options{Settings: []string{"track_commit_timestamp=on"}}); err != nil {
		return err
	}
	p.onStop(p.postgres.Stop)
	if err := os.WriteFile(filepath.Join(p.dir, "credential"), []byte("the-providers-key\n"), 0o600); err != nil {
		return err
	}
	for _, program := range p.enforcers {
		server, client, err := p.startRedis(ctx)
		if err != nil {
			return err
		}
		s, err := p.startEnforcer(ctx, program, server.URL, client)
		if err != nil {
			return fmt.Errorf("%s: %w", program.name, err)
		}
		s.redis = client
		p.subjects = append(p.subjects, s)
	}
	return nil
}

// startEnforcer starts an enforcer on a Redis, with a ledger of its own.
func (p *parts) startEnforcer(ctx context.Context, program named, redisURL string, client goredis.UniversalClient) (*subject, error) {
	if _, err := documents.Put(ctx, client, p.documents()...); err != nil {
		return nil, err
	}
	database, err := p.postgres.NewDatabase(ctx)
	if err != nil {
		return nil, err
	}
	addresses, err := process.FreeAddresses(2)
	if err != nil {
		return nil, err
	}
	child, err := process.Start(process.Options{
		Name: program.name, Path: program.path, LogFile: filepath.Join(p.dir, program.name+".log"),
		Args: []string{"--listen-address", addresses[0], "--health-address", addresses[1], "--provider-credentials-dir", p.dir},
		Env:  append(os.Environ(), "BURSAR_REDIS_URL="+redisURL, "BURSAR_DATABASE_URL="+database.Enforcer),
	})
	if err != nil {
		return nil, err
	}
	p.onStop(child.Stop)
	s := &subject{name: program.name, pid: child.PID(), ledger: database.Admin,
		calls:   &target{url: "http://" + addresses[0] + path, key: keyOf(rich), model: quickModel, status: http.StatusOK},
		refused: &target{url: "http://" + addresses[0] + path, key: keyOf(poor), model: quickModel, status: http.StatusTooManyRequests},
	}
	// It is ready before it runs the configuration.
	return s, child.WaitReady(ctx, func(ctx context.Context) error {
		_, err := callFor(ctx, *s.refused, 1, time.Nanosecond, false)
		return err
	})
}

// The tenants: one has more than is ever spent, one too little for any call, and the others, which
// call a Redis of several masters, are as rich as the first.
const rich, poor = "rich", "poor"

const plenty = 1_000_000 * money.USD

func keyOf(tenant string) string { return "key-of-" + tenant }

// documents are what the control plane would have compiled.
func (p *parts) documents() []any {
	amounts := map[string]money.Nanos{rich: plenty, poor: 1}
	for i := range spreadTenants {
		amounts[spreadTenant(i)] = plenty
	}
	var all []any
	for tenant, amount := range amounts {
		hash := sha256.Sum256([]byte(keyOf(tenant)))
		all = append(all, tenantWith(tenant, amount), limiterv1.Credential{
			SHA256: hex.EncodeToString(hash[:]), Name: tenant + "/key", Tenant: tenant, User: "ana", Tier: "gold",
		})
	}
	model := func(name string) limiterv1.Model {
		prices := price.List{price.Input: 2500 * money.USD / 1000, price.Output: 10 * money.USD}
		return limiterv1.Model{Name: name, UpstreamName: name, MaxOutputTokens: 4096, Prices: price.Book{price.Default: {Base: prices}}}
	}
	return append(all, limiterv1.Provider{
		Name: "upstream", Protocol: limiterv1.OpenAI, Endpoint: p.upstream + "/v1", CredentialFile: "credential",
		Models: []limiterv1.Model{model(quickModel), model(slowModel)},
	})
}

// tenantWith is a tenant with six limits: a day and a month of the tenant, the same of each user,
// and how many requests a second of both.
func tenantWith(name string, amount money.Nanos) limiterv1.Tenant {
	level := limiterv1.Level{
		Tenant: name, TimeZone: "UTC",
		Ladder: []limiterv1.Rung{{AtPercent: 80, Action: limiterv1.Warn}, {AtPercent: 90, Action: limiterv1.Trip}},
	}
	for _, per := range []limiterv1.Scope{limiterv1.PerTenant, limiterv1.PerUser} {
		for _, kind := range []period.Kind{period.Day, period.Month} {
			level.Money = append(level.Money, limiterv1.MoneyLimit{Name: string(kind) + string(per), Per: per, Period: kind, Amount: amount})
		}
		level.Rates = append(level.Rates, limiterv1.RateLimit{
			Name: "policy/" + string(per), Per: per, Unit: limiterv1.Requests, Count: 1_000_000, Burst: 1_000_000, Window: 1000,
		})
	}
	return limiterv1.Tenant{Level: level}
}
