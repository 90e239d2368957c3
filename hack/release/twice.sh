#!/usr/bin/env bash
# Usage: [VERSION=v0.1.0] [ARCHITECTURES=amd64] [PLATFORMS=linux/amd64] hack/release/twice.sh
#
# Makes a release twice, from clones in different directories and with build caches of their
# own, and fails unless all files of both are equal. Everything is compiled twice, and anew for
# each of five platforms: fewer ARCHITECTURES of images and PLATFORMS of the plugin take less.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
version=${VERSION:-v0.0.0-twice}
kubectl=${KUBEBUILDER_ASSETS:-$root/hack/tools/bin}/kubectl

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
git clone -q --no-hardlinks "$root" "$directory/a"
git clone -q --no-hardlinks "$root" "$directory/another"
# What makes the release is no part of it, and need not be compiled anew.
(cd "$directory/a/hack/release" && CGO_ENABLED=0 go build -trimpath -o "$directory/release" ./cmd/release)
for clone in a another; do
	SECONDS=0
	GOCACHE="$directory/cache-$clone" "$directory/release" -root "$directory/$clone" -version "$version" -kubectl "$kubectl" \
		-architectures "${ARCHITECTURES:-amd64,arm64}" ${PLATFORMS:+-platforms "$PLATFORMS"} -output "$directory/dist-$clone"
	echo "release of the clone $clone: $((SECONDS / 60)):$(printf %02d $((SECONDS % 60))) min, $(du -sm "$directory/cache-$clone" | cut -f1) MB of build cache"
	rm -rf "$directory/cache-$clone"
done
diff -r "$directory/dist-a" "$directory/dist-another"
echo "two releases of $(git rev-parse HEAD) are equal: $(wc -l <"$directory/dist-a/SHA256SUMS") files"
sha256sum "$directory/dist-a/SHA256SUMS" | cut -d' ' -f1
