package alert

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/parts/receivers"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// conforms expects that a body is as a schema in testdata has it, and takes it for JSON.
func conforms(t *testing.T, schema string, body []byte, into any) {
	t.Helper()
	written, err := os.ReadFile("testdata/" + schema)
	testkit.Must(t, err)
	var v1 apiextensionsv1.JSONSchemaProps
	testkit.Must(t, json.Unmarshal(written, &v1))
	var internal apiextensions.JSONSchemaProps
	testkit.Must(t, apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(&v1, &internal, nil))
	validator, _, err := validation.NewSchemaValidator(&internal)
	testkit.Must(t, err)
	var value any
	testkit.Must(t, json.Unmarshal(body, &value))
	for _, err := range validation.ValidateCustomResource(nil, value, validator) {
		t.Errorf("%s: %v: %s", schema, err, body)
	}
	testkit.Must(t, json.Unmarshal(body, into))
}

// onlyTells has the budget tell Teams and PagerDuty, and nobody else.
func (x *test) onlyTells(alerts v1alpha1.Alerts) *test {
	x.budget.Spec.Alerts = &alerts
	x.secrets["alerts"]["teams"] = world.Webhook.URL + x.channel
	x.secrets["alerts"]["pagerduty"] = integrationKeyOfTests
	return x
}

const integrationKeyOfTests = "0123456789abcdef0123456789ABCDEF"

var (
	teamsAlerts     = &v1alpha1.TeamsAlerts{URLSecretRef: v1alpha1.SecretKeyRef{Name: "alerts", Key: "teams"}}
	pagerDutyAlerts = &v1alpha1.PagerDutyAlerts{RoutingKeySecretRef: v1alpha1.SecretKeyRef{Name: "alerts", Key: "pagerduty"}}
)

// TestTeams: a workflow is sent a card in which what somebody is called is no link.
func TestTeams(t *testing.T) {
	x := newTest(t).useDatabase().onlyTells(v1alpha1.Alerts{Teams: teamsAlerts})
	x.budget.Spec.Contact = "#ai-budgets"
	alert := reached("daily", 90)
	alert.Action, alert.Message = "Trip", "limit daily has reached [its rung](https://evil.example.com)"
	options := x.options()
	options.Cluster, options.Link = "prod", "https://grafana.example.com/d/bursar?var-tenant={tenant}"
	x.raiseAlerts(x.budget, alert)
	x.raiseAlerts(x.budget, ofUsers(2, 80)...)
	x.manage(x.newDeliverer(options))
	testkit.Eventually(x, "all is delivered", func() bool { return x.waiting() == 0 })
	posts := world.Webhook.Taken(x.channel)
	if len(posts) != 2 {
		t.Fatalf("%d posts, want 2", len(posts))
	}
	var texts, colors []string
	for _, post := range posts {
		var message teamsMessage
		conforms(t, "teams.schema.json", post.Body, &message)
		card := message.Attachments[0].Content
		colors = append(colors, card.Body[0].Inlines[0].Color)
		for _, block := range card.Body {
			texts = append(texts, block.Inlines[0].Text)
		}
		if len(card.Actions) != 1 || card.Actions[0].URL != "https://grafana.example.com/d/bursar?var-tenant=acme" {
			t.Errorf("actions %v", card.Actions)
		}
	}
	if got := strings.Join(colors, " "); got != "attention warning" && got != "warning attention" {
		t.Errorf("colours %s", got)
	}
	for _, want := range []string{
		"Bursar in prod: tenant acme: 90% of limit daily reached (Trip)", "limit daily has reached [its rung](https://evil.example.com).",
		"Bursar in prod: tenant acme: 2 users have reached 80% (Warn)", "• user user-00 has reached the 80% rung of limit each.", "Contact: #ai-budgets",
	} {
		if !strings.Contains(strings.Join(texts, "\n"), want) {
			t.Errorf("no line %q in %q", want, texts)
		}
	}
}

// awaitEvents waits for so many events, and for no more.
func (x *test) awaitEvents(want int) []pagerDutyEvent {
	x.Helper()
	testkit.Eventually(x, "the events", func() bool { return len(world.Webhook.Taken(x.pager)) >= want })
	time.Sleep(10 * quick.look)
	return x.events(want, world.Webhook.Taken(x.pager))
}

func (x *test) events(want int, posts []receivers.Request) (events []pagerDutyEvent) {
	x.Helper()
	if len(posts) != want {
		x.Fatalf("%d events, want %d", len(posts), want)
	}
	for _, post := range posts {
		var event pagerDutyEvent
		conforms(x.T, "pagerduty.schema.json", post.Body, &event)
		events = append(events, event)
	}
	return events
}

// resolve resolves all alerts of the budget but those that are still reached.
func (x *test) resolve(still ...budgetstore.Alert) {
	x.Helper()
	_, err := budgetstore.NewAlerts(x.pool).Record(x.Context(), budgetstore.TenantAlerts{
		Tenant: "acme", UID: string(x.budget.UID), Now: time.Now(), Reached: still,
		Recipients: budgetstore.Recipients(x.budget.Spec.Alerts), Filters: x.budget.Spec.Alerts.Filters,
	})
	testkit.Must(x, err)
}

// TestPagerDuty: a message triggers an incident, which is resolved, once, when all of its alerts are.
func TestPagerDuty(t *testing.T) {
	x := newTest(t).useDatabase().onlyTells(v1alpha1.Alerts{PagerDuty: pagerDutyAlerts})
	daily, monthly := reached("daily", 80), reached("monthly", 80)
	x.raiseAlerts(x.budget, daily, monthly)
	x.manage(x.newDeliverer(x.options()))
	trigger := x.awaitEvents(1)[0]
	if trigger.Action != "trigger" || trigger.RoutingKey != integrationKeyOfTests || trigger.Payload.Severity != "warning" || trigger.Payload.Source != "acme/budget" ||
		trigger.Payload.Group != "acme" || trigger.Payload.Class != "Warn" || len(trigger.Payload.Details.Others) != 1 {
		t.Errorf("the trigger: %+v, %+v", trigger, trigger.Payload)
	}
	x.resolve(monthly)
	x.awaitEvents(1)
	x.resolve()
	resolve := x.awaitEvents(2)[1]
	if resolve.Action != "resolve" || resolve.DedupKey != trigger.DedupKey || resolve.Payload != nil || resolve.RoutingKey != integrationKeyOfTests {
		t.Errorf("the resolve: %+v, of the trigger %+v", resolve, trigger)
	}
	x.resolve(daily, monthly) // open again: nobody is told twice
	x.resolve()
	x.awaitEvents(2)
}

// TestPagerDutyIsLate: of what is resolved before PagerDuty could be told of it, the trigger is sent
// before the resolve, and a resolve is tried again as long as a trigger.
func TestPagerDutyIsLate(t *testing.T) {
	x := newTest(t).useDatabase().onlyTells(v1alpha1.Alerts{PagerDuty: pagerDutyAlerts})
	world.Webhook.FailNext(x.pager, 2)
	t.Cleanup(func() { world.Webhook.Answer(nil) })
	x.raise("daily")
	x.resolve()
	_, err := x.admin.Exec(t.Context(), "UPDATE cost_alerts SET raised_at = now() - interval '71.99 hours'")
	testkit.Must(t, err)
	x.manage(x.newDeliverer(x.options()))
	events := x.awaitEvents(2)
	if events[0].Action != "trigger" || events[1].Action != "resolve" || events[0].DedupKey != events[1].DedupKey {
		t.Errorf("%+v", events)
	}
}

// TestTwoManagersResolve: two managers that find the same resolution tell it once.
func TestTwoManagersResolve(t *testing.T) {
	x := newTest(t).useDatabase().onlyTells(v1alpha1.Alerts{PagerDuty: pagerDutyAlerts})
	var alerts []budgetstore.Alert
	for i := range int32(10) {
		alerts = append(alerts, reached("daily", 40+i))
	}
	x.raiseAlerts(x.budget, alerts...)
	x.manage(x.newDeliverer(x.options()))
	x.manage(x.newDeliverer(x.options()))
	x.awaitEvents(10)
	x.resolve()
	actions := map[string]int{}
	for _, event := range x.awaitEvents(20) {
		actions[event.DedupKey+event.Action]++
	}
	if len(actions) != 20 {
		t.Errorf("%v", actions)
	}
}

// TestIntegrationKeys: only what can be a key is sent, and no error tells it. EU accounts have a
// host of their own.
func TestIntegrationKeys(t *testing.T) {
	for name, tc := range map[string]struct{ key, want string }{
		"right":     {integrationKeyOfTests, ""},
		"too short": {"hunter2", "Secret acme/alerts, key pagerduty: an integration key of PagerDuty's Events API v2 has 32 letters and digits"},
		"a URL":     {"https://events.pagerduty.com/hunter2", "Secret acme/alerts, key pagerduty: an integration key of PagerDuty's Events API v2 has 32 letters and digits"},
		"none":      {" ", "Secret acme/alerts has no key pagerduty, or it is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTest(t).onlyTells(v1alpha1.Alerts{PagerDuty: pagerDutyAlerts})
			x.secrets["alerts"]["pagerduty"] = tc.key
			if got := x.sent(ledgerv1.PagerDuty, x.options()); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			var why *failure
			if err := x.newDeliverer(x.options()).channels[ledgerv1.PagerDuty].check(t.Context(), x.budget); tc.want != "" && (!errors.As(err, &why) || why.message != tc.want) {
				t.Errorf("the check says %v, want %q", err, tc.want)
			}
		})
	}
	urls := newPagerDuty(poster{}, secrets{}).urls
	if urls[v1alpha1.PagerDutyUS] != "https://events.pagerduty.com/v2/enqueue" || urls[v1alpha1.PagerDutyEU] != "https://events.eu.pagerduty.com/v2/enqueue" {
		t.Errorf("%v", urls)
	}
}

// TestLongTitles: a summary is as long as PagerDuty takes it.
func TestLongTitles(t *testing.T) {
	if got := shortened(strings.Repeat("é", 2000), longestSummary); len([]rune(got)) != longestSummary || !strings.HasSuffix(got, "é…") {
		t.Errorf("%d characters", len([]rune(got)))
	}
	if got := shortened("short", longestSummary); got != "short" {
		t.Error(got)
	}
}

// TestReceiversOfChats: Teams' workflows and PagerDuty are reached by the rules of webhooks.
func TestReceiversOfChats(t *testing.T) {
	for channel, receiver := range map[ledgerv1.Channel]string{ledgerv1.Teams: "Teams workflow", ledgerv1.PagerDuty: "Events API of PagerDuty"} {
		x := newTest(t).onlyTells(v1alpha1.Alerts{Teams: teamsAlerts, PagerDuty: pagerDutyAlerts})
		options := x.options()
		options.Outbound.Networks = nil
		if got, want := x.sent(channel, options), "failed to reach the "+receiver+": its address is neither public nor in the manager's --alert-allowed-networks"; got != want {
			t.Errorf("%s: %q, want %q", channel, got, want)
		}
		options = x.options()
		options.Outbound.Hosts = []string{"hooks.slack.com"}
		if got, want := x.sent(channel, options), "the manager's --alert-allowed-hosts does not allow the host of the URL"; got != want {
			t.Errorf("%s: %q, want %q", channel, got, want)
		}
	}
}
