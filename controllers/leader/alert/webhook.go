package alert

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// webhook posts CloudEvents to the receiver that a budget names.
type webhook struct {
	poster  poster
	secrets secrets
}

// eventType is the type of the CloudEvents.
const eventType = "dev.bursar.alert.raised"

// event is a CloudEvent 1.0 in structured mode.
type event struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            string    `json:"type"`
	Subject         string    `json:"subject"`
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	Data            data      `json:"data"`
}

// data is what an event says of a delivery. Amounts are US dollars as decimal strings.
type data struct {
	Tenant string `json:"tenant"`
	rung
	Severity    v1alpha1.AlertSeverity `json:"severity"`
	Cluster     string                 `json:"cluster,omitempty"`
	Contact     string                 `json:"contact,omitempty"`
	Link        string                 `json:"link,omitempty"`
	TopSpenders []spender              `json:"topSpenders,omitempty"`
	// Others are the alerts that are told in the same event as the first, and Muted is how many
	// more nobody is told of.
	Others []rung `json:"others,omitempty"`
	Muted  int    `json:"muted,omitempty"`
}

// rung is one alert. Fields about a limit are left out of an alert without one. The id of a
// single alert is left out, too, because it is the event's.
type rung struct {
	ID          string    `json:"id,omitempty"`
	Limit       string    `json:"limit,omitempty"`
	User        string    `json:"user,omitempty"`
	Group       string    `json:"group,omitempty"`
	Key         string    `json:"apiKey,omitempty"`
	Action      string    `json:"action"`
	AtPercent   int32     `json:"atPercent,omitempty"`
	Spent       string    `json:"spent,omitempty"`
	Amount      string    `json:"amount,omitempty"`
	PeriodStart time.Time `json:"periodStart,omitzero"`
	PeriodEnd   time.Time `json:"periodEnd,omitzero"`
	Message     string    `json:"message"`
	// RequestID is that of the request for more that it is about.
	RequestID string `json:"requestId,omitempty"`
}

func rungOf(told budgetstore.Told) rung {
	r := rung{ID: told.AlertID, User: told.Owner.User, Group: told.Owner.Group, Key: told.Owner.Key, Action: string(told.Action), Message: told.Message, RequestID: told.RequestID}
	if told.Limit != "" {
		r.Limit, r.AtPercent, r.Amount = told.Limit, told.AtPercent, told.Amount.String()
		if told.RequestID == "" {
			r.Spent = told.Spent.String()
		}
		r.PeriodStart, r.PeriodEnd = told.Period.Start.UTC(), told.Period.End.UTC()
	}
	return r
}

// spender is a user, and what the user has spent in the period.
type spender struct {
	User  string `json:"user"`
	Spent string `json:"spent"`
}

func eventOf(budget *v1alpha1.TenantBudget, d letter) event {
	return event{
		SpecVersion: "1.0",
		ID:          eventID(d),
		Source: "/apis/" + v1alpha1.GroupVersion.String() + "/namespaces/" + budget.Namespace +
			"/tenantbudgets/" + budget.Name,
		Type:            eventType,
		Subject:         subject(d),
		Time:            d.RaisedAt.UTC(),
		DataContentType: "application/json",
		Data:            dataOf(budget, d),
	}
}

// eventID is the same at every attempt: the alert's, where there is one alone.
func eventID(d letter) string {
	if len(d.Others) > 0 {
		return d.ID
	}
	return d.AlertID
}

// subject is the tenant and, where all alerts are about the same, the limit.
func subject(d letter) string {
	differs := func(t budgetstore.Told) bool { return t.Limit != d.Limit }
	if d.Limit == "" || slices.ContainsFunc(d.Others, differs) {
		return d.Tenant
	}
	return d.Tenant + "/" + d.Limit
}

// dataOf are the data of an event.
func dataOf(budget *v1alpha1.TenantBudget, d letter) data {
	all := data{Tenant: d.Tenant, rung: rungOf(d.Told), Severity: severity(d.Rung), Cluster: d.cluster, Contact: budget.Spec.Contact, Link: d.link, Muted: d.muted}
	for _, s := range d.spenders {
		all.TopSpenders = append(all.TopSpenders, spender{s.User, s.Spent.String()})
	}
	for _, told := range d.Others {
		all.Others = append(all.Others, rungOf(told))
	}
	if len(d.Others) == 0 {
		all.ID = ""
	}
	return all
}

// settings are the URL of the receiver and the keys to sign with.
func (w *webhook) settings(ctx context.Context, budget *v1alpha1.TenantBudget) (url string, keys [][]byte, err error) {
	spec := budget.Spec.Alerts.Webhook
	url = spec.URL
	if spec.URLSecretRef != nil {
		if url, err = w.secrets.read(ctx, budget.Namespace, *spec.URLSecretRef); err != nil {
			return "", nil, err
		}
	}
	secret, err := w.secrets.read(ctx, budget.Namespace, spec.SigningSecretRef)
	if err != nil {
		return "", nil, err
	}
	if keys, err = signingKeys(secret); err != nil {
		return "", nil, unusable("Secret %s/%s, key %s: %s", budget.Namespace, spec.SigningSecretRef.Name, spec.SigningSecretRef.Key, err)
	}
	return url, keys, nil
}

func (w *webhook) check(ctx context.Context, budget *v1alpha1.TenantBudget) error {
	url, _, err := w.settings(ctx, budget)
	if err != nil {
		return err
	}
	return w.poster.check(url)
}

func (w *webhook) send(ctx context.Context, budget *v1alpha1.TenantBudget, d letter) error {
	url, keys, err := w.settings(ctx, budget)
	if err != nil {
		return err
	}
	body, err := json.Marshal(eventOf(budget, d))
	if err != nil {
		return err
	}
	header := sign(eventID(d), time.Now(), body, keys)
	header.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
	return w.poster.post(ctx, "webhook", url, header, body)
}

// The sizes of a key that Standard Webhooks allows, in bytes.
const (
	shortestKey = 24
	longestKey  = 64
)

type keyError string

func (e keyError) Error() string { return string(e) }

const errKey keyError = `a signing secret must be "whsec_" followed by 24 to 64 random bytes in base64`

// signingKeys are the keys in the content of a Secret.
func signingKeys(secret string) ([][]byte, error) {
	var keys [][]byte
	for _, word := range strings.Fields(secret) {
		encoded, found := strings.CutPrefix(word, "whsec_")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !found || err != nil || len(key) < shortestKey || len(key) > longestKey {
			return nil, errKey
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// sign makes the headers of Standard Webhooks 1.0.0, with a signature by each key.
func sign(id string, at time.Time, body []byte, keys [][]byte) http.Header {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	var signatures []string
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + timestamp + "."))
		mac.Write(body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	header := http.Header{}
	header.Set("webhook-id", id)
	header.Set("webhook-timestamp", timestamp)
	header.Set("webhook-signature", strings.Join(signatures, " "))
	return header
}
