// Package cluster runs a whole Kubernetes on this machine, of as many nodes as are asked for:
// control plane, kubelets, containerd, kube-proxy, pod network and DNS, all real. NetworkPolicies are
// enforced, by kube-router.
//
// It takes over the network, the mounts and the processes that it is started in. So these must
// be a namespace's own, which hack/cluster/run.sh makes: everything ends with its first process,
// and nothing is left on the machine but empty cgroups, which that script removes.
package cluster
