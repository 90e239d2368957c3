package alert

import (
	"encoding/json"
	"io"
	"mime/quotedprintable"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/leader/request"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// ask asks for more as the console does, and returns the ID of the request.
func (x *test) ask(user, reason string) (id string) {
	x.Helper()
	err := x.admin.QueryRow(x.Context(), `
INSERT INTO budget_requests (tenant_id, user_id, requested_by, limit_name, amount, expires_at, reason)
VALUES ('acme', $1, 'company/' || $1, 'each-user', '3.00', now() + interval '2 hours', $2) RETURNING request_id::text`, user, reason).Scan(&id)
	testkit.Must(x, err)
	return id
}

// watch looks for requests, as two leaders at once do that do not know of each other.
func (x *test) watch(d *Deliverer) {
	x.Helper()
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			w := request.New(budgetstore.NewRequests(x.pool), budgetstore.NewAlerts(x.pool), x.cluster, d)
			if err := w.Look(x.Context()); err != nil {
				x.Error(err)
			}
		})
	}
	both.Wait()
}

// requestsWorld is a budget that tells all channels, and a manager that delivers.
func requestsWorld(t *testing.T) (*test, *Deliverer) {
	t.Helper()
	x := newTest(t).useDatabase()
	alerts := *x.budget.Spec.Alerts
	alerts.Teams, alerts.PagerDuty = teamsAlerts, pagerDutyAlerts
	x.onlyTells(alerts)
	x.secrets["alerts"]["teams"] = world.Webhook.URL + x.channel + "/teams"
	x.budget.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionTrue}}
	options := x.options()
	options.Link, options.Console = "https://grafana.example.com", "https://bursar.example.com"
	d := x.newDeliverer(options)
	x.manage(d)
	return x, d
}

// TestRequestsAreTold: every recipient is told once which user asks for how much more and why,
// where to decide, and what was decided. PagerDuty has an incident until the decision.
func TestRequestsAreTold(t *testing.T) {
	x, d := requestsWorld(t)
	id := x.ask("ana", "the <launch>")
	x.watch(d)
	x.watch(d)
	const asked = "user ana asks for 3.00 USD more of limit each-user until "
	x.awaitTold(1, asked, "the <launch>", "https://bursar.example.com/alerts/")
	var hook event
	testkit.Must(t, json.Unmarshal(world.Webhook.Taken(x.hook)[0].Body, &hook))
	if got := hook.Data; got.RequestID != id || got.User != "ana" || got.Amount != "3" && got.Amount != "3.00" || got.Spent != "" || got.Action != "Request" {
		t.Errorf("webhook: %+v", got)
	}
	if events := x.awaitEvents(1); events[0].Action != "trigger" || !strings.Contains(events[0].ClientURL, "https://bursar.example.com/alerts/") {
		t.Errorf("PagerDuty: %+v", events)
	}

	_, err := x.admin.Exec(t.Context(), `
INSERT INTO budget_decisions (request_id, tenant_id, approved, decided_by, reason, namespace, grant_name)
VALUES ($1::uuid, 'acme', true, 'company/hugo', 'good luck', 'acme', 'request-x')`, id)
	testkit.Must(t, err)
	x.watch(d)
	x.watch(d)
	x.awaitTold(2, "company/hugo has approved what user ana asked for: 3.00 USD more of limit each-user until ", "good luck")
	if events := x.awaitEvents(2); events[1].Action != "resolve" || events[1].DedupKey != events[0].DedupKey {
		t.Errorf("PagerDuty: %+v", events)
	}
	if open := x.count("SELECT count(*) FROM cost_alerts WHERE resolved_at IS NULL OR resolution <> 'Decided'"); open != 0 {
		t.Errorf("%d alerts are not resolved as decided", open)
	}
	x.checkWhoSees()
}

// TestGrantedIsTold: where something else is granted than was asked for, both are told, and what is
// granted is the amount of the alert.
func TestGrantedIsTold(t *testing.T) {
	x, d := requestsWorld(t)
	id := x.ask("ana", "the launch")
	_, err := x.admin.Exec(t.Context(), `
INSERT INTO budget_decisions (request_id, tenant_id, approved, decided_by, namespace, grant_name, granted_amount, granted_until)
VALUES ($1::uuid, 'acme', true, 'company/hugo', 'acme', 'request-x', '1.50', '2099-01-01Z')`, id)
	testkit.Must(t, err)
	x.watch(d)
	x.awaitTold(1, "3.00 USD more of limit each-user until ", "; granted: 1.50 USD until 2099-01-01T00:00:00Z")
	var hook event
	testkit.Must(t, json.Unmarshal(world.Webhook.Taken(x.hook)[0].Body, &hook))
	if got := hook.Data; got.RequestID != id || got.Amount != "1.5" && got.Amount != "1.50" {
		t.Errorf("webhook: %+v", got)
	}
}

// awaitTold waits until all is delivered, and expects so many messages by mail, webhook, Slack and
// Teams each, of which the last says something.
func (x *test) awaitTold(want int, texts ...string) {
	x.Helper()
	testkit.Eventually(x, "all is delivered", func() bool { return x.waiting() == 0 })
	told := map[string][]string{}
	for _, mail := range world.Mail.Mails(x.mail) {
		text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(mail.Body)))
		testkit.Must(x, err)
		told["mail"] = append(told["mail"], string(text))
	}
	for _, path := range []string{x.hook, x.channel, x.channel + "/teams"} {
		for _, post := range world.Webhook.Taken(path) {
			var body any
			testkit.Must(x, json.Unmarshal(post.Body, &body))
			told[path] = append(told[path], strings.NewReplacer("&lt;", "<", "&gt;", ">").Replace(textsIn(body)))
		}
	}
	if len(told) != 4 {
		x.Errorf("told by %d channels, want 4", len(told))
	}
	for channel, messages := range told {
		if len(messages) != want {
			x.Errorf("%s: %d messages, want %d: %q", channel, len(messages), want, messages)
			continue
		}
		for _, text := range texts {
			if !strings.Contains(messages[want-1], text) {
				x.Errorf("%s does not say %q: %s", channel, text, messages[want-1])
			}
		}
	}
}

// textsIn are all texts in a JSON value.
func textsIn(value any) string {
	switch value := value.(type) {
	case string:
		return value + "\n"
	case []any:
		var all strings.Builder
		for _, one := range value {
			all.WriteString(textsIn(one))
		}
		return all.String()
	case map[string]any:
		var all strings.Builder
		for _, one := range value {
			all.WriteString(textsIn(one))
		}
		return all.String()
	}
	return ""
}

// checkWhoSees expects that the user who asks sees the alert of the request, but not that of the
// decision, which names the admin.
func (x *test) checkWhoSees() {
	x.Helper()
	for user, want := range map[string][]string{"ana": {"Request"}, "bob": nil} {
		testkit.Must(x, pgx.BeginFunc(x.Context(), x.admin, func(tx pgx.Tx) error {
			_, err := tx.Exec(x.Context(), "SET LOCAL ROLE bursar_reader")
			testkit.Must(x, err)
			_, err = tx.Exec(x.Context(), "SELECT set_config('bursar.tenant_id', 'acme', true), set_config('bursar.user_id', $1, true)", user)
			testkit.Must(x, err)
			rows, err := tx.Query(x.Context(), "SELECT action FROM cost_alerts")
			testkit.Must(x, err)
			got, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if !slices.Equal(got, want) {
				x.Errorf("%s sees alerts %v, want %v", user, got, want)
			}
			return err
		}))
	}
}

// TestRequestsDoNotHideSpending: however many ask for more within an hour, people are told of
// spending; too many requests are on record and not sent, and one that has expired ends.
func TestRequestsDoNotHideSpending(t *testing.T) {
	x, d := requestsWorld(t)
	for i := range budgetstore.MostAnHour + 5 {
		x.ask(string(rune('a'+i%26))+string(rune('a'+i/26)), "again")
	}
	x.watch(d)
	if sent := x.count("SELECT count(*) FROM cost_alerts WHERE action = 'Request' AND NOT muted"); sent != budgetstore.MostAnHour {
		t.Errorf("%d requests are told, want %d", sent, budgetstore.MostAnHour)
	}
	x.raiseAlerts(x.budget, ofUsers(1, 80)...)
	if sent := x.count("SELECT count(*) FROM cost_alerts WHERE action = 'Warn' AND NOT muted"); sent != 1 {
		t.Error("spending is not told, because many asked for more")
	}
	testkit.Eventually(x, "all is delivered", func() bool { return x.waiting() == 0 })
	if mails := world.Mail.Mails(x.mail); len(mails) != 2 || !strings.Contains(mails[0].Header.Get("Subject")+mails[1].Header.Get("Subject"), "60 requests for more") {
		t.Errorf("%d mails: %+v", len(mails), mails[0].Header)
	}
	_, err := x.admin.Exec(t.Context(), "UPDATE budget_requests SET expires_at = now()")
	testkit.Must(t, err)
	x.watch(d)
	if open := x.count("SELECT count(*) FROM cost_alerts WHERE action = 'Request' AND resolution IS DISTINCT FROM 'PeriodTurned'"); open != 0 {
		t.Errorf("%d alerts of requests that have expired are open", open)
	}
}
