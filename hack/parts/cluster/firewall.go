package cluster

import (
	"context"
	"fmt"
	"net/http"
)

// firewallHealth is where kube-router says whether it enforces what it has read.
const firewallHealth = "127.0.0.1:20244"

// startFirewall runs kube-router, which enforces NetworkPolicies for the pods of all nodes by rules
// for iptables. It does nothing else: pod network and kube-proxy are separate.
func (c *Cluster) startFirewall(ctx context.Context) error {
	kubeconfig, err := c.kubeconfig("kube-router", "system:masters")
	if err != nil {
		return err
	}
	firewall, err := c.run("kube-router", c.program("kube-router"), "--kubeconfig", kubeconfig, "--hostname-override", "node1",
		"--run-firewall", "--run-router=false", "--run-service-proxy=false", "--service-cluster-ip-range", services)
	if err != nil {
		return err
	}
	return within(ctx, firewall, healthy)
}

func healthy(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+firewallHealth+"/healthz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("kube-router is %s", response.Status)
	}
	return nil
}
