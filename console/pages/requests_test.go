package pages_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// shows checks that a page has texts.
func shows(t *testing.T, path, token string, texts ...string) (body string) {
	t.Helper()
	status, body, _ := get(t, path, token, "en")
	for _, text := range texts {
		if status != http.StatusOK || !strings.Contains(body, text) {
			t.Errorf("%s: %d, %q is not in it", path, status, text)
		}
	}
	return body
}

// refuses checks that a form is answered with an error, that names what is wrong, and that it has
// what was entered.
func refuses(t *testing.T, path, token string, fields url.Values, want int, texts ...string) {
	t.Helper()
	status, to, body := post(t, path, token, fields)
	if status != want {
		t.Errorf("%s %v: %d %s, want %d: %.300s", path, fields, status, to, want, body)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			t.Errorf("%s %v: %q is not in the answer", path, fields, text)
		}
	}
}

// does sends a form, and returns the page to which it leads.
func does(t *testing.T, path, token string, fields url.Values, texts ...string) (body string) {
	t.Helper()
	status, to, body := post(t, path, token, fields)
	if status != http.StatusSeeOther {
		t.Fatalf("%s %v: %d %s", path, fields, status, body)
	}
	return shows(t, to, token, texts...)
}

// askedFor is where the request with a reason is decided.
func askedFor(t *testing.T, admin, reason string) string {
	t.Helper()
	body := shows(t, "/requests", admin)
	at := strings.Index(body, "<blockquote>"+reason)
	if at < 0 {
		t.Fatalf("nobody asks for more because of %s", reason)
	}
	found := regexp.MustCompile(`id="request-([0-9a-f-]{36})"`).FindAllStringSubmatch(body[:at], -1)
	return "/requests/" + found[len(found)-1][1]
}

// TestAskingForMore: an employee asks for more, with what is wrong said at its field; an admin
// approves or declines it, and the employee sees that; nobody else does.
func TestAskingForMore(t *testing.T) {
	luis, rita, nadia := person{user: "luis"}.token(), admin.token(), platform.token()
	ask := func(limit, amount, lasts, reason string) url.Values {
		return url.Values{"limit": {limit}, "amount": {amount}, "for": {lasts}, "reason": {reason}}
	}
	shows(t, "/requests/new?limit=each-user", luis, `<option value="each-user" selected>each-user, per day, yours`, `maxlength="512"`, `pattern="[0-9]&#43;(\.[0-9]{1,9})?"`)
	refuses(t, "/requests/new", luis, ask("each-user", "five", "7", `a "reason"`), 422, `href="#amount"`, `id="amount-problem"`, `aria-invalid="true"`, `value="five"`, `value="a &#34;reason&#34;"`, `<option value="7" selected>`)
	refuses(t, "/requests/new", luis, ask("each-user", "0", "7", "a reason"), 422, "must be more than 0", `id="amount-problem"`)
	refuses(t, "/requests/new", luis, ask("each-user", "1", "7", " "), 422, `id="reason-problem"`)
	refuses(t, "/requests/new", luis, ask("each-user", "1", "never", "a reason"), 422, `id="for-problem"`, "must be in the future")
	refuses(t, "/requests/new", luis, ask("each-user", "1", "7", "a\nreason"), 422, `id="reason-problem"`, "must be one line")
	refuses(t, "/requests/new", luis, ask("nothing", "1", "reset", "a reason"), 422, `id="limit-problem"`)
	for who, token := range map[string]string{"nobody": "", "a stranger": person{user: "stranger"}.token(), "who belongs to no tenant": nadia} {
		if status, _, _ := post(t, "/requests/new?tenant=research", token, ask("each-user", "1", "7", "a reason")); status != 403 && status != 401 {
			t.Errorf("%s asks: %d", who, status)
		}
	}
	for _, reason := range []string{"to be approved", "to be declined", "for half of it"} {
		does(t, "/requests/new", luis, ask("each-user", "1.5", "7", reason), "Your request is with the administrators", reason, "luis asks for $1.50 more", "An administrator has yet to decide")
	}
	does(t, "/requests/new", luis, ask("daily", "7", "reset", "for all of us"), "for all of us")
	if body := shows(t, "/requests", employee.token()); strings.Contains(body, "to be approved") {
		t.Error("an employee sees what another asks for")
	}

	approved, declined, ofAll, half := askedFor(t, rita, "to be approved"), askedFor(t, rita, "to be declined"), askedFor(t, rita, "for all of us"), askedFor(t, rita, "for half of it")
	yes, no := url.Values{"decision": {"approve"}, "amount": {"1.5"}, "for": {"asked"}, "reason": {"enjoy it"}}, url.Values{"decision": {"decline"}, "reason": {"not now"}}
	for who, tc := range map[string]struct {
		token string
		want  int
	}{"whoever asked": {luis, 403}, "a colleague": {employee.token(), 403}, "another tenant's admin": {person{user: "sofia"}.token(), 404}, "nobody": {"", 401}} {
		for _, decision := range []url.Values{yes, no} {
			if status, _, _ := post(t, approved, tc.token, decision); status != tc.want {
				t.Errorf("%s decides: %d, want %d", who, status, tc.want)
			}
		}
	}
	refuses(t, approved+"?tenant=research", above.token(), yes, 403)
	refuses(t, "/requests/x", rita, yes, 404)
	refuses(t, declined, rita, url.Values{"decision": {"decline"}}, 422, "whoever asked is told why", "-problem")
	refuses(t, declined, rita, url.Values{}, 422)
	refuses(t, ofAll, rita, yes, 403)
	does(t, approved, rita, yes, "It is approved", "enjoy it")
	does(t, declined, rita, no, "It is declined", "not now")
	refuses(t, approved, rita, no, 409, "Somebody has approved or declined it already")
	does(t, ofAll+"?tenant=research", nadia, no, "It is declined")
	shows(t, "/requests", luis, "enjoy it", "not now", "Approved", "Declined")
	shows(t, "/usage", luis, "What I asked for", "enjoy it")

	if grant := grantOf(t, approved); grant.User != "luis" || grant.Amount != "1.5" || grant.Limit != "each-user" {
		t.Errorf("the grant is %+v", grant)
	}
	shows(t, "/requests", rita, `value="1.5" autocomplete="off" required`, "As asked for</option>")
	refuses(t, half, rita, with(yes, "amount", "some"), 422, `value="some"`, `id="amount-`+strings.TrimPrefix(half, "/requests/")+`-problem"`, `value="enjoy it"`)
	refuses(t, half, rita, with(yes, "amount", "0"), 422, "must be more than 0")
	refuses(t, half, rita, with(yes, "for", "never"), 422, "must be in the future", `id="for-`+strings.TrimPrefix(half, "/requests/")+`-problem"`)
	for amount, said := range map[string]string{"some": "debe ser un importe, como 5,00", "0": "debe ser mayor que 0 y como máximo 9000000"} {
		if _, _, body := postIn(t, "es", half, rita, with(yes, "amount", amount)); strings.Count(body, said) != 2 { // above the form, and at its field
			t.Errorf("who grants %q does not read %q in Spanish", amount, said)
		}
	}
	does(t, half, rita, with(yes, "amount", "0.75", "for", "1", "reason", "a part"), "It is approved", "a part")
	if grant := grantOf(t, half); grant.Amount != "0.75" || grant.ExpiresAt.Sub(now()) > 25*time.Hour {
		t.Errorf("the grant is %+v", grant)
	}
	for _, path := range []string{"/requests", "/usage"} {
		if body := shows(t, path, luis, "$1.50", "granted: $0.75"); strings.Count(body, "granted: ") != 2 {
			t.Errorf("%s says of others than one that another amount, until another time, was granted", path)
		}
	}
}

// grantOf is the grant of the request that is decided at a path.
func grantOf(t *testing.T, path string) v1alpha1.BudgetGrantSpec {
	t.Helper()
	var grant v1alpha1.BudgetGrant
	testkit.Must(t, shared.Cluster.Get(t.Context(), client.ObjectKey{Namespace: "research", Name: "request-" + strings.TrimPrefix(path, "/requests/")}, &grant))
	return grant.Spec
}

// TestAmountsAsWritten: what is entered is what is meant where the reader is, or refused.
func TestAmountsAsWritten(t *testing.T) {
	for _, tc := range []struct {
		language, amount string
		want             string
	}{
		{"en-US", "1.5", "1.5"}, {"en-US", "1,000", ""}, {"en-US", "$5", ""}, {"es-AR", "1,5", "1.5"}, {"es-AR", "1.5", "1.5"}, {"es-AR", "1.000", ""}, {"es-AR", "1.000,5", ""}, {"es-MX", "1.5", "1.5"},
	} {
		fields := url.Values{"limit": {"each-user"}, "amount": {tc.amount}, "for": {"7"}, "reason": {"amounts"}, "user": {"mei"}}
		status, _, body := postIn(t, tc.language, "/grants/new", admin.token(), fields)
		if (status == http.StatusSeeOther) != (tc.want != "") || tc.want == "" && !strings.Contains(body, `id="amount-problem"`) {
			t.Errorf("%s in %s: %d", tc.amount, tc.language, status)
		}
	}
	var grants v1alpha1.BudgetGrantList
	testkit.Must(t, shared.Cluster.List(t.Context(), &grants, client.InNamespace("research")))
	for _, grant := range grants.Items {
		if grant.Spec.Reason == "amounts" && grant.Spec.Amount != "1.5" {
			t.Errorf("granted was %s", grant.Spec.Amount)
		}
	}
}

// TestGivingMore: an admin gives more of a limit of each user, and takes it back; of a limit of the
// whole tenant, only an admin of the platform does.
func TestGivingMore(t *testing.T) {
	rita, nadia := admin.token(), platform.token()
	give := func(limit, user, reason string) url.Values {
		return url.Values{"limit": {limit}, "user": {user}, "group": {"hidden"}, "amount": {"2.25"}, "for": {"30"}, "reason": {reason}}
	}
	body := shows(t, "/grants/new?limit=each-user&user=mei&amount=2.5&reason=because", rita, `value="mei"`, `value="2.5"`, `value="because"`)
	if strings.Contains(body, `value="daily"`) {
		t.Error("a tenant's admin may choose a limit of the whole tenant")
	}
	refuses(t, "/grants/new", rita, give("daily", "", "for all"), 403, `id="limit-problem"`)
	refuses(t, "/grants/new", rita, give("each-user", "mei", ""), 422, `id="reason-problem"`, `value="mei"`)
	refuses(t, "/grants/new", employee.token(), give("each-user", "ana", "for me"), 403)
	refuses(t, "/grants/new?tenant=research", above.token(), give("each-user", "ana", "for her"), 403)
	refuses(t, "/grants/new?tenant=research", person{user: "sofia"}.token(), give("each-user", "ana", "for her"), 403)
	does(t, "/grants/new", rita, give("each-user", "mei", "a test gives"), "It is granted")
	does(t, "/grants/new?tenant=research", nadia, give("daily", "", "a test gives to all"), "It is granted")
	names := map[string]string{}
	var grants v1alpha1.BudgetGrantList
	testkit.Must(t, shared.Cluster.List(t.Context(), &grants, client.InNamespace("research")))
	for _, grant := range grants.Items {
		names[grant.Spec.Reason] = grant.Name
		if grant.Spec.Group != "" {
			t.Errorf("%s is for group %s", grant.Name, grant.Spec.Group)
		}
	}
	refuses(t, "/grants/"+names["a test gives"]+"/end", employee.token(), nil, 403)
	refuses(t, "/grants/"+names["a test gives"]+"/end?tenant=support", person{user: "sofia"}.token(), nil, 404)
	refuses(t, "/grants/"+names["a test gives to all"]+"/end", rita, nil, 403)
	refuses(t, "/grants/Nothing/end", rita, nil, 404)
	does(t, "/grants/"+names["a test gives"]+"/end", rita, nil, "The grant has ended")
	refuses(t, "/grants/"+names["a test gives"]+"/end", rita, nil, 404)
	does(t, "/grants/"+names["a test gives to all"]+"/end?tenant=research", nadia, nil, "The grant has ended")

	fromGit := &v1alpha1.BudgetGrant{Spec: grants.Items[0].Spec}
	fromGit.Namespace, fromGit.Name = "research", "from-git"
	testkit.Must(t, shared.Cluster.Create(t.Context(), fromGit, client.FieldOwner("argocd-controller")))
	refuses(t, "/grants/from-git/end?tenant=research", nadia, nil, 409, "This is managed elsewhere", "argocd-controller")
	shows(t, "/budgets", rita, `action="/grants/quarterly-report/end"`, "/grants/new", "wait")
}

// TestAskingInBrowsers: where no script runs, an employee asks for more on the page that says why a
// call was refused, by keyboard alone; an admin approves it.
func TestAskingInBrowsers(t *testing.T) {
	how := look{language: "en-US", width: 1280, height: 900, withoutScript: true}
	tb := open(t, employee, how)
	tb.visit("/calls/call_re_r001")
	for range 40 {
		if value[string](tb, `document.activeElement.id`) == "amount" {
			break
		}
		tb.do(chromedp.KeyEvent("\t"))
	}
	for _, key := range []string{"1", ".", "7", "5", "\t", "\t", "i", "n", " ", "b", "r", "o", "w", "s", "e", "r", "s", "\r"} {
		tb.do(chromedp.KeyEvent(key))
	}
	testkit.Eventually(t, "the request is listed", func() bool {
		return value[bool](tb, `location.pathname == "/requests" && document.body?.innerText.includes("in browsers") === true`)
	})
	tb = open(t, platform, how)
	tb.visit("/requests?tenant=research")
	card := value[string](tb, `[...document.querySelectorAll(".request")].find(e => e.innerText.includes("in browsers")).id`)
	id := strings.TrimPrefix(card, "request-")
	tb.do(chromedp.Clear(chromedp.CSS(`#amount-`+id)), chromedp.SendKeys(chromedp.CSS(`#amount-`+id), "0.50"), chromedp.SendKeys(chromedp.CSS(`#reason-`+id), "go on"), chromedp.Click(chromedp.CSS(`#`+card+` button[value="approve"]`)))
	testkit.Eventually(t, "the request is approved", func() bool {
		return value[bool](tb, `document.querySelector("[role=status]")?.innerText.startsWith("It is approved") ? document.body.innerText.includes("go on") && document.body.innerText.includes("granted: $0.50") : false`)
	})
	for _, complaint := range tb.complaints() {
		t.Errorf("the browser complains: %s", complaint)
	}
}
