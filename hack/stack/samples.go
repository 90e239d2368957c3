package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bursar-dev/bursar/hack/parts/issuer"
	"github.com/bursar-dev/bursar/hack/parts/openid"
)

// SampleNamespace is where config/samples puts its tenant.
const SampleNamespace = "acme"

// ApplySamples applies config/samples, with the fake provider instead of the real
// one, and waits until every enforcer enforces it.
func (s *Stack) ApplySamples(ctx context.Context) (string, error) {
	overlay, err := s.writeOverlay()
	if err != nil {
		return "", err
	}
	// `kubectl apply -k` warns of any sortOptions; `kubectl kustomize` does not.
	resources, err := s.RunKubectl(ctx, "kustomize", overlay)
	if err != nil {
		return "", err
	}
	out, err := s.kubectl(ctx, resources, "apply", "-f", "-")
	if err != nil {
		return out, err
	}
	return out, s.awaitProgrammed(ctx, "tenantbudgets,ratelimitpolicies,apikeys,memberships", "modelproviders,identityproviders")
}

// awaitProgrammed waits until all of the samples' objects of some kinds are enforced. Kinds
// with a namespace and kinds without are separate arguments.
func (s *Stack) awaitProgrammed(ctx context.Context, kinds ...string) error {
	for _, some := range kinds {
		args := []string{"wait", "--for=condition=Programmed", "--timeout=60s", "--all", some, "-n", SampleNamespace}
		if _, err := s.RunKubectl(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// writeOverlay writes a kustomization that points the sample provider at the fake.
func (s *Stack) writeOverlay() (string, error) {
	dir := s.dir("samples")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	samples, err := filepath.Rel(dir, filepath.Join(s.root, "config", "samples"))
	if err != nil {
		return "", err
	}
	overlay := fmt.Sprintf(`apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
sortOptions: {order: fifo}
resources:
- %s
patches:
- target: {group: bursar.dev, kind: ModelProvider}
  patch: |-
    - {op: replace, path: /spec/endpoint, value: %s/v1}
`, samples, s.ProviderURL)
	return dir, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(overlay), 0o644)
}

// SampleUsers are the users of config/samples that have an API key.
func (s *Stack) SampleUsers(ctx context.Context) ([]string, error) {
	out, err := s.RunKubectl(ctx, "get", "apikeys", "-n", SampleNamespace, "-o", "jsonpath={.items[*].spec.user}")
	return strings.Fields(out), err
}

// SampleKey is the API key of a user of config/samples.
func SampleKey(user string) string { return SampleKeyPrefix + user }

// WriteEnv writes a file that a shell can source: the addresses of everything, and a PATH
// with kubectl, its plugin and bursar-sign-in.
func (s *Stack) WriteEnv(ctx context.Context) (string, error) {
	users, err := s.SampleUsers(ctx)
	if err != nil {
		return "", err
	}
	var env strings.Builder
	set := func(name, value string) { fmt.Fprintf(&env, "export %s=%s\n", name, Quote(value)) }
	fmt.Fprintf(&env, "export PATH=%s:%s:%s:\"$PATH\"\n",
		Quote(filepath.Join(s.root, "bin")), Quote(filepath.Join(s.root, "bin", "hack")), Quote(filepath.Dir(s.Kubectl)))
	set("KUBECONFIG", s.Kubeconfig)
	set("ENFORCER_URLS", strings.Join(s.EnforcerURLs, " "))
	if s.ConsoleURL != "" {
		set("CONSOLE_URL", s.ConsoleURL)
		set("BURSAR_CONSOLE", s.ConsoleURL) // for kubectl budget
	}
	set("PROVIDER_URL", s.ProviderURL)
	set("PROVIDER_BILL_URL", s.ProviderURL+"/bill")
	set("WEBHOOK_URL", s.Receivers.Webhook.URL)
	set("MAIL_SERVER", s.Receivers.Mail.StartTLSAddress)
	set("REDIS_URL", s.RedisURL)
	set("DATABASE_URL", s.DatabaseURL)
	set("BURSAR_DATABASE_URL", s.ReaderURL)
	if s.SignIn != nil {
		set(openid.URLVariable, s.SignIn.OpenID.URL)
		set(issuer.URLVariable, s.SignIn.StackAuthURL)
	}
	for _, user := range users {
		set("BURSAR_KEY_"+envName(user), SampleKey(user))
	}
	path := s.dir("env")
	return path, os.WriteFile(path, []byte(env.String()), 0o600)
}

// Quote is a value, quoted for a shell.
func Quote(value string) string { return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'" }

// envName is the user's name, changed into the name of an environment variable.
func envName(user string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(user))
}

// HashKey is the hash of an API key in an APIKey: its SHA-256 in hexadecimal.
func HashKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
