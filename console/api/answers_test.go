package api_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestCSVHasTheSameRows: a table is the same in JSON and in CSV, and its sums are the total.
func TestCSVHasTheSameRows(t *testing.T) {
	for _, query := range []string{"by=day,user", "by=user&limit=1", "by=day,user&top=1", "by=user,week&top=1", "by=month,user&top=50", "by=model", "by=hour", ""} {
		var usage api.Usage
		do(t, http.MethodGet, "/api/ai/usage?"+query, token("adam.acme"), nil).read(t, &usage)
		got := do(t, http.MethodGet, "/api/ai/usage?format=csv&"+query, token("adam.acme"), nil)
		if kind := got.header.Get("Content-Type"); kind != "text/csv" {
			t.Errorf("%s: %s", query, kind)
		}
		rows, err := csv.NewReader(strings.NewReader(got.body)).ReadAll()
		testkit.Must(t, err)
		want := len(usage.Rows) + len(usage.Rest)
		if strings.HasSuffix(query, "top=1") != (usage.RestValues > 1 && len(usage.Rest) > 0) {
			t.Errorf("%s: %d values in the rest, of %d rows", query, usage.RestValues, len(usage.Rest))
		}
		if usage.Others != nil {
			want++
		}
		if len(rows)-1 != want || want == 0 {
			t.Errorf("%s: %d rows, want %d", query, len(rows)-1, want)
		}
		at := indexOf(rows[0], "cost_usd")
		var sum money.Nanos
		for i, row := range rows[1:] {
			cost, err := money.Parse(row[at])
			testkit.Must(t, err)
			sum += cost
			if i < len(usage.Rows) && row[at] != usage.Rows[i].Cost.USD {
				t.Errorf("%s: row %d costs %s in CSV, %s in JSON", query, i, row[at], usage.Rows[i].Cost.USD)
			}
		}
		if sum.String() != usage.Total.Cost.USD {
			t.Errorf("%s: rows add up to %s, total %s", query, sum, usage.Total.Cost.USD)
		}
	}
}

func indexOf(all []string, one string) int {
	for i, text := range all {
		if text == one {
			return i
		}
	}
	return -1
}

// TestFormulas: what a spreadsheet would take for a formula is quoted, and numbers are not.
func TestFormulas(t *testing.T) {
	_, err := shared.ledger.Exec(t.Context(), `
INSERT INTO ai_usage_logs (call_id, tenant_id, user_id, tier, credential, provider, model_asked, model_used, model, endpoint, streamed, admitted_at, settled_at,
  outcome, held_nanos, cost_nanos, session, decision)
VALUES ('formula', 'globex', 'gus.globex', 'empleado', '', 'openai', '=HYPERLINK("http://evil")', 'gpt', '＠SUM(1)', 'chat', false, $1, $1, 'Settled', 1, 1, 's', 'Admitted')`, now)
	testkit.Must(t, err)
	got := do(t, http.MethodGet, "/api/ai/usage/calls?format=csv", token("gus.globex"), nil)
	for _, want := range []string{`"'=HYPERLINK(""http://evil"")"`, ",'＠SUM(1),", ",0.000000001,"} {
		if !strings.Contains(got.body, want) {
			t.Errorf("%q is not in %s", want, got.body)
		}
	}
}

// TestSumsThatAreStillMade: callers who ask for what is not added up yet are told so, rather than that nothing
// can be read.
func TestSumsThatAreStillMade(t *testing.T) {
	testkit.Must(t, makeTenant(t.Context(), "slow", "", []v1alpha1.Member{member("sue.slow", true)}))
	_, err := shared.ledger.Exec(t.Context(), `
INSERT INTO usage_calendars (tenant_id, zone, complete_from, ancestors) VALUES ('slow', 'UTC', $1, '{}')
ON CONFLICT (tenant_id) DO UPDATE SET complete_from = excluded.complete_from`, now.Add(-time.Hour))
	testkit.Must(t, err)
	got := do(t, http.MethodGet, "/api/ai/usage", token("sue.slow"), nil)
	if code, _ := got.problem(t); got.status != http.StatusServiceUnavailable || code != "incomplete" || got.header.Get("Retry-After") == "" {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

// TestWhoActed: a call says by whom it was made for its user, and a refusal of which group the
// limit was.
func TestWhoActed(t *testing.T) {
	_, err := shared.ledger.Exec(t.Context(), `
INSERT INTO ai_usage_logs (call_id, tenant_id, user_id, actor, tier, credential, provider, model_asked, model_used, model, endpoint, streamed, admitted_at, settled_at,
  outcome, held_nanos, cost_nanos, session, decision)
VALUES ('acted', 'globex', 'gus.globex', 'shop', 'empleado', 'globex/shop', 'openai', 'gpt', 'gpt', 'gpt', 'chat', false, $1, $1, 'Settled', 1, 1, 's', 'Admitted')`, now)
	testkit.Must(t, err)
	_, err = shared.ledger.Exec(t.Context(), `UPDATE ai_refusals SET per = 'Group', limit_group = 'research' WHERE call_id = 'refused-of-gus.globex'`)
	testkit.Must(t, err)
	for path, want := range map[string]string{
		"/api/ai/usage/calls/acted":                 `"actor":"shop"`,
		"/api/ai/usage/calls?format=csv":            ",shop,gpt,",
		"/api/ai/usage/calls/refused-of-gus.globex": `"per":"Group","group":"research"`,
		"/api/ai/refusals?format=csv":               ",each-user,research,",
	} {
		if got := do(t, http.MethodGet, path, token("gus.globex"), nil); !strings.Contains(got.body, want) {
			t.Errorf("%s: %d, %q is not in it: %s", path, got.status, want, got.body)
		}
	}
}

// TestTags: a client that has an answer already is told so, and private answers are not kept in shared caches.
func TestTags(t *testing.T) {
	first := do(t, http.MethodGet, "/api/ai/grants", token("ana.acme"), nil)
	tag := first.header.Get("ETag")
	if first.status != 200 || tag == "" || first.header.Get("Cache-Control") != "private, no-cache" {
		t.Fatalf("%d %v", first.status, first.header)
	}
	for match, want := range map[string]int{tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200} {
		got := do(t, http.MethodGet, "/api/ai/grants", token("ana.acme"), http.Header{"If-None-Match": {match}})
		if got.status != want || want == 304 && got.body != "" {
			t.Errorf("If-None-Match: %s: %d %s, want %d", match, got.status, got.body, want)
		}
	}
	if got := do(t, http.MethodGet, "/api/ai/grants", token("gus.globex"), http.Header{"If-None-Match": {tag}}); got.status != 200 {
		t.Errorf("another's tag: %d", got.status)
	}
}

// TestPages: pages have every call once, newest first.
func TestPages(t *testing.T) {
	var ids []string
	after := ""
	for range 20 {
		var page api.Calls
		do(t, http.MethodGet, "/api/ai/usage/calls?limit=2&after="+after, token("adam.acme"), nil).read(t, &page)
		for _, call := range page.Calls {
			ids = append(ids, call.ID)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if seen[id] {
			t.Errorf("%s is on two pages", id)
		}
		seen[id] = true
	}
	if len(ids) != 6 || !strings.HasPrefix(ids[0], "call-0") || !strings.HasPrefix(ids[5], "call-1") {
		t.Errorf("%v", ids)
	}
}

// TestZones: dates are those of the tenant's zone, which is three hours behind UTC.
func TestZones(t *testing.T) {
	var usage api.Usage
	do(t, http.MethodGet, "/api/ai/usage?by=day&from=2026-11-15&to=2026-11-19", token("adam.acme"), nil).read(t, &usage)
	if got := usage.From.UTC().Format(time.RFC3339); got != "2026-11-15T03:00:00Z" || usage.TimeZone != "America/Argentina/Buenos_Aires" {
		t.Errorf("from %s in %s", got, usage.TimeZone)
	}
	var days []string
	for _, row := range usage.Rows {
		days = append(days, fmt.Sprintf("%s %s", row.Values["day"], row.Start.UTC().Format(time.RFC3339)))
	}
	if got := strings.Join(days, ", "); got != "2026-11-15 2026-11-15T03:00:00Z, 2026-11-18 2026-11-18T03:00:00Z" {
		t.Error(got)
	}
	do(t, http.MethodGet, "/api/ai/usage", token("adam.acme"), nil).read(t, &usage)
	if got := usage.From.Format(time.RFC3339) + " " + usage.To.UTC().Format(time.RFC3339); got != "2026-11-01T00:00:00-03:00 2026-11-18T15:15:00Z" {
		t.Errorf("by default: %s", got)
	}
}

// TestDaysWithoutMidnight: a date begins when the clocks of its zone first show it.
func TestDaysWithoutMidnight(t *testing.T) {
	const tenant = "austral"
	testkit.Must(t, makeTenant(t.Context(), tenant, "", []v1alpha1.Member{member("ali.austral", true)}))
	var budget v1alpha1.TenantBudget
	testkit.Must(t, shared.admin.Get(t.Context(), client.ObjectKey{Namespace: tenant, Name: tenant}, &budget))
	budget.Spec.TimeZone = "America/Santiago"
	testkit.Must(t, shared.admin.Update(t.Context(), &budget))
	testkit.Eventually(t, "the zone is known", func() bool {
		var usage api.Usage
		do(t, http.MethodGet, "/api/ai/usage?from=2026-09-06&to=2026-09-07", token("ali.austral"), nil).read(t, &usage)
		got := usage.From.Format(time.RFC3339) + " " + usage.To.Format(time.RFC3339)
		if usage.TimeZone == "America/Santiago" && got != "2026-09-06T01:00:00-03:00 2026-09-07T00:00:00-03:00" {
			t.Fatalf("the day is %s", got)
		}
		return usage.TimeZone == "America/Santiago"
	})
}

// TestProblems: errors say which parameter is wrong, in the form of RFC 9457.
func TestProblems(t *testing.T) {
	for query, want := range map[string]string{
		"/usage?from=yesterday":                        "query.from",
		"/usage?from=2026-11-01T00:00:01Z":             "query.from",
		"/usage?from=2026-11-19&to=2026-11-18":         "query.from",
		"/usage?to=x":                                  "query.to",
		"/usage?by=colour":                             "query.by[0]",
		"/usage?by=day,hour":                           "query.by",
		"/usage?by=label":                              "query.label",
		"/usage?limit=0":                               "query.limit",
		"/usage?by=user&top=1":                         "query.top",
		"/usage?by=user,model&top=1":                   "query.top",
		"/usage?top=1":                                 "query.top",
		"/usage?by=day,user&top=51":                    "query.top",
		"/usage?tenant=ACME":                           "query.tenant",
		"/usage?labels=x":                              "query.labels",
		"/usage?format=xml":                            "query.format",
		"/usage?colour=red":                            "query.colour",
		"/usage/calls?after=x":                         "query.after",
		"/alerts?after=x":                              "query.after",
		"/usage?by=hour&from=2020-01-01&to=2026-01-01": "query.by",
		"/usage?user=" + url.QueryEscape("a\x00b"):     "query.user",
	} {
		got := do(t, http.MethodGet, "/api/ai"+query, token("adam.acme"), nil)
		code, parameter := got.problem(t)
		if got.status != 422 || code != "invalid_parameter" || parameter != want || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s %s, want %s", query, got.status, got.header.Get("Content-Type"), got.body, want)
		}
	}
	for path, want := range map[string]int{"/api/ai/nothing": 404, "/nothing": 404} {
		if got := do(t, http.MethodGet, path, token("ana.acme"), nil); got.status != want {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	got := do(t, http.MethodPut, "/api/ai/me", token("ana.acme"), nil)
	if got.status != 405 || got.header.Get("Allow") == "" || !json.Valid([]byte(got.body)) {
		t.Errorf("PUT: %d %v %s", got.status, got.header, got.body)
	}
}
