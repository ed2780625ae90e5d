package mmapwal

import (
	"testing"

	"orbitbench/engines/internal/damagetest"
	"orbitbench/engines/internal/meta"
)

func TestDamageAfterCleanClose(t *testing.T) {
	damagetest.AfterCleanClose(t, subject, stores, meta.Name, rootName, tableName, ".wal")
}

func TestMissingFiles(t *testing.T) {
	damagetest.MissingFiles(t, subject, stores, meta.Name, rootName, tableName)
}
