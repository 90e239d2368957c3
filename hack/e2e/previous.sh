#!/usr/bin/env bash
# Usage: hack/e2e/previous.sh REVISION DIRECTORY
#
# Builds the manager and the enforcer of a revision into a directory. Without a revision, it is that of
# the last release (the nearest tag that begins with v, before this commit), or else the commit
# before.
set -euo pipefail
cd "$(dirname "$0")/../.."
revision=${1:-$(git describe --tags --abbrev=0 --match 'v*' HEAD~1 2>/dev/null || echo HEAD~1)}
mkdir -p "$2"
output=$(cd "$2" && pwd)

source=$(mktemp -d)
trap 'rm -rf "$source"' EXIT
git archive "$revision" | tar -x -C "$source"
cp hack/gobuild.sh "$source/hack/gobuild.sh"
(cd "$source" && hack/gobuild.sh "manager and enforcer of $(git -C "$OLDPWD" rev-parse --short "$revision")" "$output/" \
	./controllers/cmd/manager ./enforcer/cmd/enforcer)
