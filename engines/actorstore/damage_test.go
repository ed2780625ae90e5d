package actorstore

import (
	"testing"

	"orbitbench/engines/internal/damagetest"
	"orbitbench/engines/internal/meta"
)

func TestDamageAfterCleanClose(t *testing.T) {
	damagetest.AfterCleanClose(t, subject, stores, meta.Name, checkpoints.Prefix, seriesFiles.Prefix, ".wal")
}

// Without the checkpoint the dropped segments may still give the right data.
func TestMissingFiles(t *testing.T) { damagetest.MissingFiles(t, subject, stores, meta.Name) }
