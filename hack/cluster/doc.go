// Package cluster tests Bursar as its users install it: from images, by the chart and by
// kustomize, on a whole Kubernetes of two nodes. `make e2e` runs it, through run.sh, which makes
// the namespaces that the Kubernetes of hack/parts/cluster lives in.
package cluster
