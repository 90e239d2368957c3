#!/usr/bin/env bash
# Usage: hack/parts/pgbouncer.sh DIRECTORY
#
# Prints the path of a PgBouncer: that of the machine, or else Debian's, which is unpacked into a
# directory and not installed. Where there is none, it says so and fails.
set -euo pipefail
if command -v pgbouncer; then exit; fi
if ! command -v apt-get >/dev/null; then
	echo "error: there is no pgbouncer, and no apt-get to get it with: install it" >&2
	exit 1
fi
mkdir -p "$1"
directory=$(cd "$1" && pwd)
program=$directory/pgbouncer
if [ ! -x "$program" ]; then
	(cd "$directory" && apt-get download -qq pgbouncer libc-ares2 >&2 && for package in *.deb; do dpkg -x "$package" .; done)
	library=$(dirname "$(find "$directory/usr/lib" -name 'libcares.so.2' | head -1)")
	printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s/usr/sbin/pgbouncer "$@"\n' "$library" "$directory" >"$program"
	chmod +x "$program"
fi
echo "$program"
