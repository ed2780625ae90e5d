package appendlog

import (
	"testing"

	"orbitbench/engines/internal/storetest"
)

func TestDumpGolden(t *testing.T)               { storetest.DumpGolden(t, subject) }
func TestVerifyCounts(t *testing.T)             { storetest.VerifyCounts(t, subject) }
func TestVersionsAfterUncleanStop(t *testing.T) { storetest.VersionsAfterUncleanStop(t, subject) }
func TestSecondOpenIsLocked(t *testing.T)       { storetest.SecondOpenIsLocked(t, subject) }
