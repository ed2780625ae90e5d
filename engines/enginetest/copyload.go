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
// and longer beside a commit. Pauses that a bare file beside the store has as well
// are the device's: they convict no engine.
func checkSnapshotLeavesWriters(s *store) {
	copier := s.snapshotter()
	const rounds, copies, more = 6, 6, 16
	var sum copyLoad
	for round := range rounds {
		for i := range more {
			key := fmt.Sprintf("large-%02d", round*more+i)
			s.put(engines.Snapshots, key, string(value(key, 1, 512<<10)))
		}
		sum = copyLoad{}
		for i := range copies {
			dir := filepath.Join(filepath.Dir(s.dir), fmt.Sprintf("copy-%d-%d", round, i))
			sum = sum.plus(s.loadDuring(copier, dir))
			if err := os.RemoveAll(dir); err != nil {
				s.Fatalf("%v", err)
			}
		}
		if !sum.stopped(sum.pause) {
			return
		}
	}
	if sum.stopped(sum.bare) {
		s.Logf("for %v of %v the device served a bare file no better: nothing is shown", sum.bare, sum.took)
		return
	}
	s.Errorf("no commit was acknowledged for %v of the %v that %d copies took, and so in %d rounds; a bare file waited %v",
		sum.pause, sum.took, copies, rounds, sum.bare)
}

// copyLoad is what copies did to the writers beside them.
type copyLoad struct {
	took  time.Duration // the copies
	pause time.Duration // the longest time without an acknowledgement in each
	bare  time.Duration // the same of a file that is written as durably as a commit
}

func (l copyLoad) plus(m copyLoad) copyLoad {
	return copyLoad{l.took + m.took, l.pause + m.pause, l.bare + m.bare}
}

// stopped tells of pauses that are as good as the copies' whole time.
func (l copyLoad) stopped(pause time.Duration) bool { return pause >= l.took*4/5 }

// loadDuring makes a copy beside a writer of the store and one of a bare file.
func (s *store) loadDuring(copier engines.Snapshotter, dir string) copyLoad {
	s.Helper()
	bare, err := os.Create(dir + ".bare")
	if err != nil {
		s.Fatalf("%v", err)
	}
	defer os.Remove(bare.Name())
	defer bare.Close()
	write := [2]func(n int) error{
		func(n int) error {
			var b engines.Batch
			b.Put(engines.Nodes, []byte("writer"), value("writer", uint64(n), 64))
			return s.e.Apply(s.ctx, &b)
		},
		func(n int) error {
			_, err := bare.WriteAt(value("writer", uint64(n), 64), 0)
			if err == nil && s.options.Durability.Class == engines.Sync {
				err = bare.Sync()
			}
			return err
		},
	}
	var begin, end time.Time
	var acked [2]chan time.Time
	for w := range acked {
		acked[w] = make(chan time.Time, 1<<18)
	}
	s.during(len(write), func(w, n int) bool {
		if err := write[w](n); err != nil {
			s.Errorf("writer %d: %v", w, err)
			return false
		}
		select {
		case acked[w] <- time.Now():
		default: // so many have shown enough
		}
		return true
	}, func() {
		<-acked[0]
		begin = time.Now()
		if err := copier.Snapshot(s.ctx, dir); err != nil {
			s.Fatalf("Snapshot: %v", err)
		}
		end = time.Now()
	})
	return copyLoad{end.Sub(begin), longestPause(begin, end, acked[0]), longestPause(begin, end, acked[1])}
}

// longestPause returns the longest time without an acknowledgement in [begin, end], of those that were sent.
func longestPause(begin, end time.Time, acked chan time.Time) (pause time.Duration) {
	close(acked)
	last := begin
	for at := range acked {
		if at.Before(begin) || at.After(end) {
			continue
		}
		pause, last = max(pause, at.Sub(last)), at
	}
	return max(pause, end.Sub(last))
}
