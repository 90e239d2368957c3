#!/usr/bin/env bash
# Checks what depguard cannot see, because it looks at one package at a time: that no
# package imports, through others, what it must not import itself.
set -euo pipefail

ours=github.com/bursar-dev/bursar
failed=false

# dependencies PACKAGES...: all that they depend on except the standard library.
dependencies() { go list -deps -f '{{if not .Standard}}{{.ImportPath}}{{end}}' "$@"; }

# refuse WHAT FOUND PACKAGES...: complains when there is something in FOUND.
refuse() {
	local what=$1 found=$2
	shift 2
	[ -n "$found" ] || return 0
	printf 'error: %s must not depend on %s, but does, of which the first five:\n%s\n' \
		"$*" "$what" "$(head -n 5 <<<"$found")" >&2
	failed=true
}

enforcer=$(dependencies ./enforcer/...)
controllers=$(dependencies ./controllers/... ./webhook/...)
history=$(dependencies ./history/...)
console=$(dependencies ./console/...)
# Only ours: libraries for metrics and traces have it.
http=$(go list -deps -f '{{range .Imports}}{{if eq . "net/http"}}{{$.ImportPath}}{{end}}{{end}}' ./enforcer/call | grep "^$ours/" || true)
pure=(./api/money ./api/price ./api/period ./api/limiter/... ./api/ledger/...)
values=$(dependencies "${pure[@]}")
identity=$(dependencies ./api/identity/...)

refuse 'Kubernetes' "$(grep -E '^(sigs\.)?k8s\.io/' <<<"$enforcer")" ./enforcer/...
refuse 'the control plane or its API' "$(grep -E "^$ours/(controllers|webhook|history|console|api/v1alpha1)(/|$)" <<<"$enforcer")" ./enforcer/...
refuse 'the data plane' "$(grep -E "^$ours/enforcer(/|$)" <<<"$controllers")" ./controllers/... ./webhook/...
refuse 'the console' "$(grep -E "^$ours/console(/|$)" <<<"$controllers")" ./controllers/... ./webhook/...
refuse 'a plane' "$(grep -E "^$ours/(controllers|enforcer|webhook|console)(/|$)" <<<"$history")" ./history/...
refuse 'another plane' "$(grep -E "^$ours/(controllers|enforcer|webhook)(/|$)" <<<"$console")" ./console/...
refuse 'Redis' "$(grep -E "^github.com/redis/" <<<"$console")" ./console/...
refuse 'more than the standard library and each other' \
	"$(grep -vE "^$ours/api/(money|price|period|limiter|ledger)(/|$)" <<<"$values")" "${pure[@]}"
refuse 'more of ours than the values' \
	"$(grep "^$ours/" <<<"$identity" | grep -vE "^$ours/api/(identity|money|price|period|limiter)(/|$)")" ./api/identity/...
refuse 'Kubernetes' "$(grep -E '^(sigs\.)?k8s\.io/' <<<"$identity")" ./api/identity/...
refuse 'net/http' "$http" ./enforcer/call
! $failed
