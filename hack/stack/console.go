package stack

import (
	"context"
	"path/filepath"

	"github.com/bursar-dev/bursar/hack/parts/kubernetes"
	"github.com/bursar-dev/bursar/hack/parts/process"
)

// PlatformAdmin is whom of the sample company's people the console takes for an admin of every
// tenant, though they belong to none.
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
	_, err = s.startChild(ctx, child{
		name: "console",
		args: []string{
			"--kubeconfig", kubeconfig, "--listen-address", loopback(listen), "--health-address", loopback(health),
			"--platform-admins", "company/subject/" + PlatformAdmin, "--admin-tiers", "corporativo", "--log-level", "debug",
		},
		env:   []string{"BURSAR_DATABASE_URL=" + login},
		ready: "http://" + loopback(health) + "/readyz",
	})
	return err
}
