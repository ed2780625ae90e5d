package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/crash"
	"orbitbench/harness/result"
	"orbitbench/harness/runner"
)

// A run ends with 0 if all that it found about other people's engines is known, and
// with 11 if anything else is among it: another invariant, another sort of failure,
// another method.
func TestOnlyKnownFindingsAreForgiven(t *testing.T) {
	for _, c := range []struct {
		engine, method string
		v              crash.Violation
		code           int
	}{
		{"bbolt", "file-posix", crash.Violation{Invariant: "durability", Pattern: "whole store lost"}, 0},
		{"bbolt", "file-posix", crash.Violation{Invariant: "durability", Pattern: "acknowledged commits lost"}, 11},
		{"bbolt", "kill", crash.Violation{Invariant: "durability", Pattern: "whole store lost"}, 11},
		{"bbolt", "damage", crash.Violation{Invariant: "phantom", Pattern: "a value that was never written"}, 0},
		{"bbolt", "damage", crash.Violation{Invariant: "idempotence", Pattern: "a record changed"}, 11},
		{"bbolt", "damage", crash.Violation{Invariant: "liveness", Pattern: "opens, but fails: close: no"}, 11},
		{"pebble", "file-posix", crash.Violation{Invariant: "liveness", Pattern: "would not open: open: file MANIFEST-# is gone"}, 0},
		{"pebble", "kill", crash.Violation{Invariant: "liveness", Pattern: "would not open: open: file MANIFEST-# is gone"}, 11},
		{"pebble", "damage", crash.Violation{Invariant: "durability", Pattern: "acknowledged commits lost"}, 0},
		{"pebble", "damage", crash.Violation{Invariant: "phantom", Pattern: "a value that was never written"}, 11},
		{"pebble", "damage", crash.Violation{Invariant: "fencing", Pattern: "a version was granted again"}, 11},
		{"pebble", "faults", crash.Violation{Invariant: "failed sync", Pattern: "acknowledged after a failed sync"}, 11},
		{"appendlog", "damage", crash.Violation{Invariant: "durability", Pattern: "acknowledged commits lost"}, 11},
	} {
		targets, err := crashTargets([]string{c.engine}, []string{"sync"})
		require.NoError(t, err)
		target := &targets[0]
		f := result.CrashFinding{Invariant: c.v.Invariant, Pattern: c.v.Pattern, Count: 1, Known: crash.KnownAs(target, c.method, c.v)}
		cell := &result.Cell{
			PlanCell: result.PlanCell{Key: crash.Key(c.engine, c.method, target.Durability), Engine: c.engine, Workload: crash.WorkloadPrefix + c.method, Durability: "sync", Trial: 1},
			Class:    "sync", Kind: result.KindCrash, Status: result.OK, Crash: &result.Crash{Method: c.method, Tested: 2, Passed: 1, Wanted: 2, Findings: []result.CrashFinding{f}},
		}
		r := &crashRun{app: &app{stdout: io.Discard, stderr: io.Discard}, out: t.TempDir(), plan: &crashPlan{Cells: make([]crash.Cell, 1)}}
		require.NoError(t, os.Mkdir(filepath.Join(r.out, result.CellDir), 0o755))
		r.record = &result.Run{Started: time.Now(), Plan: []result.PlanCell{cell.PlanCell}, Engines: []result.Engine{runner.Describe(target.Info)}, Floors: []result.Floor{}}
		require.NoError(t, result.WriteCell(r.out, cell))
		err = r.finish([]*result.Cell{cell})
		if c.code == 0 {
			require.NoError(t, err, "%+v", c)
			continue
		}
		var left *exit
		require.ErrorAs(t, err, &left, "%+v", c)
		require.Equal(t, c.code, left.code)
	}
}
