package appendlog

import (
	"testing"

	"orbitbench/engines/internal/damagetest"
	"orbitbench/engines/internal/meta"
)

func TestDamageAfterCleanClose(t *testing.T) {
	damagetest.AfterCleanClose(t, subject, stores, meta.Name, snapshots.Prefix, ".wal")
}

// Without the snapshot the dropped segments may still give the right data.
func TestMissingFiles(t *testing.T) { damagetest.MissingFiles(t, subject, stores, meta.Name) }
