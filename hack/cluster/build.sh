#!/usr/bin/env bash
# Usage: hack/cluster/build.sh [REVISION]
#
# Builds what run.sh needs: the test, the programs that it runs, and the images of Bursar, of what
# is here and of the version before it: REVISION, or the last tag, or the commit before.
set -euo pipefail
cd "$(dirname "$0")/../.."
export CGO_ENABLED=0

revision=${1:-$(git describe --tags --abbrev=0 --match 'v*' HEAD^ 2>/dev/null || git rev-parse --verify -q HEAD^ || git rev-parse HEAD)}
source=.dev/e2e/before/source
if [ "$(git -C "$source" rev-parse HEAD 2>/dev/null)" != "$(git rev-parse "$revision^{commit}")" ]; then
	rm -rf "$source"
	git clone -q --shared --no-checkout . "$source"
	git -C "$source" checkout -q --detach "$revision"
fi
echo "building images of $(git describe --always --dirty) and, to upgrade from, of $(git -C "$source" log -1 --format='%h, %s')" >&2
images() (
	cd hack/release
	go run -trimpath ./cmd/images -root "$1" -version "$2" -output "../../.dev/e2e/$2" -programs manager,enforcer,console -architectures "$(go env GOARCH)"
)
images ../.. now
images "../../$source" before

# Definitions of other projects' resources are in their modules.
definitions() (
	cd "hack/tools/$1"
	go mod download "$2"
	rm -rf "../../../.dev/e2e/definitions/$1"
	mkdir -p "../../../.dev/e2e/definitions/$1"
	cp "$(go list -m -f '{{.Dir}}' "$2")"/$3 "../../../.dev/e2e/definitions/$1"
)
definitions cert-manager github.com/cert-manager/cert-manager 'deploy/crds/*.yaml'
definitions prometheus-operator github.com/prometheus-operator/prometheus-operator bundle.yaml

mkdir -p bin/hack
go build -trimpath -o bin/kubectl-budget ./controllers/cmd/kubectl-budget
go build -trimpath -o bin/hack/fakeprovider ./hack/fakeprovider/cmd
go test -trimpath -c -o bin/hack/e2e.test ./hack/cluster
