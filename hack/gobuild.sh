#!/usr/bin/env bash
# Usage: [LDFLAGS=...] hack/gobuild.sh LABEL OUTPUT PACKAGE...
#
# Builds static Go programs, as `go build -o OUTPUT PACKAGE...` does, and shows on
# stderr how far it is: the first time can take minutes.
set -euo pipefail
label=$1 output=$2
shift 2

# Prints "total N" and then whatever the go command says: a line a package.
build() {
	export CGO_ENABLED=0
	local total
	total=$(go list -deps "$@" | wc -l)
	echo "total $total"
	go build -v -trimpath -ldflags "-s -w ${LDFLAGS:-}" -o "$output" "$@"
}

total='?' modules=0 packages=0 shown=0
show() {
	local text
	text=$(printf '%s: %d:%02d min, %d modules downloaded, %d of at most %s packages compiled' \
		"$label" $((SECONDS / 60)) $((SECONDS % 60)) "$modules" "$packages" "$total")
	if [ -t 2 ]; then
		printf '\r\033[K%s' "$text" >&2
	elif [ $((SECONDS - shown)) -ge 15 ]; then
		printf '%s\n' "$text" >&2
		shown=$SECONDS
	fi
}

# Counts the lines of build, and passes on those that are errors.
follow() {
	local line status
	while true; do
		status=0
		IFS= read -r -t 1 line || status=$?
		if [ $status -gt 128 ]; then # Nothing said for a second: compiling or linking.
			show
			continue
		elif [ $status -ne 0 ]; then
			break
		fi
		case $line in
		'total '*) total=${line#total } ;;
		'go: downloading '*) modules=$((modules + 1)) ;;
		*' '*) printf '\n%s\n' "$line" >&2 ;;
		*) packages=$((packages + 1)) ;;
		esac
		show
	done
	[ ! -t 2 ] || printf '\r\033[K' >&2
}

shopt -s lastpipe # follow counts in this shell.
build "$@" 2>&1 | follow
printf '%s: built in %d:%02d min, %d packages compiled\n' \
	"$label" $((SECONDS / 60)) $((SECONDS % 60)) "$packages" >&2
