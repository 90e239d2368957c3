package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/stack"
)

// holds is what Redis and the enforcers say of the tenants that the soak calls as: the
// limiter's time, counters and calls, and the shares of each enforcer. What is not said is
// why.
func (s *soak) holds() string {
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	var text strings.Builder
	sessions, err := s.sessions(ctx)
	fmt.Fprintf(&text, "sessions %v; errors: %v\n", sessions, err)
	documents, shards := limiterstore.NewDocuments(s.redis), map[uint32]bool{}
	for _, tenant := range append(slices.Clone(soakCallers), soakParents...) {
		document, found, err := documents.Tenant(ctx, tenant)
		if err != nil || !found {
			fmt.Fprintf(&text, "%s has no document: %v\n", tenant, err)
			continue
		}
		text.WriteString(s.countersOf(ctx, document))
		shards[limiterv1.Shard(document.Root())] = true
	}
	for _, shard := range slices.Sorted(maps.Keys(shards)) {
		text.WriteString(s.callsIn(ctx, shard, sessions))
	}
	enforcers := slices.Clone(bursar.Enforcers)
	for _, at := range s.slots {
		enforcers = append(enforcers, at.serving().Enforcer)
	}
	for _, enforcer := range enforcers {
		text.WriteString(holdsOf(ctx, enforcer))
	}
	return text.String()
}

// sessions are those that live, or that have announced calls.
func (s *soak) sessions(ctx context.Context) ([]string, error) {
	live, err := s.redis.ZRange(ctx, limiterv1.SessionsKey, 0, -1).Result()
	announced, announcedErr := s.redis.HKeys(ctx, limiterv1.AnnouncedKey).Result()
	all := slices.Concat(live, announced)
	slices.Sort(all)
	return slices.Compact(all), errors.Join(err, announcedErr)
}

// countersOf are the fields of a tenant's counters and of those of the soak's user.
func (s *soak) countersOf(ctx context.Context, document limiterv1.Tenant) string {
	var text strings.Builder
	root := document.Root()
	now, err := limiterstore.NewCounters(s.redis).Now(ctx, root)
	fmt.Fprintf(&text, "%s, shard %d, where the time is %s, %s ahead: %v\n",
		document.Tenant, limiterv1.Shard(root), now.Format(time.RFC3339Nano), time.Until(now).Round(time.Millisecond), err)
	keys := []string{limiterv1.TenantCountersKey(root, document.Tenant)}
	epoch, err := limiterstore.NewEpochs(s.redis).Current(ctx)
	if err == nil {
		keys = append(keys, limiterv1.CountersKey(root, epoch, document.Tenant, limiterv1.Owner{User: "user"}))
	}
	for _, key := range keys {
		fields, err := s.redis.HGetAll(ctx, key).Result()
		fmt.Fprintf(&text, "  %s: %v\n", key, err)
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			fmt.Fprintf(&text, "    %q: %s\n", field, counterText(fields[field]))
		}
	}
	return text.String()
}

func counterText(raw string) string {
	c, err := limiterv1.DecodeMoneyCounter([]byte(raw))
	if err != nil {
		return fmt.Sprintf("%q", raw)
	}
	return fmt.Sprintf("from %s to %s $%s is spent and $%s held; from %s $%s and $%s", c.Start.Format(time.RFC3339), c.End.Format(time.RFC3339),
		c.Spent, c.Held, c.EarlierStart.Format(time.RFC3339), c.EarlierSpent, c.EarlierHeld)
}

// callsIn are the calls of sessions in a shard.
func (s *soak) callsIn(ctx context.Context, shard uint32, sessions []string) string {
	var text strings.Builder
	for _, session := range sessions {
		records, err := s.redis.HGetAll(ctx, limiterv1.CallsKey(shard, session)).Result()
		if err != nil || len(records) > 0 {
			fmt.Fprintf(&text, "calls of session %s in shard %d: %v\n", session, shard, err)
		}
		for _, id := range slices.Sorted(maps.Keys(records)) {
			fmt.Fprintf(&text, "  %s: %s\n", id, callText(records[id]))
		}
	}
	return text.String()
}

func callText(raw string) string {
	record, err := limiterv1.DecodeCallRecord([]byte(raw))
	if err != nil {
		return fmt.Sprintf("%q", raw)
	}
	call, err := record.OpenCall()
	return fmt.Sprintf("settled %t, $%s, admitted at %s, share %t, probe %t, tenant %q, model %q, counted in %v; %v",
		record.Settled, record.Amount, record.AdmittedAt.Format(time.RFC3339Nano), call.Share, call.Probe, call.Tenant, call.Model, call.Counters, err)
}

// holdsOf is what an enforcer says that it holds.
func holdsOf(ctx context.Context, enforcer stack.Enforcer) string {
	families, err := scrape(ctx, enforcer.MetricsURL)
	text := fmt.Sprintf("enforcer at %s: %v", enforcer.URL, err)
	for _, name := range []string{
		"bursar_enforcer_epoch", "bursar_enforcer_open_calls", "bursar_enforcer_shares", "bursar_enforcer_shares_left_usd", "bursar_enforcer_unconfirmed_voids",
	} {
		for _, metric := range families[name].GetMetric() {
			text += fmt.Sprintf(", %s %v", name, metric.GetGauge().GetValue())
		}
	}
	return text + "\n"
}
