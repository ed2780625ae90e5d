package appendlog

import (
	"testing"

	"orbitbench/engines/internal/crashtest"
)

func TestCrashStates(t *testing.T) { crashtest.States(t, subject) }

// The judge of the crash test finds an engine whose syncs are lost.
func TestCrashJudgeFindsLostSyncs(t *testing.T) { crashtest.FindsLostSyncs(t, subject) }
