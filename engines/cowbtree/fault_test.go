package cowbtree

import (
	"testing"

	"orbitbench/engines/internal/damagetest"
	"orbitbench/engines/internal/vfs"
)

func TestFailedSync(t *testing.T) { damagetest.FailedSync(t, subject) }
func TestFullDisk(t *testing.T)   { damagetest.FullDisk(t, subject) }

func TestFailedCheckpoint(t *testing.T) {
	damagetest.FailedCheckpoint(t, subject, pagesName, vfs.OpWrite, vfs.OpSync, vfs.OpAllocate)
}

func TestFailedReserve(t *testing.T) { damagetest.FailedReserve(t, subject) }

func TestFailedOpen(t *testing.T) {
	damagetest.FailedOpen(t, subject, vfs.Fault{Op: vfs.OpRead, Name: pagesName})
}

func TestFailedLater(t *testing.T) {
	damagetest.FailedLater(t, subject, func(e *engine, records int) {
		if st := e.Stats(); st.Records != uint64(records) {
			t.Errorf("%d records in the statistics, want %d", st.Records, records)
		}
	})
}

func TestLogStaysBounded(t *testing.T) {
	damagetest.LogStaysBounded(t, subject, func(e *engine) {
		e.tree.drain()
		if used := e.heap.arena.UsedBytes(); used > 4*100*1024 {
			t.Errorf("%d bytes of memory for 400 records", used)
		}
		size, err := e.pages.reader.Size()
		if err != nil || size > 4<<20 {
			t.Errorf("page file of %d bytes (%v) for 400 records of at most 700 bytes", size, err)
		}
	})
}

func TestMemoryLimit(t *testing.T) {
	damagetest.Limit(t, subject, "memory_limit_bytes", 1<<20, 900, 900)
}
