#!/usr/bin/env bash
# Usage: hack/cluster/inside.sh COMMAND...
#
# The first process of the namespaces that run.sh makes: gives them mounts and a network of
# their own, and runs a command in them. Reaps what the command leaves behind.
set -euo pipefail
: "${BURSAR_E2E_DIR:?}" "${BURSAR_E2E_DEBIAN:?}"

# /usr has Debian's packages; what would be written to /run and /var goes to the work directory.
mount -t overlay overlay -o "lowerdir=$BURSAR_E2E_DEBIAN/root/usr:/usr" /usr
mkdir -p "$BURSAR_E2E_DIR"/{run/{netns,lock},var/{lib,log,tmp}}
mount --bind "$BURSAR_E2E_DIR/run" /run
mount --bind "$BURSAR_E2E_DIR/var" /var
ln -s /run /var/run

# Kubelets set these of the kernel, which is the whole machine's, unless they find them so.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
	found=$BURSAR_E2E_DIR/sys/${setting%=*}
	mkdir -p "$(dirname "$found")"
	echo "${setting#*=}" >"$found"
	mount --bind "$found" "/proc/sys/${setting%=*}"
done

ip link set lo up
# The machine's address lies on a bridge: not every kernel has dummies.
ip link add machine type bridge
ip address add 10.9.0.1/24 dev machine
ip link set machine up
ip route add default via 10.9.0.254
echo 1 >/proc/sys/net/ipv4/ip_forward
# Pods of one bridge reach Services only so.
if [ -e /proc/sys/net/bridge ]; then echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables; fi

"$@" &
trap 'kill -TERM $!' TERM INT
status=0
wait $! || status=$?
exit $status
