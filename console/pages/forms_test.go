package pages_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/hack/testkit"
)

// post sends a form, and returns where that leads to, or the page that says what is wrong.
func post(t *testing.T, path, token string, fields url.Values) (status int, to, body string) {
	t.Helper()
	return postIn(t, "en", path, token, fields)
}

// postIn is post, for who reads a language.
func postIn(t *testing.T, language, path, token string, fields url.Values) (status int, to, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, shared.url+path, strings.NewReader(fields.Encode()))
	testkit.Must(t, err)
	request.Header.Set("Accept-Language", language)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	testkit.Must(t, err)
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	testkit.Must(t, err)
	return response.StatusCode, response.Header.Get("Location"), string(content)
}

// TestAlertForms: an admin acknowledges an alert, mutes it and takes that back, and has a message
// sent; nobody else does.
func TestAlertForms(t *testing.T) {
	diego := person{user: "diego"}.token()
	_, list, _ := get(t, "/alerts?kind=open", diego, "en")
	found := regexp.MustCompile(`href="(/alerts/[0-9a-f-]{36})"`).FindStringSubmatch(list)
	if found == nil {
		t.Fatal(list)
	}
	alert := found[1]
	shows(t, alert, diego, "by nobody yet", "I have seen it", `value="mute"`)
	for _, step := range []struct {
		fields url.Values
		want   []string
	}{
		{url.Values{"mark": {"acknowledge"}}, []string{"It is recorded", "diego"}},
		{url.Values{"mark": {"mute"}, "for": {"7"}}, []string{"Nobody is told of this alert until then", "until Nov 25, 2026", `value="unmute"`}},
		{url.Values{"mark": {"unmute"}}, []string{"People are told of this alert again", `value="mute"`}},
	} {
		status, to, body := post(t, alert, diego, step.fields)
		if status != http.StatusSeeOther {
			t.Fatalf("%v: %d %s", step.fields, status, body)
		}
		shows(t, to, diego, step.want...)
	}
	status, to, body := post(t, "/alerts", diego, nil)
	if status != http.StatusSeeOther {
		t.Fatalf("a message is sent: %d %s", status, body)
	}
	shows(t, to, diego, "A message is on its way", "diego@northwind.example", "Waiting")
	for name, tc := range map[string]struct {
		who    string
		path   string
		fields url.Values
		want   int
	}{
		"an employee":         {person{user: "elena"}.token(), alert, url.Values{"mark": {"acknowledge"}}, 403},
		"an employee's test":  {person{user: "elena"}.token(), "/alerts", nil, 403},
		"another tenant's":    {admin.token(), alert, url.Values{"mark": {"acknowledge"}}, 404},
		"a tenant below":      {above.token(), alert + "?tenant=sales", url.Values{"mark": {"acknowledge"}}, 403},
		"no mark":             {diego, alert, nil, 422},
		"muted for no time":   {diego, alert, url.Values{"mark": {"mute"}, "for": {"0"}}, 422},
		"an alert there's no": {diego, "/alerts/x", url.Values{"mark": {"mute"}}, 404},
		"a page without form": {diego, "/costs", nil, 405},
	} {
		if status, _, body := post(t, tc.path, tc.who, tc.fields); status != tc.want {
			t.Errorf("%s: %d, want %d: %.300s", name, status, tc.want, body)
		}
	}
}
