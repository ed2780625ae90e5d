package cowbtree

import (
	"testing"

	"orbitbench/engines/internal/damagetest"
	"orbitbench/engines/internal/meta"
)

func TestDamageAfterCleanClose(t *testing.T) {
	damagetest.AfterCleanClose(t, subject, stores, meta.Name, pagesName, ".wal")
}

func TestMissingFiles(t *testing.T) {
	damagetest.MissingFiles(t, subject, stores, meta.Name, pagesName)
}
