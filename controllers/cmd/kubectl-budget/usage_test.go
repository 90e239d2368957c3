package main

import (
	"slices"
	"strings"
	"testing"
)

func TestUsage(t *testing.T) {
	companySpent(t)
	for name, tc := range map[string]struct{ args, file string }{
		"a table":  {"usage --month 2025-10 --by model", "usage.txt"},
		"CSV":      {"usage --month 2025-10 --by day,provider -o csv", "usage.csv"},
		"JSON":     {"usage --month 2025-10 --by user --model claude -o json", "usage.json"},
		"the rest": {"usage --from 2025-10-01 --to 2025-11-01 --by day --limit 1 --time-zone Asia/Kolkata", "usage-others.txt"},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, _, err := budgeted(t, append(strings.Fields(tc.args), "--tenant", "spend-dept")...)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, tc.file, stdout)
		})
	}
}

func TestCallsList(t *testing.T) {
	const calls = `
INSERT INTO ai_usage_logs (call_id, tenant_id, user_id, tier, credential, actor, provider, model_asked, model, model_used, endpoint, streamed,
  admitted_at, outcome, decision, input_tokens, held_nanos, cost_nanos, session)
SELECT 'list-' || i, 'listed', 'user-' || i % 2, 't', 'k', CASE i WHEN 4 THEN '' ELSE 'server' END, 'openai', 'gpt', 'mini', 'mini-1', '/', false,
  now() - i * interval '1 hour', 'Settled', 'Replaced', i, 2, i, 's'
FROM generate_series(1, 5) AS i`
	const refusal = `
INSERT INTO ai_refusals (call_id, tenant_id, user_id, tier, credential, model_asked, model, endpoint, refused_at, reason,
  limit_tenant, limit_name, per, period, unit, bound_nanos, tokens, fallback, session)
VALUES ('list-no', 'listed', 'user-1', 't', 'k', 'gpt', 'gpt', '/', now(), 'BudgetExhausted', 'parent', 'daily', 'Tenant', 'Day', '', 1, 1, 'Message', 's')`
	for _, statement := range []string{calls, refusal} {
		if _, err := ledger.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for args, want := range map[string][]string{
		"calls --limit 2":                       {"list-1 user-1 server mini Replaced Settled 1 0.000000001", "list-2 user-0 server mini Replaced Settled 2 0.000000002", "There are more: raise --limit, or select fewer."},
		"calls --user user-0":                   {"list-2 user-0 server mini Replaced Settled 2 0.000000002", "list-4 user-0 - mini Replaced Settled 4 0.000000004"},
		"calls --since 90m --decision Replaced": {"list-1 user-1 server mini Replaced Settled 1 0.000000001"},
		"calls --refused":                       {"list-no user-1 gpt BudgetExhausted parent/daily Message"},
		"calls --refused --outcome RateLimited": {"No such calls of tenant listed. The ledger has calls once they have ended."},
	} {
		stdout, _, err := budgeted(t, append(strings.Fields(args), "--tenant", "listed")...)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(stdout) {
			words := strings.Fields(line)
			if i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "list-") }); i >= 0 {
				words = words[i:]
			}
			if len(words) > 0 && words[0] != "AT" {
				got = append(got, strings.Join(words, " "))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", args, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	stdout, _, err := budgeted(t, "calls", "--tenant", "listed", "-o", "json", "--limit", "1")
	if err != nil || !strings.Contains(stdout, `"costUSD": "0.000000001"`) || !strings.Contains(stdout, `"actor": "server"`) || !strings.Contains(stdout, `"more": true`) {
		t.Errorf("%v, %s", err, stdout)
	}
}

func TestUsageSaysWhatIsWrong(t *testing.T) {
	for args, want := range map[string]string{
		"usage --by cost":                       "--by cost: must be one or two of hour, day",
		"usage --by user,tier,model":            "grouped by two different dimensions at most",
		"usage --by label":                      "the name of a label is needed to group by label",
		"usage --by hour --from 2020-01-01":     "more than 1000 of hour",
		"usage --time-zone Mars":                "--time-zone Mars",
		"usage --limit 1000000":                 "limit must be between 1 and 10000",
		"usage --month 2025-10 --to 2025-11-01": "use --month, or --from and --to",
		"calls --since yesterday":               "--since",
		"calls --limit 0":                       "--limit must be at least 1",
	} {
		_, _, err := budgeted(t, append(strings.Fields(args), "--tenant", "spend-dept")...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", args, err, want)
		}
	}
}
