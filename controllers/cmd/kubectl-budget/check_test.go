package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
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
