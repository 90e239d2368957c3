package alert

import (
	"strings"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// mark says something of the alerts of a limit, as the console does.
func (x *test) mark(limit, mark string, until any) {
	x.Helper()
	_, err := x.admin.Exec(x.Context(), `
INSERT INTO alert_marks (alert_id, tenant_id, mark, marked_by, muted_until)
SELECT alert_id, tenant_id, $2, 'ana', now() + $3::interval FROM cost_alerts WHERE limit_name = $1 ORDER BY raised_at LIMIT 1`, limit, mark, until)
	testkit.Must(x, err)
}

// TestMuted: nobody is told of a muted alert, nor of the same in another period, until it is unmuted;
// others are told of meanwhile, and an alert whose cause goes while it is muted is never told.
func TestMuted(t *testing.T) {
	x := newTest(t).useDatabase()
	x.budget.Spec.Alerts = &v1alpha1.Alerts{Slack: x.budget.Spec.Alerts.Slack}
	yesterday, today := reached("daily", 80), reached("daily", 80)
	yesterday.Period.Start, yesterday.Period.End = today.Period.Start.AddDate(0, 0, -1), today.Period.Start
	x.raiseAlerts(x.budget, yesterday)
	x.mark("daily", "Mute", time.Hour)
	x.raiseAlerts(x.budget, today, reached("monthly", 80))
	x.manage(x.newDeliverer(x.options()))
	testkit.Eventually(x, "what is not muted is told, and what was resolved is given up", func() bool { return x.waiting() == 1 })
	if posts := world.Webhook.Taken(x.channel); len(posts) != 1 || !strings.Contains(string(posts[0].Body), "limit monthly") || strings.Contains(string(posts[0].Body), "limit daily") {
		t.Errorf("told: %v", posts)
	}
	x.mark("daily", "Unmute", nil)
	_, err := x.admin.Exec(t.Context(), "UPDATE alert_deliveries SET delivered_at = delivered_at - interval '1 minute' WHERE delivered_at IS NOT NULL")
	testkit.Must(t, err)
	testkit.Eventually(x, "it is told when it is unmuted", func() bool { return x.waiting() == 0 })
	if posts := world.Webhook.Taken(x.channel); len(posts) != 2 || !strings.Contains(string(posts[1].Body), "limit daily has reached") {
		t.Errorf("told: %v", posts)
	}
	if got := x.count("SELECT count(*) FROM alert_deliveries WHERE abandoned_at IS NOT NULL AND last_error LIKE '%muted until its cause had gone'"); got != 1 {
		t.Errorf("%d deliveries were given up, want 1", got)
	}
}

// TestMuteEnds: a mute ends by itself.
func TestMuteEnds(t *testing.T) {
	x := newTest(t).useDatabase()
	x.budget.Spec.Alerts = &v1alpha1.Alerts{Slack: x.budget.Spec.Alerts.Slack}
	x.raise("daily")
	x.mark("daily", "Mute", time.Second)
	muted := time.Now()
	x.manage(x.newDeliverer(x.options()))
	testkit.Eventually(x, "it is told", func() bool { return x.waiting() == 0 })
	if told := time.Since(muted); told < 900*time.Millisecond {
		t.Errorf("told after %s", told)
	}
}

// TestSendMeOne: a test goes to everybody, by the real channels, and leaves no incident open.
func TestSendMeOne(t *testing.T) {
	x := newTest(t).useDatabase()
	x.secrets["alerts"]["teams"], x.secrets["alerts"]["pagerduty"] = world.Webhook.URL+x.channel+"/teams", integrationKeyOfTests
	x.budget.Spec.Alerts.Teams, x.budget.Spec.Alerts.PagerDuty = teamsAlerts, pagerDutyAlerts
	x.budget.Spec.Alerts.Filters = []v1alpha1.AlertFilter{{Recipients: []v1alpha1.AlertRecipient{"Slack"}, Limits: []string{"monthly"}}}
	_, err := x.admin.Exec(t.Context(), `
WITH test AS (
  INSERT INTO cost_alerts (tenant_id, budget_uid, limit_name, period_start, period_end, action, at_percent, amount_nanos, spent_nanos, message, resolved_at, resolution)
  VALUES ('acme', 'u1', '', now(), now(), 'Test', 0, 0, 0, 'this is a test', now(), 'Tested') RETURNING alert_id)
INSERT INTO alert_deliveries (alert_id, tenant_id, channel, recipient)
SELECT alert_id, 'acme', name, CASE WHEN name = 'Email' THEN $1 ELSE '' END FROM test, unnest(ARRAY['Email', 'Webhook', 'Slack', 'Teams', 'PagerDuty']) AS name`, x.mail)
	testkit.Must(t, err)
	x.manage(x.newDeliverer(x.options()))
	events := x.awaitEvents(2)
	testkit.Eventually(x, "all is delivered", func() bool { return x.waiting() == 0 })
	mails, hooks, posts, cards := world.Mail.Mails(x.mail), world.Webhook.Taken(x.hook), world.Webhook.Taken(x.channel), world.Webhook.Taken(x.channel+"/teams")
	if len(mails) != 1 || len(hooks) != 1 || len(posts) != 1 || len(cards) != 1 {
		t.Fatalf("%d e-mails, %d webhooks, %d posts, %d cards, want one of each", len(mails), len(hooks), len(posts), len(cards))
	}
	if got, want := mails[0].Header.Get("Subject"), "Bursar: tenant acme: a test of alerts"; got != want || strings.Contains(mails[0].Body, "Spent:") {
		t.Errorf("the e-mail %q: %s", got, mails[0].Body)
	}
	if events[0].Payload.Class != "Test" || events[0].Payload.Severity != "warning" || events[1].Action != "resolve" || events[1].DedupKey != events[0].DedupKey {
		t.Errorf("%+v", events)
	}
}

// TestTestsAreNotCounted: tests leave as many alerts to be told of within an hour as there were.
func TestTestsAreNotCounted(t *testing.T) {
	x := newTest(t).useDatabase()
	_, err := x.admin.Exec(t.Context(), `
INSERT INTO cost_alerts (tenant_id, budget_uid, limit_name, period_start, period_end, action, at_percent, amount_nanos, spent_nanos, message, resolved_at, resolution)
SELECT 'acme', 'u1', '', now() + n * interval '1 second', now(), 'Test', 0, 0, 0, 'this is a test', now(), 'Tested' FROM generate_series(1, $1) AS n`, budgetstore.MostAnHour)
	testkit.Must(t, err)
	x.raise("daily")
	if got := x.count("SELECT count(*) FROM cost_alerts WHERE NOT muted AND action = 'Warn'"); got != 1 {
		t.Errorf("%d alerts are told of, want 1", got)
	}
}
