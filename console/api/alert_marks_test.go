package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/console/marks"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestMarks: who acknowledged an alert first stays on record, who mutes it is told, with all alerts
// that are muted with it, and a member is told what, and not who.
func TestMarks(t *testing.T) {
	ctx := t.Context()
	_, err := shared.ledger.Exec(ctx, `
INSERT INTO cost_alerts (alert_id, tenant_id, budget_uid, limit_name, user_id, period_start, period_end, action, at_percent, amount_nanos, spent_nanos, message)
SELECT md5('alert of ' || day)::uuid, 'globex', budget_uid, 'weekly', 'gus.globex', day::timestamptz, day::timestamptz + interval '1 day', 'Warn', 80, 1, 1, 'yesterday'
FROM tenants, unnest(ARRAY['2026-11-16', '2026-11-17']) AS day WHERE tenant_id = 'globex'`)
	testkit.Must(t, err)
	alert, other := "/api/ai/alerts/"+alertOf("2026-11-17"), "/api/ai/alerts/"+alertOf("2026-11-16")
	say := func(path, credential, body string) (detail api.AlertDetail) {
		t.Helper()
		got := doWith(t, http.MethodPost, path, credential, nil, body)
		if got.status != 200 {
			t.Fatalf("%s: %d %s", path, got.status, got.body)
		}
		got.read(t, &detail)
		return detail
	}
	read := func(path, credential string) (detail api.AlertDetail) {
		t.Helper()
		do(t, http.MethodGet, path, credential, nil).read(t, &detail)
		return detail
	}
	admin, platform, member := token("gina.globex"), token("pat", "platform"), token("gus.globex")
	if got := say(alert+"/acknowledge", admin, ""); got.AcknowledgedBy != "company/gina.globex" || got.AcknowledgedAt == nil {
		t.Errorf("acknowledged: %+v", got)
	}
	if got := say(alert+"/acknowledge?tenant=globex", platform, ""); got.AcknowledgedBy != "company/gina.globex" {
		t.Errorf("acknowledged again by %s", got.AcknowledgedBy)
	}
	if got := say(alert+"/mute", admin, `{"until": "2026-11-20T00:00:00Z"}`); got.MutedBy != "company/gina.globex" || got.MutedUntil.Day() != 20 {
		t.Errorf("muted: %+v", got)
	}
	if got := read(other, admin); got.MutedBy != "company/gina.globex" || got.AcknowledgedAt != nil {
		t.Errorf("the same of the day before: %+v", got)
	}
	if got := read(alert, member); got.MutedUntil == nil || got.AcknowledgedAt == nil || got.MutedBy+got.AcknowledgedBy != "" {
		t.Errorf("a member is told %+v", got)
	}
	if got := do(t, http.MethodGet, "/api/ai/alerts?format=csv", admin, nil); !strings.Contains(got.body, ",company/gina.globex,2026-11-20T00:00:00Z,") {
		t.Errorf("CSV: %s", got.body)
	}
	if got := say(other+"/unmute", admin, ""); got.MutedUntil != nil {
		t.Errorf("unmuted: %+v", got)
	}
	if got := read(alert, admin); got.MutedUntil != nil {
		t.Errorf("unmuted with the other: %+v", got)
	}
	for _, body := range []string{`{"until": "2026-11-18T15:04:05Z"}`, `{"until": "2027-11-19T00:00:00Z"}`} {
		if code, parameter := doWith(t, http.MethodPost, alert+"/mute", admin, nil, body).problem(t); code != "invalid_parameter" || parameter != "body.until" {
			t.Errorf("%s: %s %s", body, code, parameter)
		}
	}
}

// TestMutesAreBounded: an alert cannot be muted over and over.
func TestMutesAreBounded(t *testing.T) {
	_, err := shared.ledger.Exec(t.Context(), `
INSERT INTO cost_alerts (alert_id, tenant_id, budget_uid, limit_name, user_id, period_start, period_end, action, at_percent, amount_nanos, spent_nanos, message)
SELECT md5('alert of 2026-10-01')::uuid, 'globex', budget_uid, 'monthly', 'gus.globex', '2026-10-01Z', '2026-11-01Z', 'Warn', 80, 1, 1, 'long ago'
FROM tenants WHERE tenant_id = 'globex'`)
	testkit.Must(t, err)
	mute := func() answer {
		return doWith(t, http.MethodPost, "/api/ai/alerts/"+alertOf("2026-10-01")+"/mute", token("gina.globex"), nil, `{"until": "2026-11-20T00:00:00Z"}`)
	}
	for i := range marks.MostMutes {
		if got := mute(); got.status != 200 {
			t.Fatalf("mute %d: %d %s", i, got.status, got.body)
		}
	}
	got := mute()
	if code, _ := got.problem(t); got.status != 429 || code != "too_many_mutes" || got.header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d %s", got.status, got.body)
	}
}

// TestSendMeOne: everyone who is told of alerts is sent a test, which is on record with its
// deliveries; a tenant can ask for so many within an hour.
func TestSendMeOne(t *testing.T) {
	_, err := shared.ledger.Exec(t.Context(), "UPDATE cost_alerts SET raised_at = now() - interval '2 hours' WHERE action = 'Test'")
	testkit.Must(t, err)
	var sent api.TestSent
	for i := range marks.MostTests {
		got := do(t, http.MethodPost, "/api/ai/alerts/test", token("adam.acme"), nil)
		got.read(t, &sent)
		if got.status != 200 || len(sent.Recipients) != 2 || sent.Recipients[0].Address != "ops@example.com" || sent.Recipients[1].Channel != "PagerDuty" {
			t.Fatalf("test %d: %d %s", i, got.status, got.body)
		}
	}
	got := do(t, http.MethodPost, "/api/ai/alerts/test", token("adam.acme"), nil)
	if code, _ := got.problem(t); got.status != 429 || code != "too_many_tests" || got.header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d %s", got.status, got.body)
	}
	_, err = shared.ledger.Exec(t.Context(), "UPDATE alert_deliveries SET attempts = 2, last_error = 'the mail server said no' WHERE alert_id = $1 AND channel = 'Email'", sent.AlertID)
	testkit.Must(t, err)
	var detail api.AlertDetail
	do(t, http.MethodGet, "/api/ai/alerts/"+sent.AlertID, token("adam.acme"), nil).read(t, &detail)
	if d := detail.Deliveries; len(d) != 2 || d[0].State != "Waiting" || d[0].Attempts != 2 || d[0].LastError != "the mail server said no" || d[0].NextAttemptAt == nil || d[1].Attempts != 0 {
		t.Errorf("deliveries: %+v", detail)
	}
	if detail.Action != "Test" || !strings.Contains(detail.Message, "adam.acme asked for it") || detail.ResolvedAt == nil {
		t.Errorf("its alert: %+v", detail.Alert)
	}
	if code, _ := do(t, http.MethodPost, "/api/ai/alerts/test", token("gina.globex"), nil).problem(t); code != "nobody_is_told" {
		t.Errorf("nobody to be told: %s", code)
	}
}

// TestWhoIsTold: an admin is told who is told of which alerts.
func TestWhoIsTold(t *testing.T) {
	var settings api.AlertSettings
	do(t, http.MethodGet, "/api/ai/alerts/settings", token("adam.acme"), nil).read(t, &settings)
	if len(settings.Recipients) != 2 || len(settings.Filters) != 1 || settings.Filters[0].MinSeverity != "Critical" || settings.Failing.Status != "Unknown" {
		t.Errorf("%+v", settings)
	}
}

// TestMarksKeepWithinTheTenant asks the database itself, as the console's login, for what the
// console never asks for.
func TestMarksKeepWithinTheTenant(t *testing.T) {
	for name, statement := range map[string]string{
		"a mark of another tenant's alert": `INSERT INTO alert_marks (alert_id, tenant_id, mark, marked_by) VALUES ('` + alertOf("gus.globex") + `', 'acme', 'Acknowledge', 'x')`,
		"a mark for another tenant":        `INSERT INTO alert_marks (alert_id, tenant_id, mark, marked_by) VALUES ('` + alertOf("gus.globex") + `', 'globex', 'Acknowledge', 'x')`,
		"an alert that is no test": `INSERT INTO cost_alerts (tenant_id, budget_uid, limit_name, period_start, period_end, action, at_percent, amount_nanos, spent_nanos, message)
 VALUES ('acme', 'u', 'daily', now(), now(), 'Trip', 90, 1, 1, 'x')`,
		"a test for another tenant": `INSERT INTO cost_alerts (tenant_id, budget_uid, limit_name, period_start, period_end, action, at_percent, amount_nanos, spent_nanos, message, resolved_at, resolution)
 VALUES ('globex', 'u', '', now(), now(), 'Test', 0, 0, 0, 'x', now(), 'Tested')`,
		"a delivery of an alert": `INSERT INTO alert_deliveries (alert_id, tenant_id, channel, recipient) VALUES ('` + alertOf("acme") + `', 'acme', 'Email', 'x@example.com')`,
		"an alert is changed":    `UPDATE cost_alerts SET resolved_at = now(), resolution = 'Tested'`,
		"a mark is taken back":   `DELETE FROM alert_marks`,
		"a delivery is ended":    `UPDATE alert_deliveries SET delivered_at = now()`,
	} {
		for _, role := range []string{"admin", ""} {
			tx, err := shared.reader.Begin(t.Context())
			testkit.Must(t, err)
			_, err = tx.Exec(t.Context(), "SELECT set_config('bursar.tenant_id', 'acme', true), set_config('bursar.user_id', 'ana.acme', true), set_config('bursar.role', $1, true)", role)
			testkit.Must(t, err)
			if _, err := tx.Exec(t.Context(), statement); err == nil {
				t.Errorf("%s, as %q: it is done", name, role)
			}
			testkit.Must(t, tx.Rollback(t.Context()))
		}
	}
	tx, err := shared.reader.Begin(t.Context())
	testkit.Must(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	_, err = tx.Exec(t.Context(), "SELECT set_config('bursar.tenant_id', 'acme', true), set_config('bursar.user_id', 'ana.acme', true)")
	testkit.Must(t, err)
	if _, err := tx.Exec(t.Context(), `INSERT INTO alert_marks (alert_id, tenant_id, mark, marked_by) VALUES ('`+alertOf("ana.acme")+`', 'acme', 'Acknowledge', 'x')`); err == nil {
		t.Error("a member adds a mark")
	}
}
