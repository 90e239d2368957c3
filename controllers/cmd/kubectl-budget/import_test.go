package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

const prices = `{
  "mini":   {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07, "max_output_tokens": 16384},
  "absurd": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": -1, "output_cost_per_token": 6e-07, "max_output_tokens": 16384},
  "other":  {"litellm_provider": "anthropic", "mode": "chat", "input_cost_per_token": -1}
}`

// run runs the command with the table on its standard input.
func runImportOf(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	command := newCommand()
	command.SetIn(strings.NewReader(prices))
	command.SetOut(&out)
	command.SetErr(&errs)
	command.SetArgs(args)
	err = command.Execute()
	return out.String(), errs.String(), err
}

const wantYAML = `apiVersion: bursar.dev/v1alpha1
kind: ModelProvider
metadata:
  name: openai
spec:
  credentialFile: openai
  endpoint: https://api.openai.com/v1
  models:
  - maxOutputTokens: 16384
    name: mini
    prices:
      input: "0.15"
      output: "0.60"
  protocol: OpenAI
`

func TestImport(t *testing.T) {
	file := filepath.Join(t.TempDir(), "prices.json")
	if err := os.WriteFile(file, []byte(prices), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"-", file} {
		stdout, stderr, err := runImportOf(t, "prices", "import", "-f", from, "--provider", "openai")
		if err != nil || stdout != wantYAML {
			t.Errorf("from %s: error %v, output\n%s\nwant\n%s", from, err, stdout, wantYAML)
		}
		if want := "rejected absurd: input_cost_per_token: -1 is negative\n1 models, 1 rows rejected\n"; stderr != want {
			t.Errorf("from %s: said %q, want %q", from, stderr, want)
		}
	}
}

func TestImportForAnother(t *testing.T) {
	stdout, _, err := runImportOf(t, "prices", "import", "-f", "-", "--provider", "openai", "--format", "litellm",
		"--name", "proxy", "--protocol", "AzureOpenAI", "--endpoint", "https://it.example", "--credential-file", "key")
	var provider v1alpha1.ModelProvider
	if err != nil || yaml.UnmarshalStrict([]byte(stdout), &provider) != nil {
		t.Fatalf("error %v, output\n%s", err, stdout)
	}
	spec := provider.Spec
	if provider.Name != "proxy" || spec.Protocol != "AzureOpenAI" || spec.Endpoint != "https://it.example" || spec.CredentialFile != "key" {
		t.Errorf("got %+v of name %s", spec, provider.Name)
	}
}

func TestImportFails(t *testing.T) {
	for name, tc := range map[string]struct {
		args  []string
		want  string
		usage bool
	}{
		"strict":          {[]string{"-f", "-", "--provider", "openai", "--strict"}, "1 rows were rejected; 1 could be used", false},
		"nothing usable":  {[]string{"-f", "-", "--provider", "anthropic", "--endpoint", "https://it.example"}, "all 1 rows were rejected", false},
		"no such file":    {[]string{"-f", "/nowhere/prices.json", "--provider", "openai"}, "no such file", false},
		"no provider":     {[]string{"-f", "-"}, "-f and --provider are required", true},
		"an unknown flag": {[]string{"-f", "-", "--provder", "openai"}, "unknown flag", true},
		"an argument":     {[]string{"prices.json", "--provider", "openai"}, "unknown command", true},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, _, err := runImportOf(t, append([]string{"prices", "import"}, tc.args...)...)
			var usage usageError
			if err == nil || !strings.Contains(err.Error(), tc.want) || errors.As(err, &usage) != tc.usage || stdout != "" {
				t.Errorf("error %v (of usage: %t), output %q; want %q (of usage: %t) and no output", err, errors.As(err, &usage), stdout, tc.want, tc.usage)
			}
		})
	}
}
