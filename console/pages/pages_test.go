package pages_test

import (
	"cmp"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"golang.org/x/net/html"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/hack/parts/kubernetes"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// everybody is who looks at which pages.
var everybody = []struct {
	who   person
	paths []string
}{
	{employee, []string{"/usage", "/calls?kind=refused", "/calls/call_re_r001", "/alerts", "/keys", "/keys?make=1", "/keys/ana-laptop", "/requests", "/requests/new?limit=daily"}},
	{admin, []string{"/usage?span=7d", "/costs?by=user&span=month", "/calls?user=ana&model=gpt-4o", "/alerts?kind=open", "/keys?kind=unused", "/keys?make=1", "/keys/ana-laptop", "/budgets", "/budgets?grants=all", "/requests", "/grants/new?limit=each-user"}},
	{above, []string{"/costs", "/costs?tenant=research", "/budgets?tenant=sales", "/tenants"}},
	{platform, []string{"/costs?tenant=sales&limit=daily", "/usage", "/health", "/nothing"}},
	{person{}, []string{"/usage"}},
}

// TestAxe: nobody is kept from a page by how it is made, in either language, wide and light or
// narrow and dark; and the browser has nothing to complain of.
func TestAxe(t *testing.T) {
	findBrowser(t)
	axe := axeScript(t)
	for _, one := range everybody {
		for _, how := range []look{{language: "en-US", width: 1280, height: 900}, {language: "es-AR", width: 360, height: 740, dark: true}} {
			t.Run(one.who.name+" "+how.language, func(t *testing.T) {
				tb := open(t, one.who, how)
				for _, path := range one.paths {
					tb.visit(path)
					for _, violation := range violations(tb, axe) {
						t.Errorf("%s: %s", path, violation)
					}
					if over := value[int](tb, `document.scrollingElement.scrollWidth - innerWidth`); over > 0 {
						t.Errorf("%s: %d px are beyond the right edge", path, over)
					}
					for _, wrong := range []string{"NaN", "%!", "<nil>", "undefined"} {
						if strings.Contains(value[string](tb, `document.body.innerText`), wrong) {
							t.Errorf("%s says %q", path, wrong)
						}
					}
				}
				for _, complaint := range tb.complaints() {
					t.Errorf("the browser complains: %s", complaint)
				}
			})
		}
	}
}

// axeScript is axe-core, as make browser installs it.
func axeScript(t *testing.T) string {
	t.Helper()
	root, err := kubernetes.Root()
	testkit.Must(t, err)
	script, err := os.ReadFile(filepath.Join(root, "hack", "axe", "node_modules", "axe-core", "axe.min.js"))
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip("no axe-core: make browser installs it")
	}
	testkit.Must(t, err)
	return string(script)
}

// violations are what axe finds wrong with a page.
func violations(tb *tab, axe string) []string {
	tb.t.Helper()
	value[any](tb, axe+"; 0")
	found, err := chromedp.Run(tb.ctx, chromedp.Evaluate[[]string](
		`axe.run({resultTypes: ["violations"]}).then(r => r.violations.map(v => v.id + ": " + v.help + ": " + v.nodes.slice(0, 3).map(n => n.target.join(" ") + " " + n.failureSummary).join("; ")))`, chromedp.EvalAwaitPromise))
	testkit.Must(tb.t, err)
	return found
}

// TestWithoutScripts: pages are whole, and their forms and links lead on, where no script runs.
func TestWithoutScripts(t *testing.T) {
	tb := open(t, admin, look{language: "en-US", width: 1280, height: 900, withoutScript: true})
	tb.visit("/costs")
	if got := value[string](tb, `document.querySelector("h1").innerText`); got != "Costs" {
		t.Errorf("the page is %q", got)
	}
	tb.do(chromedp.Click(chromedp.CSS(`.tabs a[href*="by=model"]`)))
	testkit.Eventually(t, "costs are by model", func() bool {
		return value[string](tb, `document.querySelector("#parts")?.innerText ?? ""`) == "By model"
	})
	tb.visit("/calls")
	tb.do(chromedp.SendKeys(chromedp.CSS(`#filter-model`), "gpt-4o-mini"), chromedp.Click(chromedp.CSS(`.filters button`)))
	testkit.Eventually(t, "calls of one model are listed", func() bool {
		return value[bool](tb, `location.search.includes("model=gpt-4o-mini") && document.querySelectorAll("tbody tr").length == 50`)
	})
	if details := value[int](tb, `document.querySelectorAll("[hidden]").length`); details > 1 {
		t.Errorf("%d things are hidden", details)
	}
}

// TestByKeyboard: without a mouse, a reader gets to the content with two keys, and to every link.
func TestByKeyboard(t *testing.T) {
	tb := open(t, admin, look{language: "en-US", width: 1280, height: 900})
	tb.visit("/usage")
	tb.do(chromedp.KeyEvent("\t"), chromedp.KeyEvent("\r"))
	testkit.Eventually(t, "the content has the focus", func() bool { return value[string](tb, `document.activeElement.id`) == "main" })
	reached := map[string]bool{}
	for range 150 {
		tb.do(chromedp.KeyEvent("\t"))
		at := value[string](tb, `document.activeElement.outerHTML.slice(0, 200)`)
		if reached[at] && strings.HasPrefix(at, `<a class="skip"`) {
			break
		}
		reached[at] = true
	}
	if links := value[int](tb, `document.querySelectorAll("main a, main summary").length`); len(reached) < links {
		t.Errorf("%d of %d links were reached", len(reached), links)
	}
}

// TestWhoSeesWhat: pages show nobody more than the API does.
func TestWhoSeesWhat(t *testing.T) {
	for _, tc := range []struct {
		who  person
		path string
		want int
	}{
		{person{}, "/usage", 401}, {person{}, "/costs", 401}, {person{}, "/static/console.css", 200},
		{employee, "/", 303}, {employee, "/usage", 200}, {employee, "/costs", 403}, {employee, "/budgets", 403}, {employee, "/calls", 200},
		{employee, "/requests", 200}, {employee, "/requests/new", 200}, {employee, "/grants/new", 403}, {employee, "/requests?tenant=support", 403}, {employee, "/requests/new?tenant=support", 403},
		{admin, "/requests", 200}, {admin, "/requests?after=x", 422}, {admin, "/grants/new", 200}, {admin, "/grants/new?tenant=support", 403}, {above, "/requests?tenant=research", 403}, {above, "/grants/new?tenant=research", 403},
		{platform, "/requests?tenant=sales", 200}, {platform, "/requests/new?tenant=sales", 403}, {platform, "/grants/new?tenant=sales", 200}, {person{}, "/requests", 401}, {person{user: "stranger"}, "/requests?tenant=research", 403},
		{employee, "/calls?user=luis", 403}, {employee, "/calls?tenant=support", 403}, {employee, "/alerts?tenant=support", 403}, {employee, "/keys?tenant=support", 403}, {employee, "/keys/ana-laptop", 200}, {employee, "/keys/mei-laptop", 404}, {employee, "/keys/%00", 404}, {employee, "/keys/pablo-laptop?tenant=support", 403},
		{employee, "/costs?tenant=support", 403}, {employee, "/budgets?tenant=support", 403}, {employee, "/calls/nothing", 404}, {employee, "/calls/%00", 404}, {employee, "/calls/%FF", 404},
		{admin, "/costs", 200}, {admin, "/costs?tenant=support", 403}, {admin, "/costs?tenant=northwind", 403}, {admin, "/budgets?tenant=sales", 403},
		{admin, "/costs?tenant=nothing", 403}, {admin, "/calls?user=luis", 200}, {admin, "/calls?after=x", 422}, {admin, "/calls?user=%00", 422}, {admin, "/costs?by=colour&span=x&from=y", 200},
		{above, "/costs?tenant=research", 200}, {above, "/costs?tenant=research&user=ana", 422}, {above, "/calls?tenant=research", 403}, {above, "/budgets?tenant=research", 200}, {above, "/keys?tenant=research", 403},
		{platform, "/health", 200}, {person{}, "/health", 401}, {employee, "/health", 403}, {admin, "/health", 403}, {above, "/health?tenant=research", 403}, {person{user: "stranger"}, "/health", 403},
		{platform, "/", 303}, {platform, "/costs?tenant=research&by=user&scope=alone", 200}, {platform, "/budgets?tenant=sales", 200}, {platform, "/calls?tenant=sales", 200},
		{person{user: "stranger"}, "/usage", 200}, {person{user: "stranger"}, "/costs", 403}, {person{user: "stranger"}, "/calls?tenant=research", 403},
	} {
		token := ""
		if tc.who.user != "" {
			token = tc.who.token()
		}
		status, body, header := get(t, tc.path, token, "en")
		if status != tc.want {
			t.Errorf("%s %s: %d, want %d", tc.who.user, tc.path, status, tc.want)
		}
		if strings.HasPrefix(tc.path, "/static") {
			continue
		}
		if header.Get("Cache-Control") != "no-store" || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'; style-src 'self'") {
			t.Errorf("%s: %v", tc.path, header)
		}
		if status < 300 && tc.who.user == employee.user && (strings.Contains(body, "luis") || strings.Contains(body, "$18.00")) {
			t.Errorf("%s shows an employee what is another's, or the tenant's", tc.path)
		}
	}
	if n := shared.errors.Load(); n > 0 {
		t.Errorf("%d errors were logged", n)
	}
}

// inline is what of a page a strict Content-Security-Policy does not let run, or look like anything.
func inline(t *testing.T, page string) (found []string) {
	t.Helper()
	tokens := html.NewTokenizer(strings.NewReader(page))
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			return found
		case html.StartTagToken, html.SelfClosingTagToken:
			token := tokens.Token()
			if token.Data == "style" || token.Data == "script" && !slices.ContainsFunc(token.Attr, func(a html.Attribute) bool { return a.Key == "src" }) {
				found = append(found, token.String())
			}
			for _, a := range token.Attr {
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") || strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:") {
					found = append(found, token.String())
				}
			}
		}
	}
}

// evil is a name that would run if it were not escaped.
const evil = `"><script>window.pwned=1</script><img src=x onerror=window.pwned=1>`

// TestNothingOfAnybodyRuns: whatever users, models and groups are called is shown, and does not run.
func TestNothingOfAnybodyRuns(t *testing.T) {
	at := now()
	_, err := shared.Ledger.Exec(t.Context(), `
INSERT INTO ai_usage_logs (call_id, tenant_id, user_id, tier, groups, credential, provider, model_asked, model_used, model, endpoint, streamed, admitted_at, settled_at,
  outcome, held_nanos, cost_nanos, session, decision)
VALUES ('evil', 'support', $1, $1, ARRAY[$1], $1, $1, $1, $1, $1, $1, false, $2, $2, 'Settled', 900000000000, 900000000000, 's', 'Admitted')`, evil, at)
	testkit.Must(t, err)
	_, err = shared.Ledger.Exec(t.Context(), `
INSERT INTO ai_refusals (call_id, tenant_id, user_id, tier, groups, credential, model_asked, model, endpoint, refused_at, reason, limit_tenant, limit_name, per, period,
  amount_nanos, spent_nanos, held_nanos, resets_at, unit, bound_nanos, tokens, fallback, session, limit_group)
VALUES ('evil-refused', 'support', $1, $1, ARRAY[$1], $1, $1, $1, $1, $2, 'BudgetExhausted', 'support', $1, 'Group', 'Day', 5, 5, 0, $2, '', 5, 0, '', 's', $1)`, evil, at)
	testkit.Must(t, err)
	_, err = shared.Ledger.Exec(t.Context(), `
INSERT INTO cost_alerts (tenant_id, budget_uid, limit_name, user_id, period_start, period_end, action, at_percent, amount_nanos, spent_nanos, message, raised_at)
SELECT 'support', budget_uid, $1, $1, $2, $2, 'Warn', 80, 5, 5, $1, $2 FROM tenants WHERE tenant_id = 'support'`, evil, at)
	testkit.Must(t, err)
	_, err = shared.Ledger.Exec(t.Context(), `
INSERT INTO budget_grants (grant_uid, tenant_id, namespace, grant_name, limit_name, user_id, amount_nanos, reason, expires_at, created_at, created_by)
VALUES ('evil', 'support', 'support', $1, $1, $1, 5, $1, $3, $2, ARRAY[$1])`, evil, at, at.AddDate(0, 0, 1))
	testkit.Must(t, err)
	_, err = shared.Ledger.Exec(t.Context(), `
INSERT INTO budget_requests (tenant_id, user_id, requested_by, limit_name, amount, expires_at, reason) VALUES ('support', $1, $1, $1, '<b>5', $2, $1)`, evil, at.AddDate(0, 0, 1))
	testkit.Must(t, err)
	t.Cleanup(func() {
		for _, statement := range []string{
			"DELETE FROM budget_requests WHERE position('<script>' in reason) > 0", "DELETE FROM ai_usage_logs WHERE call_id = 'evil'", "DELETE FROM ai_refusals WHERE call_id = 'evil-refused'",
			"DELETE FROM cost_alerts WHERE position('<script>' in message) > 0", "DELETE FROM budget_grants WHERE grant_uid = 'evil'",
		} {
			_, err := shared.Ledger.Exec(t.Context(), statement) //nolint:usetesting // it is not over yet
			_ = err
		}
	})
	quoted := url.QueryEscape(evil)
	sofia, escaped := person{user: "sofia"}.token(), 0
	for _, path := range []string{
		"/costs", "/costs?by=user", "/costs?by=group", "/costs?by=provider", "/costs?by=model", "/costs?user=" + quoted, "/calls", "/calls?kind=refused", "/calls?user=" + quoted + "&model=" + quoted,
		"/calls/evil", "/calls/evil-refused", "/calls/" + url.PathEscape(evil), "/alerts", "/budgets", "/keys", "/keys?make=1&kind=" + quoted, "/keys/" + url.PathEscape(evil), "/usage?x=" + quoted, "/costs?tenant=" + quoted, "/tenants?find=" + quoted, "/" + url.PathEscape(evil), "/costs?limit=" + quoted + "&span=" + quoted,
		"/requests", "/requests/new?limit=" + quoted, "/grants/new?limit=" + quoted + "&user=" + quoted + "&group=" + quoted + "&key=" + quoted + "&amount=" + quoted + "&reason=" + quoted,
	} {
		for _, language := range []string{"en", "es", evil} {
			_, body, _ := get(t, path, sofia, language)
			if strings.Contains(body, "<script>") || strings.Contains(body, "<img") {
				t.Errorf("%s: markup of somebody is in the page", path)
			}
			if found := inline(t, body); len(found) > 0 {
				t.Errorf("%s: something is inline: %q", path, found)
			}
			if strings.Contains(body, "&lt;script&gt;") {
				escaped++
			}
		}
	}
	if escaped < 30 {
		t.Errorf("the name is in %d pages alone: the test shows little", escaped)
	}
	for _, how := range []look{{language: "en", width: 1280, height: 900}} {
		tb := open(t, person{user: "sofia"}, how)
		for _, path := range []string{"/costs?by=user", "/calls", "/calls/evil-refused", "/alerts", "/requests"} {
			tb.visit(path)
			if value[bool](tb, `"pwned" in window`) {
				t.Errorf("%s: it has run", path)
			}
		}
		if complaints := tb.complaints(); len(complaints) > 0 {
			t.Errorf("the browser complains: %q", complaints)
		}
	}
}

// TestLanguages: a page is in the reader's language, with the formats of where they are, and
// stays in the one that they choose.
func TestLanguages(t *testing.T) {
	token := admin.token()
	for accepted, want := range map[string][]string{
		"en-US":                   {`lang="en"`, "Spent", "$", "Nov 18, 2026, "},
		"en-GB":                   {`lang="en-GB"`, "Spent", "18 Nov 2026, 17:"},
		"es-AR,es;q=0.9,en;q=0.8": {`lang="es-AR"`, "Gastado", "US$ ", "18 nov 2026, 17:"},
		"es-MX":                   {`lang="es-MX"`, "Gastado"},
		"pt-BR,en;q=0.5":          {`lang="en"`, "Spent"},
		"xx-invalid-,,;;":         {`lang="en"`, "Spent"},
		"":                        {`lang="en"`},
	} {
		_, body, header := get(t, "/costs", token, accepted)
		for _, text := range want {
			if !strings.Contains(body, text) {
				t.Errorf("%s: %q is not in the page", accepted, text)
			}
		}
		if !strings.Contains(strings.Join(header.Values("Vary"), ", "), "Accept-Language") {
			t.Errorf("%s: %v", accepted, header)
		}
	}
	status, _, header := get(t, "/costs?by=user&language=es", token, "en")
	cookie := header.Get("Set-Cookie")
	if status != http.StatusSeeOther || header.Get("Location") != "/costs?by=user" || !strings.HasPrefix(cookie, "bursar_language=es;") || !strings.Contains(cookie, "HttpOnly") {
		t.Errorf("a language is chosen: %d %v", status, header)
	}
	for _, path := range []string{"//evil.example/?language=es", "/%2Fevil.example/?language=es", "/%5Cevil.example/?language=es"} {
		_, _, header := get(t, path, token, "en")
		if to := header.Get("Location"); strings.HasPrefix(to, "//") || strings.HasPrefix(to, "/\\") || strings.Contains(to, "://") {
			t.Errorf("%s leads to %s", path, to)
		}
	}
}

// TestLimitsOfTenantsAbove: a user is shown that there are limits that others' calls count against, too, and not
// what those spend.
func TestLimitsOfTenantsAbove(t *testing.T) {
	_, body, _ := get(t, "/usage", employee.token(), "en")
	above := slices.DeleteFunc(strings.Split(body, "</li>"), func(card string) bool { return !strings.Contains(card, "tenant northwind") })
	if len(above) != 3 || !strings.Contains(above[0], "Shared with others") || !strings.Contains(above[0], "Resets") {
		t.Fatalf("limits of the tenant above: %q", above)
	}
	for _, card := range above {
		if strings.ContainsAny(card, "$%") {
			t.Errorf("an employee is shown what is spent there: %s", card)
		}
	}
}

// TestFiguresAreTheAPIs: a page's sums are those that the API answers, to the last digit.
func TestFiguresAreTheAPIs(t *testing.T) {
	token := admin.token()
	_, csv, _ := get(t, "/api/ai/usage?by=model&from=2026-10-01&to=2026-11-01&format=csv", token, "en")
	_, body, _ := get(t, "/costs?by=model&span=last-month", token, "en")
	text := strings.NewReplacer(`<span class="sub">`, "", "</span>", "", ",", "").Replace(regexp.MustCompile(`<span class="sub free"[^>]*>0*</span>`).ReplaceAllString(body, ""))
	lines := strings.Split(strings.TrimSpace(csv), "\r\n")
	at := slices.Index(strings.Split(lines[0], ","), "cost_usd")
	if at < 0 || len(lines) < 5 {
		t.Fatal(csv)
	}
	shown := 0
	var total money.Nanos
	for _, line := range lines[1:] {
		cost, err := money.Parse(strings.Split(line, ",")[at])
		testkit.Must(t, err)
		total += cost
		if strings.Contains(text, ">$"+cost.String()+"<") {
			shown++
		}
	}
	if shown < 6 || !strings.Contains(text, ">$"+total.String()+"<") {
		t.Errorf("%d of the models' costs are in the page, total %s", shown, total)
	}
	// What the page links to as CSV answers.
	link := regexp.MustCompile(`href="(/api/ai/usage[^"]*)"`).FindStringSubmatch(body)
	if status, got, _ := get(t, strings.ReplaceAll(link[1], "&amp;", "&"), token, "en"); status != 200 || !strings.HasPrefix(got, "day,model,") {
		t.Errorf("%s: %d", link[1], status)
	}
}

// TestWhatWasSaved: what the parts of it are, that is told, adds up to all of it.
func TestWhatWasSaved(t *testing.T) {
	_, err := shared.Ledger.Exec(t.Context(), `
INSERT INTO ai_usage_logs (call_id, tenant_id, user_id, tier, credential, provider, model_asked, model_used, model, endpoint, streamed, admitted_at, settled_at,
  outcome, held_nanos, cost_nanos, saved_nanos, session, decision, ancestors)
VALUES ('saved-1', 'emea-sales', 'jan', 'empleado', '', 'openai', 'gpt-4o', 'gpt-4o-mini', 'gpt-4o-mini', 'chat', false, $1, $1, 'Settled', 1000000, 1000000, 7890000000, 's',
  'Fallback', '{sales,northwind}')`, now())
	testkit.Must(t, err)
	_, body, _ := get(t, "/costs?span=7d", person{user: "fleur"}.token(), "en")
	tile := regexp.MustCompile(`(?s)<dt>Saved</dt>.*?</div>`).FindString(body)
	var amounts []money.Nanos
	for _, parts := range regexp.MustCompile(`<span class="money"(?: title="\$([0-9.]+)")?>\$([0-9.]+)(?:<span class="sub">([0-9]+)</span>)?`).FindAllStringSubmatch(tile, -1) {
		amount, err := money.Parse(cmp.Or(parts[1], parts[2]+parts[3]))
		testkit.Must(t, err)
		amounts = append(amounts, amount)
	}
	if len(amounts) != 3 || amounts[0] != amounts[1]+amounts[2] || amounts[0] < 7_890_000_000 {
		t.Errorf("saved are %v: %s", amounts, tile)
	}
}

// TestAssets: what pages link to is kept by browsers for ever, under a name that changes with it.
func TestAssets(t *testing.T) {
	_, body, _ := get(t, "/usage", employee.token(), "en")
	found := regexp.MustCompile(`"(/static/[^"]+)"`).FindAllStringSubmatch(body, -1)
	if len(found) != 3 {
		t.Fatalf("%v", found)
	}
	for _, one := range found {
		status, _, header := get(t, one[1], "", "en")
		if status != 200 || !strings.Contains(header.Get("Cache-Control"), "immutable") || header.Get("Content-Type") == "" {
			t.Errorf("%s: %d %v", one[1], status, header)
		}
	}
	for _, path := range []string{"/static/nothing.css", "/static/../pages.go", "/static/"} {
		if status, _, _ := get(t, path, "", "en"); status == 200 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// TestEveryPageIsInSight: a reader with a phone sees which pages exist, in the language with the longer words.
func TestEveryPageIsInSight(t *testing.T) {
	tb := open(t, platform, look{language: "es-AR", width: 360, height: 740})
	tb.visit("/budgets?tenant=sales")
	links := value[int](tb, `document.querySelectorAll("nav a").length`)
	seen := value[int](tb, `[...document.querySelectorAll("nav a")].filter(a => a.getBoundingClientRect().right <= innerWidth).length`)
	if seen < 6 || seen != links {
		t.Errorf("%d of %d pages are in sight", seen, links)
	}
	if text := value[string](tb, `document.querySelector("#users + .card").innerText`); !strings.Contains(text, "US$ 4,00") {
		t.Errorf("the limit of each user is %q", text)
	}
}
