package bench

import (
	"fmt"
	"strconv"

	"orbitbench/engines"
)

// kind is what a point measures.
type kind uint8

const (
	floorKind      kind = iota + 1 // one durable 4 KiB overwrite, nothing in between
	idealKind                      // one such write for all of N waiting writers
	mapKind                        // a renewal in the sharded map
	renewKind                      // a renewal in an engine
	getKind                        // a read of a lease in an engine
	checkpointKind                 // renewals while checkpoints run, beside renewals while none does
	harnessKind                    // an operation of the harness on the no-op engine
	putKind                        // a record put into an empty store of its own
	toolKind                       // the same through the benchmark of the engine's authors

	// Those below run in processes of their own.
	recoverKind   // opening a store
	checksumKind  // reading and checksumming the files of the same store
	collectorKind // what the garbage collector takes while leases are renewed
	memoryKind    // what a process takes that holds a store
	openKind      // renewals that fall due at a rate
)

// apart reports whether points of the kind run in processes of their own.
func (k kind) apart() bool { return k >= recoverKind }

// state is how the store was left that a recoverKind opens.
type state string

const (
	afterKill     state = ""         // killed after as many renewals as leases
	atSnapshot    state = "snapshot" // killed right after a checkpoint
	afterDeltas   state = "deltas"   // killed after a checkpoint and deltaRenewals renewals of each lease
	afterClose    state = "closed"   // closed
	deltaRenewals       = 4
)

// The states of the page cache.
const (
	cold = "cold" // none of the store's files is in it
	warm = "warm" // all are
)

// point is one line of a round. Fields that its kind does not have are zero.
type point struct {
	kind    kind
	engine  string
	dur     engines.Durability
	workers int    // writers or threads
	actors  int    // or leases
	sampled bool   // harness only
	full    bool   // renewKind: the whole record is written again
	state   state  // recoverKind
	cache   string // recoverKind and checksumKind
	rate    int    // openKind: operations offered per second
}

// name is the benchmark's name. It is stable: tools match runs by it.
func (p point) name() string {
	n := size(p.actors)
	switch p.kind {
	case floorKind:
		return "BenchmarkFloor"
	case idealKind:
		return fmt.Sprintf("BenchmarkIdeal/writers=%d", p.workers)
	case mapKind:
		return "BenchmarkMap/actors=" + n
	case renewKind:
		name := fmt.Sprintf("BenchmarkRenew/engine=%s/class=%s/writers=%d/actors=%s", p.engine, p.dur, p.workers, n)
		if p.full {
			name += "/record=full"
		}
		return name
	case getKind:
		return fmt.Sprintf("BenchmarkGet/engine=%s/threads=%d/actors=%s", p.engine, p.workers, n)
	case checkpointKind:
		name := "BenchmarkCheckpoint/engine=" + p.engine
		if p.dur.Class != engines.Sync {
			name += "/class=" + p.dur.String()
		}
		return name
	case harnessKind:
		mode := "timed"
		if p.sampled {
			mode = "sampled"
		}
		return fmt.Sprintf("BenchmarkHarness/mode=%s/threads=%d", mode, p.workers)
	case putKind:
		return fmt.Sprintf("BenchmarkPut/engine=%s/class=%s/writers=%d", p.engine, p.dur, p.workers)
	case toolKind:
		return fmt.Sprintf("BenchmarkTool/engine=%s/class=%s/writers=%d", p.engine, p.dur, p.workers)
	case openKind:
		return fmt.Sprintf("BenchmarkOpen/engine=%s/class=%s/rate=%s/actors=%s", p.engine, p.dur, size(p.rate), n)
	case recoverKind:
		name := fmt.Sprintf("BenchmarkRecover/engine=%s/leases=%s/cache=%s", p.engine, n, p.cache)
		if p.state != afterKill {
			name += "/state=" + string(p.state)
		}
		return name
	case checksumKind:
		return fmt.Sprintf("BenchmarkChecksum/engine=%s/leases=%s/cache=%s", p.engine, n, p.cache)
	case collectorKind:
		return fmt.Sprintf("BenchmarkCollector/engine=%s/leases=%s", p.engine, n)
	case memoryKind:
		return fmt.Sprintf("BenchmarkMemory/engine=%s/leases=%s", p.engine, n)
	}
	return fmt.Sprintf("BenchmarkUnknown/kind=%d", p.kind)
}

// size writes 100000 as 100k and 1000000 as 1M; what is not whole stays as it is.
func size(n int) string {
	switch {
	case n > 0 && n%1_000_000 == 0:
		return strconv.Itoa(n/1_000_000) + "M"
	case n > 0 && n%1000 == 0:
		return strconv.Itoa(n/1000) + "k"
	}
	return strconv.Itoa(n)
}

var (
	floorPoint  = point{kind: floorKind}
	defaultSync = engines.Durability{Class: engines.Sync}
	onProcess   = engines.Durability{Class: engines.Process}
)

func idealPoint(writers int) point { return point{kind: idealKind, workers: writers} }
func mapPoint(actors int) point    { return point{kind: mapKind, actors: actors} }
