package cluster

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// configurations are the files that containerd, the network plugins and the kubelet of a node
// read, as templates of a node.
//
//go:embed files
var configurations embed.FS

// node is one node: a containerd and a kubelet, with a bridge and a range of addresses for pods.
type node struct {
	Number       int
	Name         string
	Dir, Pki     string
	PauseImage   string
	Address      string
	PodRange     string
	Domain       string
	Port, Health int
}

func newNode(opts Options, number int) node {
	name := fmt.Sprintf("node%d", number)
	return node{
		Number: number, Name: name, Dir: filepath.Join(opts.Dir, name), Pki: filepath.Join(opts.Dir, "pki"),
		PauseImage: opts.PauseImage, Address: Address, Domain: domain,
		PodRange: fmt.Sprintf("10.244.%d.0/24", number-1),
		Port:     10250 + 1000*(number-1), Health: 10248 + 1000*(number-1),
	}
}

func (n node) socket() string { return filepath.Join(n.Dir, "containerd.sock") }

// configure writes the node's files.
func (n node) configure() error {
	parsed, err := template.ParseFS(configurations, "files/*")
	if err != nil {
		return err
	}
	for _, file := range parsed.Templates() {
		directory := n.Dir
		if strings.HasSuffix(file.Name(), ".conflist") {
			directory = filepath.Join(n.Dir, "network")
		}
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return err
		}
		var content strings.Builder
		if err := file.Execute(&content, n); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(directory, file.Name()), []byte(content.String()), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) startNode(ctx context.Context, n node) error {
	if err := n.configure(); err != nil {
		return err
	}
	containerd, err := c.run("containerd-"+n.Name, "containerd", "--config", filepath.Join(n.Dir, "containerd.toml"))
	if err != nil {
		return err
	}
	err = within(ctx, containerd, func(ctx context.Context) error {
		return exec.CommandContext(ctx, "ctr", "-a", n.socket(), "version").Run()
	})
	if err != nil {
		return err
	}
	for _, image := range c.opts.Images {
		if err := n.load(ctx, image); err != nil {
			return err
		}
	}
	if err := c.authority.issue("kubelet-"+n.Name, "kubelet", "", n.Address); err != nil {
		return err
	}
	kubeconfig, err := c.kubeconfig("system:node:"+n.Name, "system:nodes")
	if err != nil {
		return err
	}
	_, err = c.run("kubelet-"+n.Name, c.program("kubelet"), "--config", filepath.Join(n.Dir, "kubelet.yaml"), "--kubeconfig", kubeconfig,
		"--hostname-override", n.Name, "--node-ip", n.Address, "--root-dir", filepath.Join(n.Dir, "kubelet"))
	return err
}

// load loads an archive of images.
func (n node) load(ctx context.Context, archive string) error {
	out, err := exec.CommandContext(ctx, "ctr", "-a", n.socket(), "-n", "k8s.io", "images", "import", archive).CombinedOutput()
	if err != nil {
		return fmt.Errorf("images of %s: %w: %s", archive, err, out)
	}
	return nil
}

// nodesReady waits until all nodes are ready.
func (c *Cluster) nodesReady(ctx context.Context) error {
	ready := func(ctx context.Context) (bool, error) {
		nodes, err := c.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil || len(nodes.Items) < c.opts.Nodes {
			return false, nil // not yet
		}
		for _, node := range nodes.Items {
			if !isReady(node) {
				return false, nil
			}
		}
		return true, nil
	}
	if err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, startTimeout, true, ready); err != nil {
		return fmt.Errorf("nodes are not ready (logs in %s): %w", c.path("log"), err)
	}
	return nil
}

func isReady(node corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
