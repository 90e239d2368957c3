package pages_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bursar-dev/bursar/hack/testkit"
)

// mondays is what the API server warns of, and how pages have it.
const (
	mondays = "Budgets are changed on <i>Mondays</i>."
	told    = "Budgets are changed on &lt;i&gt;Mondays&lt;/i&gt;."
)

// warns has the API server warn of every change of Bursar's resources in a namespace, as a policy of
// the platform's may.
func warns(t *testing.T, namespace string, messages ...string) {
	t.Helper()
	name := strings.ToLower(t.Name())
	var validations []any
	for _, message := range messages {
		validations = append(validations, map[string]any{"expression": "false", "message": message})
	}
	rule := map[string]any{
		"apiGroups": []any{"bursar.dev"}, "apiVersions": []any{"*"}, "operations": []any{"CREATE", "UPDATE", "DELETE"},
		"resources": []any{"tenantbudgets", "ratelimitpolicies", "budgetgrants", "apikeys"},
	}
	constraints := map[string]any{
		"resourceRules": []any{rule}, "namespaceSelector": map[string]any{"matchLabels": map[string]any{"kubernetes.io/metadata.name": namespace}},
	}
	for kind, spec := range map[string]map[string]any{
		"ValidatingAdmissionPolicy":        {"matchConstraints": constraints, "validations": validations},
		"ValidatingAdmissionPolicyBinding": {"policyName": name, "validationActions": []any{"Warn"}},
	} {
		object := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
		object.SetAPIVersion("admissionregistration.k8s.io/v1")
		object.SetKind(kind)
		object.SetName(name)
		testkit.Must(t, shared.Cluster.Create(t.Context(), object))
		t.Cleanup(func() { testkit.Must(t, shared.Cluster.Delete(context.Background(), object)) })
	}
}

// visitor is somebody whose browser keeps cookies.
type visitor struct {
	http.Client
	t     *testing.T
	token string
	url   *url.URL
}

func newVisitor(t *testing.T, who person) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	testkit.Must(t, err)
	address, err := url.Parse(shared.url)
	testkit.Must(t, err)
	return &visitor{Client: http.Client{Jar: jar}, t: t, token: who.token(), url: address}
}

// send sends a form, or asks for a page if there are no fields, and follows where it leads to.
func (v *visitor) send(path, language string, fields url.Values) (to, body string) {
	v.t.Helper()
	method := http.MethodGet
	if fields != nil {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(v.t.Context(), method, shared.url+path, strings.NewReader(fields.Encode()))
	testkit.Must(v.t, err)
	request.Header.Set("Authorization", "Bearer "+v.token)
	request.Header.Set("Accept-Language", language)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := v.Do(request)
	testkit.Must(v.t, err)
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	testkit.Must(v.t, err)
	body = string(content)
	if response.StatusCode != http.StatusOK {
		v.t.Fatalf("%s %s: %d %s", method, path, response.StatusCode, body)
	}
	return response.Request.URL.RequestURI(), body
}

// TestWarnings: what the API server warns of when something is saved is on the page after that, in the
// frame of either language, and until something else is changed; nobody makes a page say anything else.
func TestWarnings(t *testing.T) {
	warns(t, "sales", mondays)
	v, elena := newVisitor(t, person{user: "diego"}), person{user: "elena"}.token()
	diego := v.token
	before := map[string]url.Values{}
	for _, path := range []string{"/budgets/rates/tiers", "/budgets/limits", "/budgets/alerts"} {
		before[path] = formOf(t, path, diego)
	}
	rates := with(before["/budgets/rates/tiers"], "do", "preview", "limit-0-window", "5m")
	testkit.Eventually(t, "the API server knows the policy", func() bool {
		_, body := v.send("/budgets/rates/tiers", "en", rates)
		return strings.Contains(body, told)
	})
	warned := func(language, path string, fields url.Values, texts ...string) (to string) {
		t.Helper()
		to, body := v.send(path, language, fields)
		for _, text := range append(texts, told) {
			if strings.Count(body, text) != 1 {
				t.Errorf("%s leads to %s, where %q is not once", path, to, text)
			}
		}
		return to
	}
	warned("en", "/budgets/rates/tiers", with(rates, "do", "save"), "It is saved", "Please note", " per 5m, each user")
	to := warned("es", "/budgets/limits", with(formOf(t, "/budgets/limits", diego), "do", "save", "limit-2-amount", "0.33"), "Está guardado", "Ten en cuenta")
	warned("en", to, nil, "It is saved") // loaded again, in another language
	if _, body := v.send("/budgets", "en", nil); strings.Contains(body, told) {
		t.Error("the page warns when nothing was changed")
	}
	warned("en", "/budgets/alerts", with(formOf(t, "/budgets/alerts", diego), "do", "save", "email", "diego@northwind.example\nwarned@northwind.example"), "It is saved")
	warned("en", "/grants/new", url.Values{"limit": {"each-user"}, "user": {"elena"}, "amount": {"1"}, "for": {"1"}, "reason": {"warned"}}, "It is granted")
	if _, body := v.send("/keys", "en", url.Values{"name": {"warned"}, "user": {"elena"}, "tier": {"empleado"}, "expires": {"7"}}); strings.Count(body, told) != 1 {
		t.Error("nobody is warned of a new key")
	}
	known(t, "/keys/warned", diego)
	to = warned("en", "/keys/warned", url.Values{"do": {"delete"}}, "The key is deleted")

	does(t, "/requests/new", elena, url.Values{"limit": {"each-user"}, "amount": {"1"}, "for": {"1"}, "reason": {"to be warned of"}})
	asked := askedFor(t, diego, "to be warned of")
	warned("en", asked, url.Values{"decision": {"approve"}, "amount": {"1"}, "for": {"asked"}}, "It is approved")
	if _, body := v.send(to, "en", nil); strings.Contains(body, told) {
		t.Error("the page after a change before warns of this one")
	}
	_, list := v.send("/alerts?kind=open", "en", nil)
	alert := regexp.MustCompile(`href="(/alerts/[0-9a-f-]{36})"`).FindStringSubmatch(list)[1]
	if v.send(alert, "en", url.Values{"mark": {"mute"}, "for": {"1"}}); len(v.Jar.Cookies(v.url)) != 0 {
		t.Errorf("after a change that nobody warns of, the browser keeps %v", v.Jar.Cookies(v.url))
	}
	for _, forged := range []string{"eyJ0ZXh0cyI6WyJ4Il19.eA", "eyJ0ZXh0cyI6WyJ4Il19", ".", "%"} {
		v.Jar.SetCookies(v.url, []*http.Cookie{{Name: "bursar_warned", Value: forged}})
		if _, body := v.send("/budgets?done=changed", "en", nil); strings.Contains(body, "Please note") {
			t.Errorf("the page says what the cookie %s has", forged)
		}
	}
	for path, fields := range before {
		v.send(path, "en", with(fields, "do", "save", "version", formOf(t, path, diego).Get("version")))
	}
}

// TestManyWarnings: of so many warnings that no cookie holds them, the first are shown, and how many
// more there were.
func TestManyWarnings(t *testing.T) {
	var messages []string
	for n := range 20 {
		messages = append(messages, fmt.Sprintf("%02d %s", n, strings.Repeat("x", 100)))
	}
	warns(t, "sales", messages...)
	v := newVisitor(t, person{user: "diego"})
	before := formOf(t, "/budgets/limits", v.token)
	testkit.Eventually(t, "the API server knows the policy", func() bool {
		_, body := v.send("/budgets/limits", "en", with(before, "do", "preview", "limit-2-amount", "0.51"))
		return strings.Contains(body, messages[0])
	})
	_, body := v.send("/budgets/limits", "en", with(before, "do", "save", "limit-2-amount", "0.51"))
	shown := strings.Count(body, strings.Repeat("x", 100))
	if !strings.Contains(body, messages[0]) || shown < 5 || !regexp.MustCompile(`and \d+ others`).MatchString(body) {
		t.Errorf("%d warnings are shown, and how many others: %t", shown, strings.Contains(body, "others"))
	}
	for _, cookie := range v.Jar.Cookies(v.url) {
		if len(cookie.Name)+len(cookie.Value) > 4000 {
			t.Errorf("a cookie of %d bytes", len(cookie.Value))
		}
	}
	v.send("/budgets/limits", "en", with(before, "do", "save", "version", formOf(t, "/budgets/limits", v.token).Get("version")))
}

// TestWarningsInBrowsers: where no script runs, and where it does, in both languages, an admin who saves
// reads what the API server warns of. Nobody is kept from it by how the page is made.
func TestWarningsInBrowsers(t *testing.T) {
	findBrowser(t)
	warns(t, "emea-sales", mondays)
	axe := axeScript(t)
	fleur := person{user: "fleur"}
	before := formOf(t, "/budgets/limits", fleur.token())
	testkit.Eventually(t, "the API server knows the policy", func() bool {
		_, _, body := post(t, "/budgets/limits", fleur.token(), with(before, "do", "preview", "limit-2-amount", "1.5"))
		return strings.Contains(body, told)
	})
	for amount, how := range map[string]look{
		"1.25": {language: "en-US", width: 1280, height: 900, withoutScript: true}, "1.5": {language: "es-AR", width: 360, height: 740, dark: true},
	} {
		tb := open(t, fleur, how)
		tb.visit("/budgets/limits")
		tb.do(chromedp.Clear(chromedp.CSS(`#limit-2-amount`)), chromedp.SendKeys(chromedp.CSS(`#limit-2-amount`), amount))
		tb.do(chromedp.Click(chromedp.CSS(`button[value="save"]`)))
		testkit.Eventually(t, "the warning is shown", func() bool {
			return value[bool](tb, `document.querySelector("[role=status]") != null && document.querySelector(".notice [lang=en] li")?.innerText.endsWith("`+mondays+`") === true`)
		})
		if !how.withoutScript { // axe is one
			for _, violation := range violations(tb, axe) {
				t.Errorf("in %s: %s", how.language, violation)
			}
		}
		for _, complaint := range tb.complaints() {
			t.Errorf("the browser complains: %s", complaint)
		}
	}
}
