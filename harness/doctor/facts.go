package doctor

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"orbitbench/harness/env"
	"orbitbench/harness/floor"
	"orbitbench/harness/result"
)

// Options say what is planned.
type Options struct {
	// DataDir is where the engines' data will lie; it need not exist yet.
	DataDir string
	// Durable: a class is planned that promises to survive a power cut (sync,
	// interval).
	Durable bool
	// NeedBytes of disk the plan may take at once, ReserveBytes stay free beside them.
	NeedBytes, ReserveBytes uint64
	// FloorTime is how long the device is probed; 0 means 250 ms.
	FloorTime time.Duration
}

// Facts are what the rules judge.
type Facts struct {
	Options
	Environment result.Environment
	TempDir     string       // the system's temporary directory
	Floor       result.Floor // durable 4 KiB overwrites, or why there were none
	// Steal is the share of processor time that the hypervisor took during the
	// probe; negative where the kernel does not say.
	Steal float64
	// AvailableBytes of memory could be had without swapping; 0 is unknown.
	AvailableBytes uint64
	// PtraceScope is Yama's setting; -1 without Yama.
	PtraceScope int
	// What this process may open for writing.
	DropCaches, Fuse, Loop bool
}

// DefaultFloorTime is how long the device is probed where nothing else is asked.
const DefaultFloorTime = 250 * time.Millisecond

// Look gathers the facts of this machine. It takes little more than o.FloorTime.
func Look(ctx context.Context, o Options) Facts {
	return look(ctx, "/", env.Capture(o.DataDir), o)
}

// look reads procfs and sysfs below root.
func look(ctx context.Context, root string, e result.Environment, o Options) Facts {
	if o.FloorTime == 0 {
		o.FloorTime = DefaultFloorTime
	}
	f := Facts{Options: o, Environment: e, TempDir: os.TempDir()}
	before := readTicks(root)
	f.Floor = floor.Probe(ctx, env.Existing(o.DataDir), result.FloorOverwrite, floor.BlockBytes, o.FloorTime)
	f.Steal = stolen(before, readTicks(root))
	f.AvailableBytes = available(root)
	f.PtraceScope = -1
	if raw, err := os.ReadFile(filepath.Join(root, "proc/sys/kernel/yama/ptrace_scope")); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(raw))); err == nil {
			f.PtraceScope = n
		}
	}
	f.DropCaches = unix.Access(filepath.Join(root, "proc/sys/vm/drop_caches"), unix.W_OK) == nil
	f.Fuse = unix.Access(filepath.Join(root, "dev/fuse"), unix.R_OK|unix.W_OK) == nil
	f.Loop = unix.Access(filepath.Join(root, "dev/loop-control"), unix.R_OK|unix.W_OK) == nil
	return f
}

// ticks are the processor times of all processors since boot.
type ticks struct{ all, stolen uint64 }

// readTicks reads the first line of /proc/stat (proc(5)): user, nice, system,
// idle, iowait, irq, softirq, steal, and two that user and nice hold already.
func readTicks(root string) (t ticks) {
	raw, err := os.ReadFile(filepath.Join(root, "proc/stat"))
	if err != nil {
		return ticks{}
	}
	first, _, _ := strings.Cut(string(raw), "\n")
	fields := strings.Fields(first)
	if len(fields) < 9 || fields[0] != "cpu" {
		return ticks{}
	}
	for i, field := range fields[1:9] {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return ticks{}
		}
		t.all += n
		if i == 7 {
			t.stolen = n
		}
	}
	return t
}

func stolen(before, after ticks) float64 {
	if after.all <= before.all || after.stolen < before.stolen {
		return -1
	}
	return float64(after.stolen-before.stolen) / float64(after.all-before.all)
}

func available(root string) uint64 {
	raw, err := os.ReadFile(filepath.Join(root, "proc/meminfo"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		if value, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}
