package setup_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	goredis "github.com/redis/go-redis/v9"
	eventsv1 "k8s.io/api/events/v1"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// endState is the final state of objects in all stores, line by line, without what
// differs each time: revisions, UIDs and the namespace.
func endState(ctx context.Context, namespace string, objects []object) ([]string, error) {
	names := map[string]string{}
	var lines []string
	for _, o := range objects {
		if err := get(ctx, o); err != nil {
			return nil, err
		}
		name := fmt.Sprintf("%T %s", o, o.GetName())
		names[string(o.GetUID())] = name
		lines = append(lines, fmt.Sprintf("%s: generation %d, finalizers %v, %s", name, o.GetGeneration(), o.GetFinalizers(), said(o)))
	}
	documents, err := redisClient.HGetAll(ctx, limiterv1.DocumentsKey).Result()
	if err != nil {
		return nil, err
	}
	for id, stored := range documents {
		if _, body, _ := strings.Cut(stored, " "); strings.Contains(body, namespace) {
			lines = append(lines, fmt.Sprintf("document %s: %s", id, body))
		}
	}
	for _, query := range []string{
		"SELECT 'tenant', tenant_id, budget, budget_uid, generation, time_zone FROM tenants WHERE namespace = $1 AND withdrawn_at IS NULL",
		"SELECT 'limit', tenant_id, limit_name, per, period, amount_nanos, time_zone, budget_uid FROM budget_limits " +
			"WHERE tenant_id LIKE $1 || '-%' AND valid_to IS NULL",
		"SELECT 'grant', tenant_id, grant_name, grant_uid, limit_name, amount_nanos FROM budget_grants WHERE namespace = $1 AND withdrawn_at IS NULL",
	} {
		lines = append(lines, rows(ctx, query, namespace)()...)
	}
	for i, line := range lines {
		line = uid.ReplaceAllStringFunc(line, func(uid string) string {
			if name := names[uid]; name != "" {
				return name
			}
			return "one that is gone"
		})
		line = suggestion.ReplaceAllString(line, "")
		lines[i] = hash.ReplaceAllString(strings.ReplaceAll(line, namespace, "NAMESPACE"), "HASH")
	}
	slices.Sort(lines)
	return lines, nil
}

var (
	// suggestion names a budget that may be in the namespace of another script.
	suggestion = regexp.MustCompile(`; did you mean "[^"]*"\?`)

	uid      = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	hash     = regexp.MustCompile(`[0-9a-f]{64}`)
	revision = regexp.MustCompile(`revision \d+`)
)

// said are an object's conditions, and the limits and the breaker of a budget.
func said(o object) string {
	var all []string
	for _, c := range o.GetProgrammedStatus().Conditions {
		all = append(all, fmt.Sprintf("%s=%s %s at %d: %s", c.Type, c.Status, c.Reason, c.ObservedGeneration, c.Message))
	}
	if e := o.GetProgrammedStatus().Enforcers; e != nil {
		all = append(all, fmt.Sprintf("%d of %d", e.Ready, e.Total))
	}
	if budget, ok := o.(*v1alpha1.TenantBudget); ok {
		for _, limit := range budget.Status.Limits {
			all = append(all, fmt.Sprintf("%s: %s of %s", limit.Name, limit.Spent, limit.Amount))
		}
		if budget.Status.Breaker != nil {
			all = append(all, string(budget.Status.Breaker.State))
		}
	}
	return revision.ReplaceAllString(strings.Join(all, "; "), "revision N")
}

// written identifies the state of all that a manager writes: it changes with any write.
func written(ctx context.Context, namespace string, objects []object) ([]string, error) {
	var marks []string
	for _, o := range objects {
		if err := get(ctx, o); err != nil {
			return nil, err
		}
		marks = append(marks, fmt.Sprintf("%T %s at resource version %s", o, o.GetName(), o.GetResourceVersion()))
	}
	keys := redisClient.Scan(ctx, 0, "*", 1000).Iterator()
	for keys.Next(ctx) {
		switch key := keys.Val(); key {
		case limiterv1.SessionsKey, limiterv1.SessionStatesKey, limiterv1.AnnouncedKey:
			// those are the enforcers'
		case limiterv1.MarkKey(0):
			// it rises for as long as a manager leads
		default:
			stored, err := storedAt(ctx, key)
			if err != nil {
				return nil, err
			}
			marks = append(marks, fmt.Sprintf("Redis %s: %s", key, stored))
		}
	}
	for _, query := range []string{
		"SELECT 'tenant', xmin::text, tenant_id FROM tenants WHERE namespace = $1",
		"SELECT 'limit', xmin::text, tenant_id, limit_name, generation FROM budget_limits WHERE tenant_id LIKE $1 || '-%'",
		"SELECT 'grant', xmin::text, tenant_id, grant_name FROM budget_grants WHERE namespace = $1",
	} {
		marks = append(marks, rows(ctx, query, namespace)()...)
	}
	slices.Sort(marks)
	return marks, keys.Err()
}

// storedAt is what Redis has at a key, sorted: the fields of a large hash may come in
// another order although nothing was written.
func storedAt(ctx context.Context, key string) (string, error) {
	switch kind, err := redisClient.Type(ctx, key).Result(); {
	case err != nil:
		return "", err
	case kind == "hash":
		fields, err := redisClient.HGetAll(ctx, key).Result()
		return fmt.Sprintf("%q", fields), err
	case kind == "set":
		members, err := redisClient.SMembers(ctx, key).Result()
		slices.Sort(members)
		return fmt.Sprintf("%q", members), err
	}
	dump, err := redisClient.Dump(ctx, key).Result()
	if errors.Is(err, goredis.Nil) {
		return "nothing any more", nil
	}
	return fmt.Sprintf("%x", dump), err
}

// doubled are the Events of a seed's objects that report the same twice in a row: that an
// object is accepted, or why it is not. An object that is programmed in between was accepted.
func doubled(ctx context.Context, namespace string) ([]string, error) {
	var list eventsv1.EventList
	if err := api.List(ctx, &list); err != nil {
		return nil, err
	}
	told := map[string][]eventsv1.Event{}
	for _, event := range list.Items {
		isVerdict := event.Reason == v1alpha1.EventAccepted || event.Reason == v1alpha1.EventRejected
		if (isVerdict || event.Reason == v1alpha1.EventProgrammed) && strings.Contains(event.Regarding.Namespace+event.Regarding.Name, namespace) {
			told[string(event.Regarding.UID)] = append(told[string(event.Regarding.UID)], event)
		}
	}
	var twice []string
	for _, events := range told {
		slices.SortFunc(events, func(a, b eventsv1.Event) int { return a.EventTime.Compare(b.EventTime.Time) })
		for i, event := range events {
			if event.Reason == v1alpha1.EventProgrammed {
				continue
			}
			isAgain := i > 0 && events[i-1].Note == event.Note && events[i-1].Reason == event.Reason
			if isAgain || event.Series != nil {
				twice = append(twice, fmt.Sprintf("%s %s: %s: %s", event.Regarding.Kind, event.Regarding.Name, event.Reason, event.Note))
			}
		}
	}
	return twice, nil
}
