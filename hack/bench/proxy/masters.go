package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/bursar-dev/bursar/hack/parts/redis"
)

// spreadTenants is how many tenants call at once to be spread over the masters, each by so many
// callers as a tenant that is alone, and mastersTurn for how long.
const (
	spreadTenants    = 12
	callersPerTenant = 16
	mastersTurn      = 3 * time.Second
)

func spreadTenant(i int) string { return fmt.Sprintf("tenant-%d", i) }

// masters measures how many calls a second a Redis Cluster could bear, by the processor time of
// its busiest master, which runs on one core: when one tenant makes all calls, whose state is in
// one shard, and when many do.
func (t *table) masters(ctx context.Context) error {
	p := t.parts
	for i, program := range p.enforcers {
		cluster, err := redis.StartCluster(ctx, filepath.Join(p.dir, fmt.Sprint("cluster-", i)), p.masters)
		if err != nil {
			return err
		}
		p.onStop(cluster.Stop)
		var addresses []string
		var masters []*goredis.Client
		for _, master := range cluster.Masters {
			client := goredis.NewClient(&goredis.Options{Addr: master.Addr})
			p.onStop(client.Close)
			addresses, masters = append(addresses, master.Addr), append(masters, client)
		}
		all := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: addresses})
		p.onStop(all.Close)
		s, err := p.startEnforcer(ctx, program, cluster.URL, all)
		if err != nil {
			return fmt.Errorf("%s: %w", program.name, err)
		}
		for _, of := range []struct {
			name    string
			tenants []string
		}{{"one tenant", []string{rich}}, {fmt.Sprintf("%d tenants", spreadTenants), spread()}} {
			perCall, share, err := busiest(ctx, *s.calls, masters, of.tenants)
			if err != nil {
				return fmt.Errorf("%s: %w", program.name, err)
			}
			row := fmt.Sprintf("%d masters, %s: ", p.masters, of.name)
			t.add(row+"processor time a call of the busiest master, us", program.name, perCall)
			t.add(row+"its share of that of all, %", program.name, 100*share)
			t.add(row+"calls/s that fill its core", program.name, 1e6/perCall)
		}
	}
	return nil
}

func spread() (tenants []string) {
	for i := range spreadTenants {
		tenants = append(tenants, spreadTenant(i))
	}
	return tenants
}

// busiest has tenants make calls, and returns the processor time, in microseconds a call, of the
// master that took most of it, and its share of that of all.
func busiest(ctx context.Context, to target, masters []*goredis.Client, tenants []string) (perCall, share float64, err error) {
	if _, err := callOf(ctx, to, tenants, warmUp); err != nil {
		return 0, 0, err
	}
	before, err := redisTimes(ctx, masters)
	if err != nil {
		return 0, 0, err
	}
	calls, err := callOf(ctx, to, tenants, mastersTurn)
	if err != nil {
		return 0, 0, err
	}
	time.Sleep(settling) // what is written behind the calls belongs to them
	spent, err := redisTimes(ctx, masters)
	if err != nil {
		return 0, 0, err
	}
	var sum time.Duration
	for i := range spent {
		spent[i] -= before[i]
		sum += spent[i]
	}
	most := slices.Max(spent)
	return micros(most, float64(calls)), float64(most) / float64(sum), nil
}

func redisTimes(ctx context.Context, masters []*goredis.Client) (times []time.Duration, err error) {
	for _, master := range masters {
		spent, err := redisTime(ctx, master)
		if err != nil {
			return nil, err
		}
		times = append(times, spent)
	}
	return times, nil
}

// callOf has tenants make calls, each by callersPerTenant.
func callOf(ctx context.Context, to target, tenants []string, d time.Duration) (calls int, err error) {
	var mu sync.Mutex
	calling, ctx := errgroup.WithContext(ctx)
	for _, tenant := range tenants {
		of := to
		of.key = keyOf(tenant)
		calling.Go(func() error {
			made, err := callFor(ctx, of, callersPerTenant, d, false)
			mu.Lock()
			defer mu.Unlock()
			calls += made.calls
			return err
		})
	}
	return calls, calling.Wait()
}
