package enginetest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"orbitbench/engines"
)

var copyChecks = []named{
	{"snapshots/equal_the_state", checkSnapshotEquals},
	{"snapshots/under_load", checkSnapshotUnderLoad},
	{"snapshots/durable", checkSnapshotDurable},
	{"snapshots/writers_go_on", checkSnapshotLeavesWriters},
	{"checkpoints/under_load", checkCheckpointUnderLoad},
}

// snapshotter opens the store and returns its Snapshotter or skips the check.
func (s *store) snapshotter() engines.Snapshotter {
	s.Helper()
	copier, ok := s.start().(engines.Snapshotter)
	if !ok {
		s.Skipf("%s is no Snapshotter", s.info.Name)
	}
	return copier
}

// openCopy opens a copy as a store of its own.
func (s *store) openCopy(dir string) *store {
	s.Helper()
	c := s.newStore(s.TB)
	c.dir = dir
	c.start()
	return c
}

func checkSnapshotEquals(s *store) {
	copier := s.snapshotter()
	s.fillPattern()
	s.remove(engines.Leases, "key-007")
	want := s.dump(s.e)
	gone := s.put(engines.Leases, "gone", "x")
	s.remove(engines.Leases, "gone")
	parent := filepath.Dir(s.dir)
	missing, empty, full := filepath.Join(parent, "missing"), filepath.Join(parent, "empty"), filepath.Join(parent, "full")
	if err := os.Mkdir(empty, 0o755); err != nil {
		s.Fatalf("%v", err)
	}
	for _, dir := range []string{missing, empty} {
		if err := copier.Snapshot(s.ctx, dir); err != nil {
			s.Fatalf("Snapshot: %v", err)
		}
		s.put(engines.Leases, "later", "must not be in "+dir)
		c := s.openCopy(dir)
		s.sameState("the copy", s.dump(c.e), want)
		// The two are apart, and the copy goes on where the original was.
		if v, w := c.put(engines.Leases, "key-001", "in the copy"), want[name{engines.Leases, "key-001"}].version; v <= w {
			s.Errorf("the copy grants version %d after %d", v, w)
		}
		if v := c.put(engines.Leases, "gone", "x"); v <= gone {
			s.Errorf("the copy grants version %d to a deleted key that had %d", v, gone)
		}
		s.want(s.e, engines.Leases, "key-001", want[name{engines.Leases, "key-001"}].value, 0)
		c.stop()
		s.remove(engines.Leases, "later")
	}
	if err := os.MkdirAll(filepath.Join(full, "something"), 0o755); err != nil {
		s.Fatalf("%v", err)
	}
	if err := copier.Snapshot(s.ctx, full); err == nil {
		s.Errorf("Snapshot into a directory that is not empty succeeded")
	}
	if err := copier.Snapshot(s.cancelled(), filepath.Join(parent, "cancelled")); !isCancelled(err) {
		s.Errorf("Snapshot with a cancelled context: %v, want context.Canceled", err)
	}
	s.stop()
	if err := copier.Snapshot(s.ctx, filepath.Join(parent, "closed")); !errors.Is(err, engines.ErrClosed) {
		s.Errorf("Snapshot of a closed engine: %v, want ErrClosed", err)
	}
}

// pairs writes one rising number to several records in one batch, without pause.
type pairs struct {
	records []name
	acked   chan uint64 // holds the last acknowledged number
	traces  bool        // each commit leaves a record of its own too
}

// trace names the record that commit n leaves.
func trace(n uint64) name { return name{engines.Snapshots, fmt.Sprintf("trace-%08d", n)} }

func newPairs() *pairs {
	p := &pairs{
		records: []name{{engines.Leases, "a"}, {engines.Index, "a"}, {engines.Leases, "zz"}, {engines.Nodes, "m"}},
		acked:   make(chan uint64, 1),
	}
	p.acked <- 0
	return p
}

// write commits the next number and reports whether that went well.
func (p *pairs) write(s *store) bool {
	n := <-p.acked + 1
	var b engines.Batch
	for _, r := range p.records {
		b.Put(r.ks, []byte(r.key), value(r.key, n, 300))
	}
	if p.traces {
		b.Put(trace(n).ks, []byte(trace(n).key), []byte("x"))
	}
	err := s.e.Apply(s.ctx, &b)
	if err != nil {
		s.Errorf("Apply: %v", err)
		n--
	}
	p.acked <- n
	return err == nil
}

func (p *pairs) last() uint64 {
	n := <-p.acked
	p.acked <- n
	return n
}

// judge checks that g shows one number, and not less than least.
func (p *pairs) judge(s *store, what string, g getter, least uint64) {
	s.Helper()
	first := uint64(0)
	for i, r := range p.records {
		n, err := s.readSequence(g, r)
		if err != nil {
			s.Fatalf("%s: %v", what, err)
		}
		if i == 0 {
			first = n
		}
		if n != first {
			s.Fatalf("%s holds half a batch: %d in %v, %d in %v", what, first, p.records[0], n, r)
		}
	}
	if first < least {
		s.Errorf("%s holds %d, %d was acknowledged before", what, first, least)
	}
}

func checkSnapshotUnderLoad(s *store) {
	copier := s.snapshotter()
	s.fillPattern()
	p := newPairs()
	if !p.write(s) {
		return
	}
	write := func(_, _ int) bool { return p.write(s) }
	var dirs []string
	var least []uint64
	s.during(2, write, func() {
		for i := range 3 {
			dirs = append(dirs, filepath.Join(filepath.Dir(s.dir), "copy-"+string(rune('a'+i))))
			least = append(least, p.last())
			if err := copier.Snapshot(s.ctx, dirs[i]); err != nil {
				s.Fatalf("Snapshot: %v", err)
			}
		}
	})
	for i, dir := range dirs {
		c := s.openCopy(dir)
		p.judge(s, "the copy", c.e, least[i])
		if got, want := len(c.scan(c.e, engines.TimeSeries, nil, nil)), 40; got != want {
			s.Errorf("the copy holds %d points, want %d", got, want)
		}
		c.stop()
	}
	p.judge(s, "the store", s.e, p.last())
}

// checkCheckpointUnderLoad checkpoints while others write and read, and looks
// at everything that was acknowledged: while it runs, after it, and after a
// reopen. Each commit also leaves a record of its own, which no later commit
// would cover up if a checkpoint lost it.
func checkCheckpointUnderLoad(s *store) {
	cp, ok := s.start().(engines.Checkpointer)
	if !ok {
		s.Skipf("%s is no Checkpointer", s.info.Name)
	}
	s.fillPattern()
	want := s.dump(s.e)
	p := newPairs()
	p.traces = true
	if err := cp.Checkpoint(s.ctx); err != nil || !p.write(s) {
		s.Fatalf("Checkpoint: %v", err)
	}
	work := func(w, _ int) bool {
		if w < 2 {
			// Without a pause a fast engine would write so much that the check
			// measured the size of its checkpoints.
			time.Sleep(100 * time.Microsecond)
			return p.write(s)
		}
		least := p.last()
		n, err := s.readSequence(s.e, p.records[0])
		if err != nil || n < least {
			s.Errorf("while a checkpoint runs: %d is read (%v), %d was acknowledged", n, err, least)
			return false
		}
		return true
	}
	s.during(3, work, func() {
		for range s.count(48) / 4 {
			if err := cp.Checkpoint(s.ctx); err != nil {
				s.Fatalf("Checkpoint: %v", err)
			}
		}
	})
	p.judge(s, "the store", s.e, p.last())
	if err := cp.Checkpoint(s.cancelled()); !isCancelled(err) {
		s.Errorf("Checkpoint with a cancelled context: %v, want context.Canceled", err)
	}
	if s.keeps() {
		s.reopen()
		p.judge(s, "the reopened store", s.e, p.last())
		got := s.dump(s.e)
		for _, r := range p.records {
			delete(got, r)
		}
		for n := range p.last() {
			if _, ok := got[trace(n+1)]; !ok {
				s.Errorf("the reopened store lacks a record of commit %d of %d", n+1, p.last())
				break
			}
			delete(got, trace(n+1))
		}
		s.sameState("records that were not touched", got, want)
	}
	s.stop()
	if err := cp.Checkpoint(s.ctx); !errors.Is(err, engines.ErrClosed) {
		s.Errorf("Checkpoint of a closed engine: %v, want ErrClosed", err)
	}
}
