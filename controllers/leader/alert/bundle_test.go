package alert

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/parts/receivers"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// ofUsers are alerts of so many users at a rung.
func ofUsers(users int, atPercent int32) []budgetstore.Alert {
	var alerts []budgetstore.Alert
	for i := range users {
		alert := reached("each", atPercent)
		alert.Owner.User = fmt.Sprintf("user-%02d", i)
		alert.Message = fmt.Sprintf("user %s has reached the %d%% rung of limit each", alert.Owner.User, atPercent)
		alerts = append(alerts, alert)
	}
	return alerts
}

// awaitMessages waits until everything is told that may be now, and returns the messages of each
// channel.
func (x *test) awaitMessages(mails, hooks, posts int) (mail []receivers.Mail, hook, post []receivers.Request) {
	x.Helper()
	testkit.Eventually(x, "the messages", func() bool {
		mail, hook, post = world.Mail.Mails(x.mail), world.Webhook.Taken(x.hook), world.Webhook.Taken(x.channel)
		return len(mail) >= mails && len(hook) >= hooks && len(post) >= posts
	})
	time.Sleep(10 * quick.look) // nothing else comes
	mail, hook, post = world.Mail.Mails(x.mail), world.Webhook.Taken(x.hook), world.Webhook.Taken(x.channel)
	if len(mail) != mails || len(hook) != hooks || len(post) != posts {
		x.Fatalf("%d e-mails, %d webhooks, %d posts, want %d, %d, %d", len(mail), len(hook), len(post), mails, hooks, posts)
	}
	return mail, hook, post
}

// TestARungIsOneMessage: users and limits that reach a rung at once are told in one message to each
// recipient, and those that follow within a minute in the next; another rung waits for neither.
func TestARungIsOneMessage(t *testing.T) {
	x := newTest(t).useDatabase()
	x.raiseAlerts(x.budget, append(ofUsers(budgetstore.MostAnHour+3, 80), reached("daily", 80), reached("monthly", 80))...)
	x.manage(x.newDeliverer(x.options()))
	mails, hooks, posts := x.awaitMessages(1, 1, 1)
	if got, want := mails[0].Header.Get("Subject"), "Bursar: tenant acme: 2 limits and 60 users have reached 80% (Warn)"; got != want {
		t.Errorf("subject %q, want %q", got, want)
	}
	for _, line := range []string{
		"- limit daily has reached its 80% rung.", "- limit monthly has reached its 80% rung.", "- user user-00 has reached the 80% rung of limit each.",
		"- and 42 more: see kubectl budget alerts.", "- 3 more of this minute were too many to send: see kubectl budget alerts.",
	} {
		if !strings.Contains(mails[0].Body, line) || !strings.Contains(string(posts[0].Body), line[2:]) {
			t.Errorf("no line %q in\n%s\nor %s", line, mails[0].Body, posts[0].Body)
		}
	}
	var event event
	testkit.Must(t, json.Unmarshal(hooks[0].Body, &event))
	ids := map[string]bool{event.ID: true, event.Data.ID: true}
	for _, other := range event.Data.Others {
		ids[other.ID] = true
	}
	if event.Subject != "acme" || len(event.Data.Others) != 61 || event.Data.Muted != 3 || len(ids) != 63 || event.ID != hooks[0].Header.Get("webhook-id") {
		t.Errorf("the event %s", hooks[0].Body)
	}

	x.raiseAlerts(x.budget, reached("weekly", 80), reached("yearly", 80))
	x.raiseAlerts(x.budget, reached("daily", 85))
	mails, _, _ = x.awaitMessages(2, 2, 2)
	if got, want := mails[1].Header.Get("Subject"), "Bursar: tenant acme: 85% of limit daily reached (Warn)"; got != want {
		t.Errorf("subject %q, want %q", got, want)
	}
	_, err := x.admin.Exec(t.Context(), "UPDATE alert_deliveries SET delivered_at = delivered_at - interval '1 minute' WHERE delivered_at IS NOT NULL")
	testkit.Must(t, err)
	mails, _, _ = x.awaitMessages(3, 3, 3)
	if got, want := mails[2].Header.Get("Subject"), "Bursar: tenant acme: 2 limits have reached 80% (Warn)"; got != want {
		t.Errorf("subject %q, want %q", got, want)
	}
}

// TestAMessageStaysTheSame: what was tried in one message is tried again in it, by the same id, and
// with nothing that has come since.
func TestAMessageStaysTheSame(t *testing.T) {
	x := newTest(t).useDatabase()
	x.budget.Spec.Alerts = &v1alpha1.Alerts{Webhook: x.budget.Spec.Alerts.Webhook}
	x.raise("daily", "monthly")
	first, err := x.store.Take(t.Context(), time.Minute)
	testkit.Must(t, err)
	x.raise("weekly")
	second, err := x.store.Take(t.Context(), time.Minute)
	testkit.Must(t, err)
	testkit.Must(t, x.store.PutOff(t.Context(), *first, "failed", 0))
	again, err := x.store.Take(t.Context(), time.Minute)
	testkit.Must(t, err)
	if len(first.All()) != 2 || len(second.All()) != 1 || len(again.All()) != 2 || again.ID != first.ID || again.Attempt != 2 || second.ID == first.ID {
		t.Errorf("took %+v, then %+v, then %+v", first, second, again)
	}
	testkit.Must(t, x.store.Delivered(t.Context(), *again))
	if x.waiting() != 1 {
		t.Errorf("%d wait, want the one", x.waiting())
	}
}

// TestFilters: a recipient is told of what its filters select; one that none names, of everything.
func TestFilters(t *testing.T) {
	x := newTest(t).useDatabase()
	x.budget.Spec.Alerts.Filters = []v1alpha1.AlertFilter{
		{Recipients: []v1alpha1.AlertRecipient{v1alpha1.AlertRecipient(x.mail)}, MinSeverity: v1alpha1.SeverityCritical},
		{Recipients: []v1alpha1.AlertRecipient{"Slack", v1alpha1.AlertRecipient(x.mail)}, Limits: []string{"monthly"}},
	}
	trip, forced := reached("daily", 90), reached("", 0)
	trip.Action, forced.Action = "Trip", "ForceOpen"
	x.raiseAlerts(x.budget, reached("daily", 80), reached("monthly", 81), trip, forced)
	x.manage(x.newDeliverer(x.options()))
	mails, _, posts := x.awaitMessages(3, 4, 2)
	var subjects, texts string
	for _, mail := range mails {
		subjects += mail.Header.Get("Subject") + "\n"
	}
	for _, post := range posts {
		texts += string(post.Body)
	}
	for _, want := range []string{"limit monthly reached (Warn)", "limit daily reached (Trip)", "forced open"} {
		if !strings.Contains(subjects, want) || strings.Contains(texts, want) != (want != "limit daily reached (Trip)") {
			t.Errorf("%s: e-mails\n%sand posts %s", want, subjects, texts)
		}
	}
}
