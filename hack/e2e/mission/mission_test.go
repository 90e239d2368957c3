package mission

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/bursar-dev/bursar/hack/parts/openid"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestADayOfACompany: an employee signs in, calls a model and sees it. At 80 % the admin sees it on the
// page that is open, and has the mail; at 90 % the breaker opens, and the employee reads why and
// asks for more. The platform's admin approves, for more of the whole tenant is theirs to give, and
// calls go on. The next day begins, and the page that is open shows it.
func TestADayOfACompany(t *testing.T) {
	ada := signIn(t, "ada", "/costs")
	ada.do(chromedp.Evaluate[chromedp.Void]("window.same = 1; undefined"))
	eva := signIn(t, "eva", "/usage")
	tokens, err := openid.SignIn(t.Context(), bursar.SignIn.OpenID.URL, "eva", openid.PasswordPrefix+"eva")
	testkit.Must(t, err)
	calls := func(n int) {
		t.Helper()
		for range n {
			if status, id, body := call(t, tokens.Access); status != http.StatusOK {
				t.Fatalf("call %s: %d %s", id, status, body)
			}
		}
	}

	calls(1)
	eva.finds("/usage", "the employee sees the call", "penny", "Completed", "10%")
	ada.sees("the admin sees what was spent", "10%", "$0.01")

	calls(7)
	ada.sees("80 % is on the open page", "80%", "$0.08")
	if warns := value[bool](ada, `!!document.querySelector(".tree .meter.warn")`); !warns {
		t.Error("the limit does not look like one that is nearly used up")
	}
	testkit.Within(t, time.Minute, "the mail has arrived", func() bool { return mailed("80% of limit daily reached (Warn)") })
	admin := signIn(t, "ada", "/alerts?kind=open")
	admin.finds("/alerts?kind=open", "the alert is listed", "Warning", "daily", "80%")

	calls(1)
	ada.sees("the breaker is open on the open page", "90%", "Breaker open")
	var refused string
	testkit.Eventually(t, "calls are refused", func() bool {
		status, id, body := call(t, tokens.Access)
		refused = id
		return status == http.StatusTooManyRequests && strings.Contains(body, "daily")
	})
	eva.finds("/calls/"+refused, "the employee reads why", "Why it was refused", "So much of the limit “daily” of the tenant acme was spent that paid calls are stopped.")
	eva.visit("/requests/new?limit=daily")
	eva.do(chromedp.SendKeys("input[name=amount]", "0.20"), chromedp.SendKeys("input[name=reason]", "The report has to be out tonight.\r"))
	eva.sees("it is asked for", "Your request is with the administrators", "The report has to be out tonight.")

	nadia := signIn(t, "nadia", "/requests?tenant=acme")
	nadia.sees("the platform's admin sees who asks for what, and why", "eva asks for $0.20 more", "The report has to be out tonight.")
	nadia.do(chromedp.Click("button[value=approve]"))
	nadia.sees("it is approved", "It is approved")
	testkit.Within(t, time.Minute, "calls go on", func() bool {
		status, _, _ := call(t, tokens.Access)
		return status == http.StatusOK
	})
	eva.finds("/requests", "the employee sees that", "Approved")
	ada.sees("the open page has the larger limit", "$0.30", "33%")

	testkit.Must(t, bursar.SetRedisClock(24*time.Hour))
	ada.sees("the next day is on the open page", "0%", "$0.00")
	if !value[bool](ada, "window.same === 1") {
		t.Error("the admin's page was loaded again")
	}
	calls(1)
}

// value is that of an expression in the open page.
func value[T any](p person, expression string) T {
	p.t.Helper()
	result, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	testkit.Must(p.t, err)
	return result
}

// mailed reports whether the tenant's admin has a mail with a text in its subject.
func mailed(text string) bool {
	for _, mail := range bursar.Receivers.Mail.Mails("ada@acme.example") {
		if strings.Contains(mail.Header.Get("Subject"), text) {
			return true
		}
	}
	return false
}

// call calls the model that costs a cent.
func call(t *testing.T, token string) (status int, id, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, bursar.EnforcerURLs[0]+"/v1/chat/completions",
		strings.NewReader(`{"model":"penny","messages":[{"role":"user","content":"Hello"}]}`))
	testkit.Must(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	testkit.Must(t, err)
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	testkit.Must(t, err)
	return response.StatusCode, response.Header.Get("X-Bursar-Call-Id"), string(content)
}
