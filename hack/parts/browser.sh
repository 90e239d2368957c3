#!/usr/bin/env bash
# Installs what the console's pages are tested in: Chromium, a font, and axe-core from npm. As
# root on Debian it installs them where they are missing; otherwise it says what to install,
# and fails in CI alone: without a browser those tests are skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."

has_browser() {
	command -v chromium || command -v chromium-browser || command -v google-chrome || command -v google-chrome-stable
}

miss() {
	echo "the console's pages are not tested in a browser: $*" >&2
	[ "${CI:-}" != true ] || exit 1
	exit 0
}

if ! has_browser >/dev/null; then
	if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
		miss "install Chromium with your package manager (Debian: chromium fonts-inter)"
	fi
	echo "installing chromium" >&2
	export DEBIAN_FRONTEND=noninteractive
	{
		apt-get update -qq
		apt-get install -qq -y --no-install-recommends chromium fonts-inter fonts-liberation
	} >&2
fi
if [ ! -e hack/axe/node_modules/axe-core/axe.min.js ]; then
	command -v npm >/dev/null || miss "install Node.js, whose npm brings axe-core"
	(cd hack/axe && npm ci --ignore-scripts --no-audit --no-fund >&2) || miss "npm has not brought axe-core"
fi
