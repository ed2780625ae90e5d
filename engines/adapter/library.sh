#!/bin/sh
# Finds or installs the C library that a yardstick links against.
#
#   library.sh NAME tags      prints the build tag NAME if the library is here, nothing if not
#   library.sh NAME install   installs it if it is missing and says so first; without root or apt
#                             it says why the row will be missing, and succeeds all the same
#   library.sh NAME why       prints one line: why there is no such row ("" if there is one)
#
# NAME is lmdb (any LMDB 0.9) or sqlite (SQLite 3.24 or later); Debian 12 has 0.9.24 and 3.40.1.
set -u

usage() { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }

name=${1:-}
case "$name" in
lmdb) header=lmdb.h package=liblmdb-dev ;;
sqlite) header=sqlite3.h package=libsqlite3-dev ;;
*) usage ;;
esac
header=${YARDSTICK_INCLUDE:-/usr/include}/$header

why() {
	[ -r "$header" ] || { echo "$package is not installed"; return; }
	command -v "${CC:-gcc}" >/dev/null 2>&1 || { echo "there is no C compiler (gcc)"; return; }
	[ "$(go env CGO_ENABLED)" = 1 ] || { echo "cgo is off (CGO_ENABLED=0, or no C compiler)"; return; }
}

install_packages() {
	reason=$(why)
	[ -n "$reason" ] || return 0
	case "$reason" in *"cgo is off"*) skip "$reason"; return 0 ;; esac
	[ "$(id -u)" = 0 ] || { skip "$reason, and only root can install it (apt-get install $package gcc)"; return 0; }
	command -v apt-get >/dev/null 2>&1 || { skip "$reason, and there is no apt-get here"; return 0; }
	echo "orbitbench: installing $package and gcc for the $name row ($reason)" >&2
	log=$(mktemp) || return 0
	if { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$package" gcc libc6-dev; } >"$log" 2>&1; then
		reason=$(why)
		[ -z "$reason" ] || skip "$reason"
	else
		skip "apt-get failed: $(grep -m1 '^E:' "$log" || tail -n1 "$log")"
	fi
	rm -f "$log"
}

skip() { echo "orbitbench: no $name row: $1" >&2; }

case "${2:-}" in
tags) [ -n "$(why)" ] || echo "$name" ;;
why) why ;;
install) install_packages ;;
*) usage ;;
esac
