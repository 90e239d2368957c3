#!/usr/bin/env bash
# Usage: [VERSION=v0.1.0] hack/release/twice.sh
#
# Makes a release twice, from clones in different directories and with build caches of their
# own, and fails unless all files of both are equal. It takes twice what a first build takes.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
version=${VERSION:-v0.0.0-twice}
kubectl=${KUBEBUILDER_ASSETS:-$root/hack/tools/bin}/kubectl

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
for clone in a another; do
	git clone -q --no-hardlinks "$root" "$directory/$clone"
	(cd "$directory/$clone/hack/release" &&
		GOCACHE="$directory/cache-$clone" go run ./cmd/release -root "$directory/$clone" \
			-version "$version" -kubectl "$kubectl" -output "$directory/dist-$clone")
	rm -rf "$directory/cache-$clone"
done
diff -r "$directory/dist-a" "$directory/dist-another"
echo "two releases of $(git rev-parse HEAD) are equal: $(wc -l <"$directory/dist-a/SHA256SUMS") files"
sha256sum "$directory/dist-a/SHA256SUMS" | cut -d' ' -f1
