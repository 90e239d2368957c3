package stack

import (
	"context"
	"fmt"
	"sync"

	"github.com/bursar-dev/bursar/hack/parts/kubernetes"
	"github.com/bursar-dev/bursar/hack/parts/process"
	"github.com/bursar-dev/bursar/hack/parts/receivers"
)

// managerNamespace is the namespace of the manager's service account and lease.
const managerNamespace = "bursar-system"

// startManager runs the first manager.
func (s *Stack) startManager(ctx context.Context) error {
	s.managerKubeconfig = s.dir("manager-kubeconfig")
	if err := s.api.WriteKubeconfig(s.managerKubeconfig, kubernetes.Manager); err != nil {
		return err
	}
	if _, err := s.StartManager(ctx, "manager"); err != nil {
		return err
	}
	return s.awaitWebhooks(ctx)
}

// Manager is one manager, running or not. One that ends by itself, such as one that
// lost its Lease because the machine was too busy to renew it, is started again, as a
// Deployment would; one that was stopped or killed is not.
type Manager struct {
	// Name is the name of its log file.
	Name string
	// MetricsURL is where its metrics are.
	MetricsURL string
	// webhooks is where it serves webhooks; "0" for nowhere.
	webhooks string

	mu      sync.Mutex
	process *process.Process
	stopped bool
}

// Process is the process that runs now, or ran last.
func (m *Manager) Process() *process.Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.process
}

// Stop asks the manager to end, and waits until it has.
func (m *Manager) Stop() error { return m.stop().Stop() }

// Kill ends the manager at once, as a crash would.
func (m *Manager) Kill() { m.stop().Kill() }

func (m *Manager) stop() *process.Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = true
	return m.process
}

// keepUp starts the manager again whenever it has ended by itself, until it is stopped or
// cannot be started any more.
func (m *Manager) keepUp(start func() (*process.Process, error)) {
	for up := true; up; {
		<-m.Process().Done()
		up = m.again(start)
	}
}

func (m *Manager) again(start func() (*process.Process, error)) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return false
	}
	p, err := start()
	if err != nil {
		return false
	}
	m.process = p
	return true
}

// StartManager starts another manager, as the service account of config/rbac, and waits
// until it is ready. The stack stops it, unless the caller does. One of the managers leads,
// and one serves the webhooks, which have only one address here. Its log file has its name.
func (s *Stack) StartManager(ctx context.Context, name string) (*Manager, error) {
	health, err := process.FreePort()
	if err != nil {
		return nil, err
	}
	metrics, err := process.FreePort()
	if err != nil {
		return nil, err
	}
	webhooks := s.freeWebhooks()
	program := child{
		name:    name,
		program: "manager", directory: s.Programs,
		args: append(s.managerHabits(),
			"--kubeconfig", s.managerKubeconfig,
			"--leader-elect-namespace", managerNamespace,
			"--metrics-bind-address", loopback(metrics), "--metrics-plain",
			"--health-probe-bind-address", loopback(health),
			"--webhook-bind-address", webhooks,
			"--smtp-from", "bursar@example.com",
			"--alert-ca-file", s.dir("authority.pem"),
			"--alert-allowed-networks", "127.0.0.0/8",
		),
		env: []string{
			"BURSAR_REDIS_URL=" + s.RedisURL,
			"BURSAR_DATABASE_URL=" + s.managerDSN,
			"BURSAR_OWNER_DATABASE_URL=" + s.DatabaseURL,
			"BURSAR_SMTP_URL=" + fmt.Sprintf("smtp://%s:%s@%s", receivers.MailUser, receivers.MailPassword, s.Receivers.Mail.StartTLSAddress),
		},
		ready: "http://" + loopback(health) + "/readyz",
	}
	p, err := s.launch(program)
	if err != nil {
		return nil, err
	}
	manager := &Manager{Name: name, MetricsURL: "http://" + loopback(metrics) + "/metrics", webhooks: webhooks, process: p}
	s.onStop(manager.Stop)
	if err := s.awaitReady(ctx, p, program); err != nil {
		return nil, err
	}
	go manager.keepUp(func() (*process.Process, error) {
		s.say("  %s exited, see %s.log; restarting it", name, name)
		return s.launch(program)
	})
	s.Managers = append(s.Managers, manager)
	return manager, nil
}

// managerHabits are the flags that tests need for managers.
func (s *Stack) managerHabits() []string {
	if s.opts.AsInstalled {
		return nil
	}
	return []string{
		"--log-level", "debug",
		"--audit-pause", "200ms", // tests wait until each of their tenants was audited
	}
}

// freeWebhooks is where the next manager has to serve webhooks: nowhere, if another does.
func (s *Stack) freeWebhooks() string {
	for _, manager := range s.Managers {
		select {
		case <-manager.Process().Done():
		default:
			if manager.webhooks == s.webhookAddress {
				return "0"
			}
		}
	}
	return s.webhookAddress
}

// awaitWebhooks waits until the API server trusts the webhooks: before, it accepts objects
// without asking them.
func (s *Stack) awaitWebhooks(ctx context.Context) error {
	_, err := s.RunKubectl(ctx, "wait", "validatingwebhookconfiguration/bursar", "mutatingwebhookconfiguration/bursar",
		"--for=jsonpath={.webhooks[0].clientConfig.caBundle}", "--timeout=60s")
	return err
}
