package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/bursar-dev/bursar/hack/parts/process"
)

// Address is the address at which the API server, DNS and the kubelets listen. All nodes have it,
// because they share one network, and kube-router knows its pods by it.
const Address = "10.9.0.1"

const (
	apiServer    = "https://" + Address + ":6443"
	pods         = "10.244.0.0/16"
	services     = "10.96.0.0/16"
	firstService = "10.96.0.1"
	domain       = "cluster.local"
)

// Options say what to run and where.
type Options struct {
	// Dir is where all files, sockets and logs are kept. Its path must be short, because the
	// paths of sockets are limited.
	Dir string
	// Programs is the directory with the programs of Kubernetes, etcd among them.
	Programs string
	// Nodes is how many nodes there are.
	Nodes int
	// PauseImage is the image, one of Images, of the container that holds a pod's network.
	PauseImage string
	// Images are archives of images, which each node loads at the start: nothing is pulled.
	Images []string
}

// Cluster is a running Kubernetes.
type Cluster struct {
	// Kubeconfig is the path of its administrator's kubeconfig file, and Config has the same.
	Kubeconfig string
	Config     *rest.Config
	Client     *kubernetes.Clientset
	// AuditLog is the path of a file with an audit.k8s.io/v1 Event per line, for each request of
	// Bursar's ServiceAccounts.
	AuditLog string

	opts      Options
	authority *authority
	processes []*process.Process
	dns       *dnsServer
}

// Start runs a Kubernetes, and returns when its nodes are ready.
func Start(ctx context.Context, opts Options) (*Cluster, error) {
	c := &Cluster{opts: opts}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) (err error) {
	if err := os.MkdirAll(c.path("log"), 0o755); err != nil {
		return err
	}
	if c.authority, err = newAuthority(c.path("pki")); err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	if err := c.administrator(); err != nil {
		return err
	}
	if err := c.startControlPlane(ctx); err != nil {
		return err
	}
	if c.dns, err = startDNS(c.Client, Address+":53"); err != nil {
		return err
	}
	for n := range c.opts.Nodes {
		if err := c.startNode(ctx, newNode(c.opts, n+1)); err != nil {
			return err
		}
	}
	if err := c.nodesReady(ctx); err != nil {
		return err
	}
	if err := c.startProxy(); err != nil {
		return err
	}
	return c.startFirewall(ctx)
}

// administrator makes the kubeconfig file and the clients of the administrator.
func (c *Cluster) administrator() (err error) {
	if c.Kubeconfig, err = c.kubeconfig("admin", "system:masters"); err != nil {
		return err
	}
	if c.Config, err = clientcmd.BuildConfigFromFlags("", c.Kubeconfig); err != nil {
		return err
	}
	c.Config.QPS, c.Config.Burst = 1000, 2000
	c.Client, err = kubernetes.NewForConfig(c.Config)
	return err
}

// Stop ends everything, the newest first. It does not wait for pods: they end with the
// namespace of processes.
func (c *Cluster) Stop() (err error) {
	if c.dns != nil {
		c.dns.stop()
	}
	for i := len(c.processes) - 1; i >= 0; i-- {
		c.processes[i].Kill()
	}
	return nil
}

// Administer starts another program as an administrator of the cluster: --kubeconfig is its first
// argument. It ends with the cluster, and its output goes to log/NAME.log.
func (c *Cluster) Administer(name, program string, args ...string) error {
	_, err := c.run(name, program, append([]string{"--kubeconfig", c.Kubeconfig}, args...)...)
	return err
}

// run starts a program of the cluster, whose output goes to log/NAME.log.
func (c *Cluster) run(name, program string, args ...string) (*process.Process, error) {
	p, err := process.Start(process.Options{Name: name, Path: program, Args: args, LogFile: c.path("log", name+".log")})
	if err == nil {
		c.processes = append(c.processes, p)
	}
	return p, err
}

// program is the path of a program of Kubernetes.
func (c *Cluster) program(name string) string { return filepath.Join(c.opts.Programs, name) }

func (c *Cluster) path(parts ...string) string {
	return filepath.Join(append([]string{c.opts.Dir}, parts...)...)
}

// startTimeout is how long a part may take to start on a busy machine.
const startTimeout = 3 * time.Minute

func within(ctx context.Context, p *process.Process, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return p.WaitReady(ctx, ready)
}
