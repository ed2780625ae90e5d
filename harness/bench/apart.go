package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"orbitbench/harness/child"
	"orbitbench/harness/filetree"
	"orbitbench/harness/procstat"
)

// storeID names a store that is filled once and opened from copies.
type storeID struct {
	competitorID
	state state
}

func (p point) store() storeID {
	if p.kind == checksumKind {
		return storeID{p.competitor(), atSnapshot}
	}
	return storeID{p.competitor(), p.state}
}

// apart is what the points in processes of their own share.
type apart struct {
	dir     string
	seed    uint64
	now     int64         // of every record
	collect time.Duration // for which the garbage collector is watched

	openSeconds float64            // measured time of an open loop
	stores      map[storeID]string // filled, not to be changed
	failed      map[storeID]error  // could not be filled
	seen        map[point]bool     // have been checked in full
	caches      map[string]bool    // how pages were dropped, by description
}

func (a *apart) job(task string, id storeID, dir string) job {
	return job{Task: task, Engine: id.engine, Dir: dir, Durability: id.dur, Leases: id.actors, Seed: a.seed, Now: a.now, State: id.state}
}

// childLimit bounds what one process may take.
func childLimit(leases int) time.Duration {
	return 3*time.Minute + time.Duration(leases)*60*time.Microsecond
}

// ask starts a process for a job and returns its reply. What the engine could
// not do is an engineError. The process has ended, by SIGKILL, when it returns.
func (a *apart) ask(ctx context.Context, j job) (r reply, err error) {
	limit, cancel := context.WithTimeout(ctx, childLimit(j.Leases))
	defer cancel()
	p, err := child.Start(limit, []string{ChildVerb}, j)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, p.Kill()) }()
	switch err := p.Decode(&r); {
	case ctx.Err() != nil:
		return r, ctx.Err()
	case limit.Err() != nil:
		return r, &engineError{what: fmt.Sprintf("%s of %s did not end within %v", j.Task, j.Engine, childLimit(j.Leases))}
	case err != nil:
		return r, &engineError{what: err.Error()}
	case r.Error != "":
		return r, &engineError{what: r.Error, unsupported: r.Unsupported}
	}
	return r, nil
}

// engineError is what went wrong with one engine, in its process. The run goes
// on without the point.
type engineError struct {
	what        string
	unsupported bool // it has no such thing, which is no failure
}

func (e *engineError) Error() string { return e.what }

// pristine returns the directory of a store in the state that id names, which
// it fills the first time.
func (a *apart) pristine(ctx context.Context, id storeID) (string, error) {
	if dir, ok := a.stores[id]; ok {
		return dir, nil
	}
	if err := a.failed[id]; err != nil {
		return "", err
	}
	root, err := os.MkdirTemp(a.dir, fmt.Sprintf("store-%s-%s-", id.engine, size(id.actors)))
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "store")
	if err := a.fill(ctx, id, dir); err != nil {
		a.failed[id] = err
		return "", errors.Join(err, os.RemoveAll(root))
	}
	a.stores[id] = dir
	return dir, nil
}

func (a *apart) fill(ctx context.Context, id storeID, dir string) error {
	open := storeID{id.competitorID, atSnapshot}
	from, ok := a.stores[open]
	if id.state != afterClose || !ok {
		_, err := a.ask(ctx, a.job(taskLoad, id, dir))
		return err
	}
	// What holds the same leases need not be filled again to be closed.
	if _, err := filetree.Copy(ctx, from, dir); err != nil {
		return err
	}
	_, err := a.ask(ctx, a.job(taskClose, id, dir))
	return err
}

// measure gives p its turn in one round.
func (a *apart) measure(ctx context.Context, p point) (s sample, err error) {
	work, err := os.MkdirTemp(a.dir, "turn-")
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	dir := filepath.Join(work, "store")
	s.ops = 1
	switch p.kind {
	case collectorKind:
		j := a.job(taskCollect, p.store(), dir)
		j.Seconds = a.collect.Seconds()
		r, err := a.ask(ctx, j)
		s.collector, s.nsPerOp = r.Collector, r.Collector.NsPerRenew
		return s, err
	case memoryKind:
		r, err := a.ask(ctx, a.job(taskHold, p.store(), dir))
		s.memory = r.Memory
		return s, err
	}
	return a.measureFiles(ctx, p, dir)
}

// measureFiles opens or reads a copy of the store.
func (a *apart) measureFiles(ctx context.Context, p point, dir string) (s sample, err error) {
	from, err := a.pristine(ctx, p.store())
	if err != nil {
		return s, err
	}
	if p.kind == checksumKind {
		dir = from // it changes nothing
	} else if _, err := filetree.Copy(ctx, from, dir); err != nil {
		return s, err
	}
	if err := a.setCache(ctx, p, dir); err != nil {
		return s, err
	}
	s.ops = 1
	if p.kind == checksumKind {
		r, err := a.ask(ctx, a.job(taskChecksum, p.store(), dir))
		s.nsPerOp = float64(r.Ns)
		return s, err
	}
	j := a.job(taskOpen, p.store(), dir)
	if !a.seen[p] {
		j.CheckEvery = 1 + p.actors/(2*largeStore) // all of a million, every sixth of ten
	}
	r, err := a.ask(ctx, j)
	if err == nil {
		a.seen[p] = true
	}
	s.recovery, s.nsPerOp = r.Recovery, r.Recovery.FirstNs
	return s, err
}

// setCache brings the files of the store into the page cache or out of it. They
// are on the device before, so that nothing is written back meanwhile.
func (a *apart) setCache(ctx context.Context, p point, dir string) error {
	gone, err := procstat.DropCache(dir)
	if err != nil {
		return err
	}
	how := "posix_fadvise(DONTNEED) for each file after fdatasync"
	if p.cache == warm {
		return filetree.Read(ctx, dir)
	}
	if !gone {
		// Only root may do this, and it drops everybody's pages.
		if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("1"), 0); err != nil {
			return &engineError{what: "the kernel keeps pages of the store in its cache", unsupported: true}
		}
		how = "drop_caches, because the kernel kept some pages of a file"
		if left, err := procstat.PageCache(dir); err != nil || left > 0 {
			return errors.Join(err, &engineError{what: fmt.Sprintf("%d bytes of the store stay in the page cache", left), unsupported: true})
		}
	}
	a.caches[how] = true
	return nil
}

// room says why there is none on the machine for a store of so many leases, or "".
func room(dir string, leases int) string {
	const (
		diskPerLease   = 5 * (keyBytes + recordBytes) // log, snapshot, the next snapshot, a copy
		memoryPerLease = 700
	)
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Sprintf("%s: %v", dir, err)
	}
	if free, want := st.Bavail*uint64(st.Bsize), uint64(leases*diskPerLease); free < want {
		return fmt.Sprintf("%s leases want %d MB of disk, %d MB are free", size(leases), want>>20, free>>20)
	}
	free, err := procstat.AvailableMemory()
	if want := uint64(leases) * memoryPerLease; err == nil && free < want {
		return fmt.Sprintf("%s leases want %d MB of memory, %d MB are available", size(leases), want>>20, free>>20)
	}
	return ""
}
