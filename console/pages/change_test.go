package pages_test

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"golang.org/x/net/html"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// formOf are the fields of the form of a page, as they would be sent.
func formOf(t *testing.T, path, token string) url.Values {
	t.Helper()
	status, body, _ := get(t, path, token, "en")
	if status != http.StatusOK {
		t.Fatalf("%s: %d", path, status)
	}
	document, err := html.Parse(strings.NewReader(body))
	testkit.Must(t, err)
	fields := url.Values{}
	var selected string
	for node := range document.Descendants() {
		of := map[string]string{}
		for _, a := range node.Attr {
			of[a.Key] = a.Val
		}
		_, isChecked := of["checked"]
		switch {
		case node.Data == "input" && of["type"] != "checkbox", node.Data == "input" && isChecked:
			fields.Set(of["name"], of["value"])
		case node.Data == "textarea":
			if fields.Set(of["name"], ""); node.FirstChild != nil {
				fields.Set(of["name"], strings.TrimPrefix(node.FirstChild.Data, "\n"))
			}
		case node.Data == "select":
			selected = of["name"]
		case node.Data == "option":
			if _, is := of["selected"]; is || fields.Get(selected) == "" && !fields.Has(selected) {
				fields.Set(selected, of["value"])
			}
		}
	}
	return fields
}

// with are fields of which some have other values.
func with(fields url.Values, others ...string) url.Values {
	changed := maps.Clone(fields)
	for i := 0; i < len(others); i += 2 {
		changed[others[i]] = []string{others[i+1]}
	}
	return changed
}

func budgetOf(t *testing.T, tenant string) *v1alpha1.TenantBudget {
	t.Helper()
	var budget v1alpha1.TenantBudget
	testkit.Must(t, shared.Cluster.Get(t.Context(), client.ObjectKey{Namespace: tenant, Name: tenant}, &budget))
	return &budget
}

// changers are the pages on which something is changed.
var changers = []string{"/budgets/limits", "/budgets/ladder", "/budgets/alerts", "/budgets/rates/tiers"}

// TestWhoChangesWhat: nobody but an admin of the tenant, or of the platform, sees the forms or is
// heard.
func TestWhoChangesWhat(t *testing.T) {
	diego := person{user: "diego"}.token()
	for _, path := range changers {
		fields := with(formOf(t, path, diego), "do", "save")
		for who, tc := range map[string]struct {
			token string
			want  int
		}{
			"an employee": {person{user: "elena"}.token(), 403}, "another tenant's admin": {admin.token(), 403}, "an admin above": {above.token(), 403},
			"a stranger": {person{user: "stranger"}.token(), 403}, "nobody": {"", 401},
		} {
			if status, _, _ := get(t, path+"?tenant=sales", tc.token, "en"); status != tc.want {
				t.Errorf("%s sees %s: %d, want %d", who, path, status, tc.want)
			}
			for _, do := range []string{"save", "preview", "add"} {
				if status, _, _ := post(t, path+"?tenant=sales", tc.token, with(fields, "do", do)); status != tc.want {
					t.Errorf("%s posts to %s: %d, want %d", who, path, status, tc.want)
				}
			}
		}
	}
	refuses(t, "/budgets/rates/nothing", diego, nil, 404)
}

// TestChangingLimits: an admin tries other limits, sees what the last days would have looked like,
// and saves them; what is wrong is said at its field, and what is stale is shown as it is now.
func TestChangingLimits(t *testing.T) {
	const path = "/budgets/limits"
	diego := person{user: "diego"}.token()
	there := formOf(t, path, diego)
	if there.Get("limit-0-name") != "daily" || there.Get("limit-0-amount") != "3.60" || there.Get("limit-2-per") != "User" {
		t.Fatalf("the form is %v", there)
	}
	lower := with(there, "limit-0-amount", "1", "limit-2-remove", "1", "do", "preview")
	refuses(t, path, diego, lower, 200, "The last 7 days", "The last 30 days", "calls would be refused", "It can be saved", "calls stopped from", `value="1"`, " checked", "Not taken into account:", "the limits of the tenants above")
	if amount := budgetOf(t, "sales").Spec.Limits[0].Amount; amount != "3.60" {
		t.Errorf("a preview made it %s", amount)
	}
	for _, tc := range []struct {
		change url.Values
		want   int
		texts  []string
	}{
		{with(there, "limit-0-amount", "many"), 422, []string{`id="limit-0-amount-problem"`, `href="#limit-0-amount"`, `value="many"`, "must be a decimal number of US dollars"}},
		{with(there, "limit-0-amount", "5"), 403, []string{`id="limit-0-amount-problem"`, "must not be more than 3.60"}},
		{with(there, "limit-0-remove", "1"), 403, []string{"must still have limit daily"}},
		{with(there, "limit-0-remove", "1", "limit-1-remove", "1", "limit-2-remove", "1"), 422, []string{"must have at least one"}},
		{with(there, "limit-2-per", "Planet"), 422, []string{`id="limit-2-per-problem"`}},
		{with(there, "limit-2-period", "Fortnight"), 422, []string{`id="limit-2-period-problem"`}},
		{with(there, "rows", "4", "limit-3-name", "Not a name", "limit-3-amount", "1", "limit-3-period", "Day", "limit-3-per", "User", "limit-3-new", "1"), 422, []string{`id="limit-3-name-problem"`, "lower-case letters"}},
		{with(there, "limit-2-tiers", "Not A Tier"), 422, []string{`id="limit-2-tiers-problem"`}},
	} {
		refuses(t, path, diego, with(tc.change, "do", "save"), tc.want, tc.texts...)
		refuses(t, path, diego, with(tc.change, "do", "preview"), tc.want, tc.texts...)
	}
	refuses(t, path, diego, with(there, "do", "add"), 200, "Add a limit", `name="limit-3-name"`, `name="limit-3-new"`, `name="rows" value="4"`)

	more := with(there, "do", "save", "rows", "4", "limit-0-amount", "3.5", "limit-3-name", "research-models", "limit-3-amount", "0.75", "limit-3-period", "Week", "limit-3-per", "Group",
		"limit-3-models", "gpt-4o\r\n\r\n gpt-4.1 \r\n", "limit-3-labels", "cost-centre=4711", "limit-3-new", "1")
	does(t, path, diego, more, "It is saved")
	saved := budgetOf(t, "sales").Spec.Limits
	if len(saved) != 4 || saved[0].Amount != "3.5" || saved[3].Period != "Week" || saved[3].Per != "Group" || len(saved[3].Models) != 2 || saved[3].Models[1] != "gpt-4.1" || saved[3].Labels["cost-centre"] != "4711" {
		t.Errorf("saved is %+v", saved)
	}
	refuses(t, path, diego, lower, 412, "Somebody has changed it", "What you entered", "daily: $1.00, per day", "What there is now", "research-models: $0.75, per week", `value="3.5"`)
	refuses(t, path, diego, with(lower, "do", "save"), 412, "Somebody has changed it")
	there = with(formOf(t, path, diego), "do", "save", "limit-3-period", "Window", "limit-3-window", "5m")
	refuses(t, path, diego, with(there, "limit-3-window", "25h"), 422, `id="limit-3-window-problem"`, `value="25h"`, `<option value="Window" data-of="window" selected>`)
	refuses(t, path, diego, with(there, "limit-3-window", ""), 422, `id="limit-3-window-problem"`)
	does(t, path, diego, there, "It is saved")
	if saved := budgetOf(t, "sales").Spec.Limits; saved[3].Period != "5m" {
		t.Errorf("saved is %+v", saved)
	}
	refuses(t, path, diego, with(there, "do", "save"), 412, "research-models: $0.75, per 5m")
	shows(t, path, diego, `<option value="Window" data-of="window" selected>A window`, `value="5m"`)
	does(t, path, diego, with(formOf(t, path, diego), "do", "save", "limit-3-window", "90m"), "It is saved")
	back := with(formOf(t, path, diego), "do", "save", "limit-3-remove", "1")
	does(t, path, diego, back, "It is saved")
	does(t, path+"?tenant=sales", platform.token(), with(formOf(t, path+"?tenant=sales", platform.token()), "do", "save", "limit-0-amount", "3.60"), "It is saved")
	if saved := budgetOf(t, "sales").Spec.Limits; len(saved) != 3 || saved[0].Amount != "3.60" {
		t.Errorf("saved is %+v", saved)
	}
}

// TestChangingTheLadder: rungs are added with what belongs to their action, and nothing else of
// what was entered.
func TestChangingTheLadder(t *testing.T) {
	const path = "/budgets/ladder"
	diego := person{user: "diego"}.token()
	there := formOf(t, path, diego)
	more := with(there, "do", "save", "rows", "3", "rung-2-percent", "85", "rung-2-action", "Downgrade", "rung-2-models", "gpt-4o = gpt-4o-mini", "rung-2-message", "not of this action",
		"rung-1-fallback-0", "Cache", "rung-1-fallback-1", "Message", "rung-1-age", "30m", "rung-1-message", "Come back\r\ntomorrow.")
	refuses(t, path, diego, with(more, "do", "preview"), 200, "It can be saved", "The last 7 days")
	refuses(t, path, diego, with(more, "rung-2-percent", "0"), 422, `id="rung-2-percent-problem"`)
	refuses(t, path, diego, with(more, "rung-2-percent", "many"), 422, `id="rung-2-percent-problem"`, `value="many"`)
	refuses(t, path, diego, with(more, "rung-2-models", ""), 422, "problem")
	refuses(t, path, diego, with(more, "rung-1-percent", "99"), 403, `id="rung-1-percent-problem"`, "must not be more than 90")
	refuses(t, path, diego, with(more, "rung-1-remove", "1"), 403, "must still have a Trip rung")
	does(t, path, diego, more, "It is saved", "Cheaper models")
	ladder := budgetOf(t, "sales").Spec.Ladder
	if len(ladder) != 3 || ladder[1].AtPercent != 85 || ladder[1].Models[0].To != "gpt-4o-mini" || ladder[1].Message != "" || ladder[2].Message != "Come back\ntomorrow." || len(ladder[2].Fallback) != 2 || ladder[2].Cache.MaxAge != "30m" {
		t.Errorf("saved is %+v", ladder)
	}
	does(t, path, diego, with(formOf(t, path, diego), "do", "save"), "It is saved")
	if now := budgetOf(t, "sales").Spec.Ladder; len(now) != 3 || now[2].Message != ladder[2].Message {
		t.Errorf("what nobody changed is %+v", now)
	}
	does(t, path, diego, with(there, "do", "save", "version", formOf(t, path, diego).Get("version")), "It is saved")
}

// TestChangingRatesAndAlerts: the same of rate limits, and of who is told.
func TestChangingRatesAndAlerts(t *testing.T) {
	diego := person{user: "diego"}.token()
	const rates = "/budgets/rates/tiers"
	there := formOf(t, rates, diego)
	refuses(t, rates, diego, with(there, "do", "preview", "limit-0-count", "1"), 200, "It can be saved", "The last 30 days", "calls would be refused")
	refuses(t, rates, diego, with(there, "do", "save", "limit-0-count", "-1"), 422, `id="limit-0-count-problem"`)
	refuses(t, rates, diego, with(there, "do", "save", "limit-0-window", "soon"), 422, `id="limit-0-window-problem"`)
	refuses(t, rates, diego, with(there, "do", "save", "limit-3-count", "300000"), 403, `id="limit-3-count-problem"`, "must not be more than 200000")
	does(t, rates, diego, with(there, "do", "save", "rows", "5", "limit-0-count", "7", "limit-4-name", "at-once", "limit-4-unit", "concurrent", "limit-4-count", "3", "limit-4-per", "User", "limit-4-window", "1m", "limit-4-new", "1"),
		"It is saved", "7 requests per minute, each user", "3 calls at once")
	refuses(t, rates, diego, with(there, "do", "save"), 412, "What there is now", "at-once: 3 concurrent")

	const alerts = "/budgets/alerts"
	told := formOf(t, alerts, diego)
	refuses(t, alerts, diego, with(told, "do", "save", "email", "not an address"), 422, `id="email-problem"`)
	refuses(t, alerts, diego, with(told, "do", "add"), 200, `name="filter-0-recipients"`)
	more := with(told, "do", "save", "email", "diego@northwind.example\r\nmore@northwind.example\r\n", "rows", "1", "filter-0-recipients", "more@northwind.example", "filter-0-limits", "daily", "filter-0-severity", "Critical")
	refuses(t, alerts, diego, with(more, "filter-0-recipients", ""), 422, `id="filter-0-recipients-problem"`)
	does(t, alerts, diego, more, "It is saved", "more@northwind.example")
	shows(t, "/alerts", diego, "more@northwind.example", "only the limits daily")
	does(t, alerts, diego, with(formOf(t, alerts, diego), "do", "save", "filter-0-remove", "1", "email", "diego@northwind.example"), "It is saved")
	if saved := budgetOf(t, "sales").Spec.Alerts; len(saved.Email) != 1 || len(saved.Filters) != 0 {
		t.Errorf("saved is %+v", saved)
	}
}

// TestWhatGitManages: what comes from files is not saved; the page has the YAML to commit, and what
// the change would do.
func TestWhatGitManages(t *testing.T) {
	rita := admin.token()
	before := budgetOf(t, "research")
	for _, path := range changers {
		body := shows(t, path, rita, "Managed by kubectl-client-side-apply")
		if strings.Contains(body, ">Save<") {
			t.Errorf("%s offers to save", path)
		}
	}
	limits := with(formOf(t, "/budgets/limits", rita), "limit-0-amount", "17.00")
	yaml := []string{"Commit this where kubectl-client-side-apply gets it from", "kind: TenantBudget", "amount: &#34;17.00&#34;"}
	refuses(t, "/budgets/limits", rita, with(limits, "do", "preview"), 409, append(yaml, "The last 7 days")...)
	refuses(t, "/budgets/limits", rita, with(limits, "do", "save"), 409, yaml...)
	refuses(t, "/budgets/alerts", rita, with(formOf(t, "/budgets/alerts", rita), "email", "other@northwind.example", "do", "save"), 409, "kind: TenantBudget", "other@northwind.example")
	refuses(t, "/budgets/rates/tiers", rita, with(formOf(t, "/budgets/rates/tiers", rita), "limit-0-count", "3", "do", "preview"), 409, "kind: RateLimitPolicy", "requests: 3")
	if after := budgetOf(t, "research"); after.Generation != before.Generation {
		t.Error("something was saved")
	}
}

// TestNothingEnteredRuns: what is entered is shown again, and does not run.
func TestNothingEnteredRuns(t *testing.T) {
	diego := person{user: "diego"}.token()
	pages := append([]string{"/requests/new", "/grants/new"}, changers...)
	escaped := 0
	for _, path := range pages {
		fields := formOf(t, path, diego)
		for name := range fields {
			if isKept := regexp.MustCompile(`^rows$|^version$|-new$`).MatchString(name); !isKept {
				fields.Set(name, evil)
			}
		}
		for _, do := range []string{"save", "preview", "add"} {
			_, _, body := post(t, path, diego, with(fields, "do", do))
			if strings.Contains(body, "<script>") || strings.Contains(body, "<img") || len(inline(t, body)) > 0 {
				t.Errorf("%s, %s: markup of somebody is in the page", path, do)
			}
			escaped += strings.Count(body, "&lt;script&gt;")
		}
		fields.Set("version", "another") // what was entered is told beside what there is
		_, _, body := post(t, path, diego, with(fields, "do", "preview"))
		if strings.Contains(body, "<script>") || strings.Contains(body, "<img") {
			t.Errorf("%s, stale: markup of somebody is in the page", path)
		}
	}
	if escaped < 60 {
		t.Errorf("it is shown %d times alone: the test shows little", escaped)
	}
}

// TestChangingInBrowsers: where no script runs, an admin tries a limit and saves it. Nobody is kept
// from what they then see by how it is made.
func TestChangingInBrowsers(t *testing.T) {
	findBrowser(t)
	axe := axeScript(t)
	tb := open(t, person{user: "fleur"}, look{language: "en-US", width: 1280, height: 900, withoutScript: true})
	tb.visit("/budgets")
	tb.do(chromedp.Click(chromedp.CSS(`a[href="/budgets/limits"]`)))
	testkit.Eventually(t, "the form is there", func() bool { return value[bool](tb, `document.querySelector("#limit-0-amount") != null`) })
	tb.do(chromedp.Clear(chromedp.CSS(`#limit-0-amount`)), chromedp.SendKeys(chromedp.CSS(`#limit-0-amount`), "0.25\r")) // Enter is Preview
	testkit.Eventually(t, "it is tried", func() bool { return value[int](tb, `document.querySelectorAll(".preview").length`) == 2 })
	tb.do(chromedp.Click(chromedp.CSS(`button[value="save"]`)))
	testkit.Eventually(t, "it is saved", func() bool {
		return value[bool](tb, `(document.querySelector("[role=status]")?.innerText ?? "").startsWith("It is saved")`)
	})
	if amount := budgetOf(t, "emea-sales").Spec.Limits[0].Amount; amount != "0.25" {
		t.Errorf("saved is %s", amount)
	}
	for _, how := range []look{{language: "en-US", width: 1280, height: 900}, {language: "es-AR", width: 360, height: 740, dark: true}} {
		tb := open(t, person{user: "fleur"}, how)
		for _, path := range changers {
			tb.visit(path)
			for _, button := range []string{"", "add", "preview", "save"} {
				if button == "save" && path != "/budgets/limits" || button == "preview" && path == "/budgets/alerts" {
					continue
				}
				if button == "save" { // what the browser does not know is wrong
					value[any](tb, `document.querySelector("[id$=-amount]").value = "9999"; 0`)
				}
				if button != "" {
					value[any](tb, `document.body.dataset.before = 1; 0`)
					tb.do(chromedp.Click(chromedp.CSS(`.form button[value="` + button + `"]:not(.hidden)`)))
					for range 30 { // the browser itself may keep a form back
						is, err := chromedp.Run(tb.ctx, chromedp.Evaluate[bool](`document.readyState == "complete" && document.body.dataset.before == null`))
						if err == nil && is { // there is an error while the page changes
							break
						}
						time.Sleep(100 * time.Millisecond)
					}
				}
				if button == "add" { // and taken back
					value[any](tb, `document.querySelectorAll(".row:last-of-type .check input").forEach(e => e.checked = true); document.querySelectorAll(".row:last-of-type [required]").forEach(e => e.required = false); 0`)
				}
				for _, violation := range violations(tb, axe) {
					t.Errorf("%s %s in %s: %s", path, button, how.language, violation)
				}
				if over := value[int](tb, `document.scrollingElement.scrollWidth - innerWidth`); over > 0 {
					t.Errorf("%s %s: %d px are beyond the right edge", path, button, over)
				}
			}
		}
		for _, complaint := range tb.complaints() {
			t.Errorf("the browser complains: %s", complaint)
		}
	}
}
