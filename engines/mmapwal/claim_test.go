package mmapwal

import (
	"context"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
)

// TestClaimBeforeTheCut: while a commit waits for the device, a stripe claims pages; at the
// cut it lets go of those that it does not need. Replay begins at the commit and meets the claim, which
// the table is ahead of. Before roots had a cut it wanted the pages again: the store
// would not open where only some were free, and had them twice where all were. Found by power cuts under ext4.
func TestClaimBeforeTheCut(t *testing.T) {
	for _, sizes := range [][]uint32{{8}, {1, 8}, {2, 1, 4}} {
		killed, want := claimedBeforeTheCut(t, sizes)
		e := mustOpen(t, killed, syncClass, crashConfig)
		if got := readAll(t, e); !got.Equal(want) {
			t.Errorf("claims of %d pages: %d records, want %d", sizes, len(got), len(want))
		}
		if err := e.auditLive(); err != nil {
			t.Errorf("claims of %d pages: %v", sizes, err)
		}
		mustClose(t, e)
	}
}

// claimedBeforeTheCut returns the disk of a store that was killed when the checkpoint existed, and its records.
func claimedBeforeTheCut(t *testing.T, sizes []uint32) (*vfs.Mem, contents) {
	t.Helper()
	mem := vfs.NewMem()
	var holding atomic.Bool
	entered, release := make(chan struct{}, 1), make(chan struct{})
	mem.OnPending = func(_, name string) {
		if strings.Contains(name, logName) && holding.Load() {
			select {
			case entered <- struct{}{}:
			default:
			}
			<-release
		}
	}
	e := mustOpen(t, mem, syncClass, crashConfig)
	put(t, e, engines.Nodes, "first", "1")
	e.checkpointing.Lock()
	holding.Store(true)
	pending := make(chan error, 1)
	go func() {
		var b engines.Batch
		b.Put(engines.Nodes, []byte("pending"), []byte("2"))
		pending <- e.Apply(context.Background(), &b)
	}()
	<-entered
	for !e.anyPending() { // the log's preparer may have been what entered
		runtime.Gosched()
	}
	for _, n := range sizes {
		if err := e.withStripe(&e.stripes[3], func(s *stripe) error { return e.claim(s, useSlab, n) }); err != nil {
			t.Fatal(err)
		}
	}
	c := &checkpoint{ctx: context.Background(), share: 1}
	if err := e.cut(c); err != nil {
		t.Fatal(err)
	}
	if c.root.start >= c.root.cut || len(e.last.released) == 0 {
		t.Fatalf("replay begins at %d, the cut was at %d, %d pages were let go: this tests nothing", c.root.start, c.root.cut, len(e.last.released))
	}
	holding.Store(false)
	close(release)
	if err := <-pending; err != nil {
		t.Fatal(err)
	}
	if err := e.writeCheckpoint(c); err != nil {
		t.Fatal(err)
	}
	killed := mem.Kill()
	e.last.unapplied = true
	e.checkpointing.Unlock()
	want := readAll(t, e)
	mustClose(t, e)
	return killed, want
}

// anyPending tells whether a commit has its place in the log and is not published.
func (e *engine) anyPending() bool {
	e.lockAll()
	defer e.unlockAll()
	for i := range e.stripes {
		for slot := range e.stripes[i].pending {
			if e.stripes[i].pending[slot].lsn != 0 {
				return true
			}
		}
	}
	return false
}
