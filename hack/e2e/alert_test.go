package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/bursar-dev/bursar/hack/parts/receivers"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// signingSecret is what the webhook of tenant noisy is signed with.
var signingSecret = "whsec_" + strings.Repeat("QUJD", 11)

// alertYAML lets the manager read the Secret with which the webhook of tenant noisy is
// signed, and has it.
const alertYAML = `---
apiVersion: v1
kind: Secret
metadata: {name: alerts, namespace: e2e}
stringData: {signing: %s}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: bursar-alert-secrets, namespace: e2e}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: bursar-alert-secrets}
subjects: [{kind: ServiceAccount, name: bursar-manager, namespace: bursar-system}]
`

// TestAlerts: spending past two rungs sends one e-mail and one webhook for each, although
// the receiver fails at first. Raising the limit resolves the alerts, and sends nothing
// again.
func TestAlerts(t *testing.T) {
	bursar.Receivers.Webhook.FailNext("/noisy", 1)
	t.Cleanup(func() { bursar.Receivers.Webhook.Answer(nil) })
	budget := func(amount string) string {
		return tenantYAML("noisy", amount, "ladder: [{atPercent: 80, action: Warn}, {atPercent: 90, action: Trip}]",
			fmt.Sprintf("alerts: {email: [ops@example.com], webhook: {url: %s/noisy, signingSecretRef: {name: alerts, key: signing}}}",
				bursar.Receivers.Webhook.URL))
	}
	apply(t, fmt.Sprintf(alertYAML, signingSecret)+budget("0.10"))
	for range 9 {
		if status, _ := penny(t, "noisy"); status != http.StatusOK {
			t.Fatalf("a call is answered %d", status)
		}
	}
	mails := func() []receivers.Mail { return bursar.Receivers.Mail.Mails("ops@example.com") }
	taken := func() []receivers.Request { return bursar.Receivers.Webhook.Taken("/noisy") }
	testkit.Within(t, time.Minute, "two e-mails and two webhooks came", func() bool { return len(mails()) >= 2 && len(taken()) >= 2 })

	apply(t, budget("1.00"))
	testkit.Within(t, time.Minute, "both alerts are resolved", func() bool {
		return count(t, `SELECT count(*) FROM cost_alerts WHERE tenant_id = 'noisy' AND resolution = 'LimitChanged'`) == 2
	})
	testkit.Within(t, time.Minute, "no delivery waits", func() bool {
		return count(t, `SELECT count(*) FROM alert_deliveries WHERE tenant_id = 'noisy' AND delivered_at IS NULL`) == 0
	})
	var subjects, ids []string
	for _, mail := range mails() {
		subjects = append(subjects, mail.Header.Get("Subject"))
	}
	slices.Sort(subjects)
	want := []string{
		"Bursar: tenant noisy: 80% of limit yearly reached (Warn)", "Bursar: tenant noisy: 90% of limit yearly reached (Trip)",
	}
	if !slices.Equal(subjects, want) {
		t.Errorf("e-mails of %q came, want %q", subjects, want)
	}
	verifier, err := standardwebhooks.NewWebhook(signingSecret)
	if err != nil {
		t.Fatal(err)
	}
	for _, request := range taken() {
		if err := verifier.Verify(request.Body, request.Header); err != nil {
			t.Error(err)
		}
		ids = append(ids, request.Header.Get("webhook-id"))
	}
	slices.Sort(ids)
	if len(ids) != 2 || len(slices.Compact(ids)) != 2 {
		t.Errorf("webhooks %q came, want two, of two alerts", ids)
	}
	if sent := bursar.Receivers.Webhook.Requests("/noisy"); len(sent) != 3 {
		t.Errorf("%d webhooks were sent, want two and the one that failed", len(sent))
	}
}

// TestAlertOfUser: when a user spends past a rung of a limit per user, there is one alert,
// with the user's name, although managers look again and again, and come and go. Managers
// look at users once a minute; meanwhile, the other tests run.
func TestAlertOfUser(t *testing.T) {
	budget := tenantYAML("each", "5.00", "ladder: [{atPercent: 80, action: Warn}]", "alerts: {email: [each@example.com]}")
	apply(t, strings.Replace(budget, "limits: [", `limits: [{name: each-user, period: Year, amount: "0.10", per: User}, `, 1))
	for range 8 {
		if status, _ := penny(t, "each"); status != http.StatusOK {
			t.Fatalf("a call is answered %d", status)
		}
	}
	t.Parallel()
	mails := func() []receivers.Mail { return bursar.Receivers.Mail.Mails("each@example.com") }
	testkit.Within(t, 2*time.Minute, "an e-mail came", func() bool { return len(mails()) > 0 })
	want := "Bursar: user user of tenant each: 80% of limit each-user reached (Warn)"
	if got := mails()[0].Header.Get("Subject"); got != want || len(mails()) != 1 {
		t.Errorf("%d e-mails came, the first of %q, want one of %q", len(mails()), got, want)
	}
	if alerts := count(t, `SELECT count(*) FROM cost_alerts WHERE tenant_id = 'each' AND user_id = 'user'`); alerts != 1 {
		t.Errorf("%d alerts are on record, want one", alerts)
	}
}

// count is the number that a query answers.
func count(t *testing.T, query string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), bursar.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if err := conn.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
