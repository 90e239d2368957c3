package api_test

import (
	"net/http"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/hack/parts/kubernetes"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// adminOf makes somebody an admin of a new tenant, whose budget the console manages.
func adminOf(t *testing.T, tenant, user string) *v1alpha1.TenantBudget {
	t.Helper()
	budget, err := ownBudget(t.Context(), tenant)
	testkit.Must(t, err)
	testkit.Must(t, create(t.Context(), membership(tenant, []v1alpha1.Member{member(user, true)})))
	testkit.Eventually(t, user+" administers "+tenant, func() bool {
		return do(t, http.MethodGet, "/api/ai/budgets/"+tenant, token(user), nil).status == http.StatusOK
	})
	return budget
}

// TestBudgetIsChanged: an admin changes what is theirs to change, by the ETag of what they have
// seen; the cluster has it, and on record is who asked.
func TestBudgetIsChanged(t *testing.T) {
	stored := adminOf(t, "wonka", "willy.wonka")
	seen := do(t, http.MethodGet, "/api/ai/budgets/wonka", token("willy.wonka"), nil).header
	match := http.Header{"If-Match": {seen.Get("ETag")}}
	const lower = `{"limits":[{"name":"daily","per":"Tenant","period":"Day","amount":"4.00"},{"name":"each-user","per":"User","period":"Day","amount":"1.00"},
{"name":"of-platform","per":"Tenant","period":"Day","amount":"5.00","groups":["platform"]},{"name":"of-research","per":"Tenant","period":"Day","amount":"5.00","groups":["research"]}],
"ladder":[{"atPercent":50,"action":"Warn"},{"atPercent":85,"action":"Trip","fallback":["Message"],"message":"ask willy"}],
"alerts":{"email":["willy@example.com"],"filters":[{"recipients":["willy@example.com"],"limits":["daily"]}]}}`
	got := doWith(t, http.MethodPatch, "/api/ai/budgets/wonka", token("willy.wonka"), match, lower)
	var changed api.ChangedBudget
	got.read(t, &changed)
	if got.status != http.StatusOK || got.header.Get("ETag") != `"`+changed.Version+`"` || changed.Written.Limits[0].Amount != "4.00" {
		t.Fatalf("%d %v %s", got.status, got.header, got.body)
	}
	testkit.Must(t, shared.admin.Get(t.Context(), client.ObjectKeyFromObject(stored), stored))
	spec := stored.Spec
	if spec.Limits[0].Amount != "4.00" || spec.Limits[1].Amount != "1.00" || spec.Ladder[1].Message != "ask willy" || spec.Alerts.Email[0] != "willy@example.com" || spec.Alerts.Filters[0].Limits[0] != "daily" {
		t.Errorf("%+v", spec)
	}
	names, err := askersOf(t.Context(), stored)
	testkit.Must(t, err)
	if last := names[len(names)-1]; last != "company/willy.wonka via "+kubernetes.Console.Name {
		t.Errorf("on record are %q", names)
	}
	// What was seen before is stale now, and * is whatever there is.
	if code, _ := doWith(t, http.MethodPatch, "/api/ai/budgets/wonka", token("willy.wonka"), match, `{"ladder":[{"atPercent":80,"action":"Trip"}]}`).problem(t); code != "stale" {
		t.Error(code)
	}
	if got := doWith(t, http.MethodPatch, "/api/ai/budgets/wonka", token("willy.wonka"), anyVersion, `{"alerts":{"email":[]}}`); got.status != http.StatusOK || strings.Contains(got.body, "willy@example.com") {
		t.Errorf("%d %s", got.status, got.body)
	}
	checkRefusals(t, "/api/ai/budgets/wonka")
	if got := doWith(t, http.MethodPatch, "/api/ai/budgets/wonka", token("pat", "platform"), anyVersion, strings.Replace(lower, "4.00", "400.00", 1)); got.status != http.StatusOK || !strings.Contains(got.body, "100 times as much") {
		t.Errorf("an admin of the platform raises it: %d %s", got.status, got.body)
	}
}

// checkRefusals asks for what is refused, by everybody who has a say in it.
func checkRefusals(t *testing.T, path string) {
	t.Helper()
	for body, want := range map[string]string{
		`{"ladder":[]}`: "beyond_tenant body.ladder",
		`{"limits":[{"name":"daily","per":"User","period":"Day","amount":"1.00"}]}`:                                          "beyond_tenant body.limits[0]",
		`{"limits":[{"name":"x","per":"Everybody","period":"Day","amount":"1.00"}]}`:                                         "invalid_parameter body.limits[0].per",
		`{"limits":[],"enforcement":"Shadow"}`:                                                                               "invalid_parameter body.limits",
		`{"enforcement":"Shadow"}`:                                                                                           "invalid_parameter body.enforcement",
		`{"parentRef":null}`:                                                                                                 "invalid_parameter body.parentRef",
		`{"ladder":[{"atPercent":85,"action":"Trip"},{"atPercent":85,"action":"Warn"}]}`:                                     "invalid_parameter body.ladder",
		`{"alerts":{"email":["nobody"]}}`:                                                                                    "invalid_parameter body.alerts.email[0]",
		`{"alerts":{"email":[],"webhook":{"url":"https://evil.example.com"}}}`:                                               "invalid_parameter body.alerts.webhook",
		`{"ladder":[{"atPercent":85,"action":"Trip","fallback":["Message"],"message":"a` + "\\u0007" + `"}]}`:                "invalid_parameter body.ladder[0].message",
		`{"ladder":[{"atPercent":85,"action":"Trip","fallback":["Message"],"message":"` + strings.Repeat("a", 3000) + `"}]}`: "invalid_parameter body.ladder[0].message",
	} {
		code, parameter := doWith(t, http.MethodPatch, path, token("willy.wonka"), anyVersion, body).problem(t)
		if code+" "+parameter != want {
			t.Errorf("%.200s: %s %s, want %s", body, code, parameter, want)
		}
	}
}

// TestRatesAreChanged is the same of rate limits, which are objects of their own.
func TestRatesAreChanged(t *testing.T) {
	adminOf(t, "oscorp", "norman.oscorp")
	testkit.Must(t, create(t.Context(), ratePolicy("oscorp")))
	path, credential := "/api/ai/budgets/oscorp/rates/speed", token("norman.oscorp")
	body := func(each, all string) string {
		return `{"limits":[{"name":"each","per":"User","requests":` + each + `,"window":"1m"},{"name":"all","per":"Tenant","requests":` + all + `,"window":"1m"}]}`
	}
	if got := doWith(t, http.MethodPatch, path, credential, anyVersion, body("20", "50")); got.status != http.StatusOK || got.header.Get("ETag") == "" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if code, parameter := doWith(t, http.MethodPatch, path, credential, anyVersion, body("20", "51")).problem(t); code != "beyond_tenant" || parameter != "body.limits[1].requests" {
		t.Errorf("%s %s", code, parameter)
	}
	testkit.Eventually(t, "the budget has the new rates", func() bool {
		return strings.Contains(do(t, http.MethodGet, "/api/ai/budgets/oscorp", credential, nil).body, `"requests":50`)
	})
	// Another tenant's policy, by whatever name, is none.
	if code, _ := doWith(t, http.MethodPatch, "/api/ai/budgets/oscorp/rates/other", credential, anyVersion, body("1", "1")).problem(t); code != "not_found" {
		t.Error(code)
	}
}

// TestPreview: what a change would be answered with, what is warned of, and what it would have
// done with the calls of the last days; nothing is changed.
func TestPreview(t *testing.T) {
	const tight = `{"limits":[{"name":"daily","per":"Tenant","period":"Day","amount":"0.001"},{"name":"each-user","per":"User","period":"Day","amount":"0.50"},
{"name":"of-platform","per":"Tenant","period":"Day","amount":"5.00","groups":["platform"]},{"name":"of-research","per":"Tenant","period":"Day","amount":"5.00","groups":["research"]}]}`
	var preview api.Preview
	doWith(t, http.MethodPost, "/api/ai/budgets/acme/preview", token("adam.acme"), nil, tight).read(t, &preview)
	if preview.Problem != nil || preview.Replay == nil || preview.Replay.Admitted.Calls != 6 || preview.Replay.Refused.Calls != 6 || len(preview.Replay.Users) != 3 {
		t.Fatalf("%+v %+v", preview, preview.Replay)
	}
	if limit := preview.Replay.Limits[0]; limit.Limit != "daily" || limit.Refused.Calls != 6 || limit.ExhaustedAt == nil {
		t.Errorf("%+v", limit)
	}
	if limits := preview.Replay.Limits; limits[len(limits)-1].Tenant != "acme" || !strings.Contains(strings.Join(preview.Replay.NotLookedAt, ", "), "the limits of the tenants above") {
		t.Errorf("an admin of the tenant is told of those above: %+v", preview.Replay)
	}
	doWith(t, http.MethodPost, "/api/ai/budgets/acme/preview?days=30", token("pat", "platform"), nil, tight).read(t, &preview)
	if limits := preview.Replay.Limits; limits[len(limits)-1].Tenant != "company" {
		t.Errorf("an admin of the platform is not told of the limits above: %+v", limits)
	}
	var refused api.Preview
	doWith(t, http.MethodPost, "/api/ai/budgets/acme/preview", token("adam.acme"), nil, strings.Replace(tight, "0.001", "9.00", 1)).read(t, &refused)
	if refused.Problem == nil || refused.Problem.Code != "beyond_tenant" || refused.Replay == nil {
		t.Errorf("%+v", refused)
	}
	budget := named("acme")
	testkit.Must(t, shared.admin.Get(t.Context(), client.ObjectKeyFromObject(budget), budget))
	if budget.Spec.Limits[0].Amount != "5.00" {
		t.Errorf("a preview made it %s", budget.Spec.Limits[0].Amount)
	}
	var rates api.Preview
	doWith(t, http.MethodPost, "/api/ai/budgets/acme/rates/speed/preview", token("adam.acme"), nil,
		`{"limits":[{"name":"each","per":"User","requests":5,"window":"1m"},{"name":"all","per":"Tenant","requests":1,"window":"24h"}]}`).read(t, &rates)
	if rates.Problem == nil || rates.Problem.Code != "beyond_tenant" || rates.Replay == nil || rates.Replay.Refused.Calls == 0 {
		t.Errorf("%+v %+v", rates, rates.Replay)
	}
}

// TestManagedElsewhere: what GitOps applies is answered with what to commit.
func TestManagedElsewhere(t *testing.T) {
	testkit.Must(t, shared.admin.Create(t.Context(), namespace("cyberdyne")))
	budget := tenantBudget("cyberdyne", "")
	testkit.Must(t, shared.admin.Create(t.Context(), budget, client.FieldOwner("kustomize-controller")))
	testkit.Must(t, decide(t.Context(), budget, "True"))
	testkit.Eventually(t, "the console knows the budget", func() bool {
		return do(t, http.MethodGet, "/api/ai/budgets/cyberdyne", token("pat", "platform"), nil).status == http.StatusOK
	})
	const change = `{"ladder":[{"atPercent":70,"action":"Trip"}]}`
	var p api.Problem
	got := doWith(t, http.MethodPatch, "/api/ai/budgets/cyberdyne", token("pat", "platform"), anyVersion, change)
	got.read(t, &p)
	if got.status != http.StatusConflict || p.Code != "managed_elsewhere" || p.Managed[0].Manager != "kustomize-controller" || p.Managed[0].Field != "spec.ladder" ||
		!strings.HasSuffix(p.Patch, "spec:\n  ladder:\n  - action: Trip\n    atPercent: 70\n") {
		t.Errorf("%d %s", got.status, got.body)
	}
	var preview api.Preview
	doWith(t, http.MethodPost, "/api/ai/budgets/cyberdyne/preview", token("pat", "platform"), nil, change).read(t, &preview)
	if preview.Problem == nil || preview.Problem.Patch != p.Patch || preview.Replay == nil {
		t.Errorf("%+v", preview)
	}
}
