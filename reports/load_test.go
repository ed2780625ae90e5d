package reports

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

func load(t testing.TB, dir string) *Report {
	t.Helper()
	r, err := Load(dir)
	require.NoError(t, err)
	return r
}

func TestDamagedInputIsAnErrorThatNamesTheFile(t *testing.T) {
	const key = "appendlog-native-orbit-default-open-sync-1"
	cell := filepath.Join("cells", key+".json")
	truncate := func(dir, file string) {
		path := filepath.Join(dir, file)
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, raw[:len(raw)/2], 0o644))
	}
	edit := func(change func(*result.Cell)) func(string) {
		return func(dir string) {
			c, err := result.ReadCell(filepath.Join(dir, cell))
			require.NoError(t, err)
			change(c)
			require.NoError(t, result.WriteCell(dir, c))
		}
	}
	editRun := func(change func(*result.Run)) func(string) {
		return func(dir string) {
			run, err := result.ReadRun(dir)
			require.NoError(t, err)
			change(run)
			require.NoError(t, result.WriteRun(dir, run))
		}
	}
	for name, c := range map[string]struct {
		damage     func(dir string)
		file, want string
	}{
		"no run":             {func(dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "run.json"))) }, "run.json", "no run directory"},
		"half a run":         {func(dir string) { truncate(dir, "run.json") }, "run.json", "not a result file"},
		"half a cell":        {func(dir string) { truncate(dir, cell) }, cell, "not a result file"},
		"future schema":      {func(dir string) { replaceIn(t, filepath.Join(dir, cell), `"schema": 1`, `"schema": 99`) }, cell, "schema version 99"},
		"broken histogram":   {edit(func(c *result.Cell) { c.Measure.Ops[0].Latency.Histogram = "AAAA" }), cell, "renew ok: damaged histogram"},
		"samples lost":       {edit(func(c *result.Cell) { c.Measure.Ops[0].Latency.Count++ }), cell, "damaged histogram"},
		"service histogram":  {edit(func(c *result.Cell) { c.Measure.Ops[0].Service.Histogram = "" }), cell, "service time"},
		"ok without figures": {edit(func(c *result.Cell) { c.Measure = nil }), cell, "without the figures"},
		"unknown engine":     {edit(func(c *result.Cell) { c.Engine = "nosuch" }), cell, `engine "nosuch"`},
		"unknown durability": {edit(func(c *result.Cell) { c.Durability = "fsync" }), cell, `unknown durability "fsync"`},
		"unknown status":     {edit(func(c *result.Cell) { c.Status = "maybe" }), cell, `unknown status "maybe"`},
		"misnamed file": {func(dir string) {
			require.NoError(t, os.Rename(filepath.Join(dir, cell), filepath.Join(dir, "cells", "other.json")))
		}, "cells", key},
		"planned twice":    {editRun(func(r *result.Run) { r.Plan = append(r.Plan, r.Plan[0]) }), "run.json", "twice"},
		"unplanned engine": {editRun(func(r *result.Run) { r.Plan[0].Engine = "nosuch" }), "run.json", `engine "nosuch"`},
		"planned nonsense": {editRun(func(r *result.Run) { r.Plan[0].Durability = "" }), "run.json", "unknown durability"},
		"broken floor":     {editRun(func(r *result.Run) { r.Floors[0].Latency.Histogram = "x" }), "run.json", "floor probe 1"},
		"another store size": {func(dir string) {
			path := filepath.Join(dir, "cells", "appendlog-native-orbit-default-recovery-sync-2.json")
			replaceIn(t, path, `"leases": 100000`, `"leases": 7`)
		}, "appendlog-native-orbit-default-recovery-sync-2.json", "recovery of 7 leases"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeRun(t, []string{"appendlog"}, 2, nil, nil)
			_, err := Load(dir)
			require.NoError(t, err)
			c.damage(dir)
			_, err = Load(dir)
			require.ErrorContains(t, err, dir)
			require.ErrorContains(t, err, c.file)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "\n")
			_, err = Write(dir)
			require.Error(t, err)
			require.NoDirExists(t, filepath.Join(dir, Dir), "nothing is written")
		})
	}
}

func replaceIn(t *testing.T, path, old, new string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Contains(raw, []byte(old)), "%s holds no %s", path, old)
	require.NoError(t, os.WriteFile(path, bytes.Replace(raw, []byte(old), []byte(new), 1), 0o644))
}

func TestRowsStandInTheOrderOfTheRunWithTheirReasons(t *testing.T) {
	names := []string{"appendlog", "rocksdb", "pebble", "bbolt", "memory"}
	r := load(t, writeRun(t, names, 2, func(c *result.Cell) bool {
		if c.Engine == "rocksdb" && c.Kind == result.KindRenewal {
			c.Status, c.Reason, c.Path = result.Failed, "no\nspace", ""
		}
		if c.Engine == "appendlog" && c.Trial == 2 && c.Kind == result.KindRenewal {
			c.Status, c.Reason, c.Path = result.Failed, "killed", ""
		}
		return c.Engine != "pebble"
	}, func(run *result.Run) { run.Finished, run.Interrupted = nil, true }))
	require.Len(t, r.blocks, 2)
	sync := r.blocks[1]
	require.Equal(t, "sync", sync.durability)
	var got []string
	for _, row := range sync.rows {
		got = append(got, row.engine.Name+" "+string(row.status)+" "+row.reason)
	}
	require.Equal(t, []string{
		"appendlog ok ", "rocksdb failed no space", "pebble missing the run ended before this cell", "bbolt ok ", "memory skipped holds everything in process memory",
	}, got)
	require.Equal(t, []string{"a trial failed and is left out: killed"}, sync.rows[0].flags)
	require.Equal(t, 1, sync.rows[0].trials)
	require.Equal(t, 2, sync.rows[0].planned)
	require.Equal(t, tally{planned: 30, ok: 10, failed: 6, skipped: 8, missing: 6}, r.tally)
	require.Equal(t, "the run was interrupted: 6 of 30 cells were not run", r.warnings[0])
}

func TestRecoveriesOfOneWorkloadMayDifferInTheirCache(t *testing.T) {
	r := load(t, writeRun(t, []string{"appendlog"}, 3, func(c *result.Cell) bool {
		if c.Recovery != nil && c.Trial == 2 {
			c.Recovery.Cache = "cold"
			c.Recovery.Repetitions = append(c.Recovery.Repetitions, result.RecoveryTrial{})
		}
		return true
	}, nil))
	v := r.find("sync", "appendlog").recovery
	require.Equal(t, mixedCache, v.cache)
	require.Len(t, v.firstRead, 3, "one without a time is no figure")
}

func TestDoubtsReachTheReader(t *testing.T) {
	r := load(t, writeRun(t, []string{"appendlog"}, 1, func(c *result.Cell) bool {
		if c.Durability == "sync" && c.Measure != nil {
			c.Warnings = []string{"the generator's lag is 7% of p50"}
			c.Measure.DeadlineMisses = 2
			c.Resources.Memory.HarnessBytes = c.Resources.Memory.ResidentBytes + 1
			c.Measure.Ops = append(c.Measure.Ops, result.OpResult{Op: "renew", Outcome: "error", Latency: values(1000), Error: "EIO\nagain"})
		}
		return true
	}, func(run *result.Run) {
		run.Warnings = []string{"load average 3 at start"}
		run.Floors = append(run.Floors, result.Floor{Kind: result.FloorAppend, Error: "EINVAL"})
		run.Plan = run.Plan[1:]
	}))
	require.Empty(t, r.find("sync", "appendlog").use.resident)
	all := strings.Join(r.warnings, "\n")
	for _, want := range []string{
		"load average 3 at start", "floor probe 7 (append) failed: EINVAL", "is not in the plan",
		"appendlog under sync: trial 1: the generator's lag is 7% of p50", "no memory figure",
		"2 renewals were acknowledged after their lease had run out", "renew ended in an error 1 times: EIO again",
	} {
		require.Contains(t, all, want)
	}
}

func TestGenericPathIsARowOfItsOwn(t *testing.T) {
	dir := writeRun(t, []string{"appendlog"}, 1, nil, nil)
	cells, err := result.ReadCells(dir)
	require.NoError(t, err)
	run, err := result.ReadRun(dir)
	require.NoError(t, err)
	for _, c := range cells {
		if c.Durability == "process" {
			c.Key, c.Path = "generic-"+c.Key, "generic"
			require.NoError(t, result.WriteCell(dir, c))
			run.Plan = append(run.Plan, c.PlanCell)
		}
	}
	require.NoError(t, result.WriteRun(dir, run))
	r := load(t, dir)
	require.Equal(t, "appendlog", r.blocks[0].rows[0].name())
	require.Equal(t, "appendlog (generic)", r.blocks[0].rows[1].name())
	require.Len(t, r.blocks[1].rows, 1)
}
