package enginetest

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"orbitbench/engines"
)

// checkSnapshotDurable looks at what the kernel still holds back of a copy when
// Snapshot has returned nil.
func checkSnapshotDurable(s *store) {
	copier := s.snapshotter()
	parent := filepath.Dir(s.dir)
	s.seesDirtyPages(parent)
	s.fillPattern()
	for i := range 2 {
		dir := filepath.Join(parent, fmt.Sprint("durable-", i))
		s.put(engines.Leases, "late", string(value("late", uint64(i), 8<<10)))
		if err := copier.Snapshot(s.ctx, dir); err != nil {
			s.Fatalf("Snapshot: %v", err)
		}
		s.synced("the copy", dir)
	}
}

// checkSnapshotLeavesWriters commits without pause while copies are made, and
// demands that the longest pauses between two commits make up less than four
// fifths of the time that the copies took. An engine that stops its writers has
// pauses as long as its copies, whatever the machine is busy with; one that does
// not shows it as soon as the device, which may have to take the copy before it
// takes a commit, lets it, and has some rounds for that, with copies that take longer
// and longer beside a commit.
func checkSnapshotLeavesWriters(s *store) {
	copier := s.snapshotter()
	const rounds, copies, more = 6, 6, 16
	var pause, took time.Duration
	for round := range rounds {
		for i := range more {
			key := fmt.Sprintf("large-%02d", round*more+i)
			s.put(engines.Snapshots, key, string(value(key, 1, 512<<10)))
		}
		pause, took = 0, 0
		for i := range copies {
			dir := filepath.Join(filepath.Dir(s.dir), fmt.Sprintf("copy-%d-%d", round, i))
			p, t := s.pauseDuring(copier, dir)
			pause, took = pause+p, took+t
			if err := os.RemoveAll(dir); err != nil {
				s.Fatalf("%v", err)
			}
		}
		if pause < took*4/5 {
			return
		}
	}
	s.Errorf("no commit was acknowledged for %v of the %v that %d copies took, and so in %d rounds", pause, took, copies, rounds)
}

// pauseDuring makes a copy and returns the longest time without an
// acknowledgement, and how long the copy took.
func (s *store) pauseDuring(copier engines.Snapshotter, dir string) (pause, took time.Duration) {
	s.Helper()
	var begin, end time.Time
	acked := make(chan time.Time, 1<<18)
	s.during(1, func(_, n int) bool {
		var b engines.Batch
		b.Put(engines.Nodes, []byte("writer"), value("writer", uint64(n), 64))
		if err := s.e.Apply(s.ctx, &b); err != nil {
			s.Errorf("Apply: %v", err)
			return false
		}
		select {
		case acked <- time.Now():
		default: // so many have shown enough
		}
		return true
	}, func() {
		<-acked
		begin = time.Now()
		if err := copier.Snapshot(s.ctx, dir); err != nil {
			s.Fatalf("Snapshot: %v", err)
		}
		end = time.Now()
	})
	close(acked)
	return longestPause(begin, end, acked), end.Sub(begin)
}

// longestPause returns the longest time without an acknowledgement in [begin, end].
func longestPause(begin, end time.Time, acked <-chan time.Time) (pause time.Duration) {
	last := begin
	for at := range acked {
		if at.Before(begin) || at.After(end) {
			continue
		}
		pause, last = max(pause, at.Sub(last)), at
	}
	return max(pause, end.Sub(last))
}
