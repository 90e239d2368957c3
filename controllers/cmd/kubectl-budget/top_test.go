package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/history"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestTopTable(t *testing.T) {
	in := func(d time.Duration) *metav1.Time { t := metav1.NewTime(noon.Add(d)); return &t }
	limits := []usedLimit{
		{Namespace: "acme", Budget: "acme", Limit: "daily", Amount: "5.00", Spent: "4.56141", Held: "0.10", Percent: 91, Rung: "Trip", Breaker: "Open", OpenedBy: "daily", Ready: "True", ResetsAt: in(15 * time.Hour)},
		{Namespace: "acme", Budget: "acme", Limit: "monthly", Amount: "100.00", Spent: "4.56141", Held: "0.10", Percent: 4, Breaker: "Open", OpenedBy: "daily", Ready: "True", ResetsAt: in(7 * 24 * time.Hour), ExhaustsAt: in(90 * time.Minute)},
		{Namespace: "acme", Budget: "acme", Limit: "each-user", Per: "User", User: "ana@example.com", Amount: "0.50", Spent: "0.48", Percent: 96, Rung: "Trip", Breaker: "Open", OpenedBy: "daily", Ready: "True"},
		{Namespace: "acme", Budget: "acme", Limit: "each-week", Per: "User", Amount: "5.00", Breaker: "Open", OpenedBy: "daily", Ready: "True"},
		{Namespace: "team", Budget: "team", Limit: "daily", Amount: "1.00", Spent: "0.10", Held: "0.00", Percent: 10, Breaker: "Open (parent)", Ready: "True", ResetsAt: in(15 * time.Hour)},
		{Namespace: "team", Budget: "team", Limit: "weekly", Amount: "5.425", Spent: "1.00", Held: "0.00", Percent: 18, Breaker: "Closed", Ready: "True", ResetsAt: in(3 * 24 * time.Hour), ExhaustsAt: in(0),
			InCurrency: &v1alpha1.FiguresInCurrency{Code: "EUR", Amount: "5.00", Spent: "0.921658987", Held: "0.00"}},
		{Namespace: "new", Budget: "new", Ready: "False", Problem: "not enforced yet"},
		{Namespace: "over", Budget: "over", Limit: "daily", Amount: "1.00", Spent: "1.20", Held: "0.00", Percent: 120, Rung: "Warn", Breaker: "Closed", Ready: "True", ResetsAt: in(-time.Second)},
	}
	for name, tc := range map[string]struct {
		namespaces, bars, colors bool
		width                    int
	}{
		"top.txt": {}, "top-all-namespaces.txt": {namespaces: true}, "top-terminal.txt": {bars: true, colors: true},
		"top-80.txt": {bars: true, width: 80}, "top-40.txt": {bars: true, width: 40}, "top-all-40.txt": {namespaces: true, bars: true, width: 40},
	} {
		shown := topTable(limits, tc.namespaces, tc.bars, noon)
		if tc.width > 0 {
			shown = shown.fit(tc.width)
		}
		lines := shown.lines(tc.colors)
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); tc.width > 0 && n > tc.width {
				t.Errorf("%s: a line of %d characters: %q", name, n, line)
			}
		}
		golden(t, name, strings.Join(lines, "\n")+"\n")
	}
}

func TestTop(t *testing.T) {
	namespace(t, "top")
	b := budget(t, "top")
	b.Status.Limits = []v1alpha1.MoneyLimitStatus{{Name: "daily", Amount: "5.00", Spent: "1.00", Held: "0.50", Percent: 20, ResetsAt: metav1.NewTime(noon)}}
	b.Status.Breaker = &v1alpha1.BreakerStatus{State: v1alpha1.BreakerOpen, Summary: "Open (forced)"}
	b.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: "Pending", Message: "1 of 2 enforcers", LastTransitionTime: metav1.NewTime(noon)}}
	if err := api.Status().Update(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	stdout, _, err := budgeted(t, "top", "-n", "top", "-o", "json")
	var got struct{ Limits []usedLimit }
	if err != nil || json.Unmarshal([]byte(stdout), &got) != nil || len(got.Limits) != 1 {
		t.Fatalf("error %v, printed %s", err, stdout)
	}
	if l := got.Limits[0]; l.Spent != "1.00" || l.Breaker != "Open (forced)" || l.Ready != "False" || l.Problem != "1 of 2 enforcers" {
		t.Errorf("got %+v", l)
	}
	// The worst of each user, from the ledger.
	b.Spec.Limits = append(b.Spec.Limits, v1alpha1.MoneyLimit{Name: "each", Period: "Year", Amount: "0.50", Per: v1alpha1.ScopeUser})
	if err := api.Update(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`INSERT INTO tenants (tenant_id, namespace, budget, budget_uid, generation, time_zone) VALUES ('top', 'top', 'top', 'u', 1, 'UTC')`,
		`INSERT INTO budget_limits (tenant_id, limit_name, per, period, time_zone, amount_nanos, budget_uid, generation, valid_from)
		 VALUES ('top', 'each', 'User', 'Year', 'UTC', 500000000, 'u', 1, now() - interval '1 day')`,
	} {
		if _, err := ledger.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for i, user := range []string{"ana", "bo", "bo", "bo"} {
		admitted(t, fmt.Sprintf("top-%d", i), "top", user, time.Now().Add(-time.Minute))
	}
	stdout, _, err = budgeted(t, "top", "-n", "top", "-o", "json")
	if err != nil || json.Unmarshal([]byte(stdout), &got) != nil || len(got.Limits) != 2 {
		t.Fatalf("error %v, printed %s", err, stdout)
	}
	if l := got.Limits[1]; l.Limit != "each" || l.Per != "User" || l.User != "bo" || l.Spent != "0.24" || l.Percent != 48 {
		t.Errorf("of users, got %+v", l)
	}
	for _, args := range [][]string{{"-n", "top"}, {"-A"}, {"top", "-n", "top", "--once"}} {
		if stdout, _, err := budgeted(t, append([]string{"top"}, args...)...); err != nil || !strings.Contains(stdout, "20%") || strings.Contains(stdout, "\x1b") {
			t.Errorf("%v: error %v, printed\n%s", args, err, stdout)
		}
	}
}

// TestErrors: what is wrong, and what mends it.
func TestErrors(t *testing.T) {
	namespace(t, "errors")
	namespace(t, "empty")
	budget(t, "errors")
	budget(t, "errors", func(b *v1alpha1.TenantBudget) { b.Name = "other" })
	for name, tc := range map[string]struct {
		args  []string
		want  string
		usage bool
	}{
		"no such budget":       {[]string{"top", "nobody", "-n", "errors"}, "namespace errors has no TenantBudget nobody; it has errors, other", false},
		"no budget":            {[]string{"top", "-n", "empty"}, "no TenantBudget found in namespace empty: select another with -n, or all with -A", false},
		"no such format":       {[]string{"top", "-o", "xml"}, "-o xml: must be one of table, json, yaml", true},
		"several budgets":      {[]string{"explain", "x", "-n", "errors"}, "tenants that you may read: the ledger has no such call", false},
		"one of several":       {[]string{"explain", "x", "other", "-n", "errors"}, "the ledger has no such call", false},
		"two names of budgets": {[]string{"explain", "x", "other", "-n", "errors", "--budget", "errors"}, "mutually exclusive", true},
		"no id":                {[]string{"explain", "-n", "errors"}, "expected the id of one call", true},
		"no such call":         {[]string{"explain", "x", "-n", "errors", "--budget", "other"}, "the ledger has no such call", false},
		"twice the same":       {[]string{"explain", "x", "--tenant", "a", "--budget", "b"}, "mutually exclusive", true},
		"password":             {[]string{"explain", "x", "--tenant", "a", "--database-url", "postgres://a:b@host/db"}, "use BURSAR_DATABASE_URL", true},
		"no file":              {[]string{"replay"}, "-f is required", true},
		"no such file":         {[]string{"replay", "-f", "/nowhere.yaml"}, "no such file", false},
		"no length":            {[]string{"replay", "-f", "-", "--since", "soon"}, `"soon" must be a duration`, true},
		"nothing to replay":    {[]string{"replay", "-f", "-"}, "contains no TenantBudget and no RateLimitPolicy", false},
		"grant of nothing":     {[]string{"grant", "acme", "--limit", "l", "--amount", "0", "--expires", "1h", "--reason", "r"}, "must be greater than 0", true},
		"grant without end":    {[]string{"grant", "acme", "--limit", "l", "--amount", "1", "--reason", "r"}, "--expires and --reason are required", true},
		"grant of the past":    {[]string{"grant", "acme", "--limit", "l", "--amount", "1", "--reason", "r", "--expires", "2020-01-01T00:00:00Z"}, "is in the past", true},
		"grant of no time":     {[]string{"grant", "acme", "--limit", "l", "--amount", "1", "--reason", "r", "--starts", "2h", "--expires", "1h"}, "must be after --starts", true},
		"key of nobody":        {[]string{"key", "create", "ana"}, "--budget, --user and --tier are required", true},
		"key of a wrong name":  {[]string{"key", "create", "Ana!", "--budget", "b", "--user", "u", "--tier", "t"}, "lowercase", true},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, _, err := budgeted(t, tc.args...)
			var usage usageError
			if err == nil || !strings.Contains(err.Error(), tc.want) || errors.As(err, &usage) != tc.usage || stdout != "" {
				t.Errorf("error %v (of usage: %t), printed %q; want %q (of usage: %t)", err, errors.As(err, &usage), stdout, tc.want, tc.usage)
			}
		})
	}
}

func TestCompletion(t *testing.T) {
	namespace(t, "completion")
	budget(t, "completion")
	for name, tc := range map[string]struct {
		args []string
		want []string
	}{
		"budgets":   {[]string{"top", "-n", "completion", ""}, []string{"completion"}},
		"of a flag": {[]string{"key", "create", "ana", "-n", "completion", "--budget", "c"}, []string{"completion"}},
		"limits":    {[]string{"grant", "completion", "-n", "completion", "--limit", ""}, []string{"daily"}},
		"formats":   {[]string{"explain", "-o", ""}, []string{"json", "table", "yaml"}},
		"namespace": {[]string{"top", "-n", "comp"}, []string{"completion"}},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, _, err := budgeted(t, append([]string{"__complete"}, tc.args...)...)
			want := strings.Join(append(tc.want, ":4", ""), "\n")
			if err != nil || stdout != want {
				t.Errorf("error %v, completed %q, want %q", err, stdout, want)
			}
		})
	}
	if got := arguments([]string{"/usr/bin/" + completer, "top", ""}); strings.Join(got, " ") != "__complete top " {
		t.Errorf("as kubectl's completer: %q", got)
	}
}

// TestTopOfUsersInCurrency: the figures of users, which the ledger has in US dollars, are shown in
// the currency that their limit is written in.
func TestTopOfUsersInCurrency(t *testing.T) {
	b := v1alpha1.TenantBudget{Spec: v1alpha1.TenantBudgetSpec{
		Tenant:   "acme",
		Currency: &v1alpha1.Currency{Code: "EUR", USDPerUnit: "1.25", AsOf: "2026-10-01"},
		Limits:   []v1alpha1.MoneyLimit{{Name: "each", Period: "Day", Amount: "2.00", Per: v1alpha1.ScopeUser}},
	}}
	for name, tc := range map[string]struct {
		most map[ownerLimit]history.OwnerUsage
		want [3]string
		usd  string
	}{
		"nobody is known": {nil, [3]string{"", "", "2.00 EUR"}, "2.50"},
		"the worst":       {map[ownerLimit]history.OwnerUsage{{"acme", "each"}: {Owner: limiterv1.Owner{User: "bo"}, Spent: money.USD, Amount: 2500 * money.USD / 1000}}, [3]string{"0.80", "", "2.00 EUR"}, "2.50"},
	} {
		t.Run(name, func(t *testing.T) {
			rows := ownersOf(b, usedLimit{}, tc.most)
			spent, held, amount := rows[0].figures()
			if got := [3]string{spent, held, amount}; got != tc.want || rows[0].Amount != tc.usd {
				t.Errorf("got %q and %s USD, want %q and %s", got, rows[0].Amount, tc.want, tc.usd)
			}
		})
	}
}
