package v1alpha1_test

import (
	. "github.com/onsi/ginkgo/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// alerts is a budget that sends alerts by every channel, except for what is changed.
func alerts(change func(*v1alpha1.Alerts)) client.Object {
	return budget(func(s *v1alpha1.TenantBudgetSpec) {
		secret := v1alpha1.SecretKeyRef{Name: "alerts", Key: "secret"}
		s.Alerts = &v1alpha1.Alerts{
			Email:   []v1alpha1.EmailAddress{"ops@example.com"},
			Webhook: &v1alpha1.AlertWebhook{URL: "https://alerts.example.com/bursar?of=acme", SigningSecretRef: secret},
			Slack:   &v1alpha1.SlackAlerts{URLSecretRef: secret},

			Teams:     &v1alpha1.TeamsAlerts{URLSecretRef: secret},
			PagerDuty: &v1alpha1.PagerDutyAlerts{RoutingKeySecretRef: secret},
		}
		change(s.Alerts)
	})
}

func address(a v1alpha1.EmailAddress) client.Object {
	return alerts(func(a2 *v1alpha1.Alerts) { a2.Email[0] = a })
}

func receiver(url string) client.Object {
	return alerts(func(a *v1alpha1.Alerts) { a.Webhook.URL = url })
}

func secretRef(ref v1alpha1.SecretKeyRef) client.Object {
	return alerts(func(a *v1alpha1.Alerts) { a.Slack.URLSecretRef = ref })
}

var _ = DescribeTable("of alerts, takes", taken,
	Entry("every channel", alerts(func(*v1alpha1.Alerts) {})),
	Entry("e-mail alone", alerts(func(a *v1alpha1.Alerts) { *a = v1alpha1.Alerts{Email: a.Email} })),
	Entry("Teams alone", alerts(func(a *v1alpha1.Alerts) { *a = v1alpha1.Alerts{Teams: a.Teams} })),
	Entry("PagerDuty alone, in the EU", alerts(func(a *v1alpha1.Alerts) {
		*a = v1alpha1.Alerts{PagerDuty: a.PagerDuty}
		a.PagerDuty.Region = v1alpha1.PagerDutyEU
	})),
	Entry("anomalies as they are by default", alerts(func(a *v1alpha1.Alerts) {
		a.Anomalies = &v1alpha1.AlertAnomalies{Spending: &v1alpha1.UnusualSpending{}, Refusals: &v1alpha1.ManyRefusals{}, UnusedKeys: &v1alpha1.UnusedKeys{}}
	})),
	Entry("filters for all", alerts(func(a *v1alpha1.Alerts) {
		a.Filters = []v1alpha1.AlertFilter{{
			Recipients: []v1alpha1.AlertRecipient{"ops@example.com", "Webhook", "Slack", "Teams", "PagerDuty"}, MinSeverity: v1alpha1.SeverityCritical,
		}}
	})),
	Entry("a long address", address("first.last+bursar_alerts%1@mail-1.eu.example.co.uk")),
	Entry("a URL that is a secret", alerts(func(a *v1alpha1.Alerts) {
		a.Webhook.URL, a.Webhook.URLSecretRef = "", &v1alpha1.SecretKeyRef{Name: "alerts", Key: "url"}
	})),
	Entry("a URL with a port", receiver("https://alerts.example.com:8443")),
)

var _ = DescribeTable("of alerts, refuses", refused,
	Entry("nobody", alerts(func(a *v1alpha1.Alerts) { *a = v1alpha1.Alerts{} }), "spec.alerts", "must set email, webhook, slack, teams or pagerDuty"),
	Entry("an address without a host", address("ops"), "spec.alerts.email[0]", "must be an e-mail address without a name"),
	Entry("an address with a name", address("Ops <ops@example.com>"), "spec.alerts.email[0]", "must be an e-mail address without a name"),
	Entry("two addresses in one", address("a@example.com,b@example.com"), "spec.alerts.email[0]", "must be an e-mail address without a name"),
	Entry("an address with a line after it", address("a@example.com\nBcc: b@example.com"), "spec.alerts.email[0]", "must be an e-mail address without a name"),
	Entry("the same address twice", alerts(func(a *v1alpha1.Alerts) { a.Email = append(a.Email, a.Email[0]) }), "spec.alerts.email[1]", "Duplicate value"),
	Entry("too many addresses", alerts(func(a *v1alpha1.Alerts) {
		for i := range 16 {
			a.Email = append(a.Email, v1alpha1.EmailAddress(string(rune('a'+i))+"@example.com"))
		}
	}), "spec.alerts.email", "must have at most 16 items"),
	Entry("a URL in the clear", receiver("http://alerts.example.com"), "spec.alerts.webhook.url", "with https"),
	Entry("a URL with a password", receiver("https://u:p@alerts.example.com"), "spec.alerts.webhook.url", "without user and password"),
	Entry("a URL without a host", receiver("https:///bursar"), "spec.alerts.webhook.url", "must be a URL such as"),
	Entry("words for a URL", receiver("alerts"), "spec.alerts.webhook.url", "must be a URL such as"),
	Entry("no URL", receiver(""), "spec.alerts.webhook", "must set exactly one of url and urlSecretRef"),
	Entry("two URLs", alerts(func(a *v1alpha1.Alerts) { a.Webhook.URLSecretRef = &v1alpha1.SecretKeyRef{Name: "a", Key: "b"} }),
		"spec.alerts.webhook", "must set exactly one of url and urlSecretRef"),
	Entry("a Secret of another namespace", secretRef(v1alpha1.SecretKeyRef{Name: "globex/alerts", Key: "url"}),
		"spec.alerts.slack.urlSecretRef.name", "must be the name of a Secret"),
	Entry("a filter for a channel that is not set", alerts(func(a *v1alpha1.Alerts) {
		a.PagerDuty = nil
		a.Filters = []v1alpha1.AlertFilter{{Recipients: []v1alpha1.AlertRecipient{"PagerDuty"}, MinSeverity: v1alpha1.SeverityCritical}}
	}), "spec.alerts.filters", "must name recipients that alerts sets"),
	Entry("anomalies of no kind", alerts(func(a *v1alpha1.Alerts) { a.Anomalies = &v1alpha1.AlertAnomalies{} }), "spec.alerts.anomalies", "must set spending, refusals or unusedKeys"),
	Entry("a percentage of calls beyond all", alerts(func(a *v1alpha1.Alerts) {
		a.Anomalies = &v1alpha1.AlertAnomalies{Refusals: &v1alpha1.ManyRefusals{AtPercent: ptr.To(int32(101))}}
	}), "spec.alerts.anomalies.refusals.atPercent", "should be less than or equal to 100"),
	Entry("a few days without use", alerts(func(a *v1alpha1.Alerts) {
		a.Anomalies = &v1alpha1.AlertAnomalies{UnusedKeys: &v1alpha1.UnusedKeys{Days: ptr.To(int32(6))}}
	}), "spec.alerts.anomalies.unusedKeys.days", "should be greater than or equal to 7"),
	Entry("another region", alerts(func(a *v1alpha1.Alerts) { a.PagerDuty.Region = "MARS" }), "spec.alerts.pagerDuty.region", "supported values"),
	Entry("a Secret without a key", secretRef(v1alpha1.SecretKeyRef{Name: "alerts"}), "spec.alerts.slack.urlSecretRef.key", "should be at least 1 chars long"),
)
