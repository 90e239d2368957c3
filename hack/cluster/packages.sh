#!/usr/bin/env bash
# Usage: hack/cluster/packages.sh DIRECTORY
#
# Unpacks what a node needs beside the kubelet from Debian's packages, once. Nothing is installed.
set -euo pipefail
to=${1:?where to?}
packages=(
	containerd runc containernetworking-plugins iptables ipset busybox-static
	libip4tc2 libip6tc2 libipset13 libmnl0 libnetfilter-conntrack3 libnfnetlink0 libnftnl11 libseccomp2 libxtables12
)
[ "$(cat "$to/.packages" 2>/dev/null)" != "${packages[*]}" ] || exit 0

echo "unpacking ${packages[*]}" >&2
new=$to.$$
trap 'rm -rf "$new"' EXIT
mkdir -p "$new/archives" "$new/root"
(cd "$new/archives" && { apt-get -q download "${packages[@]}" || { apt-get -q update && apt-get -q download "${packages[@]}"; }; }) >&2
for archive in "$new"/archives/*.deb; do dpkg -x "$archive" "$new/root"; done
# Of manuals nothing is needed, and tests follow the links of all pages that they find here.
rm -rf "$new/archives" "$new/root/usr/share"
# Installing would choose among the two: of legacy, kernels have less and less.
for name in {iptables,ip6tables}{,-save,-restore}; do ln -s xtables-nft-multi "$new/root/usr/sbin/$name"; done
echo "${packages[*]}" >"$new/.packages"
rm -rf "$to"
mv "$new" "$to"
