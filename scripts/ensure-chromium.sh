#!/usr/bin/env bash
# Makes a Chromium available to the tests of the dashboard.
set -euo pipefail
# shellcheck source=scripts/apt.sh
. "$(dirname "$0")/apt.sh"

present() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

present >/dev/null && exit 0
install_packages Chromium chromium
present >/dev/null || { echo "Chromium was installed and is not to be found" >&2; exit 1; }
