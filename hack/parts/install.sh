#!/usr/bin/env bash
# Installs the servers and the C compiler that Bursar's tests and dev stack need where they
# are missing: redis-server, postgres, gcc. As root on Debian or Ubuntu it installs them;
# otherwise it says what to install, and fails. It starts no service.
set -euo pipefail

has_postgres() {
	{ command -v initdb && command -v postgres; } >/dev/null && return
	compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

# The race detector needs a C compiler and the C library's headers.
has_c() {
	command -v "${CC:-gcc}" >/dev/null &&
		echo '#include <stdlib.h>' | "${CC:-gcc}" -E - >/dev/null 2>&1
}

packages=() services=()
if ! command -v redis-server >/dev/null; then
	packages+=(redis-server) services+=(redis-server)
fi
if ! has_postgres; then
	packages+=(postgresql) services+=(postgresql)
fi
if ! has_c; then
	packages+=(gcc libc6-dev)
fi
[ ${#packages[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "error: missing on this machine, under their names in Debian: ${packages[*]}" >&2
	echo "Install them with your package manager (Fedora: redis postgresql-server gcc; macOS: redis postgresql)." >&2
	exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "error: missing on this machine: ${packages[*]}. As root, run:" >&2
	echo "  apt-get update && apt-get install --no-install-recommends ${packages[*]}" >&2
	exit 1
fi

# Asked by Debian's packages before they start a service; 101 forbids it.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
fi
echo "installing ${packages[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
{
	apt-get update -qq
	apt-get install -qq -y --no-install-recommends "${packages[@]}"
} >&2
# Nor may they start with the machine: the dev stack starts its own.
if [ ${#services[@]} -gt 0 ] && command -v systemctl >/dev/null; then
	systemctl disable --quiet "${services[@]}" >&2 || true
fi
