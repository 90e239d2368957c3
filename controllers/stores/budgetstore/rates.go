package budgetstore

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// Policy is a RateLimitPolicy that rate limits of a budget come from.
type Policy struct {
	Namespace, Name, UID string
	Generation           int64
	// Gist is that of the spec; empty where the policy says something else by now.
	Gist string
}

// wantedRates are the rate limits of a Budget as rows.
const wantedRates = `
WITH wanted AS (
  SELECT * FROM jsonb_to_recordset(@rates) AS r (limit_name text, terms text, namespace text, policy text, policy_uid text, generation bigint, gist text)
)`

// closeChangedRates closes the rows of limits that changed or are gone, and names who asked for
// what the policy says now, or for its deletion.
const closeChangedRates = wantedRates + `
UPDATE rate_limits AS l SET valid_to = now(),
  closed_by = coalesce((
    SELECT array_agg(DISTINCT user_name ORDER BY user_name) FROM change_requests AS c
    WHERE c.object_uid = l.policy_uid AND (
      c.gist = @deletion
      OR EXISTS (SELECT FROM jsonb_to_recordset(@policies) AS p (uid text, generation bigint, gist text)
                 WHERE p.uid = l.policy_uid AND c.generation > l.seen_generation
                   AND (c.generation < p.generation OR (c.generation, c.gist) = (p.generation, p.gist))))), '{}')
WHERE tenant_id = @tenant AND valid_to IS NULL
  AND NOT EXISTS (SELECT FROM wanted AS w WHERE (w.limit_name, w.terms, w.policy_uid) = (l.limit_name, l.terms, l.policy_uid))`

const openMissingRates = wantedRates + `
INSERT INTO rate_limits (tenant_id, limit_name, terms, namespace, policy, policy_uid, generation, seen_generation, opened_by)
SELECT @tenant, w.limit_name, w.terms, w.namespace, w.policy, w.policy_uid, w.generation, w.generation,
  coalesce((
    SELECT array_agg(DISTINCT user_name ORDER BY user_name) FROM change_requests AS c
    WHERE c.object_uid = w.policy_uid AND (
      (c.generation, c.gist) = (w.generation, w.gist)
      OR c.generation < w.generation
         AND c.generation > (SELECT coalesce(max(seen_generation), w.generation) FROM rate_limits AS l WHERE l.tenant_id = @tenant AND l.policy_uid = w.policy_uid))), '{}')
FROM wanted AS w
ON CONFLICT (tenant_id, limit_name) WHERE valid_to IS NULL DO NOTHING`

const seeRates = wantedRates + `
UPDATE rate_limits AS l SET seen_generation = w.generation
FROM wanted AS w
WHERE l.tenant_id = @tenant AND l.valid_to IS NULL AND l.limit_name = w.limit_name AND l.policy_uid = w.policy_uid AND l.seen_generation < w.generation`

// recordRates make the rows of rate limits say what is in force. Recording again changes nothing.
var recordRates = []string{closeChangedRates, openMissingRates, seeRates}

const closeRates = `
UPDATE rate_limits SET valid_to = now()
WHERE tenant_id = @tenant AND valid_to IS NULL AND EXISTS (SELECT FROM tenants AS t WHERE t.tenant_id = @tenant AND t.budget_uid = @uid)`

// rates are the rate limits of a budget as rows. Those that come from no known policy are left
// out.
func (b Budget) rates() []map[string]any {
	rows := []map[string]any{}
	for _, rate := range b.Rates {
		at := slices.IndexFunc(b.Policies, func(p Policy) bool { return p.has(rate, b.Namespace) })
		if at < 0 {
			continue
		}
		p := b.Policies[at]
		rows = append(rows, map[string]any{
			"limit_name": rate.Name, "terms": terms(rate), "namespace": p.Namespace, "policy": p.Name, "policy_uid": p.UID, "generation": p.Generation, "gist": p.Gist,
		})
	}
	return rows
}

func (b Budget) policies() []map[string]any {
	rows := []map[string]any{}
	for _, p := range b.Policies {
		rows = append(rows, map[string]any{"uid": p.UID, "generation": p.Generation, "gist": p.Gist})
	}
	return rows
}

// has reports whether a rate limit of a budget in a namespace comes from the policy.
func (p Policy) has(rate limiterv1.RateLimit, namespace string) bool {
	name := p.Name + "/"
	if p.Namespace != namespace {
		name = p.Namespace + "/" + name
	}
	rest, ok := strings.CutPrefix(rate.Name, name)
	return ok && !strings.Contains(rest, "/")
}

// terms are a rate limit in words: "20 requests per 1m for each user, tiers gerente".
func terms(rate limiterv1.RateLimit) string {
	text := fmt.Sprintf("%d calls at once", rate.Burst)
	if rate.Count > 0 {
		text = fmt.Sprintf("%d %s per %s", rate.Count, rate.Unit, short(rate.Window.Std()))
		if rate.Burst != rate.Count {
			text += fmt.Sprintf(", %d at once", rate.Burst)
		}
	}
	if rate.Per != limiterv1.PerTenant {
		text += " for each " + strings.ToLower(string(rate.Per))
	}
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(rate.Labels)) {
		labels = append(labels, name+": "+rate.Labels[name])
	}
	for _, part := range []struct {
		of     string
		values []string
	}{{"tiers", rate.Tiers}, {"models", rate.Models}, {"groups", rate.Groups}, {"labels", labels}} {
		if len(part.values) > 0 {
			text += fmt.Sprintf(", %s %s", part.of, strings.Join(part.values, ", "))
		}
	}
	return text
}

// short is a length of time without what is zero: "1m" rather than "1m0s".
func short(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}
