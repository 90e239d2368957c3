package store_test

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// BenchmarkAdmission measures an admission and its settlement under six limits, as
// the client sees them and in microseconds of Redis' own time, beside a script that
// does nothing.
func BenchmarkAdmission(b *testing.B) {
	ctx := context.Background()
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("nothing/callers=%d", callers), func(b *testing.B) {
			client, nothing := newClient(b), redis.NewScript("return 1")
			measure(b, client, callers, func() error { return nothing.Run(ctx, client, []string{"key"}).Err() })
		})
		b.Run(fmt.Sprintf("admit/callers=%d", callers), func(b *testing.B) {
			client := newClient(b)
			admitter := admission.NewAdmitter(newStore(client, "session"))
			tenant := sixLimits(b)
			measure(b, client, callers, func() error {
				d, err := admitter.Admit(ctx, tenant, newCall(tenant, money.Cent))
				if err == nil && d.Hold == nil {
					err = fmt.Errorf("refused: %+v", d.Refusal)
				}
				return err
			})
		})
		b.Run(fmt.Sprintf("admit+settle/callers=%d", callers), func(b *testing.B) {
			client := newClient(b)
			s := newStore(client, "session")
			admitter := admission.NewAdmitter(s)
			tenant := sixLimits(b)
			measure(b, client, callers, func() error {
				call := newCall(tenant, money.Cent)
				d, err := admitter.Admit(ctx, tenant, call)
				if err != nil {
					return err
				}
				if d.Hold == nil {
					return fmt.Errorf("refused: %+v", d.Refusal)
				}
				if err := d.Hold.Settle(ctx, 1, 5, make([]byte, 400)); err != nil {
					return err
				}
				return s.Forget(ctx, tenant.Name(), []string{call.ID})
			})
		})
	}
}

// sixLimits are a day and a month for the tenant, a day and a month for the user,
// and a bucket for each.
func sixLimits(b *testing.B) *admission.Tenant {
	var limits []limiterv1.MoneyLimit
	for _, per := range []limiterv1.Scope{limiterv1.PerTenant, limiterv1.PerUser} {
		for _, kind := range []period.Kind{period.Day, period.Month} {
			limits = append(limits, limiterv1.MoneyLimit{Name: string(kind) + string(per), Per: per, Period: kind, Amount: money.Max})
		}
	}
	const plenty = 1_000_000
	return newTenant(b, limits, []limiterv1.RateLimit{
		{Name: "tiers/tier", Per: limiterv1.PerUser, Unit: limiterv1.Requests, Count: plenty, Burst: plenty, Window: 1000},
		{Name: "org/tokens", Per: limiterv1.PerTenant, Unit: limiterv1.Tokens, Count: plenty, Burst: 10 * plenty, Window: 1000},
	}, limiterv1.Rung{AtPercent: 80, Action: limiterv1.Warn}, limiterv1.Rung{AtPercent: 90, Action: limiterv1.Trip})
}

func measure(b *testing.B, client *redis.Client, callers int, f func() error) {
	ctx := context.Background()
	if err := f(); err != nil { // loads the scripts
		b.Fatal(err)
	}
	if err := client.ConfigResetStat(ctx).Err(); err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(callers) // times GOMAXPROCS
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := f(); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(redisMicroseconds(b, client)/float64(b.N), "redis-us/op")
}

var scriptTime = regexp.MustCompile(`cmdstat_(?:evalsha|hdel):calls=\d+,usec=(\d+)`)

func redisMicroseconds(b *testing.B, client *redis.Client) (sum float64) {
	stats, err := client.Info(context.Background(), "commandstats").Result()
	if err != nil {
		b.Fatal(err)
	}
	for _, match := range scriptTime.FindAllStringSubmatch(stats, -1) {
		usec, err := strconv.ParseFloat(match[1], 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += usec
	}
	return sum
}
