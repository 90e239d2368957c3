// Package cluster runs a whole Kubernetes on this machine, of as many nodes as are asked for:
// control plane, kubelets, containerd, kube-proxy, pod network and DNS, all real. NetworkPolicies are
// enforced, by kube-router.
//
// It takes over the network, mount and process namespaces in which it is started. These must not be
// the machine's: hack/cluster/run.sh makes new ones. Everything ends with their first process, and
// nothing is left on the machine except empty cgroups, which that script removes.
package cluster
