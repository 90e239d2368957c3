package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// imported runs the import of testdata, with further arguments.
func imported(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	t.Setenv("AZURE_API_BASE", "https://acme.openai.azure.com")
	at := func(name string) string { return filepath.Join("litellm", "testdata", name) }
	all := []string{"import", "litellm", "-f", at("config.yaml"), "--prices", at("prices.json"), "--teams", at("teams.json"),
		"--keys", at("keys.json"), "--users", at("users.json"), "--budgets", at("budgets.json")}
	return budgeted(t, append(all, args...)...)
}

// company is the IdentityProvider that the members of teams sign in with.
const company = `---
apiVersion: bursar.dev/v1alpha1
kind: IdentityProvider
metadata: {name: company}
spec:
  issuer: {url: "https://id.acme.example", audiences: [bursar]}
  claimMappings: {user: {claim: sub}}
  allowedMemberships:
  - {namespaces: [research-development], emails: ["*@acme.example"]}
`

// TestImportLiteLLM: what comes out, and what is told of what does not, line by line; and an API
// server accepts all of it, as do the rules of the webhook.
func TestImportLiteLLM(t *testing.T) {
	stdout, stderr, err := imported(t, "--identity-provider", "company")
	if err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	stderr = strings.ReplaceAll(stderr, "litellm/testdata/", "")
	golden(t, "litellm.yaml", stdout)
	golden(t, "litellm.txt", stderr)
	if strings.Contains(stdout+stderr, "never") {
		t.Error("a secret of the configuration is printed")
	}

	file := filepath.Join(t.TempDir(), "out.yaml")
	if err := os.WriteFile(file, []byte(stdout+company), 0o600); err != nil {
		t.Fatal(err)
	}
	checked, _, err := budgeted(t, "check", "--local", "-f", file)
	if err != nil || checked != "" {
		t.Errorf("check: %v: %s", err, checked)
	}
	objects, err := readObjects(strings.NewReader(stdout), "default")
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if kindOf(object) == "Namespace" {
			namespace(t, object.GetName())
			continue
		}
		if err := api.Create(t.Context(), object, client.FieldOwner("test")); err != nil {
			t.Errorf("%s %s: %v", kindOf(object), nameOf(object), err)
		}
	}
	var key v1alpha1.APIKey
	if err := api.Get(t.Context(), client.ObjectKey{Namespace: "support", Name: "key-" + hashOfKey("sk-support")[:8]}, &key); err != nil || key.Spec.SHA256 != hashOfKey("sk-support") {
		t.Errorf("the key of before does not work on: %v", err)
	}
}

// TestImportLiteLLMFails: of what cannot be read, and of wrong usage.
func TestImportLiteLLMFails(t *testing.T) {
	if stdout, _, err := imported(t, "--strict"); err == nil || stdout != "" || !strings.Contains(err.Error(), "not carried over as they are") {
		t.Errorf("--strict: %v, %d bytes", err, len(stdout))
	}
	_, _, err := budgeted(t, "import", "litellm")
	var usage usageError
	if !errors.As(err, &usage) {
		t.Errorf("without -f: %v, want wrong usage", err)
	}
	ids := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(ids, []byte(`{"keys": ["88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := budgeted(t, "import", "litellm", "-f", "litellm/testdata/config.yaml", "--keys", ids); err == nil || !strings.Contains(err.Error(), "return_full_object=true") {
		t.Errorf("keys without what they are: %v", err)
	}
}

func hashOfKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// TestImportOverAnother: before what was imported is applied, check says which ModelProvider that is there would
// be overwritten, and what would be lost with it.
func TestImportOverAnother(t *testing.T) {
	there := objects.ModelProvider("by-hand", "kept")
	there.Name = "deepseek"
	there.Spec.CredentialFile = "by-hand"
	testkit.Must(t, api.Create(t.Context(), there))
	t.Cleanup(func() { testkit.Must(t, api.Delete(context.Background(), there)) })
	config := filepath.Join(t.TempDir(), "config.yaml")
	testkit.Must(t, os.WriteFile(config, []byte(`
model_list:
- model_name: kept
  litellm_params: {model: deepseek/kept, api_base: "https://models.example/v1", input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
  model_info: {max_output_tokens: 1000}
`), 0o600))
	stdout, stderr, err := budgeted(t, "import", "litellm", "-f", config)
	if err != nil || !strings.Contains(stdout, "name: deepseek") {
		t.Fatalf("%v: %s%s", err, stdout, stderr)
	}
	checked, stderr, err := budgetedWith(t, stdout, "check", "-f", "-")
	for _, want := range []string{
		"ModelProvider deepseek: warning: spec: replaces the existing ModelProvider deepseek, OpenAI at https://api.example.com/v1 with the credential by-hand, by OpenAI at https://models.example/v1 ",
		"ModelProvider deepseek: warning: spec.models: the existing ModelProvider deepseek lists by-hand, and this one does not",
	} {
		if !strings.Contains(checked, want) {
			t.Errorf("%v %s: got\n%s\nwant %s", err, stderr, checked, want)
		}
	}
}
