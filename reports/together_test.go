package reports

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

// twoRuns are one with renewals and, in its with/curve, one with a recovery curve.
func twoRuns(t *testing.T, edit func(*result.Run)) (dir string) {
	t.Helper()
	dir = writeRun(t, []string{"appendlog", "pebble"}, 1, nil, nil)
	curve := curveRun(t, again)
	inside := filepath.Join(dir, WithDir, "curve")
	require.NoError(t, os.MkdirAll(filepath.Dir(inside), 0o755))
	require.NoError(t, os.Rename(curve.Dir, inside))
	run, err := result.ReadRun(inside)
	require.NoError(t, err)
	run.Tool.Commit = "fedcba9876543210"
	if edit != nil {
		edit(run)
	}
	writeFile(t, filepath.Join(inside, result.RunFile), run)
	return dir
}

func TestRunsStandInOneReport(t *testing.T) {
	dir := twoRuns(t, nil)
	r, err := LoadTogether(dir, nil, false)
	require.NoError(t, err)
	require.Len(t, r.blocks, 2)
	require.Len(t, r.curveBlocks, 1)
	text := render(t, r)
	require.Contains(t, text, "Other runs in this report")
	require.Contains(t, text, `id="chart-recovery-0`)
	require.Contains(t, r.Verdict(), "faster than every other")
	require.Contains(t, r.warnings, "curve was made by another build: commit fedcba987654, the run by 0123456789ab")
	require.Equal(t, filepath.Join(dir, WithDir, "curve", result.CellDir), filepath.Dir(r.cellPath(r.curveBlocks[0].points[0].key)))
	_, err = r.Write()
	require.NoError(t, err)
	// What is compared is the run alone.
	alone, err := Load(dir)
	require.NoError(t, err)
	require.Empty(t, alone.curveBlocks)
	// The same by hand, from another place.
	apart := filepath.Join(t.TempDir(), "elsewhere")
	require.NoError(t, os.Rename(filepath.Join(dir, WithDir, "curve"), apart))
	r, err = LoadTogether(dir, []string{apart}, false)
	require.NoError(t, err)
	require.Len(t, r.curveBlocks, 1)
}

func TestWhatDoesNotBelongTogetherIsRefused(t *testing.T) {
	for want, edit := range map[string]func(*result.Run){
		`machine, processor: the run has "Example CPU @ 2.9 GHz", curve has "Other"`: func(r *result.Run) { r.Environment.CPUModel = "Other" },
		"library of pebble: the run has pebble v2.1.7, curve has v9": func(r *result.Run) {
			r.Tool.Modules = map[string]string{"pebble": "v9"}
		},
	} {
		dir := twoRuns(t, edit)
		run, err := result.ReadRun(dir)
		require.NoError(t, err)
		for i := range run.Engines {
			run.Engines[i].Module = run.Engines[i].Name
		}
		run.Tool.Modules = map[string]string{"pebble": "v2.1.7"}
		writeFile(t, filepath.Join(dir, result.RunFile), run)
		_, err = LoadTogether(dir, nil, false)
		var refused *Refused
		require.ErrorAs(t, err, &refused)
		require.Contains(t, err.Error(), want)
		r, err := LoadTogether(dir, nil, true)
		require.NoError(t, err)
		require.Contains(t, r.warnings, "FORCED into one report: "+want)
	}
	// Crashes are judged by what is left of a store, whatever file system it lay on.
	curve := &result.Run{Plan: []result.PlanCell{{Workload: "recover-10k"}}}
	crash := &result.Run{Plan: []result.PlanCell{{Workload: crashPrefix + "kill"}}}
	require.True(t, onlyCrashes(crash) && !onlyCrashes(curve) && !onlyCrashes(&result.Run{}))
	// Two runs of one load are compared and not mixed, forced or not.
	dir := writeRun(t, []string{"appendlog"}, 1, nil, nil)
	_, err := LoadTogether(dir, []string{writeRun(t, []string{"appendlog"}, 1, nil, nil)}, true)
	require.ErrorContains(t, err, "both have cell appendlog-native-orbit-default-closed-process-1: compare tells")
	// A damaged part is an error that names its file.
	dir = twoRuns(t, nil)
	broken := filepath.Join(dir, WithDir, "curve", result.RunFile)
	require.NoError(t, os.WriteFile(broken, []byte("{"), 0o644))
	_, err = LoadTogether(dir, nil, true)
	require.ErrorContains(t, err, broken)
}
