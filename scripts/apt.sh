# Sourced by the ensure scripts: installs Debian packages, or says how to.

# install_packages WHAT PACKAGE... installs the packages, which bring WHAT, where this user may.
install_packages() {
	local what=$1
	shift
	if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
		echo "$what is missing, and this script can install it only as root on Debian or its kin." >&2
		echo "There: apt-get install --no-install-recommends $*" >&2
		return 1
	fi
	echo "installing $*" >&2
	apt_get update -qq || echo "apt-get update failed; going on with the lists that are there" >&2
	apt_get install -y -qq --no-install-recommends "$@" >&2
}

# apt_get asks nothing, keeps configuration files that are there, and waits for another apt to finish.
apt_get() {
	DEBIAN_FRONTEND=noninteractive apt-get \
		-o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 "$@"
}
