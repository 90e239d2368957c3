package history_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/parts/postgres"
	"github.com/bursar-dev/bursar/history"
	"github.com/bursar-dev/bursar/history/replay"
)

var server *postgres.Server

func TestMain(m *testing.M) {
	os.Exit(postgres.Use(func(s *postgres.Server) int {
		server = s
		return m.Run()
	}))
}

var (
	noon     = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	midnight = noon.Add(-12 * time.Hour)
)

// ledger is a database with the schema, the superuser's connections to it, and a Reader
// of a login that is a member of the role and no more.
func ledger(t *testing.T, role string) (*pgxpool.Pool, *history.Reader) {
	t.Helper()
	dsn, err := server.NewDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := budgetstore.Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	login, err := server.NewLogin(t.Context(), dsn, role)
	if err != nil {
		t.Fatal(err)
	}
	return connect(t, dsn), history.NewReader(connect(t, login))
}

func connect(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func exec(t *testing.T, pool *pgxpool.Pool, statement string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

const admit = `
INSERT INTO ai_usage_logs (call_id, tenant_id, user_id, tier, credential, provider, model_asked, model_used, model, endpoint,
  streamed, admitted_at, settled_at, outcome, input_tokens, output_tokens, reasoning_tokens, held_nanos, cost_nanos, session, ancestors, decision)
SELECT $1, $2, $3, 'tier', 'acme/key', 'openai', 'auto', 'gpt-4o-2026', $4, '/v1/chat/completions',
  false, $5, $6, 'Settled', 3, 4, 2, $7, $8, 'session', $9, $10`

const refuse = `
INSERT INTO ai_refusals (call_id, tenant_id, user_id, tier, credential, model_asked, model, endpoint, refused_at, reason,
  limit_tenant, limit_name, per, period, amount_nanos, spent_nanos, held_nanos, resets_at, unit, bound_nanos, tokens, fallback, session)
SELECT $1, 'acme', 'ana', 'tier', 'acme/key', 'auto', 'gpt-4o', '/v1/chat/completions', $2, $3,
  'acme', 'daily', 'Tenant', 'Day', 5000, 4000, 500, $2::timestamptz + interval '1 hour', '', 1000, 9, $4, 'session'`

// TestCalls: of two tenants, over many pages, each once and in order.
func TestCalls(t *testing.T) {
	for _, role := range []string{"bursar_reader", "bursar_manager"} {
		t.Run(role, func(t *testing.T) { testCalls(t, role) })
	}
}

func testCalls(t *testing.T, role string) {
	admin, reader := ledger(t, role)
	const many = 5000
	for _, tenant := range []string{"acme", "sister", "stranger"} {
		exec(t, admin, admit, tenant+"-early", tenant, "ana", "gpt-4o", noon.Add(-time.Hour), noon.Add(-30*time.Minute), 10, 5, []string{"holding"}, "Admitted")
		exec(t, admin, `
INSERT INTO ai_usage_logs (call_id, tenant_id, user_id, tier, credential, provider, model_asked, model_used, endpoint, streamed,
  admitted_at, settled_at, outcome, held_nanos, cost_nanos, session, ancestors)
SELECT $1 || '-' || lpad(i::text, 5, '0'), $1, 'ana', 'tier', 'acme/key', 'openai', 'm', 'm', '/', false,
  $2::timestamptz + (i / 3) * interval '1 millisecond', $2::timestamptz + interval '1 minute', 'Settled', 10, 5, 'session', '{holding}'
FROM generate_series(1, $3::int) AS i`, tenant, noon, many)
	}
	exec(t, admin, admit, "open", "acme", "ana", "gpt-4o", noon.Add(-time.Hour), noon.Add(time.Second), 10, 5, []string{}, "Fallback")
	exec(t, admin, admit, "just-ended", "acme", "ana", "", noon.Add(-time.Minute), noon.Add(-time.Second/2), 10, 5, []string{}, "Admitted")
	exec(t, admin, refuse, "refused", noon.Add(time.Second), "BudgetExhausted", "CheapestModel")
	exec(t, admin, refuse, "too-fast", noon.Add(time.Second), "RateLimited", "")
	exec(t, admin, refuse, "earlier", noon.Add(-time.Second), "BudgetExhausted", "")

	exec(t, admin, `UPDATE ai_usage_logs SET groups = '{eu,research}', labels = '{"team": "search"}' WHERE call_id = 'open'`)
	exec(t, admin, `UPDATE ai_refusals SET groups = '{eu}' WHERE call_id = 'refused'`)

	seen, last := map[string]replay.PastCall{}, time.Time{}
	calls := reader.Calls(t.Context(), noon, noon.Add(time.Hour), history.Tenant{Name: "acme", Ancestors: []string{"group"}}, history.Tenant{Name: "sister"})
	for call, err := range calls {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := seen[call.ID]; twice || call.AdmittedAt.Before(last) {
			t.Fatalf("call %s at %s: seen before (%t), or after one of %s", call.ID, call.AdmittedAt, twice, last)
		}
		seen[call.ID], last = call, call.AdmittedAt
	}
	if len(seen) != 2*many+3 {
		t.Errorf("got %d calls, want %d", len(seen), 2*many+3)
	}
	for _, want := range []replay.PastCall{
		{
			ID: "open", Tenant: "acme", User: "ana", Tier: "tier", Credential: "acme/key", Groups: []string{"eu", "research"},
			Labels: map[string]string{"team": "search"}, Model: "gpt-4o", Ancestors: []string{}, Fallback: true,
			AdmittedAt: noon.Add(-time.Hour), SettledAt: noon.Add(time.Second), Bound: 10, Cost: 5, Tokens: 7,
		},
		{
			ID: "just-ended", Tenant: "acme", User: "ana", Tier: "tier", Credential: "acme/key", Groups: []string{}, Labels: map[string]string{}, Model: "gpt-4o-2026", Ancestors: []string{},
			AdmittedAt: noon.Add(-time.Minute), SettledAt: noon.Add(-time.Second / 2), Bound: 10, Cost: 5, Tokens: 7,
		},
		{
			ID: "refused", Tenant: "acme", User: "ana", Tier: "tier", Credential: "acme/key", Groups: []string{"eu"}, Labels: map[string]string{}, Model: "gpt-4o", Ancestors: []string{"group"}, Fallback: true,
			AdmittedAt: noon.Add(time.Second), SettledAt: noon.Add(time.Second), Bound: 1000, Refused: true,
		},
	} {
		if diff := cmp.Diff(want, seen[want.ID], sameMoment); diff != "" {
			t.Errorf("call %s (-want +got):\n%s", want.ID, diff)
		}
	}
}

var sameMoment = cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })

func TestOpening(t *testing.T) {
	admin, reader := ledger(t, "bursar_reader")
	for i, call := range []struct {
		tenant, user, model string
		at, settled         time.Time
		ancestors           []string
	}{
		{"acme", "ana", "gpt-4o", midnight.Add(-time.Second), noon.Add(-time.Hour), nil}, // of yesterday
		{"acme", "ana", "gpt-4o", midnight, noon.Add(-time.Hour), nil},
		{"acme", "ana", "mini", midnight, noon.Add(-time.Hour), nil},
		{"acme", "bo", "gpt-4o", noon.Add(-time.Minute), noon.Add(-time.Second / 2), nil}, // to be replayed
		{"acme", "bo", "gpt-4o", noon, noon, nil},                                         // likewise
		{"sister", "ana", "gpt-4o", midnight, noon.Add(-time.Hour), []string{"holding"}},
		{"sister", "ana", "gpt-4o", midnight, noon.Add(-time.Hour), nil}, // before it had a parent
	} {
		ancestors := call.ancestors
		if ancestors == nil {
			ancestors = []string{}
		}
		exec(t, admin, admit, fmt.Sprint(i), call.tenant, call.user, call.model, call.at, call.settled, 10, 1<<i, ancestors, "Admitted")
	}
	limit := func(name string, per limiterv1.Scope, models ...string) limiterv1.MoneyLimit {
		return limiterv1.MoneyLimit{Name: name, Per: per, Period: period.Day, Selector: limiterv1.Selector{Models: models}}
	}
	document := limiterv1.Tenant{
		Level: limiterv1.Level{Tenant: "acme", TimeZone: "UTC", Money: []limiterv1.MoneyLimit{
			limit("all", limiterv1.PerTenant), limit("each", limiterv1.PerUser), limit("dear", limiterv1.PerTenant, "gpt-4o"), limit("teams", limiterv1.PerGroup), limit("keys", limiterv1.PerKey),
		}},
		Ancestors: []limiterv1.Level{{Tenant: "holding", TimeZone: "UTC", Money: []limiterv1.MoneyLimit{limit("top", limiterv1.PerTenant)}}},
	}
	document.Money[3].Groups = []string{"eu", "research"}
	exec(t, admin, `UPDATE ai_usage_logs SET groups = '{eu,other,research}' WHERE tenant_id = 'acme' AND call_id IN ('1', '2')`)
	exec(t, admin, `UPDATE ai_usage_logs SET credential = '' WHERE tenant_id = 'acme' AND call_id = '1'`)
	got, err := reader.Opening(t.Context(), document, noon,
		history.Tenant{Name: "acme", Ancestors: []string{"holding"}}, history.Tenant{Name: "sister", Ancestors: []string{"holding"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []replay.Opening{
		{Tenant: "acme", Limit: "all", Spent: 6}, {Tenant: "acme", Limit: "each", Owner: limiterv1.Owner{User: "ana"}, Spent: 6},
		{Tenant: "acme", Limit: "dear", Spent: 2},
		{Tenant: "acme", Limit: "teams", Owner: limiterv1.Owner{Group: "eu"}, Spent: 6}, {Tenant: "acme", Limit: "teams", Owner: limiterv1.Owner{Group: "research"}, Spent: 6},
		{Tenant: "acme", Limit: "keys", Owner: limiterv1.Owner{Key: "acme/key"}, Spent: 4},
		{Tenant: "holding", Limit: "top", Spent: 1 << 5},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("opening (-want +got):\n%s", diff)
	}
}

// TestSpentOf: of a user's calls, those that the limit selects.
func TestSpentOf(t *testing.T) {
	admin, reader := ledger(t, "bursar_reader")
	for i, user := range []string{"ana", "ana", "ana", "bo"} {
		exec(t, admin, admit, fmt.Sprint(i), "acme", user, "gpt-4o", noon, noon, 10, 1<<i, []string{}, "Admitted")
	}
	exec(t, admin, `UPDATE ai_usage_logs SET groups = '{eu,research}' WHERE call_id IN ('1', '3')`)
	exec(t, admin, `UPDATE ai_usage_logs SET labels = '{"team": "search"}' WHERE call_id = '2'`)
	for name, tc := range map[string]struct {
		selector limiterv1.Selector
		want     money.Nanos
	}{
		"all":          {limiterv1.Selector{}, 1<<0 + 1<<1 + 1<<2},
		"another tier": {limiterv1.Selector{Tiers: []string{"other"}}, 0},
		"a model":      {limiterv1.Selector{Models: []string{"gpt-4o"}}, 1<<0 + 1<<1 + 1<<2},
		"a group":      {limiterv1.Selector{Groups: []string{"eu"}}, 1 << 1},
		"a label":      {limiterv1.Selector{Labels: map[string]string{"team": "search"}}, 1 << 2},
		"both":         {limiterv1.Selector{Groups: []string{"eu"}, Labels: map[string]string{"team": "search"}}, 0},
	} {
		limit := history.Limit{
			MoneyLimit: limiterv1.MoneyLimit{Name: "each", Per: limiterv1.PerUser, Period: period.Day, Selector: tc.selector},
			Tenant:     "acme", Span: period.Containing(period.Day, time.UTC, noon),
		}
		got, err := reader.SpentOf(t.Context(), history.As{Tenant: "acme", User: "ana"}, limit, "ana")
		if err != nil || got != tc.want {
			t.Errorf("%s: spent %d, error %v, want %d", name, got, err, tc.want)
		}
	}
}

// TestStanding: the limits that were in force when a call came, and how they stood.
func TestStanding(t *testing.T) {
	admin, reader := ledger(t, "bursar_reader")
	exec(t, admin, "INSERT INTO tenants (tenant_id, namespace, budget, budget_uid, generation, time_zone) VALUES ('acme', 'acme', 'acme', 'u', 1, 'UTC')")
	const add = `INSERT INTO budget_limits (tenant_id, limit_name, per, period, time_zone, amount_nanos, budget_uid, generation, valid_from, valid_to, models, trip_nanos)
VALUES ('acme', $1, $2, 'Day', 'UTC', $3, 'u', $4, $5, $6, $7, $8)`
	exec(t, admin, add, "daily", "Tenant", 50, 1, midnight.AddDate(0, -1, 0), noon.Add(-time.Minute), []string{}, nil)
	exec(t, admin, add, "daily", "Tenant", 100, 2, noon.Add(-time.Minute), nil, []string{"gpt-4o"}, 90)
	exec(t, admin, add, "each", "User", 100, 1, midnight.AddDate(0, -1, 0), nil, []string{}, nil)
	exec(t, admin, add, "later", "Tenant", 100, 3, noon.Add(time.Second), nil, []string{}, nil)
	for i, call := range []struct {
		user, model string
		at, settled time.Time
	}{
		{"ana", "gpt-4o", midnight.Add(-time.Second), noon.Add(-time.Hour)}, // of yesterday
		{"ana", "gpt-4o", midnight, noon.Add(-time.Hour)},
		{"bo", "gpt-4o", midnight, noon.Add(-time.Hour)},
		{"ana", "mini", midnight, noon.Add(-time.Hour)},
		{"ana", "gpt-4o", noon.Add(-time.Second), noon.Add(time.Second)}, // open
		{"ana", "gpt-4o", noon, noon.Add(time.Second)},                   // this one
		{"ana", "gpt-4o", noon.Add(time.Second), noon.Add(time.Second)},  // later
	} {
		exec(t, admin, admit, fmt.Sprint(i), "acme", call.user, call.model, call.at, call.settled, 100<<i, 1<<i, []string{}, "Admitted")
	}

	call, err := reader.Find(t.Context(), "acme", "5")
	if err != nil || call.Admission == nil || call.Refusal != nil || call.Bound != 100<<5 || call.Admission.Cost != 1<<5 || call.Admission.Tokens != 7 {
		t.Fatalf("error %v, found %+v with admission %+v", err, call, call.Admission)
	}
	limits, err := reader.LimitsAt(t.Context(), "acme", call.At)
	if err != nil || len(limits) != 2 {
		t.Fatalf("error %v, limits %+v, want daily and each", err, limits)
	}
	exec(t, admin, "UPDATE ai_usage_logs SET groups = '{eu,research}' WHERE call_id IN ('1', '3', '4')")
	exec(t, admin, "UPDATE ai_usage_logs SET credential = 'acme/ci' WHERE call_id IN ('2', '3')")
	for i, want := range []struct {
		name        string
		owner       limiterv1.Owner
		amount      money.Nanos
		trips       bool
		spent, held money.Nanos
	}{
		{"daily", limiterv1.Owner{}, 100, true, 1<<1 + 1<<2, 100 << 4},
		{"each", limiterv1.Owner{User: "ana"}, 100, false, 1<<1 + 1<<3, 100 << 4},
		{"each", limiterv1.Owner{Group: "research"}, 100, false, 1<<1 + 1<<3, 100 << 4},
		{"each", limiterv1.Owner{Key: "acme/ci"}, 100, false, 1<<2 + 1<<3, 0},
	} {
		limit := limits[min(i, 1)]
		limit.Per = want.owner.Scope()
		spent, held, err := reader.Standing(t.Context(), limit, want.owner, call, history.Tenant{Name: "acme"})
		if err != nil || limit.Name != want.name || limit.Amount != want.amount || (limit.Trip != nil) != want.trips || spent != want.spent || held != want.held {
			t.Errorf("limit %+v: error %v, spent %d, held %d; want %+v", limit, err, spent, held, want)
		}
	}
}

// TestGrants: what was granted is in the limit while it was, and no longer than it stood.
func TestGrants(t *testing.T) {
	admin, reader := ledger(t, "bursar_reader")
	exec(t, admin, "INSERT INTO tenants (tenant_id, namespace, budget, budget_uid, generation, time_zone) VALUES ('acme', 'acme', 'acme', 'u', 1, 'UTC')")
	exec(t, admin, `INSERT INTO budget_limits (tenant_id, limit_name, per, period, time_zone, amount_nanos, budget_uid, generation, valid_from, trip_nanos)
VALUES ('acme', 'daily', 'Tenant', 'Day', 'UTC', 1000, 'u', 1, $1, 900)`, midnight)
	exec(t, admin, `INSERT INTO budget_grants (grant_uid, tenant_id, namespace, grant_name, limit_name, amount_nanos, reason, starts_at, expires_at, created_at, withdrawn_at)
VALUES ('1', 'acme', 'acme', 'first', 'daily', 500, 'why', NULL, $2, $1, NULL), ('2', 'acme', 'acme', 'taken-back', 'daily', 100, 'why', NULL, $2, $1, $3)`,
		noon, noon.Add(time.Hour), noon.Add(time.Minute))
	for at, want := range map[time.Time][2]money.Nanos{
		noon.Add(-time.Second): {1000, 900}, noon: {1600, 1440}, noon.Add(time.Minute): {1500, 1350}, noon.Add(time.Hour): {1000, 900},
	} {
		limits, err := reader.LimitsAt(t.Context(), "acme", at)
		if err != nil || len(limits) != 1 {
			t.Fatalf("error %v, limits %+v", err, limits)
		}
		if limit := limits[0].For(limiterv1.Owner{User: "ana"}, at); limit.Amount != want[0] || *limit.Trip != want[1] {
			t.Errorf("at %s: %d, trips at %d; want %d", at, limit.Amount, *limit.Trip, want)
		}
	}
	document := limiterv1.Tenant{Level: limiterv1.Level{Tenant: "acme", Money: []limiterv1.MoneyLimit{{Name: "daily"}, {Name: "other"}}}}
	granted, err := reader.Granted(t.Context(), document, noon.Add(2*time.Minute), noon.Add(time.Hour))
	want := []limiterv1.Grant{{Name: "first", Amount: 500, StartsAt: noon, ExpiresAt: noon.Add(time.Hour)}}
	if diff := cmp.Diff(want, granted.Money[0].Grants, sameMoment); err != nil || diff != "" || granted.Money[1].Grants != nil || document.Money[0].Grants != nil {
		t.Errorf("error %v, granted %+v to %+v (-want +got):\n%s", err, granted, document, diff)
	}
}

func TestFindRefused(t *testing.T) {
	admin, reader := ledger(t, "bursar_reader")
	exec(t, admin, refuse, "r", noon, "BudgetExhausted", "Message")
	call, err := reader.Find(t.Context(), "acme", "r")
	want := &history.LimitRefusal{
		Reason: "BudgetExhausted", Tenant: "acme", Limit: "daily", Per: limiterv1.PerTenant, Period: period.Day,
		Amount: 5000, Spent: 4000, Held: 500, ResetsAt: noon.Add(time.Hour), Tokens: 9, Fallback: "Message",
	}
	if diff := cmp.Diff(want, call.Refusal, sameMoment); err != nil || diff != "" || call.Admission != nil || call.Bound != 1000 {
		t.Errorf("error %v, found %+v; refusal (-want +got):\n%s", err, call, diff)
	}
	for _, tenant := range []string{"stranger", "acme' OR true --"} {
		if _, err := reader.Find(t.Context(), tenant, "r"); !errors.Is(err, history.ErrNoCall) {
			t.Errorf("tenant %s: got %v, want %v", tenant, err, history.ErrNoCall)
		}
	}
}

// TestFindCallWithAToken: of a call that was made with a token, it is found whose it was.
func TestFindCallWithAToken(t *testing.T) {
	admin, reader := ledger(t, "bursar_reader")
	exec(t, admin, admit, "a", "acme", "ana", "gpt-4o", noon, noon, 10, 5, []string{}, "Admitted")
	exec(t, admin, refuse, "r", noon, "BudgetExhausted", "")
	for id, table := range map[string]string{"a": "ai_usage_logs", "r": "ai_refusals"} {
		exec(t, admin, "UPDATE "+table+" SET credential = '', identity_provider = 'stack-auth', subject = 'f3f0', actor = 'server' WHERE call_id = $1", id)
		call, err := reader.Find(t.Context(), "acme", id)
		if err != nil || call.IdentityProvider != "stack-auth" || call.Subject != "f3f0" || call.Actor != "server" {
			t.Errorf("%s: error %v, found %+v", table, err, call)
		}
	}
}
