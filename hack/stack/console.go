package stack

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"

	"github.com/bursar-dev/bursar/hack/parts/kubernetes"
	"github.com/bursar-dev/bursar/hack/parts/openid"
	"github.com/bursar-dev/bursar/hack/parts/process"
)

// PlatformAdmin is the person of the sample company whom the console treats as an admin of every
// tenant, although they belong to none.
const PlatformAdmin = "nadia"

// StartConsole starts the console, which the stack stops, and waits until it is ready.
func (s *Stack) StartConsole(ctx context.Context) error {
	if _, err := s.RunKubectl(ctx, "apply", "-f", filepath.Join(s.root, "config", "console", "rbac.yaml")); err != nil {
		return err
	}
	kubeconfig := s.dir("console-kubeconfig")
	if err := s.api.WriteKubeconfig(kubeconfig, kubernetes.Console); err != nil {
		return err
	}
	login, err := s.postgres.NewLogin(ctx, s.DatabaseURL, "bursar_reader", "bursar_console")
	if err != nil {
		return err
	}
	if login, err = withPassword(login); err != nil {
		return err
	}
	listen, err := process.FreePort()
	if err != nil {
		return err
	}
	health, err := process.FreePort()
	if err != nil {
		return err
	}
	s.ConsoleURL = "http://" + loopback(listen)
	signIn, err := s.consoleSignIn()
	if err != nil {
		return err
	}
	_, err = s.startChild(ctx, child{
		name: "console",
		args: append([]string{
			"--kubeconfig", kubeconfig, "--listen-address", loopback(listen), "--health-address", loopback(health),
			"--platform-admins", "company/subject/" + PlatformAdmin, "--admin-tiers", "corporativo", "--log-level", "debug",
		}, signIn...),
		env:   []string{"BURSAR_DATABASE_URL=" + login},
		ready: "http://" + loopback(health) + "/readyz",
	})
	return err
}

// consoleSignIn makes the files that the console's sign-in needs, and the arguments that name
// them. The client's name at the company's issuer is in signin.yaml.
func (s *Stack) consoleSignIn() (args []string, err error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	keys, secrets := s.dir("console-session-keys"), s.dir("console-client-secrets")
	if err := os.MkdirAll(secrets, 0o700); err != nil {
		return nil, err
	}
	for path, content := range map[string]string{
		keys: base64.StdEncoding.EncodeToString(key), filepath.Join(secrets, "company"): openid.ConsoleSecret,
	} {
		if err := os.WriteFile(path, []byte(content+"\n"), 0o600); err != nil {
			return nil, err
		}
	}
	return []string{"--public-url", s.ConsoleURL, "--session-keys-file", keys, "--client-secrets-dir", secrets}, nil
}
