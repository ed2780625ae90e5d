package reports

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

// crashRun is a run with every mark of the matrix.
func crashRun(t *testing.T) string {
	dir := t.TempDir()
	run := &result.Run{Profile: "crash pr", Seed: 1, Started: time.Unix(0, 0).UTC(), Floors: []result.Floor{}}
	var cells []*result.Cell
	add := func(engine, method, durability string, status result.Status, reason string, k *result.Crash) {
		p := result.PlanCell{Key: engine + "-" + method + "-" + strings.ReplaceAll(durability, ":", "-"), Engine: engine, Workload: crashPrefix + method, Durability: durability, Trial: 1}
		run.Plan = append(run.Plan, p)
		if k != nil {
			k.Method, k.Unit, k.Seconds = method, "state", 10
		}
		cells = append(cells, &result.Cell{PlanCell: p, Kind: result.KindCrash, Status: status, Reason: reason, Crash: k})
	}
	finding := result.CrashFinding{Invariant: "durability", Pattern: "whole store lost", Count: 7, Detail: "all gone", Where: "cut after op 12", Lost: 9, Acked: 9, Replay: "failures-b/01-durability"}
	known := finding
	known.Known = "issue 5825"
	add("a", "kill", "sync", result.OK, "", &result.Crash{Tested: 200, Passed: 200, Commits: 5000})
	add("a", "file-posix", "sync", result.OK, "", &result.Crash{Tested: 1000, Passed: 1000, NotMounted: 2})
	add("a", "block-xfs", "sync", result.Skipped, "needs root", nil)
	add("a", "kill", "interval:10ms", result.OK, "", &result.Crash{Tested: 50, Passed: 50, Within: 4, LostAgeMaxNs: 3e6})
	add("b", "kill", "sync", result.OK, "", &result.Crash{Tested: 200, Passed: 193, LostMax: 9, Findings: []result.CrashFinding{finding}})
	add("b", "file-posix", "sync", result.OK, "", &result.Crash{Tested: 100, Passed: 93, LostMax: 9, Findings: []result.CrashFinding{known}})
	add("b", "block-xfs", "sync", result.Failed, "no space", nil)
	for _, name := range []string{"a", "b"} {
		run.Engines = append(run.Engines, engineInfo(name, "", "candidate", 1, 1, 1))
	}
	require.NoError(t, result.WriteRun(dir, run))
	require.NoError(t, mkCells(dir))
	for _, c := range cells {
		require.NoError(t, result.WriteCell(dir, c))
	}
	return dir
}

func TestCrashMatrix(t *testing.T) {
	r, err := Load(crashRun(t))
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, r.Text(&b, TextOptions{Width: 160}))
	text := strings.Join(strings.Fields(b.String()), " ") // widths and wrapping are not the matter here
	for _, want := range []string{
		"engine class kill file-posix block-xfs a sync v 200/200 v 1000/1000 - b sync x 193/200, lost 9 known 93/100, lost 9 ! failed a interval:10ms half 50/50, at most 3.00 ms - -",
		"block-xfs not tested: needs root",
		"b, sync, kill: 7 states broke durability (whole store lost), in the first 9 of 9 acknowledged commits were lost: all gone; cut after op 12; replay: failures-b/01-durability",
		"known: issue 5825",
		"a, sync, file-posix: 2 states would not mount",
		"crashes: an invariant was broken by b under sync (kill)",
	} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "no device floor")
	b.Reset()
	require.NoError(t, r.Markdown(&b))
	require.Contains(t, b.String(), "| b | sync | x 193/200, lost 9 | known 93/100, lost 9 | ! failed |")
	methods, rows := r.Crashes()
	require.Equal(t, []string{"kill", "file-posix", "block-xfs"}, methods)
	require.Len(t, rows, 3)
	require.Equal(t, CrashWithin, rows[2].Cells[0].Mark)
	_, err = r.Write()
	require.NoError(t, err)
}

func mkCells(dir string) error { return os.MkdirAll(filepath.Join(dir, result.CellDir), 0o755) }
