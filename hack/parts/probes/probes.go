package probes

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/period"
)

// Change changes a tenant's document into the one by which calls are admitted.
type Change func(*limiterv1.Tenant)

// Answer answers the requested probes as a session that reports the configuration in
// state, and returns how many there were.
func Answer(ctx context.Context, client redis.UniversalClient, session string, state limiterv1.SessionState, change Change) (int, error) {
	tenants, err := client.SPopN(ctx, limiterv1.ProbesKey, 1000).Result()
	if err != nil || len(tenants) == 0 {
		return 0, err
	}
	pipe := client.Pipeline()
	for _, tenant := range tenants {
		answer, err := answerFor(ctx, client, tenant, change)
		if err != nil {
			return 0, err
		}
		answer.Session, answer.Host, answer.Incarnation, answer.Revision = session, state.Host, state.Incarnation, state.Revision
		raw, err := json.Marshal(answer)
		if err != nil {
			return 0, err
		}
		pipe.HSet(ctx, limiterv1.ProbeAnswersKey, tenant, raw)
	}
	pipe.Publish(ctx, limiterv1.FeedChannel, limiterv1.FeedProbe+" "+strings.Join(tenants, " "))
	_, err = pipe.Exec(ctx)
	return len(tenants), err
}

func answerFor(ctx context.Context, client redis.UniversalClient, name string, change Change) (limiterv1.ProbeAnswer, error) {
	id := limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: name}
	stored, err := client.HGet(ctx, limiterv1.DocumentsKey, id.String()).Result()
	if errors.Is(err, redis.Nil) {
		return limiterv1.ProbeAnswer{Failure: "unknown tenant"}, nil
	}
	if err != nil {
		return limiterv1.ProbeAnswer{}, err
	}
	_, body, _ := strings.Cut(stored, " ")
	var tenant limiterv1.Tenant
	if err := json.Unmarshal([]byte(body), &tenant); err != nil {
		return limiterv1.ProbeAnswer{}, err
	}
	if change != nil {
		change(&tenant)
	}
	return answerOf(tenant)
}

// answerOf is the answer of an enforcer that admits calls by the document.
func answerOf(tenant limiterv1.Tenant) (limiterv1.ProbeAnswer, error) {
	answer := limiterv1.ProbeAnswer{Forced: tenant.ForcedOpen()}
	for _, level := range tenant.Levels() {
		zone, err := time.LoadLocation(level.TimeZone)
		if err != nil {
			return limiterv1.ProbeAnswer{}, err
		}
		probed := limiterv1.ProbedLevel{Tenant: level.Tenant, Shadow: level.Waives(), Rates: level.Rates}
		for _, limit := range level.Money {
			money := level.Probed(limit, time.Now())
			money.ResetsAt = period.Containing(limit.Period, zone, time.Now()).End
			probed.Money = append(probed.Money, money)
		}
		answer.Levels = append(answer.Levels, probed)
	}
	return answer, nil
}
