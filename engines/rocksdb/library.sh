#!/bin/sh
# Finds or installs the RocksDB library that the rocksdb engine links against.
#
#   library.sh tags      prints the build tags: "rocksdb" if the library is here, nothing if not
#   library.sh install   installs it if it is missing and says so first; without root or apt it
#                        says why the rocksdb row will be missing, and succeeds all the same
#   library.sh why       prints one line: why there is no rocksdb row ("" if there is one)
#
# grocksdb v1.7.14 binds the C API of RocksDB 7.8, which is Debian 12's librocksdb-dev.
set -u
want=7.8
header=${ROCKSDB_INCLUDE:-/usr/include}/rocksdb/version.h

found() { # prints MAJOR.MINOR of the installed headers
	[ -r "$header" ] || return 1
	awk '/define ROCKSDB_MAJOR/ {a=$3} /define ROCKSDB_MINOR/ {b=$3} END {print a "." b}' "$header"
}

why() {
	version=$(found) || { echo "librocksdb-dev is not installed"; return; }
	[ "$version" = "$want" ] || { echo "librocksdb-dev is version $version, the binding fits $want"; return; }
	command -v "${CXX:-g++}" >/dev/null 2>&1 || { echo "there is no C++ compiler (g++)"; return; }
	[ "$(go env CGO_ENABLED)" = 1 ] || { echo "cgo is off (CGO_ENABLED=0, or no C compiler)"; return; }
}

install_packages() {
	reason=$(why)
	[ -n "$reason" ] || return 0
	case "$reason" in *"cgo is off"*|*"the binding fits"*) skip "$reason"; return 0 ;; esac
	[ "$(id -u)" = 0 ] || { skip "$reason, and only root can install it (apt-get install librocksdb-dev g++)"; return 0; }
	command -v apt-get >/dev/null 2>&1 || { skip "$reason, and there is no apt-get here"; return 0; }
	echo "orbitbench: installing librocksdb-dev and g++ for the rocksdb row ($reason)" >&2
	log=$(mktemp) || return 0
	if { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends librocksdb-dev g++; } >"$log" 2>&1; then
		reason=$(why)
		[ -z "$reason" ] || skip "$reason"
	else
		skip "apt-get failed: $(grep -m1 '^E:' "$log" || tail -n1 "$log")"
	fi
	rm -f "$log"
}

skip() { echo "orbitbench: no rocksdb row: $1" >&2; }

case "${1:-}" in
tags) [ -n "$(why)" ] || echo rocksdb,grocksdb_clean_link ;;
why) why ;;
install) install_packages ;;
*) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
