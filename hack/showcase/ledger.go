package showcase

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// Days is how far the history goes back.
const Days = 62

// model is a model that is called, with its prices in cents per million tokens.
type model struct {
	name, provider string
	input, output  int64
	// weight is how often it is called.
	weight int
}

func models() []model {
	return []model{
		{"gpt-4o", "openai", 250, 1000, 30}, {"gpt-4o-mini", "openai", 15, 60, 22}, {"claude-sonnet-4-5", "anthropic", 300, 1500, 20},
		{"claude-haiku-4-5", "anthropic", 100, 500, 9}, {"gemini-2.5-pro", "google", 125, 1000, 7}, {"gemini-2.5-flash", "google", 30, 250, 5},
		{"o4-mini", "openai", 110, 440, 3}, {"text-embedding-3-small", "openai", 2, 0, 2}, {"gpt-4.1", "openai", 200, 800, 2},
	}
}

type spending struct{ day, month money.Nanos }

// call is a row of the ledger.
type call struct {
	id, tenant, user, tier, group, provider, asked, model, decision, outcome string
	ancestors                                                                []string
	at                                                                       time.Time
	input, cached, output                                                    int64
	cost, saved                                                              money.Nanos
}

// makeHistory puts calls, refusals, alerts, grants and changes on record. It is the same each time.
func (s *Showcase) makeHistory(ctx context.Context) error {
	zone, err := time.LoadLocation(Zone)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(7, 11)) //nolint:gosec // it makes an example
	today, month := period.Containing(period.Day, zone, s.Now), period.Containing(period.Month, zone, s.Now)
	var rows [][]any
	for _, t := range tenants() {
		ancestors := ancestorsOf(t)
		for back := Days; back >= 0; back-- {
			day := period.Containing(period.Day, zone, today.Start.AddDate(0, 0, -back).Add(12*time.Hour))
			for range callsOn(random, t, day.Start.In(zone), back) {
				c := s.call(random, t, ancestors, day.Start)
				if !c.at.Before(s.Now) {
					continue
				}
				for _, name := range append([]string{t.name}, ancestors...) {
					of := s.spent[name]
					if of == nil {
						of = &spending{}
						s.spent[name] = of
					}
					if today.Contains(c.at) {
						of.day += c.cost
					}
					if month.Contains(c.at) {
						of.month += c.cost
					}
				}
				c.id = fmt.Sprintf("call_%s_%05d", t.name[:2], len(rows))
				rows = append(rows, c.row())
			}
		}
	}
	_, err = s.Ledger.CopyFrom(ctx, pgx.Identifier{"ai_usage_logs"}, []string{
		"call_id", "tenant_id", "user_id", "tier", "groups", "credential", "provider", "model_asked", "model_used", "model", "endpoint", "streamed", "admitted_at", "settled_at",
		"outcome", "input_tokens", "cached_input_tokens", "output_tokens", "held_nanos", "cost_nanos", "saved_nanos", "session", "decision", "ancestors",
	}, pgx.CopyFromRows(rows))
	if err != nil {
		return err
	}
	for _, t := range tenants() {
		if err := s.recordRest(ctx, random, t); err != nil {
			return err
		}
	}
	return s.rollUp(ctx)
}

// rollUp adds all that was recorded to the sums, as the leader does all the time.
func (s *Showcase) rollUp(ctx context.Context) error {
	const atOnce = 100_000
	usage := budgetstore.NewUsage(s.Ledger)
	for added := atOnce; added == atOnce; {
		var err error
		if added, err = usage.AddChanges(ctx, atOnce); err != nil {
			return err
		}
	}
	return nil
}

func ancestorsOf(t tenant) []string {
	ancestors := []string{}
	for parent := t.parent; parent != ""; {
		ancestors = append(ancestors, parent)
		for _, other := range tenants() {
			if other.name == parent {
				parent = other.parent
				break
			}
		}
	}
	return ancestors
}

// callsOn is how many calls there are on a day: few at the weekend, and more each week.
func callsOn(random *rand.Rand, t tenant, day time.Time, back int) int {
	n := t.perDay*(70+random.IntN(50))/100 + t.perDay*(Days-back)/(3*Days)
	if day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
		n /= 6
	}
	return n
}

func (s *Showcase) call(random *rand.Rand, t tenant, ancestors []string, day time.Time) call {
	all := append([]string{t.admin}, t.people...)
	user := all[min(random.IntN(len(all)), random.IntN(len(all)))]
	m := pick(random)
	c := call{
		tenant: t.name, user: user, tier: "empleado", group: groupOf(user), provider: m.provider, asked: m.name, model: m.name, decision: "Admitted", outcome: "Settled",
		ancestors: ancestors, at: day.Add(8*time.Hour + time.Duration(random.Int64N(int64(11*time.Hour)))).Truncate(time.Millisecond),
		input: 2_000 + random.Int64N(90_000), output: 200 + random.Int64N(9_000),
	}
	if random.IntN(3) == 0 {
		c.cached = c.input / 2
		c.input -= c.cached
	}
	if m.output == 0 {
		c.output = 0
	}
	c.cost = m.cost(c)
	if c.model == "gpt-4o" && random.IntN(6) == 0 {
		cheaper := models()[1]
		c.model, c.decision, c.saved = cheaper.name, "Replaced", c.cost-cheaper.cost(c)
		c.cost = cheaper.cost(c)
	}
	if random.IntN(70) == 0 {
		c.outcome = "ChargedSeen"
	}
	return c
}

// cost is what a call of the model costs: one cent per million tokens is 10 nano-dollars per token.
func (m model) cost(c call) money.Nanos {
	return money.Nanos(10*m.input*c.input + m.input*c.cached + 10*m.output*c.output)
}

func pick(random *rand.Rand) model {
	total := 0
	for _, m := range models() {
		total += m.weight
	}
	at := random.IntN(total)
	for _, m := range models() {
		if at -= m.weight; at < 0 {
			return m
		}
	}
	return models()[0]
}

func (c call) row() []any {
	return []any{
		c.id, c.tenant, c.user, c.tier, []string{c.group}, "", c.provider, c.asked, c.model, c.model, "chat", true, c.at, c.at.Add(3 * time.Second),
		c.outcome, c.input, c.cached, c.output, c.cost * 3, c.cost, c.saved, "showcase", c.decision, c.ancestors,
	}
}

// recordBudget puts a tenant's budget and its limits on record.
func (s *Showcase) recordBudget(ctx context.Context, t tenant, uid string) error {
	for _, statement := range []string{
		`INSERT INTO tenants (tenant_id, namespace, budget, budget_uid, generation, time_zone) VALUES ($1, $1, $1, $2, 1, $3)`,
		`INSERT INTO budget_changes (tenant_id, namespace, budget, budget_uid, generation, change, changed_by, field_manager, recorded_at)
		 VALUES ($1, $1, $1, $2, 1, 'Set', ARRAY['carla@northwind.example'], $3, '2026-01-01Z')`,
	} {
		args := []any{t.name, uid, Zone}
		if statement[12] == 'b' {
			args[2] = "kubectl-client-side-apply"
		}
		if _, err := s.Ledger.Exec(ctx, statement, args...); err != nil {
			return err
		}
	}
	for _, limit := range []struct{ name, per, period, amount string }{
		{"daily", "Tenant", "Day", t.daily}, {"monthly", "Tenant", "Month", t.monthly}, {"each-user", "User", "Day", t.each},
	} {
		amount, err := money.Parse(limit.amount)
		if err != nil {
			return err
		}
		if _, err := s.Ledger.Exec(ctx, `
INSERT INTO budget_limits (tenant_id, limit_name, per, period, time_zone, amount_nanos, budget_uid, generation, valid_from, amount_written)
VALUES ($1, $2, $3, $4, $5, $6, $7, 1, '2026-01-01Z', $8)`, t.name, limit.name, limit.per, limit.period, Zone, amount, uid, limit.amount); err != nil {
			return err
		}
	}
	return nil
}

// recordRest puts refusals, alerts and grants on record.
func (s *Showcase) recordRest(ctx context.Context, random *rand.Rand, t tenant) error {
	daily, err := money.Parse(t.daily)
	if err != nil {
		return err
	}
	each, err := money.Parse(t.each)
	if err != nil {
		return err
	}
	for i := range t.perDay / 4 {
		user := append([]string{t.admin}, t.people...)[i%(len(t.people)+1)]
		reason, per, limit, unit, amount, kind := "RateLimited", "User", "tiers/empleado", "requests", money.Nanos(0), ""
		switch i % 4 {
		case 0:
			reason, limit, unit, amount, kind = "BudgetExhausted", "each-user", "", each, "Day"
		case 1:
			reason, per, limit, unit, amount, kind = "BreakerOpen", "Tenant", "daily", "", daily, "Day"
		}
		at := s.Now.Add(-time.Duration(1+i*i) * 37 * time.Minute).Add(-time.Duration(random.IntN(3000)) * time.Second)
		_, err := s.Ledger.Exec(ctx, `
INSERT INTO ai_refusals (call_id, tenant_id, user_id, tier, groups, credential, model_asked, model, endpoint, refused_at, reason, limit_tenant, limit_name, per, period,
  amount_nanos, spent_nanos, held_nanos, resets_at, unit, retry_after_ms, bound_nanos, tokens, fallback, session, ancestors)
VALUES ($1, $2, $3, 'empleado', $4, '', 'gpt-4o', 'gpt-4o', 'chat', $5, $6, $2, $7, $8, $9, $10, $11, 0, $12, $13, $14, 40000000, 0, $15, 'showcase', $16)`,
			fmt.Sprintf("call_%s_r%03d", t.name[:2], i), t.name, user, []string{groupOf(user)}, at, reason, limit, per, kind, amount, amount*96/100,
			s.Now.Truncate(24*time.Hour).Add(27*time.Hour), unit, 7400, []string{"", "", "Cache"}[i%3], ancestorsOf(t))
		if err != nil {
			return err
		}
	}
	if err := s.recordAlerts(ctx, t, daily); err != nil {
		return err
	}
	if err := s.recordRequests(ctx, t); err != nil {
		return err
	}
	_, err = s.Ledger.Exec(ctx, `
INSERT INTO budget_grants (grant_uid, tenant_id, namespace, grant_name, limit_name, user_id, amount_nanos, reason, expires_at, created_at, created_by)
VALUES (gen_random_uuid()::text, $1, $1, 'quarterly-report', 'each-user', $2, 4000000000, 'The quarterly report has to be out tonight.', $3, $4, ARRAY[$5])`,
		t.name, t.people[0], s.Now.AddDate(0, 0, 2), s.Now.Add(-5*time.Hour), t.admin+"@northwind.example")
	return err
}

func (s *Showcase) recordAlerts(ctx context.Context, t tenant, daily money.Nanos) error {
	for i := range 6 {
		start := s.Now.Truncate(24*time.Hour).Add(3*time.Hour).AddDate(0, 0, -i*3)
		action, percent := "Warn", 80
		if i%3 == 0 && t.name == "sales" || i == 4 {
			action, percent = "Trip", 90
		}
		if i == 0 && t.name != "sales" && t.name != "northwind" {
			continue
		}
		var resolved, resolution any
		if i > 0 {
			resolved, resolution = start.AddDate(0, 0, 1), "PeriodTurned"
		}
		_, err := s.Ledger.Exec(ctx, `
INSERT INTO cost_alerts (tenant_id, budget_uid, limit_name, period_start, period_end, action, at_percent, amount_nanos, spent_nanos, message, raised_at, resolved_at, resolution)
SELECT $1, budget_uid, 'daily', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM tenants WHERE tenant_id = $1`,
			t.name, start, start.AddDate(0, 0, 1), action, percent, daily, daily*money.Nanos(percent)/100+daily/300,
			fmt.Sprintf("limit daily has reached %d %%", percent), s.Now.AddDate(0, 0, -i*3).Add(-time.Duration(20+i*31)*time.Minute), resolved, resolution)
		if err != nil {
			return err
		}
	}
	return nil
}
