package signin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/bursar-dev/bursar/console/signin"
	"github.com/bursar-dev/bursar/hack/parts/openid"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// tab is one of a real browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// openTab starts a browser, which takes the test's certificate. Without one on this machine the
// test is skipped, except in CI.
func openTab(t *testing.T) tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip("no chromium on this machine")
	}
	testkit.Must(t, err)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.Flag("no-sandbox", true), chromedp.Flag("ignore-certificate-errors", true))
	within, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	allocator, end := chromedp.NewExecAllocator(within, options...)
	t.Cleanup(end)
	ctx, closed := chromedp.NewContext(allocator)
	t.Cleanup(closed)
	return tab{t, ctx}
}

func (tb tab) do(actions ...chromedp.Action[chromedp.Void]) {
	tb.t.Helper()
	testkit.Must(tb.t, chromedp.Do(tb.ctx, actions...))
}

// await waits until a page has a text, and says what it has if not.
func (tb tab) await(text string) {
	tb.t.Helper()
	shown := ""
	testkit.EventuallySucceeds(tb.t, "the page says "+text, func() error {
		var err error
		shown, err = chromedp.Run(tb.ctx, chromedp.Evaluate[string]("location.href + '\\n' + document.documentElement.innerText"))
		if err == nil && !strings.Contains(shown, text) {
			err = fmt.Errorf("it says %s", shown)
		}
		return err
	})
}

func (tb tab) signIn(name string) {
	tb.t.Helper()
	tb.do(
		chromedp.WaitVisible("input[name=password]"), chromedp.SendKeys("input[name=name]", name),
		chromedp.SendKeys("input[name=password]", openid.PasswordPrefix+name), chromedp.Click("button"),
	)
}

// TestInABrowser: the whole way, in one that holds cookies and headers to what they say.
func TestInABrowser(t *testing.T) {
	tb := openTab(t)
	w := newWorld(t)
	c := w.start(true)
	tb.do(chromedp.Navigate(c.URL + "/costs?by=model"))
	tb.signIn("carla")
	tb.await("you are carla at /costs?by=model ")

	kept, err := chromedp.Call(tb.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{c.URL}})
	testkit.Must(t, err)
	if len(kept.Cookies) != 2 {
		t.Errorf("the browser keeps %d cookies", len(kept.Cookies))
	}
	for _, cookie := range kept.Cookies {
		if !strings.HasPrefix(cookie.Name, "__Host-bursar-") || !cookie.HTTPOnly || !cookie.Secure || cookie.SameSite != network.CookieSameSiteLax {
			t.Errorf("the cookie %+v", cookie)
		}
	}
	readable, err := chromedp.Run(tb.ctx, chromedp.Evaluate[string]("document.cookie"))
	if err != nil || readable != "" {
		t.Errorf("scripts read %q, %v", readable, err)
	}

	tb.do(chromedp.Navigate(c.URL+signin.OutPath), chromedp.Click("button"))
	tb.await("You are signed out")
	tb.do(chromedp.NavigateBack())
	tb.do(chromedp.Navigate(c.URL + "/costs"))
	tb.do(chromedp.WaitVisible("input[name=password]"))
}

// attack is a page of another site that tries what pages can.
const attack = `<!doctype html><title>attack</title>
<iframe name="hole"></iframe><iframe id="frame" src="%[1]s/costs"></iframe><iframe name="down"></iframe>
<form id="form" method="post" action="%[1]s/budgets" target="hole"><input name="amount" value="1000000"></form>
<form id="text" method="post" action="%[1]s/api/ai/grants" enctype="text/plain" target="hole"><input name='{"amount":"1' value='"}'></form>
<form id="out" method="post" action="%[1]s/sign-out" target="down"></form>
<p id="done"></p>
<script>
const tried = []
const attempt = (path, init) => fetch("%[1]s" + path, {credentials: "include", ...init})
  .then(async r => tried.push(path + " " + r.type + " " + (await r.text())), () => tried.push(path + " blocked"))
form.submit()
setTimeout(() => text.submit(), 300)
out.submit()
Promise.all([
  attempt("/api/ai/me"), attempt("/costs"), attempt("/api/ai/grants", {method: "POST", body: "{}", headers: {"Content-Type": "application/json"}}),
  attempt("/budgets", {method: "POST", mode: "no-cors", body: new URLSearchParams({amount: "1000000"})}),
  attempt("/budgets", {method: "DELETE"}),
]).then(() => setTimeout(() => { done.textContent = "tried: " + tried.join("; ") }, 1500))
</script>`

// TestAnotherSiteInABrowser: a page of another site, open in the browser of somebody who is
// signed in, changes nothing, reads nothing and shows nothing of the console.
func TestAnotherSiteInABrowser(t *testing.T) {
	tb := openTab(t)
	w := newWorld(t)
	reached := &reachedPages{}
	w.reached = reached.note
	c := w.start(true)
	evil := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, attack, c.URL)
	}))
	t.Cleanup(evil.Close)
	tb.do(chromedp.Navigate(c.URL + "/"))
	tb.signIn("carla")
	tb.await("you are carla")
	for name, at := range map[string]string{
		"another site": strings.Replace(evil.URL, "127.0.0.1", "localhost", 1),
		"another port, to which cookies are sent": evil.URL,
	} {
		reached.forget()
		tb.do(chromedp.Navigate(at))
		tb.await("tried: ")
		shown, err := chromedp.Run(tb.ctx, chromedp.Evaluate[string]("done.textContent"))
		testkit.Must(t, err)
		if strings.Contains(shown, "carla") || strings.Count(shown, "blocked") != 5 {
			t.Errorf("%s reads: %s", name, shown)
		}
		for _, request := range reached.all() {
			if !strings.HasPrefix(request, "GET ") && !strings.HasPrefix(request, "OPTIONS ") { // which changes nothing
				t.Errorf("%s has the browser do %s", name, request)
			}
		}
		framed, err := chromedp.Run(tb.ctx, chromedp.Evaluate[bool](
			"(() => { try { return frame.contentDocument.body.innerText.includes('carla') } catch { return false } })()"))
		if err != nil || framed {
			t.Errorf("%s shows the console in a frame: %v, %v", name, framed, err)
		}
		tb.do(chromedp.Navigate(c.URL + "/costs"))
		tb.await("you are carla at /costs ") // and is still signed in
	}
}
