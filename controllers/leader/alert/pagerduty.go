package alert

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// pagerDuty sends events to PagerDuty's Events API v2: one that triggers an incident for each
// message and, when the cause of all its alerts is gone, one that resolves it.
type pagerDuty struct {
	poster  poster
	secrets secrets
	// urls are where events are sent to, by the region of the account.
	urls map[v1alpha1.PagerDutyRegion]string
}

func newPagerDuty(poster poster, secrets secrets) *pagerDuty {
	return &pagerDuty{poster: poster, secrets: secrets, urls: map[v1alpha1.PagerDutyRegion]string{
		v1alpha1.PagerDutyUS: "https://events.pagerduty.com/v2/enqueue",
		v1alpha1.PagerDutyEU: "https://events.eu.pagerduty.com/v2/enqueue",
	}}
}

// pagerDutyEvent is the body of a request. What only a trigger has is left out of a resolve.
type pagerDutyEvent struct {
	RoutingKey string            `json:"routing_key"`
	Action     string            `json:"event_action"`
	DedupKey   string            `json:"dedup_key"`
	Payload    *pagerDutyPayload `json:"payload,omitempty"`
	Client     string            `json:"client,omitempty"`
	ClientURL  string            `json:"client_url,omitempty"`
}

type pagerDutyPayload struct {
	Summary   string    `json:"summary"`
	Source    string    `json:"source"`
	Severity  string    `json:"severity"`
	Timestamp time.Time `json:"timestamp"`
	Component string    `json:"component,omitempty"`
	Group     string    `json:"group"`
	Class     string    `json:"class"`
	Details   data      `json:"custom_details"`
}

// longestSummary is how many characters PagerDuty takes of a summary.
const longestSummary = 1024

var integrationKey = regexp.MustCompile(`^[A-Za-z0-9]{32}$`)

// settings are where the events of a budget are sent to, and the key that says to which service.
func (p *pagerDuty) settings(ctx context.Context, budget *v1alpha1.TenantBudget) (url, key string, err error) {
	spec := budget.Spec.Alerts.PagerDuty
	url = p.urls[v1alpha1.PagerDutyUS]
	if spec.Region != "" {
		url = p.urls[spec.Region]
	}
	if key, err = p.secrets.read(ctx, budget.Namespace, spec.RoutingKeySecretRef); err != nil {
		return "", "", err
	}
	if ref := spec.RoutingKeySecretRef; !integrationKey.MatchString(key) {
		return "", "", unusable("Secret %s/%s, key %s: an integration key of PagerDuty's Events API v2 has 32 letters and digits", budget.Namespace, ref.Name, ref.Key)
	}
	return url, key, nil
}

func (p *pagerDuty) check(ctx context.Context, budget *v1alpha1.TenantBudget) error {
	url, _, err := p.settings(ctx, budget)
	if err != nil {
		return err
	}
	return p.poster.check(url)
}

func (p *pagerDuty) send(ctx context.Context, budget *v1alpha1.TenantBudget, d letter) error {
	url, key, err := p.settings(ctx, budget)
	if err != nil {
		return err
	}
	event := pagerDutyEvent{RoutingKey: key, Action: "resolve", DedupKey: d.ID}
	if !d.Resolves {
		event.Action, event.Payload = "trigger", payloadOf(budget, d)
		event.Client, event.ClientURL = "Bursar", d.link
	}
	return p.poster.postJSON(ctx, "Events API of PagerDuty", url, event)
}

func payloadOf(budget *v1alpha1.TenantBudget, d letter) *pagerDutyPayload {
	source := budget.Namespace + "/" + budget.Name
	if d.cluster != "" {
		source = d.cluster + "/" + source
	}
	return &pagerDutyPayload{
		Summary: shortened(title(d), longestSummary), Source: source, Severity: strings.ToLower(string(severity(d.Rung))),
		Timestamp: d.RaisedAt.UTC(), Component: d.Limit, Group: d.Tenant, Class: string(d.Action), Details: dataOf(budget, d),
	}
}

// shortened is at most so many characters of a text.
func shortened(text string, most int) string {
	if letters := []rune(text); len(letters) > most {
		return string(letters[:most-1]) + "…"
	}
	return text
}
