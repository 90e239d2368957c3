package history_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/history"
)

// used is a call, or a refused one, of which sums are made.
type used struct {
	id                               string
	tenant, user, tier, model, group string
	decision                         ledgerv1.Decision
	refused                          bool
	at                               time.Time
	tokens                           int64
	cost, saved                      money.Nanos
}

const insertUsed = `
INSERT INTO ai_usage_logs (call_id, tenant_id, ancestors, user_id, tier, credential, provider, model_asked, model, model_used,
  endpoint, streamed, admitted_at, outcome, decision, input_tokens, output_tokens, held_nanos, cost_nanos, saved_nanos, session, groups, labels)
VALUES ($1, $2, '{holding}', $3, $4, 'key-of-' || $3, 'openai', $5, $5, $5, '/', false, $6, 'Settled', $7, $8::bigint, $8::bigint * 2, $9, $9, $10, 's',
  string_to_array($11, ','), jsonb_build_object('centre', $5::text))
ON CONFLICT DO NOTHING`

const insertRefused = `
INSERT INTO ai_refusals (call_id, tenant_id, ancestors, user_id, tier, credential, model_asked, model, endpoint, refused_at, reason,
  limit_tenant, limit_name, per, period, unit, bound_nanos, tokens, fallback, session, groups, labels)
VALUES ($1, $2, '{holding}', $3, $4, 'key-of-' || $3, $5, $5, '/', $6, 'BudgetExhausted', $2, 'daily', 'Tenant', 'Day', '', $7, 1, 'Cache', 's',
  string_to_array($8, ','), jsonb_build_object('centre', $5::text))
ON CONFLICT DO NOTHING`

func use(t tester, admin *pgxpool.Pool, u used) {
	t.Helper()
	var err error
	if u.refused {
		_, err = admin.Exec(t.Context(), insertRefused, u.id, u.tenant, u.user, u.tier, u.model, u.at, u.saved, u.group)
	} else {
		_, err = admin.Exec(t.Context(), insertUsed, u.id, u.tenant, u.user, u.tier, u.model, u.at, u.decision, u.tokens, u.cost, u.saved, u.group)
	}
	testkit.Must(t, err)
}

// sums are what the call adds.
func (u used) sums() (s history.Sums) {
	if u.refused {
		return history.Sums{Refused: 1, SavedByCache: u.saved}
	}
	s = history.Sums{Calls: 1, Tokens: history.Tokens{Input: u.tokens, Output: 2 * u.tokens}, Cost: u.cost, Held: u.cost}
	switch u.decision {
	case ledgerv1.Replaced:
		s.SavedByDowngrade = u.saved
	case ledgerv1.Fallback:
		s.SavedByFallback = u.saved
	}
	return s
}

// value is that of a dimension. Those of time are told by the calendar of Go.
func (u used) value(d history.Dimension, zone *time.Location) string {
	local := u.at.In(zone)
	switch d {
	case history.ByHour:
		for local.Minute() != 0 {
			local = local.Truncate(time.Minute).Add(-time.Minute)
		}
		return local.Truncate(time.Minute).Format(time.RFC3339)
	case history.ByDay:
		return local.Format(time.DateOnly)
	case history.ByWeek:
		for local.Weekday() != time.Monday {
			local = local.AddDate(0, 0, -1)
		}
		return local.Format(time.DateOnly)
	case history.ByMonth:
		return local.Format("2006-01")
	case history.ByTenant:
		return u.tenant
	case history.ByUser:
		return u.user
	case history.ByTier:
		return u.tier
	case history.ByModel, history.ByLabel:
		return u.model
	case history.ByGroup:
		return u.group
	case history.ByCredential:
		return "key-of-" + u.user
	case history.ByEndpoint:
		return "/"
	}
	of := map[history.Dimension][2]string{
		history.ByProvider: {"openai", ""}, history.ByOutcome: {"Settled", "BudgetExhausted"},
		history.ByDecision: {string(u.decision), string(history.Refused)},
	}[d]
	if u.refused {
		return of[1]
	}
	return of[0]
}

// expected are the rows that a query must find among calls.
func expected(calls []used, as history.As, query history.UsageQuery) map[string]history.Sums {
	rows := map[string]history.Sums{}
	tenants := query.Tenants
	if len(tenants) == 0 {
		tenants = []string{as.Tenant}
	}
	for _, u := range calls {
		if !slices.Contains(tenants, u.tenant) || !as.Admin && u.user != as.User || u.at.Before(query.From) || !u.at.Before(query.To) ||
			len(query.Where.Models) > 0 && !slices.Contains(query.Where.Models, u.model) ||
			len(query.Where.Users) > 0 && !slices.Contains(query.Where.Users, u.user) ||
			len(query.Where.Groups) > 0 && !slices.ContainsFunc(strings.Split(u.group, ","), func(g string) bool { return slices.Contains(query.Where.Groups, g) }) {
			continue
		}
		var values []string
		for _, d := range query.By {
			values = append(values, u.value(d, query.Zone))
		}
		sums := rows[strings.Join(values, "|")]
		sums.Add(u.sums())
		rows[strings.Join(values, "|")] = sums
	}
	return rows
}

var zones = []string{
	"UTC", "America/Argentina/Buenos_Aires", "Europe/Madrid", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham",
}

func zoneOf(t testkit.T, name string) *time.Location {
	zone, err := time.LoadLocation(name)
	testkit.Must(t, err)
	return zone
}

// progress has sums of each user made of calls before a moment. REQUIRES: the ledger is empty.
func progress(t *testing.T, admin *pgxpool.Pool, until time.Time) {
	t.Helper()
	exec(t, admin, "UPDATE usage_progress SET users_until = $1", until)
}

func checkUsage(t testkit.T, reader *history.Reader, ctx tester, calls []used, as history.As, query history.UsageQuery) {
	usage, err := reader.Usage(ctx.Context(), as, query)
	testkit.Must(t, err)
	got, total := map[string]history.Sums{}, usage.Others
	for _, row := range usage.Rows {
		got[strings.Join(row.Values, "|")] = row.Sums
		total.Add(row.Sums)
	}
	if len(got) != len(usage.Rows) {
		t.Fatalf("as %+v, %+v: %d rows have %d different values", as, query, len(usage.Rows), len(got))
	}
	if diff := gocmp.Diff(expected(calls, as, query), got); diff != "" {
		t.Fatalf("as %+v, %+v (-want +got):\n%s", as, query, diff)
	}
	if total != usage.Total {
		t.Fatalf("as %+v, %+v: the rows are %+v together, but the total is %+v", as, query, total, usage.Total)
	}
}

// TestUsageIsTheLedger: however sums were rolled up, repeated, corrected and taken back, and made anew for
// other time zones, what is read by any dimensions, in any zone, is the sum of the calls of the ledger.
func TestUsageIsTheLedger(t *testing.T) {
	admin, reader := ledger(t, "bursar_reader")
	for _, tenant := range []string{"acme", "emea"} {
		moveTo(t, admin, tenant, home)
	}
	begin := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -daysOfCalls)
	progress(t, admin, begin.Add(30*time.Hour+45*time.Minute))
	calls := map[string]used{}
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		for range rapid.IntRange(1, 5).Draw(t, "steps") {
			step(t, admin, begin, calls, &n)
		}
		all := slices.SortedFunc(maps.Values(calls), func(a, b used) int { return cmp.Compare(a.id, b.id) })
		as := rapid.SampledFrom([]history.As{
			{Tenant: "acme", Admin: true}, {Tenant: "acme", User: "ana"}, {Tenant: "emea", User: "bo"}, {Tenant: "holding", Admin: true},
		}).Draw(t, "as")
		query := history.UsageQuery{Zone: zoneOf(t, rapid.SampledFrom(append(zones, home, home, home, home, home)).Draw(t, "zone"))}
		query.From = begin.Add(time.Duration(rapid.IntRange(-8, daysOfCalls*96).Draw(t, "from")) * history.Grain)
		query.To = query.From.Add(time.Duration(rapid.IntRange(1, daysOfCalls*96).Draw(t, "to")) * history.Grain)
		dimensions := history.UsageDimensions()
		if as.Tenant == "holding" {
			query.Tenants = []string{"holding", "acme", "emea", "acme"}
			dimensions = []history.Dimension{history.ByHour, history.ByDay, history.ByTenant, history.ByModel, history.ByDecision}
		}
		query.By = rapid.SliceOfNDistinct(rapid.SampledFrom(dimensions), 0, 2, rapid.ID).
			Filter(func(by []history.Dimension) bool { return len(by) < 2 || !isTime(by[0]) || !isTime(by[1]) }).Draw(t, "by")
		if slices.Contains(query.By, history.ByLabel) {
			query.Label = "centre"
		}
		query.Where.Models = rapid.SampledFrom([][]string{nil, {"gpt"}, {"gpt", "none"}}).Draw(t, "models")
		if as.Tenant != "holding" {
			query.Where.Users = rapid.SampledFrom([][]string{nil, nil, {"ana"}}).Draw(t, "users")
			query.Where.Groups = rapid.SampledFrom([][]string{nil, nil, {"x"}, {"y", "none"}}).Draw(t, "groups")
		}
		complete(t, admin, reader, t, as, query)
		checkUsage(t, reader, t, all, as, query)
		if len(query.By) == 2 && slices.ContainsFunc(query.By, isTime) {
			query.Top = rapid.IntRange(1, 2).Draw(t, "top")
			checkTop(t, reader, t, all, as, query)
		}
	})
}

// checkTop holds the values of the greatest cost, and what all others come to, against the calls.
func checkTop(t testkit.T, reader *history.Reader, ctx tester, calls []used, as history.As, query history.UsageQuery) {
	usage, err := reader.Usage(ctx.Context(), as, query)
	testkit.Must(t, err)
	at := slices.IndexFunc(query.By, func(d history.Dimension) bool { return !isTime(d) })
	ofValue := query
	ofValue.By = query.By[at : at+1]
	values := expected(calls, as, ofValue)
	ranked := slices.SortedFunc(maps.Keys(values), func(a, b string) int {
		x, y := values[a], values[b]
		return cmp.Or(cmp.Compare(y.Cost, x.Cost), cmp.Compare(y.Calls, x.Calls), cmp.Compare(y.Refused, x.Refused), cmp.Compare(a, b))
	})
	top := ranked
	if len(ranked) > query.Top+1 {
		top = ranked[:query.Top]
	}
	want, wantRest := map[string]history.Sums{}, map[string]history.Sums{}
	for key, sums := range expected(calls, as, query) {
		parts := strings.Split(key, "|")
		if slices.Contains(top, parts[at]) {
			want[key] = sums
			continue
		}
		rest := wantRest[parts[1-at]]
		rest.Add(sums)
		wantRest[parts[1-at]] = rest
	}
	got, gotRest, total := map[string]history.Sums{}, map[string]history.Sums{}, history.Sums{}
	for _, row := range usage.Rows {
		got[strings.Join(row.Values, "|")] = row.Sums
		total.Add(row.Sums)
	}
	for _, row := range usage.Rest {
		gotRest[row.Values[1-at]] = row.Sums
		total.Add(row.Sums)
	}
	if diff := gocmp.Diff([]map[string]history.Sums{want, wantRest}, []map[string]history.Sums{got, gotRest}); diff != "" {
		t.Fatalf("as %+v, %+v (-want +got):\n%s", as, query, diff)
	}
	if usage.Total != total || usage.RestValues != int64(len(ranked)-len(top)) || usage.OtherRows != 0 {
		t.Fatalf("as %+v, %+v: %d others, %d values in the rest of %d; the rows are %+v together, but the total is %+v",
			as, query, usage.OtherRows, usage.RestValues, len(ranked)-len(top), total, usage.Total)
	}
}

func isTime(d history.Dimension) bool {
	return slices.Contains([]history.Dimension{history.ByHour, history.ByDay, history.ByWeek, history.ByMonth}, d)
}

// What TestUsageIsTheLedger is about: daysOfCalls is over how many days there are calls, so that thirds of
// months are among them, and home the time zone in which tenants are for the most part.
const (
	daysOfCalls = 26
	home        = "Asia/Kolkata"
)

// moveTo has the TenantBudget of a tenant say that it is in a time zone.
func moveTo(t tester, admin *pgxpool.Pool, tenant, zone string) {
	t.Helper()
	_, err := admin.Exec(t.Context(), `
INSERT INTO tenants (tenant_id, namespace, budget, budget_uid, generation, time_zone) VALUES ($1, 'ns', 'budget', 'uid', 1, $2)
ON CONFLICT (tenant_id) DO UPDATE SET time_zone = excluded.time_zone`, tenant, zone)
	testkit.Must(t, err)
}

// complete has the sums made that a reader says are missing.
func complete(t testkit.T, admin *pgxpool.Pool, reader *history.Reader, ctx tester, as history.As, query history.UsageQuery) {
	_, err := reader.Usage(ctx.Context(), as, query)
	var incomplete *history.IncompleteError
	if !errors.As(err, &incomplete) {
		testkit.Must(t, err)
		return
	}
	for day := new(time.Time); day != nil; {
		testkit.Must(t, admin.QueryRow(ctx.Context(), "SELECT roll_up_past()").Scan(&day))
	}
}

// step changes the ledger, or how far its sums are rolled up.
func step(t *rapid.T, admin *pgxpool.Pool, begin time.Time, calls map[string]used, n *int) {
	pick := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }
	do := func(statement string, args ...any) {
		_, err := admin.Exec(t.Context(), statement, args...)
		testkit.Must(t, err)
	}
	ids := slices.Sorted(maps.Keys(calls))
	switch what := pick("step", "call", "call", "call", "refusal", "repeat", "amend", "forget", "roll up", "roll up", "sum users", "rebuild", "rebuild", "move", "roll up the past"); what {
	case "call", "refusal":
		*n++
		u := used{
			id: fmt.Sprint(what, *n), tenant: pick("tenant", "acme", "emea"), user: pick("user", "ana", "bo"), tier: pick("tier", "a", "b"),
			model: pick("model", "gpt", "claude"), group: pick("group", "", "x", "x,y"), refused: what == "refusal",
			decision: rapid.SampledFrom(ledgerv1.Decisions()).Draw(t, "decision"),
			at:       begin.Add(time.Duration(rapid.IntRange(0, daysOfCalls*24*60).Draw(t, "minute")) * time.Minute),
			tokens:   rapid.Int64Range(0, 1e9).Draw(t, "tokens"), cost: money.Nanos(rapid.Int64Range(0, 1e12).Draw(t, "cost")), saved: 7,
		}
		use(t, admin, u)
		calls[u.id] = u
	case "repeat":
		if len(ids) > 0 {
			use(t, admin, calls[rapid.SampledFrom(ids).Draw(t, "id")])
		}
	case "amend":
		if len(ids) > 0 {
			u := calls[rapid.SampledFrom(ids).Draw(t, "id")]
			if !u.refused {
				u.cost, u.model = u.cost/2, "amended"
				do("UPDATE ai_usage_logs SET cost_nanos = $2, held_nanos = $2, model = $3, labels = jsonb_build_object('centre', $3::text) WHERE call_id = $1", u.id, u.cost, u.model)
				calls[u.id] = u
			}
		}
	case "forget":
		if len(ids) > 0 {
			u := calls[rapid.SampledFrom(ids).Draw(t, "id")]
			do("DELETE FROM ai_usage_logs WHERE call_id = $1", u.id)
			do("DELETE FROM ai_refusals WHERE call_id = $1", u.id)
			delete(calls, u.id)
		}
	case "roll up":
		do("SELECT roll_up_usage($1)", rapid.SampledFrom([]int{1, 20, 10_000}).Draw(t, "rows"))
	case "sum users":
		for range rapid.IntRange(1, 200).Draw(t, "quarters") {
			do("SELECT sum_users()")
		}
	case "rebuild":
		do("SELECT rebuild_usage($1, $2)", pick("tenant", "acme", "emea"), begin.AddDate(0, 0, rapid.IntRange(-1, daysOfCalls).Draw(t, "day")))
	case "move":
		moveTo(t, admin, pick("tenant", "acme", "emea"), pick("zone", append(zones, home, home, home, home, home)...))
		do("SELECT roll_up_past()")
	case "roll up the past":
		moveTo(t, admin, pick("tenant", "acme", "emea"), pick("zone", append(zones, home, home, home, home, home)...))
		do("UPDATE usage_calendars AS c SET zone = usage_zone(time_zone), complete_from = 'infinity' FROM tenants AS t WHERE t.tenant_id = c.tenant_id AND zone <> time_zone")
		for range rapid.IntRange(1, 5).Draw(t, "days") {
			do("SELECT roll_up_past_of(c, 2) FROM usage_calendars AS c WHERE complete_from > '-infinity'")
		}
	}
}

// TestUsageOfDays: days, weeks and hours are those of the zone, on days on which its clocks change, too.
func TestUsageOfDays(t *testing.T) {
	admin, reader := ledger(t, "bursar_reader")
	first := time.Date(2026, 10, 19, 0, 0, 0, 0, time.UTC)
	progress(t, admin, first.AddDate(0, 0, 10))
	var calls []used
	for i := range 9 * 24 * 4 {
		u := used{id: fmt.Sprint(i), tenant: "acme", user: "ana", tier: "t", model: "m", decision: ledgerv1.Admitted, cost: money.Nanos(i), at: first.Add(time.Duration(i) * history.Grain)}
		use(t, admin, u)
		calls = append(calls, u)
	}
	exec(t, admin, "SELECT roll_up_usage(700)")
	madrid := zoneOf(t, "Europe/Madrid")
	day := func(d int) time.Time { return time.Date(2026, 10, d, 0, 0, 0, 0, madrid) }
	asAdmin := history.As{Tenant: "acme", Admin: true}
	for _, as := range []history.As{asAdmin, {Tenant: "acme", User: "ana"}} {
		for _, name := range zones {
			for _, by := range []history.Dimension{history.ByHour, history.ByDay, history.ByWeek, history.ByMonth} {
				checkUsage(t, reader, t, calls, as, history.UsageQuery{From: day(20), To: day(27), Zone: zoneOf(t, name), By: []history.Dimension{by}})
			}
		}
	}
	usage, err := reader.Usage(t.Context(), asAdmin, history.UsageQuery{From: day(25), To: day(26), Zone: madrid, By: []history.Dimension{history.ByHour}})
	testkit.Must(t, err)
	if len(usage.Rows) != 25 || usage.Rows[2].Values[0] != "2026-10-25T02:00:00+02:00" || usage.Rows[3].Values[0] != "2026-10-25T02:00:00+01:00" || usage.Total.Calls != 100 {
		t.Errorf("the day on which clocks are set back: %d hours, %v; %d calls", len(usage.Rows), usage.Rows[2:4], usage.Total.Calls)
	}
	usage, err = reader.Usage(t.Context(), asAdmin, history.UsageQuery{From: day(25), To: day(27), Zone: madrid, By: []history.Dimension{history.ByWeek}})
	testkit.Must(t, err)
	if len(usage.Rows) != 2 || usage.Rows[0].Values[0] != "2026-10-19" || usage.Rows[1].Values[0] != "2026-10-26" || usage.Rows[1].Sums.Calls != 96 {
		t.Errorf("a Sunday and a Monday by week: %+v", usage.Rows)
	}
}

// TestUsageOfMonths: whole months are read from thirds of them, also when one of their days was made anew,
// and when the tenant has moved to another time zone.
func TestUsageOfMonths(t *testing.T) {
	admin, reader := ledger(t, "bursar_reader")
	moveTo(t, admin, "acme", home)
	zone := zoneOf(t, home)
	day := func(d int) time.Time { return time.Date(2026, 9, d, 0, 0, 0, 0, zone) }
	progress(t, admin, day(40))
	var calls []used
	for i := range 35 {
		u := used{id: fmt.Sprint(i), tenant: "acme", user: "ana", tier: "t", model: "m", decision: ledgerv1.Admitted, cost: money.Nanos(1) << i, at: day(i).Add(20 * time.Hour)}
		use(t, admin, u)
		calls = append(calls, u)
	}
	rollUp := func() { exec(t, admin, "SELECT roll_up_usage(100000)") }
	check := func(zone *time.Location) {
		t.Helper()
		for _, as := range []history.As{{Tenant: "acme", Admin: true}, {Tenant: "acme", User: "ana"}} {
			for _, by := range [][]history.Dimension{{history.ByUser}, {history.ByMonth, history.ByUser}, {history.ByGroup, history.ByModel}, {history.ByUser, history.ByModel}} {
				checkUsage(t, reader, t, calls, as, history.UsageQuery{From: day(0), To: day(32), Zone: zone, By: by})
			}
		}
	}
	rollUp()
	check(zone)
	for _, d := range []string{"2026-09-01", "2026-09-12", "2026-09-20", "2026-09-30"} {
		exec(t, admin, "SELECT rebuild_usage('acme', $1::date)", d)
		check(zone)
		rollUp()
		check(zone)
	}
	moveTo(t, admin, "acme", "America/Lima")
	exec(t, admin, "UPDATE usage_calendars SET zone = 'America/Lima', complete_from = 'infinity'")
	for range 20 { // two or three days at a time
		exec(t, admin, "SELECT roll_up_past_of(c, 3) FROM usage_calendars AS c WHERE complete_from > '-infinity'")
		rollUp()
	}
	check(zone)
	check(zoneOf(t, "America/Lima"))
}

// TestUsageIsBounded: what is beyond the limit is in one sum, so that all together is the total.
func TestUsageIsBounded(t *testing.T) {
	admin, reader := ledger(t, "bursar_reader")
	noon := time.Now().UTC().Truncate(24 * time.Hour).Add(-12 * time.Hour)
	for i := range 9 {
		use(t, admin, used{id: fmt.Sprint(i), tenant: "acme", user: fmt.Sprint("u", i), tier: "t", model: "m", decision: ledgerv1.Admitted, cost: money.Nanos(1) << i, at: noon})
	}
	query := history.UsageQuery{From: noon, To: noon.Add(time.Hour), By: []history.Dimension{history.ByUser}, Limit: 2}
	usage, err := reader.Usage(t.Context(), history.As{Tenant: "acme", Admin: true}, query)
	testkit.Must(t, err)
	if len(usage.Rows) != 2 || usage.Rows[0].Values[0] != "u7" || usage.Rows[1].Values[0] != "u8" || usage.OtherRows != 7 || usage.Others.Cost != 127 || usage.Total.Cost != 511 {
		t.Errorf("got %+v", usage)
	}
}

func TestUsageQueries(t *testing.T) {
	admin, reader := ledger(t, "bursar_reader")
	noon := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	asAdmin := history.As{Tenant: "acme", Admin: true}
	for name, tc := range map[string]struct {
		as     history.As
		change func(*history.UsageQuery)
	}{
		"nobody":               {history.As{Tenant: "acme"}, nil},
		"no tenant":            {history.As{Admin: true}, nil},
		"backwards":            {asAdmin, func(q *history.UsageQuery) { q.To = q.From }},
		"within a quarter":     {asAdmin, func(q *history.UsageQuery) { q.From = q.From.Add(time.Second) }},
		"three dimensions":     {asAdmin, func(q *history.UsageQuery) { q.By = []history.Dimension{"user", "model", "day"} }},
		"one twice":            {asAdmin, func(q *history.UsageQuery) { q.By = []history.Dimension{"user", "user"} }},
		"two times":            {asAdmin, func(q *history.UsageQuery) { q.By = []history.Dimension{"hour", "day"} }},
		"unknown":              {asAdmin, func(q *history.UsageQuery) { q.By = []history.Dimension{"user_id); DROP TABLE"} }},
		"no label's name":      {asAdmin, func(q *history.UsageQuery) { q.By = []history.Dimension{"label"} }},
		"too many hours":       {asAdmin, func(q *history.UsageQuery) { q.By, q.To = []history.Dimension{"hour"}, q.From.AddDate(1, 0, 0) }},
		"too many rows":        {asAdmin, func(q *history.UsageQuery) { q.Limit = history.MostRows + 1 }},
		"too many of the top":  {asAdmin, func(q *history.UsageQuery) { q.By, q.Top = []history.Dimension{"day", "user"}, history.MostTop+1 }},
		"the top of all times": {asAdmin, func(q *history.UsageQuery) { q.By, q.Top = []history.Dimension{"user"}, 3 }},
		"the top of a pair":    {asAdmin, func(q *history.UsageQuery) { q.By, q.Top = []history.Dimension{"user", "model"}, 3 }},
		"others' users":        {asAdmin, func(q *history.UsageQuery) { q.By, q.Tenants = []history.Dimension{"user"}, []string{"emea"} }},
		"a user of others":     {history.As{Tenant: "acme", User: "ana"}, func(q *history.UsageQuery) { q.Tenants = []string{"emea"} }},
		"others' one user":     {asAdmin, func(q *history.UsageQuery) { q.Where.Users, q.Tenants = []string{"ana"}, []string{"emea"} }},
		"others' labels alone": {asAdmin, func(q *history.UsageQuery) { q.Where.Labels, q.Tenants = map[string]string{"a": "b"}, []string{"emea"} }},
	} {
		t.Run(name, func(t *testing.T) {
			query := history.UsageQuery{From: noon, To: noon.Add(time.Hour)}
			if tc.change != nil {
				tc.change(&query)
			}
			if usage, err := reader.Usage(t.Context(), tc.as, query); !errors.Is(err, history.ErrQuery) {
				t.Errorf("got %+v, %v, want ErrQuery", usage, err)
			}
		})
	}
	exec(t, admin, "INSERT INTO usage_calendars VALUES ('acme', 'UTC', $1, '{}')", noon.Add(time.Hour))
	_, err := reader.Usage(t.Context(), asAdmin, history.UsageQuery{From: noon, To: noon.Add(time.Hour)})
	var incomplete *history.IncompleteError
	if !errors.As(err, &incomplete) || !incomplete.Since.Equal(noon.Add(time.Hour)) {
		t.Errorf("before there are sums: %v", err)
	}
}
