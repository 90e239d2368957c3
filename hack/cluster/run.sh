#!/usr/bin/env bash
# Usage: hack/cluster/run.sh [FLAGS OF THE TEST]...
#
# Tests Bursar on a whole Kubernetes on this machine (make e2e). Network, mounts and processes
# are a namespace's own: everything ends with its first process. Nothing is installed.
#
# hack/tools/bin has the programs of Kubernetes, bin/hack the other programs that are needed,
# and .dev/e2e the images: make e2e builds them.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() {
	echo "make e2e: SKIPPED: this machine cannot run a whole Kubernetes: $1" >&2
	exit 0
}
[ "$(uname -s)" = Linux ] || skip 'it is no Linux'
[ "$(id -u)" -eq 0 ] || skip 'that takes root'
for program in unshare setpriv nsenter ip mount apt-get dpkg; do
	command -v $program >/dev/null || skip "there is no $program"
done
namespaces=(unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private)
"${namespaces[@]}" true 2>/dev/null || skip 'unshare may not make namespaces'
"${namespaces[@]}" mount -t overlay overlay -o lowerdir=/usr:/etc /mnt 2>/dev/null || skip 'there is no overlay file system'
"${namespaces[@]}" sh -c 'ip link add bridge0 type bridge && ip link add veth0 type veth peer name veth1' 2>/dev/null || skip 'there are no bridges, or no veth'

debian=$PWD/hack/tools/bin/debian
hack/cluster/packages.sh "$debian"

work=$(mktemp -d /tmp/bursar-e2e.XXXXXX)
finish() {
	status=$?
	# Whatever was in the namespace has ended. Cgroups know no namespace here.
	for cgroup in /sys/fs/cgroup/k8s.io /sys/fs/cgroup/*/k8s.io; do
		[ ! -d "$cgroup" ] || find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
	done
	if [ $status -eq 0 ]; then rm -rf "$work"; else echo "make e2e: logs are in $work/log" >&2; fi
}
trap finish EXIT
trap 'exit 130' INT TERM

colours=()
[ -t 1 ] || colours=(-ginkgo.no-color)
export BURSAR_E2E_DIR=$work BURSAR_E2E_DEBIAN=$debian
setpriv --pdeathsig KILL "${namespaces[@]}" hack/cluster/inside.sh bin/hack/e2e.test \
	-test.v -test.timeout 45m -ginkgo.v -ginkgo.timeout=40m -ginkgo.fail-fast "${colours[@]}" "$@"
