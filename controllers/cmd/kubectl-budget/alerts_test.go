package main

import (
	"strings"
	"testing"
)

// TestAlerts: alerts are listed with what was said of them, and one with who was told.
func TestAlerts(t *testing.T) {
	if _, err := ledger.Exec(t.Context(), `
INSERT INTO tenants (tenant_id, namespace, budget, budget_uid, generation, time_zone) VALUES ('alerted', 'n', 'b', 'u-alerted', 1, 'UTC');
INSERT INTO cost_alerts (alert_id, tenant_id, budget_uid, limit_name, user_id, period_start, period_end, action, at_percent, amount_nanos, spent_nanos, message, raised_at, resolved_at, resolution, muted) VALUES
  ('00000000-0000-0000-0000-000000000001', 'alerted', 'u-alerted', 'daily', '', '2025-10-01Z', '2025-10-02Z', 'Warn', 80, 5000000000, 4000000000, 'limit daily is nearly spent', '2025-10-01 12:00Z', '2025-10-02Z', 'PeriodTurned', false),
  ('00000000-0000-0000-0000-000000000002', 'alerted', 'u-alerted', 'daily', 'ana', '2025-10-02Z', '2025-10-03Z', 'Trip', 90, 5000000000, 4500000000, 'ana', '2025-10-02 12:00Z', NULL, NULL, true),
  ('00000000-0000-0000-0000-000000000003', 'alerted', 'u-alerted', '', 'ana', '2025-10-03Z', '2025-10-04Z', 'Unusual', 0, 0, 40000000000, 'ana spent', '2025-10-03 12:00Z', '2025-10-04Z', 'PeriodTurned', false),
  ('00000000-0000-0000-0000-000000000004', 'alerted', 'u-alerted', '', '', '2025-10-04Z', '2025-10-04Z', 'Test', 0, 0, 0, 'a test', '2025-10-04 12:00Z', '2025-10-04 12:00Z', 'Tested', false),
  ('00000000-0000-0000-0000-000000000005', 'alerted', 'u-alerted', 'daily', '', '2025-10-05Z', '2025-10-06Z', 'Decision', 0, 3000000000, 0, 'approved', '2025-10-05 12:00Z', '2025-10-05 12:00Z', 'Decided', false);
INSERT INTO alert_deliveries (alert_id, tenant_id, channel, recipient, attempts, delivered_at, abandoned_at, last_error, resolves) VALUES
  ('00000000-0000-0000-0000-000000000001', 'alerted', 'Email', 'ops@example.com', 1, '2025-10-01 12:01Z', NULL, '', false),
  ('00000000-0000-0000-0000-000000000001', 'alerted', 'PagerDuty', '', 2, '2025-10-01 12:02Z', NULL, '', false),
  ('00000000-0000-0000-0000-000000000001', 'alerted', 'PagerDuty', '', 9, NULL, '2025-10-05 12:02Z', 'the Events API of PagerDuty answered 400 Bad Request', true);
INSERT INTO alert_marks (alert_id, tenant_id, mark, marked_by, muted_until) VALUES
  ('00000000-0000-0000-0000-000000000002', 'alerted', 'Acknowledge', 'gina', NULL), ('00000000-0000-0000-0000-000000000002', 'alerted', 'Mute', 'gina', '2999-01-01Z')`); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string][]string{
		"alerts": {
			"2025-10-05T12:00:00Z 00000000-0000-0000-0000-000000000005 daily tenant Decision - - 3.00 Decided",
			"2025-10-04T12:00:00Z 00000000-0000-0000-0000-000000000004 - tenant Test - - - Tested",
			"2025-10-03T12:00:00Z 00000000-0000-0000-0000-000000000003 - user ana Unusual - 40.00 - PeriodTurned",
			"2025-10-02T12:00:00Z 00000000-0000-0000-0000-000000000002 daily user ana Trip 90% 4.50 5.00 Open, Acknowledged, Muted until 2999-01-01T00:00:00Z, not told",
			"2025-10-01T12:00:00Z 00000000-0000-0000-0000-000000000001 daily tenant Warn 80% 4.00 5.00 PeriodTurned",
		},
		"alerts --open --limit 1": {
			"2025-10-02T12:00:00Z 00000000-0000-0000-0000-000000000002 daily user ana Trip 90% 4.50 5.00 Open, Acknowledged, Muted until 2999-01-01T00:00:00Z, not told",
			"There are more: raise --limit, or see --open.",
		},
		"alerts --alert 00000000-0000-0000-0000-000000000001": {
			"2025-10-01T12:00:00Z 00000000-0000-0000-0000-000000000001 daily tenant Warn 80% 4.00 5.00 PeriodTurned", "limit daily is nearly spent.",
			"RECIPIENT SAYS STATE AT ATTEMPTS LAST ERROR", "ops@example.com raised Delivered 2025-10-01T12:01:00Z 1 -", "PagerDuty raised Delivered 2025-10-01T12:02:00Z 2 -",
			"PagerDuty resolved Abandoned 2025-10-05T12:02:00Z 9 the Events API of PagerDuty answered 400 Bad Request",
		},
	} {
		stdout, _, err := budgeted(t, append(strings.Fields(args), "--tenant", "alerted")...)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(stdout) {
			if words := strings.Join(strings.Fields(line), " "); words != "" && !strings.HasPrefix(words, "RAISED") {
				got = append(got, words)
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", args, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	for args, want := range map[string]string{
		"alerts --alert nothing": "tenant alerted has no alert nothing", "alerts --limit 0": "--limit must be between 1 and 1000",
	} {
		if _, _, err := budgeted(t, append(strings.Fields(args), "--tenant", "alerted")...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", args, err, want)
		}
	}
	stdout, _, err := budgeted(t, "alerts", "--tenant", "alerted", "-o", "json")
	if err != nil || !strings.Contains(stdout, `"acknowledgedBy": "gina"`) || !strings.Contains(stdout, `"notTold": true`) {
		t.Errorf("%v, %s", err, stdout)
	}
}
