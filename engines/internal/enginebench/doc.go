// Package enginebench holds the Go benchmarks that in-house engines share. Their records
// are those of the speed targets: leases with a key of 28 bytes and about 196 bytes in
// all. One thread is judged by its processor time, which other programs on the machine
// disturb less than the time on the wall. [ShardedMap] is the yardstick.
package enginebench
