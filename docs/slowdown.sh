#!/usr/bin/env bash
# Shows that the gate finds a real slowdown and finds none where there is none:
# builds this tree as it is, and once more with work added to each renewal of
# appendlog (a checksum of 8 KiB), runs both in turn with `pair`, and demands exit
# 10; then runs the one build against itself and demands that nothing is called worse.
# Takes some minutes. Usage: docs/slowdown.sh [DIR for the runs]
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-$(mktemp -d)}
tree=$out/tree
mkdir -p "$out"
git worktree add -q --detach "$tree" HEAD
trap 'git worktree remove --force "$tree"' EXIT

cat > "$tree/engines/appendlog/slow.go" <<'GO'
package appendlog

import "hash/crc32"

var (
	ballast [8192]byte
	sink    uint32
)

func delay() { sink += crc32.ChecksumIEEE(ballast[:]) }
GO
sed -i 's/^	return e.index.RenewLease(ctx, key, held, r)$/	delay()\n&/' "$tree/engines/appendlog/serve.go"
grep -q '^	delay()$' "$tree/engines/appendlog/serve.go" || { echo "slowdown.sh: RenewLease of appendlog has changed, adapt the line above" >&2; exit 1; }
go build -o "$out/base" ./cmd/orbitbench
go build -C "$tree" -o "$out/slow" ./cmd/orbitbench

load=(--profile ci --engines appendlog --workloads k8s-node-closed --durability process --actors 20000 --seconds 0.5 --warmup 0.2 --no-durability-check)
pair() { # NAME BASE HEAD
  local code=0
  "$out/base" pair "$2" "$3" --out "$out/$1" --gate '*/*/*/renew_p50' -- "${load[@]}" > "$out/$1.txt" 2> "$out/$1.log" || code=$?
  echo "== $1: exit $code"
  grep -m 3 . "$out/$1.txt"
  return "$code"
}
code=0; pair slowed "$out/base" "$out/slow" || code=$?
[ "$code" -eq 10 ] || { echo "slowdown.sh: the slowdown was not found (exit $code, wanted 10): $out/slowed.txt" >&2; exit 1; }
code=0; pair same "$out/base" "$out/base" || code=$?
case $code in
  0) ;;
  12) echo "this machine is too noisy to call the same build equal; nothing was called worse" ;;
  *) echo "slowdown.sh: the same build differs from itself (exit $code, wanted 0): $out/same.txt" >&2; exit 1 ;;
esac
