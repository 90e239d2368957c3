package stack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/bursar-dev/bursar/controllers/budgetstore"
	"github.com/bursar-dev/bursar/hack/parts/kubernetes"
	"github.com/bursar-dev/bursar/hack/parts/process"
	"github.com/bursar-dev/bursar/hack/parts/receivers"
)

// prepareDatabase makes the ledger's database, the logins of both planes and a reader's. The
// manager migrates it again when it leads, which then has nothing to do; here it
// makes the group roles that the logins belong to.
func (s *Stack) prepareDatabase(ctx context.Context) (err error) {
	if s.DatabaseURL, err = s.postgres.NewDatabase(ctx); err != nil {
		return err
	}
	if err := budgetstore.Migrate(ctx, s.DatabaseURL); err != nil {
		return err
	}
	if s.managerDSN, err = s.postgres.NewLogin(ctx, s.DatabaseURL, "bursar_manager"); err != nil {
		return err
	}
	if s.enforcerDSN, err = s.postgres.NewLogin(ctx, s.DatabaseURL, "bursar_enforcer"); err != nil {
		return err
	}
	s.ReaderURL, err = s.postgres.NewLogin(ctx, s.DatabaseURL, "bursar_reader")
	return err
}

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

// Manager is one manager, running or not.
type Manager struct {
	*process.Process
	// Name is that of its log file.
	Name string
	// MetricsURL is where its metrics are.
	MetricsURL string
	// webhooks is where it serves webhooks; "0" for nowhere.
	webhooks string
}

// StartManager starts one more manager, as the service account that config/rbac is
// for, which the stack stops unless somebody else does, and waits until it is ready.
// One of them leads, and one serves the webhooks, which are at one address here. Its log
// file bears its name.
func (s *Stack) StartManager(ctx context.Context, name string) (Manager, error) {
	health, err := process.FreePort()
	if err != nil {
		return Manager{}, err
	}
	metrics, err := process.FreePort()
	if err != nil {
		return Manager{}, err
	}
	webhooks := s.freeWebhooks()
	p, err := s.startChild(ctx, child{
		name:    name,
		program: "manager",
		args: []string{
			"--kubeconfig", s.managerKubeconfig,
			"--leader-elect-namespace", managerNamespace,
			"--metrics-bind-address", loopback(metrics), "--metrics-plain",
			"--health-probe-bind-address", loopback(health),
			"--webhook-bind-address", webhooks,
			"--smtp-from", "bursar@example.com",
			"--alert-ca-file", s.dir("authority.pem"),
			"--alert-allowed-networks", "127.0.0.0/8",
		},
		env: []string{
			"BURSAR_REDIS_URL=" + s.RedisURL,
			"BURSAR_DATABASE_URL=" + s.managerDSN,
			"BURSAR_OWNER_DATABASE_URL=" + s.DatabaseURL,
			"BURSAR_SMTP_URL=" + fmt.Sprintf("smtp://%s:%s@%s", receivers.MailUser, receivers.MailPassword, s.Receivers.Mail.StartTLSAddress),
		},
		ready: "http://" + loopback(health) + "/readyz",
	})
	if err != nil {
		return Manager{}, err
	}
	manager := Manager{Process: p, Name: name, MetricsURL: "http://" + loopback(metrics) + "/metrics", webhooks: webhooks}
	s.Managers = append(s.Managers, manager)
	return manager, nil
}

// freeWebhooks is where the next manager is to serve webhooks: nowhere, if one does.
func (s *Stack) freeWebhooks() string {
	for _, manager := range s.Managers {
		select {
		case <-manager.Done():
		default:
			if manager.webhooks == s.webhookAddress {
				return "0"
			}
		}
	}
	return s.webhookAddress
}

// awaitWebhooks waits until the API server trusts the webhooks: it lets everything
// pass before, and nobody would see what they say.
func (s *Stack) awaitWebhooks(ctx context.Context) error {
	_, err := s.RunKubectl(ctx, "wait", "validatingwebhookconfiguration/bursar",
		"--for=jsonpath={.webhooks[0].clientConfig.caBundle}", "--timeout=60s")
	return err
}

func (s *Stack) startEnforcers(ctx context.Context) error {
	for i := range s.opts.Enforcers {
		enforcer, err := s.StartEnforcer(ctx, fmt.Sprintf("enforcer-%d", i+1))
		if err != nil {
			return err
		}
		s.EnforcerURLs, s.Enforcers = append(s.EnforcerURLs, enforcer.URL), append(s.Enforcers, enforcer)
	}
	return nil
}

// Enforcer is one running enforcer.
type Enforcer struct {
	*process.Process
	URL string
	// MetricsURL is where its metrics are.
	MetricsURL string
}

// StartEnforcer starts one more enforcer, which the stack stops unless somebody
// else does, and waits until it is ready. Its log file bears its name.
func (s *Stack) StartEnforcer(ctx context.Context, name string) (Enforcer, error) {
	listen, err := process.FreePort()
	if err != nil {
		return Enforcer{}, err
	}
	health, err := process.FreePort()
	if err != nil {
		return Enforcer{}, err
	}
	p, err := s.startChild(ctx, child{
		name:    name,
		program: "enforcer",
		args: []string{
			"--listen-address", loopback(listen),
			"--health-address", loopback(health),
			"--provider-credentials-dir", s.dir("credentials"),
		},
		env: []string{
			"BURSAR_REDIS_URL=" + s.RedisURL,
			"BURSAR_DATABASE_URL=" + s.enforcerDSN,
		},
		ready: "http://" + loopback(health) + "/readyz",
	})
	return Enforcer{
		Process: p, URL: "http://" + loopback(listen), MetricsURL: "http://" + loopback(health) + "/metrics",
	}, err
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// child is one of our own programs, to be run in the stack.
type child struct {
	// name is that of its log file; program is the binary in bin/, name by default.
	name, program string
	args, env     []string
	// ready is the URL that answers 200 when the child works.
	ready string
}

func (s *Stack) startChild(ctx context.Context, c child) (*process.Process, error) {
	if c.program == "" {
		c.program = c.name
	}
	path := filepath.Join(s.root, "bin", c.program)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s is not built: run `make build`", path)
	}
	p, err := process.Start(process.Options{
		Name: c.name, Path: path, Args: c.args,
		Env:     append(os.Environ(), c.env...),
		LogFile: s.dir(c.name + ".log"),
	})
	if err != nil {
		return nil, err
	}
	s.onStop(p.Stop)
	return p, p.WaitReady(ctx, func(ctx context.Context) error { return answersOK(ctx, c.ready) })
}

func answersOK(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}
