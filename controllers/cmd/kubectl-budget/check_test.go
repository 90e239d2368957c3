package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

const checkedYAML = `
apiVersion: bursar.dev/v1alpha1
kind: ModelProvider
metadata: {name: openai}
spec:
  endpoint: https://llm.example.com/v1
  models: [{name: gpt-4o, maxOutputTokens: 16384, prices: {input: "2.50", output: "10.00"}}]
---
apiVersion: bursar.dev/v1alpha1
kind: TenantBudget
metadata: {name: budget, namespace: acme}
spec:
  tenant: acme
  limits: [{name: daily, period: Day, amount: "5.00"}]
---
apiVersion: bursar.dev/v1alpha1
kind: APIKey
metadata: {name: ana, namespace: acme}
spec: {sha256: ` + "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" + `, budgetRef: {name: budget}, user: ana, tier: senior}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
`

// TestCheckLocally checks files without a cluster.
func TestCheckLocally(t *testing.T) {
	for name, tc := range map[string]struct {
		old, new string
		strict   bool
		want     string
		fails    bool
	}{
		"what is meant": {},
		"a model that nobody lists": {
			old: `amount: "5.00"`, new: `amount: "5.00", models: [gtp-4o]`, fails: true,
			want: `TenantBudget acme/budget: warning: spec.limits[0].models[0]: no ModelProvider lists model "gtp-4o"; did you mean "gpt-4o"?`,
		},
		"a price per token": {
			old: `input: "2.50"`, new: `input: "0.0000025"`,
			want: `ModelProvider openai: warning: spec.models[0].prices.input: 0.0000025 USD per million tokens is less than any price known; write "2.50" if it is per token`,
		},
		"a price per token, strictly": {
			old: `input: "2.50"`, new: `input: "0.0000025"`, strict: true, fails: true,
			want: `ModelProvider openai: warning: spec.models[0].prices.input: `,
		},
		"a key of no budget": {
			old: `budgetRef: {name: budget}`, new: `budgetRef: {name: bugdet}`, fails: true,
			want: `APIKey acme/ana: error: spec.budgetRef.name: Not found: "bugdet"`,
		},
		"a model of two providers": {
			old: "kind: ConfigMap\nmetadata: {name: other}", fails: true,
			new:  "kind: ConfigMap\nmetadata: {name: other}\n---\n" + `{apiVersion: bursar.dev/v1alpha1, kind: ModelProvider, metadata: {name: second}, spec: {endpoint: "https://llm.example.com/v1", models: [{name: gpt-4o, maxOutputTokens: 16384, prices: {input: "2.50", output: "10.00"}}]}}`,
			want: `ModelProvider second: error: spec.models[0].name: Invalid value: "gpt-4o": already governed by the older ModelProvider openai`,
		},
		"a budget of another tenant": {
			old: `tenant: acme`, new: `tenant: emea`, fails: true,
			want: `TenantBudget acme/budget: error: spec.tenant: Forbidden: must equal the namespace, "acme", unless that is labelled bursar.dev/delegated=true`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "acme.yaml")
			if err := os.WriteFile(file, []byte(strings.Replace(checkedYAML, tc.old, tc.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			args := []string{"check", "-f", file, "--local"}
			if tc.strict {
				args = append(args, "--strict")
			}
			stdout, _, err := budgeted(t, args...)
			if (err != nil) != tc.fails {
				t.Errorf("got error %v, want one: %t", err, tc.fails)
			}
			if tc.want == "" && stdout != "" || !strings.HasPrefix(stdout, tc.want) {
				t.Errorf("printed %s\nwant %s", stdout, tc.want)
			}
		})
	}
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestPages: nothing is wrong in the resources of the pages, nor unwise. Those of a page may need
// those of the first day.
func TestPages(t *testing.T) {
	for page, tc := range map[string]struct {
		with []string
		want string
	}{
		"first-day.md": {want: "6 resources checked"},
		"identity.md":  {with: []string{"first-day.md"}, want: "24 resources checked"},
		"sign-in.md":   {want: "3 resources checked"},
	} {
		t.Run(page, func(t *testing.T) {
			var resources []byte
			for _, name := range append(tc.with, page) {
				content, err := os.ReadFile(filepath.Join("../../../docs", name))
				if err != nil {
					t.Fatal(err)
				}
				blocks := yamlBlock.FindAllSubmatch(content, -1)
				if blocks == nil {
					t.Fatalf("%s has no YAML", name)
				}
				for _, block := range blocks {
					resources = append(append(resources, "---\n"...), block[1]...)
				}
			}
			file := filepath.Join(t.TempDir(), "all.yaml")
			if err := os.WriteFile(file, resources, 0o600); err != nil {
				t.Fatal(err)
			}
			stdout, stderr, err := budgeted(t, "check", "-f", file, "--local", "--strict")
			if err != nil || stdout != "" || !strings.Contains(stderr, tc.want) {
				t.Errorf("printed %s%s, error %v", stdout, stderr, err)
			}
		})
	}
}

const changedYAML = `
apiVersion: bursar.dev/v1alpha1
kind: TenantBudget
metadata: {name: changed, namespace: changed}
spec:
  tenant: changed
  limits: [{name: daily, period: Day, amount: "%s"}]
  ladder: []
`

// TestCheckChanges: what changes in the budgets of the cluster is warned of as the webhook does, and
// what cannot be told is named.
func TestCheckChanges(t *testing.T) {
	namespace(t, "changed")
	b := budget(t, "changed")
	now := time.Now().UTC()
	tomorrow := metav1.NewTime(time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, time.UTC))
	b.Status.Limits = []v1alpha1.MoneyLimitStatus{{Name: "daily", Amount: "5.00", Spent: "0.32", Held: "0.00", ResetsAt: tomorrow}}
	if err := api.Status().Update(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		admitted(t, fmt.Sprintf("changed-%d", i), "changed", "ana", time.Now().Add(-time.Minute+time.Duration(i)*2*time.Second))
	}
	const spent = "TenantBudget changed/changed: warning: spec.limits[0].amount: limit daily is set to 0.20 USD and 0.32 are already spent: calls are refused until "
	for name, tc := range map[string]struct {
		amount string
		noDB   bool
		args   []string
		want   []string
		left   string
	}{
		"as it is":       {amount: "5.00"},
		"raised steeply": {amount: "20.00", want: []string{"TenantBudget changed/changed: warning: spec.limits[0].amount: limit daily is raised from 5.00 to 20.00 USD, 4 times as much"}},
		"lowered": {amount: "0.20", want: []string{spent,
			`TenantBudget changed/changed: warning: under these limits, 2 of the 4 calls of the last 7 days would have been refused, 2 of them by limit daily; run "kubectl budget replay" for details`}},
		"lowered, without a ledger": {amount: "0.20", noDB: true, want: []string{spent},
			left: "not checked: how many calls of the last 7 days the changed limits would have refused or admitted: set BURSAR_DATABASE_URL"},
		"lowered, locally": {amount: "0.20", args: []string{"--local"}, left: "not checked: what changes, such as a limit that is raised or removed"},
	} {
		t.Run(name, func(t *testing.T) {
			login := readerURL
			if tc.noDB {
				login = ""
			}
			file := filepath.Join(t.TempDir(), "changed.yaml")
			if err := os.WriteFile(file, fmt.Appendf(nil, changedYAML, tc.amount), 0o600); err != nil {
				t.Fatal(err)
			}
			stdout, stderr, err := budgetedAs(t, login, append([]string{"check", "-f", file}, tc.args...)...)
			lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
			if stdout == "" {
				lines = nil
			}
			isAsWanted := slices.EqualFunc(lines, tc.want, strings.HasPrefix)
			if err != nil || !isAsWanted || !strings.HasPrefix(stderr, tc.left) || tc.left == "" && strings.Contains(stderr, "not checked") {
				t.Errorf("printed %s%s, error %v; want %q and %q", stdout, stderr, err, tc.want, tc.left)
			}
		})
	}
}

// TestCheckUnfit: what the API server would not read is told with its place, and how to write it.
func TestCheckUnfit(t *testing.T) {
	for name, tc := range map[string]struct{ old, new, want string }{
		"an amount without quotes": {`amount: "5.00"`, `amount: 5.50`, `document 2: TenantBudget budget: spec.limits[0].amount: 5.5 is a number to YAML, and must be text: write it in quotes, as "5.5"`},
		"a word that YAML reads":   {`tier: senior`, `tier: on`, `document 3: APIKey ana: spec.tier: true is true or false to YAML, and must be text: write it in quotes, as "true"`},
		"a misspelt field":         {"tenant: acme", "tenant: acme\n  parentref: {name: a}", `document 2: TenantBudget budget: spec.parentref: no such field; did you mean "parentRef"?`},
		"a field of nothing":       {`{name: budget}, user`, `{name: budget, kind: TenantBudget}, user`, `document 3: APIKey ana: spec.budgetRef.kind: no such field; there are name`},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "acme.yaml")
			if err := os.WriteFile(file, []byte(strings.Replace(checkedYAML, tc.old, tc.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, _, err := budgeted(t, "check", "-f", file, "--local"); err == nil || !strings.HasSuffix(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// TestCheckDirectories: the files of a directory are checked together, and so are several.
func TestCheckDirectories(t *testing.T) {
	one, other := t.TempDir(), t.TempDir()
	documents := strings.Split(checkedYAML, "---\n")
	for name, content := range map[string]string{
		filepath.Join(one, "provider.yaml"): documents[0], filepath.Join(one, "budget.yml"): documents[1],
		filepath.Join(one, "README.md"): "# not YAML: [", filepath.Join(other, "key.yaml"): documents[2],
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stdout, stderr, err := budgeted(t, "check", "--local", "-f", one, "-f", filepath.Join(other, "key.yaml"))
	if err != nil || stdout != "" || !strings.HasSuffix(stderr, "3 resources checked\n") {
		t.Errorf("printed %s%s, error %v", stdout, stderr, err)
	}
	if stdout, _, err := budgeted(t, "check", "--local", "-f", other); err == nil || !strings.Contains(stdout, "namespace acme has no TenantBudget of this name") {
		t.Errorf("without the budget: printed %s, error %v", stdout, err)
	}
	if _, _, err := budgeted(t, "check", "--local", "-f", t.TempDir()); err == nil || !strings.Contains(err.Error(), "has no .yaml, .yml or .json file") {
		t.Errorf("of an empty directory: %v", err)
	}
}
