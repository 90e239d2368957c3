package pages

import (
	"net/http"
	"net/url"

	"github.com/bursar-dev/bursar/console/signin"
)

// form is what every form that changes something contains, so that console/signin knows that a page of
// the console has sent it.
type form struct{ Field, Token string }

func (q *request) form() form { return form{signin.FormField, signin.FormToken(q.ctx)} }

// doneParameter says, on the page after a change, what was changed.
const doneParameter = "done"

// done leads to a page that says what was changed, and what the API server warned of. A reload of that
// page does not repeat the change.
func (q *request) done(path, what string, warnings ...string) view {
	return view{to: q.path(path, url.Values{doneParameter: {what}}), done: what, warnings: warnings}
}

// successes are what pages say after a change.
var successes = map[string]string{
	"acknowledged": phrase("It is recorded that you have seen the alert."),
	"muted":        phrase("Nobody is told of this alert until then."),
	"unmuted":      phrase("People are told of this alert again."),
	"asked":        phrase("Your request is with the administrators. You can follow it here."),
	"approved":     phrase("It is approved: the limit grows within seconds."),
	"declined":     phrase("It is declined. Whoever asked sees why."),
	"granted":      phrase("It is granted, and will be listed here as in force within seconds."),
	"ended":        phrase("The grant has ended. What was spent of it stays spent."),
	"changed":      phrase("It is saved, and is in force within seconds."),
	"deleted":      phrase("The key is deleted."),
	"sent":         phrase("A message is on its way to everybody who is told. Its deliveries are below."),
}

// success is what was changed just before, and what the API server warned of; empty for nothing.
type success struct {
	Text   string
	Warned warned
}

// success is the change that this page is shown after.
func (q *request) success() (s success) {
	if text, ok := successes[q.URL.Query().Get(doneParameter)]; ok {
		s.Text, s.Warned = q.l.say(text), q.warned()
	}
	return s
}

// field is a field of a form that was sent.
func (q *request) field(name string) string {
	if q.Method != http.MethodPost {
		return ""
	}
	return q.PostFormValue(name)
}
