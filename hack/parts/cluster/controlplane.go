package cluster

import (
	"context"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// auditPolicy records what Bursar's own ServiceAccounts ask for.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, userGroups: ["system:serviceaccounts:bursar-system"]}
- {level: None}
`

func (c *Cluster) startControlPlane(ctx context.Context) error {
	_, err := c.run("etcd", c.program("etcd"), "--data-dir", c.path("etcd"), "--unsafe-no-fsync", "--log-level", "warn",
		"--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379",
		"--listen-peer-urls", "http://127.0.0.1:2380")
	if err != nil {
		return err
	}
	if err := c.startAPIServer(ctx); err != nil {
		return err
	}
	if err := c.startWith("kube-controller-manager", "--leader-elect=false", "--use-service-account-credentials",
		"--allocate-node-cidrs", "--cluster-cidr", pods,
		"--service-account-private-key-file", c.authority.path("sa.key"), "--root-ca-file", c.authority.path("ca.crt"),
		"--cluster-signing-cert-file", c.authority.path("ca.crt"), "--cluster-signing-key-file", c.authority.path("ca.key"),
		// The pods of a node that died have to be elsewhere before a test gives up.
		"--node-monitor-grace-period=15s"); err != nil {
		return err
	}
	return c.startWith("kube-scheduler", "--leader-elect=false")
}

// startProxy runs kube-proxy, so that Services lead to pods. The node must have its address already: a
// kube-proxy that starts without one ends as soon as there is one.
func (c *Cluster) startProxy() error {
	return c.startWith("kube-proxy", "--proxy-mode", "iptables", "--conntrack-max-per-core", "0", "--cluster-cidr", pods, "--hostname-override", "node1")
}

// startWith runs a program as a user of its own name.
func (c *Cluster) startWith(name string, args ...string) error {
	kubeconfig, err := c.kubeconfig("system:"+name, "")
	if err != nil {
		return err
	}
	_, err = c.run(name, c.program(name), append([]string{"--kubeconfig", kubeconfig}, args...)...)
	return err
}

func (c *Cluster) startAPIServer(ctx context.Context) error {
	a := c.authority
	if _, err := a.newKey("sa"); err != nil {
		return err
	}
	if err := a.issue("apiserver", "kube-apiserver", "", Address, firstService, "kubernetes.default.svc"); err != nil {
		return err
	}
	if err := a.issue("kubelet-client", "kube-apiserver", "system:masters"); err != nil {
		return err
	}
	c.AuditLog = c.path("log", "audit.log")
	policy := c.path("audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return err
	}
	server, err := c.run("kube-apiserver", c.program("kube-apiserver"), "--etcd-servers", "http://127.0.0.1:2379",
		"--bind-address", "0.0.0.0", "--advertise-address", Address, "--secure-port", "6443",
		"--client-ca-file", a.path("ca.crt"), "--tls-cert-file", a.path("apiserver.crt"), "--tls-private-key-file", a.path("apiserver.key"),
		"--service-account-key-file", a.path("sa.pub"), "--service-account-signing-key-file", a.path("sa.key"),
		"--service-account-issuer", "https://kubernetes.default.svc."+domain, "--service-cluster-ip-range", services,
		"--authorization-mode", "Node,RBAC", "--enable-admission-plugins", "NodeRestriction", "--allow-privileged",
		"--kubelet-client-certificate", a.path("kubelet-client.crt"), "--kubelet-client-key", a.path("kubelet-client.key"),
		// The nodes have no name that anybody could look up: exec and port-forward go to the address.
		"--kubelet-preferred-address-types", "InternalIP",
		"--audit-policy-file", policy, "--audit-log-path", c.AuditLog)
	if err != nil {
		return err
	}
	return within(ctx, server, func(ctx context.Context) error {
		_, err := c.Client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
		return err
	})
}
