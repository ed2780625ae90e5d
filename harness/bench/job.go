package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"orbitbench/engines"
	"orbitbench/harness/procstat"
	"orbitbench/harness/recycle"
)

// ChildVerb is the hidden verb under which the program calls ChildMain.
const ChildVerb = "bench-child"

// job is what a process of its own is asked to do.
type job struct {
	Task       string             `json:"task"`
	Engine     string             `json:"engine"`
	Dir        string             `json:"dir"` // of the store
	Durability engines.Durability `json:"durability"`
	Leases     int                `json:"leases"`
	Seed       uint64             `json:"seed"`
	Now        int64              `json:"now"` // ns since the Unix epoch, of every record
	State      state              `json:"state"`
	CheckEvery int                `json:"check_every,omitempty"` // taskOpen: read every so many leases after the times were taken
	Seconds    float64            `json:"seconds,omitempty"`     // taskCollect
}

// The tasks.
const (
	taskLoad     = "load"     // fill a store, leave it as State says, and wait to be killed
	taskClose    = "close"    // open a store and close it
	taskOpen     = "open"     // open a store, take the times, check it, and wait to be killed
	taskChecksum = "checksum" // read and checksum its files
	taskCollect  = "collect"  // fill a store and watch the garbage collector
	taskHold     = "hold"     // fill a store and measure memory
)

// reply is what the process says, once.
type reply struct {
	Error       string        `json:"error,omitempty"`
	Unsupported bool          `json:"unsupported,omitempty"` // the engine cannot do this
	Ns          time.Duration `json:"ns,omitempty"`
	Recovery    recovery      `json:"recovery,omitzero"`
	Collector   collector     `json:"collector,omitzero"`
	Memory      memoryUse     `json:"memory,omitzero"`
}

// recovery is how an open went. Times are ns from the call of Open.
type recovery struct {
	OpenNs, FirstNs, ReadyNs float64
	Replayed                 float64 // log records applied
}

// collector is what the garbage collector did while leases were renewed.
type collector struct {
	Share      float64 // of the processors' time
	PauseNs    float64 // the longest stop of the world
	StopNs     float64 // the longest time until all threads stood still, which is part of a pause
	FloorNs    float64 // the longest stop of the world of the same process without a store
	Cycles     float64
	NsPerRenew float64
}

// memoryUse is in bytes, the process' own before the store was opened taken off.
type memoryUse struct {
	Anonymous float64 // and shared memory without a file
	Mapped    float64 // pages of the store's files that are mapped and resident
}

// readyStep: a store counts as ready when every so many-th lease has been read.
const readyStep = 1000

// ChildMain is the body of the hidden verb: it reads a job from stdin, does it
// and writes one reply to stdout. What goes wrong with the engine is said there.
// It returns the exit code.
func ChildMain(ctx context.Context, lookup func(string) (engines.Driver, error), stdin io.Reader, stdout, stderr io.Writer) int {
	var j job
	if err := json.NewDecoder(stdin).Decode(&j); err != nil {
		fmt.Fprintf(stderr, "orbitbench %s: the job: %v\n", ChildVerb, err) // nowhere else to say it
		return 2
	}
	runtime.GOMAXPROCS(Procs)
	r, stay, err := j.do(ctx, lookup)
	if err != nil {
		r = reply{Error: err.Error(), Unsupported: errors.Is(err, engines.ErrUnsupported)}
	}
	if err := json.NewEncoder(stdout).Encode(r); err != nil {
		return 1
	}
	if stay && err == nil {
		<-ctx.Done() // the store stays open: it is to be killed like this
	}
	return 0
}

// do does the job. stay means that the process must keep its store open until
// it is killed.
func (j *job) do(ctx context.Context, lookup func(string) (engines.Driver, error)) (r reply, stay bool, err error) {
	if j.Task == taskChecksum {
		r.Ns, err = checksumFiles(ctx, j.Dir)
		return r, false, err
	}
	d, err := lookup(j.Engine)
	if err != nil {
		return r, false, err
	}
	switch j.Task {
	case taskLoad:
		stay = j.State != afterClose
		return r, stay, j.load(ctx, d)
	case taskClose:
		e, err := j.open(ctx, d)
		if err != nil {
			return r, false, err
		}
		return r, false, e.Close()
	case taskOpen:
		r.Recovery, err = j.recover(ctx, d)
		return r, true, err
	case taskCollect:
		r.Collector, err = j.collect(ctx, d)
		return r, true, err
	case taskHold:
		r.Memory, err = j.hold(ctx, d)
		return r, true, err
	}
	return r, false, fmt.Errorf("task %q is not known", j.Task)
}

func (j *job) open(ctx context.Context, d engines.Driver) (engines.Engine, error) {
	e, err := d.Open(ctx, engines.Options{Dir: j.Dir, Durability: j.Durability})
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	return e, nil
}

// renewals is how often each lease has been renewed when a store is in a state.
func (s state) renewals() int {
	switch s {
	case afterKill:
		return 1
	case afterDeltas:
		return deltaRenewals
	}
	return 0
}

// load fills a store and leaves it as the job says.
func (j *job) load(ctx context.Context, d engines.Driver) error {
	e, err := j.open(ctx, d)
	if err != nil {
		return err
	}
	s := newHeldStore(ctx, e, j)
	if err := s.load(); err != nil {
		return err
	}
	if j.State == atSnapshot || j.State == afterDeltas {
		c, ok := e.(engines.Checkpointer)
		if !ok {
			return fmt.Errorf("%w: %s has no checkpoint that can be asked for", engines.ErrUnsupported, j.Engine)
		}
		if err := c.Checkpoint(ctx); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	if err := s.renewAll(Procs, j.State.renewals()); err != nil {
		return err
	}
	if j.State == afterClose {
		return e.Close()
	}
	return nil
}

// recover opens a store and takes the times; then it reads what it holds.
func (j *job) recover(ctx context.Context, d engines.Driver) (recovery, error) {
	r := reader{ctx: ctx, seed: j.Seed, renewals: uint32(j.State.renewals()), want: leaseRecord(j.Now), got: make([]byte, 0, 2*recordBytes)}
	var out recovery
	begin := time.Now()
	e, err := j.open(ctx, d)
	if err != nil {
		return out, err
	}
	out.OpenNs = float64(time.Since(begin))
	r.engine = e
	if err := r.check(j.Leases / 2); err != nil {
		return out, fmt.Errorf("first read: %w", err)
	}
	out.FirstNs = float64(time.Since(begin))
	if err := r.checkEvery(j.Leases, readyStep); err != nil {
		return out, err
	}
	out.ReadyNs = float64(time.Since(begin))
	out.Replayed = float64(e.Stats().ReplayedRecords)
	if j.CheckEvery > 0 {
		return out, r.checkEvery(j.Leases, j.CheckEvery)
	}
	return out, nil
}

// hold fills a store, renews every lease once, and measures what that takes.
func (j *job) hold(ctx context.Context, d engines.Driver) (memoryUse, error) {
	var m memoryUse
	before, err := settledMemory()
	if err != nil {
		return m, err
	}
	e, err := j.open(ctx, d)
	if err != nil {
		return m, err
	}
	s := newHeldStore(ctx, e, j)
	if err := s.load(); err != nil {
		return m, err
	}
	if err := s.renewAll(1, 1); err != nil {
		return m, err
	}
	s.arena.Release() // the harness' own
	after, err := settledMemory()
	if err != nil {
		return m, err
	}
	split, err := procstat.Memory(j.Dir, 0)
	if err != nil {
		return m, err
	}
	runtime.KeepAlive(e)
	m.Anonymous, m.Mapped = float64(after)-float64(before), float64(split.MappedFileBytes)
	return m, nil
}

// settledMemory is the anonymous memory once the Go runtime has given back what
// it does not use.
func settledMemory() (uint64, error) {
	debug.FreeOSMemory()
	return procstat.Anonymous()
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksumFiles reads the files under dir that are no log, one after the other
// in large pieces, and takes their CRC-32C: the least that loading them costs
// one thread.
func checksumFiles(ctx context.Context, dir string) (time.Duration, error) {
	buf := make([]byte, 1<<20)
	begin := time.Now()
	read := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || recycle.IsLog(e.Name()) {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close() // read only: nothing to lose
		_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_SEQUENTIAL)
		for crc := uint32(0); ; {
			n, err := f.Read(buf)
			crc = crc32.Update(crc, castagnoli, buf[:n])
			read += n
			if err == io.EOF {
				return ctx.Err()
			}
			if err != nil {
				return err
			}
		}
	})
	if err == nil && read == 0 {
		err = fmt.Errorf("%s holds nothing but logs", dir)
	}
	return time.Since(begin), err
}
