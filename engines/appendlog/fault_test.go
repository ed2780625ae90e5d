package appendlog

import (
	"testing"

	"orbitbench/engines/internal/damagetest"
	"orbitbench/engines/internal/vfs"
)

func TestFailedSync(t *testing.T) { damagetest.FailedSync(t, subject) }
func TestFullDisk(t *testing.T)   { damagetest.FullDisk(t, subject) }

func TestFailedSnapshot(t *testing.T) {
	damagetest.FailedCheckpoint(t, subject, snapshots.Prefix, vfs.OpOpen, vfs.OpWrite, vfs.OpSync, vfs.OpRename)
}

func TestFailedReserve(t *testing.T) { damagetest.FailedReserve(t, subject) }

func TestFailedOpen(t *testing.T) {
	damagetest.FailedOpen(t, subject, vfs.Fault{Op: vfs.OpRead, Name: snapshots.Prefix})
}

func TestLogStaysBounded(t *testing.T) {
	damagetest.LogStaysBounded(t, subject, func(e *engine) {
		if used := e.index.UsedBytes(); used > 4*100*1024 {
			t.Errorf("%d bytes of memory for 400 records", used)
		}
	})
}

func TestMemoryLimit(t *testing.T) {
	damagetest.Limit(t, subject, "memory_limit_bytes", 1<<20, 1000, 900)
}
