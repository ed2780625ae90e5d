#!/bin/sh
# Finds or installs the LMDB library that the lmdb engine links against.
#
#   library.sh tags      prints the build tag "lmdb" if the library is here, nothing if not
#   library.sh install   installs it if it is missing and says so first; without root or apt it
#                        says why the lmdb row will be missing, and succeeds all the same
#   library.sh why       prints one line: why there is no lmdb row ("" if there is one)
#
# Any LMDB 0.9 will do: Debian 12's liblmdb-dev is 0.9.24.
set -u
header=${LMDB_INCLUDE:-/usr/include}/lmdb.h

why() {
	[ -r "$header" ] || { echo "liblmdb-dev is not installed"; return; }
	command -v "${CC:-gcc}" >/dev/null 2>&1 || { echo "there is no C compiler (gcc)"; return; }
	[ "$(go env CGO_ENABLED)" = 1 ] || { echo "cgo is off (CGO_ENABLED=0, or no C compiler)"; return; }
}

install_packages() {
	reason=$(why)
	[ -n "$reason" ] || return 0
	case "$reason" in *"cgo is off"*) skip "$reason"; return 0 ;; esac
	[ "$(id -u)" = 0 ] || { skip "$reason, and only root can install it (apt-get install liblmdb-dev gcc)"; return 0; }
	command -v apt-get >/dev/null 2>&1 || { skip "$reason, and there is no apt-get here"; return 0; }
	echo "orbitbench: installing liblmdb-dev and gcc for the lmdb row ($reason)" >&2
	log=$(mktemp) || return 0
	if { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends liblmdb-dev gcc libc6-dev; } >"$log" 2>&1; then
		reason=$(why)
		[ -z "$reason" ] || skip "$reason"
	else
		skip "apt-get failed: $(grep -m1 '^E:' "$log" || tail -n1 "$log")"
	fi
	rm -f "$log"
}

skip() { echo "orbitbench: no lmdb row: $1" >&2; }

case "${1:-}" in
tags) [ -n "$(why)" ] || echo lmdb ;;
why) why ;;
install) install_packages ;;
*) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
