package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/history"
)

// companySpent puts what a company and a department below it spent in October into the ledger.
func companySpent(t *testing.T) {
	t.Helper()
	const insert = `
INSERT INTO ai_usage_logs (call_id, tenant_id, ancestors, user_id, tier, credential, provider, model_asked, model, model_used,
  endpoint, streamed, admitted_at, outcome, input_tokens, output_tokens, held_nanos, cost_nanos, session)
VALUES
  ('spend-1', 'spend-company', '{}',              'ana', 'gerente', 'k', 'openai',    'gpt', 'gpt',    'gpt-1',  '/', false, '2025-10-01 00:00Z',        'Settled',     10, 20, 3000000001, 1000000001, 's'),
  ('spend-2', 'spend-dept',    '{spend-company}', 'bo',  'gerente', 'k', 'openai',    'gpt', 'gpt',    'gpt-1',  '/', false, '2025-10-31 23:59:59.999Z', 'ChargedHold', 0,  0,  3000000002, 3000000002, 's'),
  ('spend-3', 'spend-dept',    '{spend-company}', 'bo',  'gerente', 'k', 'anthropic', 'cl',  'claude', 'cl-1',   '/', false, '2025-10-15 00:00Z',        'Settled',     1,  2,  1,          500000000,  's'),
  ('spend-4', 'spend-dept',    '{spend-company}', 'bo',  'gerente', 'k', 'anthropic', 'cl',  'claude', 'cl-1',   '/', false, '2025-11-01 00:00Z',        'Settled',     1,  2,  1,          700000000,  's')
ON CONFLICT DO NOTHING`
	if _, err := ledger.Exec(t.Context(), insert); err != nil {
		t.Fatal(err)
	}
}

func TestReportOfAll(t *testing.T) {
	companySpent(t)
	for name, tc := range map[string]struct {
		args string
		file string
	}{
		"a table":     {"--by tenant,model", "report.txt"},
		"CSV":         {"--by tenant,user,provider-model -o csv", "report.csv"},
		"JSON":        {"--by tenant -o json", "report.json"},
		"other zones": {"--by day --time-zone Asia/Tokyo --month 2025-11", "report-zone.txt"},
		"days":        {"--by month,tier --from 2025-10-15 --to 2025-11-01", "report-days.txt"},
		"no calls":    {"--by user --month 2001-01", "report-none.txt"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"report", "-A", "--month", "2025-10"}, strings.Fields(tc.args)...)
			if strings.Contains(tc.args, "--from") {
				args = append([]string{"report", "-A"}, strings.Fields(tc.args)...)
			}
			stdout, _, err := budgetedAs(t, financeURL, args...)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, tc.file, stdout)
		})
	}
}

// TestReportOfNamespace: a login that reads the ledger by tenants sees those of the namespace's budgets, and
// those below them.
func TestReportOfNamespace(t *testing.T) {
	companySpent(t)
	for _, tenant := range []string{"spend-company", "spend-dept"} {
		namespace(t, tenant)
	}
	budget(t, "spend-company", func(b *v1alpha1.TenantBudget) {
		b.Spec.AllowedChildren = &v1alpha1.AllowedChildren{Namespaces: v1alpha1.Namespaces{From: v1alpha1.NamespacesAll}}
	})
	budget(t, "spend-dept", func(b *v1alpha1.TenantBudget) {
		b.Spec.ParentRef = &v1alpha1.ParentRef{Name: "spend-company", Namespace: "spend-company"}
	})
	for args, want := range map[string]string{
		"-n spend-company":                                  "tenant,path,calls,input_tokens,output_tokens,cost_usd,estimated_usd,with_children_usd\nspend-company,spend-company,1,10,20,1.000000001,0.00,4.500000003\nspend-dept,spend-company/spend-dept,2,1,2,3.500000002,3.000000002,3.500000002\nTOTAL,,3,11,22,4.500000003,3.000000002,\n",
		"-n spend-dept spend-dept":                          "tenant,path,calls,input_tokens,output_tokens,cost_usd,estimated_usd,with_children_usd\nspend-dept,spend-company/spend-dept,2,1,2,3.500000002,3.000000002,3.500000002\nTOTAL,,2,1,2,3.500000002,3.000000002,\n",
		"--tenant spend-dept --by user":                     "user,calls,input_tokens,output_tokens,cost_usd,estimated_usd\nbo,2,1,2,3.500000002,3.000000002\nTOTAL,2,1,2,3.500000002,3.000000002\n",
		"--tenant spend-nobody --by user":                   "user,calls,input_tokens,output_tokens,cost_usd,estimated_usd\nTOTAL,0,0,0,0.00,0.00\n",
		"--tenant spend-dept --by user,provider --by model": "user,provider,model,calls,input_tokens,output_tokens,cost_usd,estimated_usd\nbo,anthropic,claude,1,1,2,0.50,0.00\nbo,openai,gpt,1,0,0,3.000000002,3.000000002\nTOTAL,,,2,1,2,3.500000002,3.000000002\n",
	} {
		stdout, _, err := budgeted(t, append([]string{"report", "--month", "2025-10", "-o", "csv"}, strings.Fields(args)...)...)
		if err != nil || stdout != want {
			t.Errorf("%s: error %v, printed\n%s\nwant\n%s", args, err, stdout, want)
		}
	}
}

// TestReportInCurrency: by tenant, costs are shown in the currency of its limits, too, at the rate declared last.
func TestReportInCurrency(t *testing.T) {
	if _, err := ledger.Exec(t.Context(), `
INSERT INTO tenants (tenant_id, namespace, budget, budget_uid, generation, time_zone) VALUES ('spend-euros', 'n', 'b', 'u-euros', 2, 'UTC');
INSERT INTO budget_changes (tenant_id, namespace, budget, budget_uid, generation, change, currency, usd_per_unit, rate_as_of, recorded_at) VALUES
  ('spend-euros', 'n', 'b', 'u-euros', 1, 'Set', 'EUR', 1.2, '2025-09-01', now() - interval '1 day'), ('spend-euros', 'n', 'b', 'u-euros', 2, 'Set', 'EUR', 1.085, '2025-10-01', now());
INSERT INTO ai_usage_logs (call_id, tenant_id, user_id, tier, credential, provider, model_asked, model, model_used, endpoint, streamed, admitted_at, outcome, held_nanos, cost_nanos, session)
VALUES ('spend-euro', 'spend-euros', 'ana', 't', 'k', 'openai', 'gpt', 'gpt', 'gpt', '/', false, '2025-12-01 00:00Z', 'Settled', 5425000000, 5425000000, 's')`); err != nil {
		t.Fatal(err)
	}
	want := "tenant,path,calls,input_tokens,output_tokens,cost_usd,estimated_usd,with_children_usd,cost_in_currency,currency\n" +
		"spend-euros,spend-euros,1,0,0,5.425,0.00,5.425,5.00,EUR\nTOTAL,,1,0,0,5.425,0.00,,,\n"
	for login, args := range map[string]string{financeURL: "-A", readerURL: "--tenant spend-euros"} {
		stdout, _, err := budgetedAs(t, login, append([]string{"report", "--month", "2025-12", "-o", "csv"}, strings.Fields(args)...)...)
		if err != nil || stdout != want {
			t.Errorf("%s: error %v, printed\n%s\nwant\n%s", args, err, stdout, want)
		}
	}
	stdout, _, err := budgetedAs(t, financeURL, "report", "-A", "--month", "2025-12")
	if err != nil || !strings.Contains(stdout, "5.00 EUR\n") || !strings.Contains(stdout, "Tenant spend-euros: 1 EUR is 1.085 USD, as declared for 2025-10-01.") {
		t.Errorf("error %v, printed\n%s", err, stdout)
	}
}

func TestReportSaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "invoice.csv")
	for args, want := range map[string]string{
		"-A":                                "GRANT bursar_finance TO it",
		"-A --tenant acme":                  "-A and --tenant are mutually exclusive",
		"--by colour":                       "--by colour: must be some of tenant, user, tier, key",
		"--month October":                   "--month October: must be a year and a month, such as 2026-10",
		"--month 2026-10 --to 2026-10-02":   "use --month, or --from and --to",
		"--from 2026-10-02 --to yesterday":  "--to yesterday: must be a day, such as 2026-12-31",
		"--from 2026-10-02 --to 2026-10-1":  "--to 2026-10-1: must be a day",
		"--from 2026-10-03 --to 2026-10-01": "--to 2026-10-01 is before --from 2026-10-03",
		"--time-zone Mars/Olympus":          `--time-zone Mars/Olympus: use an IANA name such as`,
		"--invoice openai=1":                "--invoice requires -A: a provider bills the calls of all tenants together",
		"-A --invoice openai=1,000.00":      `amount "1,000.00": must be a decimal number of US dollars without symbols and separators`,
		"-A --invoice " + file:              "no such file",
		"-n default":                        "no TenantBudget found in namespace default",
		"-o xml":                            "-o xml: must be one of table, csv, json",
	} {
		if _, _, err := budgeted(t, append([]string{"report"}, strings.Fields(args)...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("report %s: %v, want %q", args, err, want)
		}
	}
}

func TestInvoices(t *testing.T) {
	companySpent(t)
	file := filepath.Join(t.TempDir(), "anthropic.csv")
	if err := os.WriteFile(file, []byte("\ufeffProvider,Model,Amount,Note\nanthropic,cl-1,0.5000000004,a part\nanthropic,cl-1,-0.0000000001,given back\nanthropic,other,$2.00,not ours\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for format, golds := range map[string]string{"table": "invoice.txt", "csv": "invoice.csv", "json": "invoice.json"} {
		stdout, _, err := budgetedAs(t, financeURL, "report", "-A", "--month", "2025-10", "--invoice", "openai=4.00", "--invoice", file, "-o", format)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, golds, stdout)
	}
	stdout, _, err := budgetedAs(t, financeURL, "report", "-A", "--month", "2025-10", "--invoice", "openai=4.00")
	if err != nil || !strings.Contains(stdout, "No invoice is given for anthropic, which cost 0.50.") {
		t.Errorf("error %v, printed\n%s\nwant to be told of the provider without an invoice", err, stdout)
	}
	stdout, _, err = budgetedAs(t, financeURL, "report", "-A", "--month", "2025-10", "--invoice", "opnai=4.00")
	if err != nil || !strings.Contains(stdout, `The ledger has no calls of a ModelProvider opnai in this time; did you mean "openai"?`) {
		t.Errorf("error %v, printed\n%s\nwant to be told of a provider that the ledger has not", err, stdout)
	}
	for name, tc := range map[string]struct{ content, want string }{
		"no amount":        {"provider,model\nopenai,gpt\n", "the columns provider and amount are required"},
		"empty":            {"", "read its header"},
		"totals and parts": {"provider,model,amount\nopenai,gpt,1\nopenai,,1\n", "line 3: provider openai has rows with a model and rows without"},
		"no number":        {"provider,amount\nopenai,lots\n", `line 2: amount "lots"`},
		"no provider":      {"provider,amount\n ,1\n", "line 2: a row has no provider"},
		"too much":         {"provider,amount\n" + strings.Repeat("openai,999999999\n", 10), "line 11: the amounts are too large together"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := readInvoices([]string{file}); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// TestTotalIsTheSum: the total of a report is the sum of its rows in each format, and a parent
// and its children spent together what they spent by themselves.
func TestTotalIsTheSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cost := rapid.Int64Range(0, int64(money.Max))
		paths := []string{"a", "a/b", "a/b/c", "a/d", "e", "f/g"}
		var spent []history.Spend
		var want money.Nanos
		for _, tenant := range rapid.SliceOfDistinct(rapid.SampledFrom(paths), rapid.ID).Draw(t, "tenants") {
			for _, model := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"x", "y"}), rapid.ID).Draw(t, "models") {
				s := history.Spend{Values: []string{tenant, model}, Calls: 1, Cost: money.Nanos(cost.Draw(t, "cost"))}
				spent = append(spent, s)
				want += s.Cost
			}
		}
		r := newSpendReport(history.SpendQuery{Zone: time.UTC, By: []history.Dimension{history.ByTenant, history.ByModel}}, spent, nil, nil)
		var out strings.Builder
		if err := r.print(&out, formatCSV); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		var sum, together money.Nanos
		for _, row := range rows[1 : len(rows)-1] {
			sum += parsed(t, row[6])
			if !strings.Contains(row[1], "/") {
				together += parsed(t, row[8])
			}
		}
		last := rows[len(rows)-1]
		if last[0] != "TOTAL" || parsed(t, last[6]) != want || sum != want || together != want {
			t.Fatalf("total %s, sum of the rows %s, of tenants without parents with their children %s; want %s", last[6], sum, together, want)
		}
		var again spendReport
		if raw, err := json.Marshal(r); err != nil || json.Unmarshal(raw, &again) != nil || again.Total.Cost != want.String() {
			t.Fatalf("in JSON the total is %s, want %s (%v)", again.Total.Cost, want, err)
		}
	})
}

// parsed reads an amount, which may be larger than that of a limit.
func parsed(t *rapid.T, amount string) money.Nanos {
	whole, fraction, _ := strings.Cut(amount, ".")
	digits := whole + fraction + strings.Repeat("0", 9-len(fraction))
	var n money.Nanos
	for _, digit := range digits {
		if digit < '0' || digit > '9' {
			t.Fatalf("%q is no amount", amount)
		}
		n = n*10 + money.Nanos(digit-'0')
	}
	return n
}

// TestDaysOfReports begin when the clocks of the zone first show them, which is not at midnight where they skip that.
func TestDaysOfReports(t *testing.T) {
	zone, err := time.LoadLocation("America/Santiago")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 9, 7, 12, 0, 0, 0, zone)
	for asked, want := range map[stretch][2]string{
		{from: "2026-09-06", to: "2026-09-06"}: {"2026-09-06T01:00:00-03:00", "2026-09-07T00:00:00-03:00"},
		{from: "2026-09-05", to: "2026-09-05"}: {"2026-09-05T00:00:00-04:00", "2026-09-06T01:00:00-03:00"},
		{from: "2026-09-06"}:                   {"2026-09-06T01:00:00-03:00", "2026-09-08T00:00:00-03:00"},
		{month: "2026-08"}:                     {"2026-08-01T00:00:00-04:00", "2026-09-01T00:00:00-04:00"},
		{}:                                     {"2026-09-01T00:00:00-04:00", "2026-10-01T00:00:00-03:00"},
	} {
		from, to, err := asked.span(now, zone)
		if got := [2]string{from.Format(time.RFC3339), to.Format(time.RFC3339)}; err != nil || got != want {
			t.Errorf("%+v: %v %v, want %v", asked, got, err, want)
		}
	}
}
