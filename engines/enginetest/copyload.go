package enginetest

import (
	"fmt"
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
// demands that in one of them the longest pause between two commits is less
// than half of the time that the copy took. An engine that stops its writers
// has a pause as long as the copy, whatever the machine is busy with; one that
// does not shows it as soon as the machine lets it.
func checkSnapshotLeavesWriters(s *store) {
	copier := s.snapshotter()
	for i := range 16 {
		key := fmt.Sprintf("large-%02d", i)
		s.put(engines.Snapshots, key, string(value(key, 1, 512<<10)))
	}
	const tries = 12
	var pause, took time.Duration
	for i := range tries {
		dir := filepath.Join(filepath.Dir(s.dir), fmt.Sprint("copy-", i))
		var begin, end time.Time
		acked := make(chan time.Time, 1<<20)
		s.during(1, func(_, n int) bool {
			var b engines.Batch
			b.Put(engines.Nodes, []byte("writer"), value("writer", uint64(n), 64))
			if err := s.e.Apply(s.ctx, &b); err != nil {
				s.Errorf("Apply: %v", err)
				return false
			}
			select {
			case acked <- time.Now():
				return true
			default:
				return false // a million commits have shown enough
			}
		}, func() {
			<-acked
			begin = time.Now()
			if err := copier.Snapshot(s.ctx, dir); err != nil {
				s.Fatalf("Snapshot: %v", err)
			}
			end = time.Now()
		})
		close(acked)
		pause, took = longestPause(begin, end, acked), end.Sub(begin)
		if pause < took/2 {
			return
		}
	}
	s.Errorf("in each of %d copies no commit was acknowledged for half of the time or more; in the last for %v of %v", tries, pause, took)
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
