#!/usr/bin/env bash
# Makes PostgreSQL's programs available to the tests, which start servers of their own: none is started here.
set -euo pipefail
# shellcheck source=scripts/apt.sh
. "$(dirname "$0")/apt.sh"

present() {
	local programs
	for programs in /usr/lib/postgresql/*/bin "$(dirname "$(command -v postgres || echo /nowhere)")"; do
		[ -x "$programs/initdb" ] && [ -x "$programs/postgres" ] && return 0
	done
	return 1
}

present && exit 0

# Debian would set up a cluster and start it at every boot; the tests have no use for one.
if [ "$(id -u)" -eq 0 ] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
	mkdir -p /etc/postgresql-common
	echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
fi
install_packages PostgreSQL postgresql-15
present || { echo "PostgreSQL was installed and is not to be found" >&2; exit 1; }
