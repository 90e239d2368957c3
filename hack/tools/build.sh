#!/usr/bin/env bash
# Usage: hack/tools/build.sh NAME
#
# Builds one of the tools that this repository pins into hack/tools/bin. When
# nothing has changed since the last time, that takes seconds.
set -euo pipefail
cd "$(dirname "$0")"
export GOTOOLCHAIN=local GOWORK=off GOFLAGS=

name=${1:?which tool?}
module=. ldflags=
case $name in
kube-apiserver | kube-controller-manager | kube-scheduler | kubelet | kube-proxy | kubectl)
	package=k8s.io/kubernetes/cmd/$name
	# The version of k8s.io/kubernetes in go.mod, as v1.37.2. Unstamped, the
	# server would say that it is version 0.
	version=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' go.mod)
	IFS=. read -r major minor _ <<<"${version#v}"
	stamp=k8s.io/component-base/version
	ldflags="-X $stamp.gitVersion=$version -X $stamp.gitMajor=$major -X $stamp.gitMinor=$minor"
	;;
etcd) package=go.etcd.io/etcd/server/v3 ;;
controller-gen) package=sigs.k8s.io/controller-tools/cmd/controller-gen ;;
golangci-lint) package=github.com/golangci/golangci-lint/v2/cmd/golangci-lint module=golangci-lint ;;
helm) package=helm.sh/helm/v3/cmd/helm module=helm ;;
kube-router) package=github.com/cloudnativelabs/kube-router/v2/cmd/kube-router module=kube-router ;;
cert-manager) package=. module=cert-manager ;;
prometheus)
	package=github.com/prometheus/prometheus/cmd/prometheus module=prometheus
	# Of the ways to find what is to be scraped, Kubernetes alone.
	export GOFLAGS=-tags=remove_all_sd,enable_kubernetes_sd
	;;
prometheus-operator) package=github.com/prometheus-operator/prometheus-operator/cmd/operator module=prometheus-operator ;;
prometheus-config-reloader) package=github.com/prometheus-operator/prometheus-operator/cmd/prometheus-config-reloader module=prometheus-operator ;;
*)
	echo "error: unknown tool $name; there are the programs of Kubernetes and of Prometheus and its operator, etcd, kube-router, cert-manager, helm, controller-gen and golangci-lint" >&2
	exit 1
	;;
esac

case $name in
kube-apiserver) hint='about 6 minutes the first time on 2 cores' ;;
golangci-lint) hint='about 4 minutes the first time on 2 cores' ;;
kube-controller-manager | kubelet | helm | kube-router | cert-manager | prometheus | prometheus-operator) hint='about 2 minutes the first time on 2 cores' ;;
*) hint='about a minute the first time on 2 cores' ;;
esac
echo "building $name: $hint" >&2

mkdir -p bin
bin=$PWD/bin
cd "$module"
# Two builds side by side must not write into one file, nor leave half of one.
trap 'rm -f "$bin/.$name.$$"' EXIT
LDFLAGS=$ldflags ../"$([ "$module" = . ] || echo ../)"gobuild.sh "$name" "$bin/.$name.$$" "$package"
mv "$bin/.$name.$$" "$bin/$name"
