package reports

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

func curveCell(engine string, leases int, name, log string, seconds float64) *result.Cell {
	workload := "recover-" + name + "-log-" + log
	c := &result.Cell{
		PlanCell: result.PlanCell{Key: engine + "-best-" + workload + "-sync-1", Engine: engine, Workload: workload, Durability: "sync", Trial: 1},
		Class:    "sync", Path: "native", Kind: result.KindCurve, Status: result.OK, Started: epoch, Finished: epoch,
		Params: result.Params{Actors: leases}, Check: &result.Check{Records: leases, Verdict: "ok"},
		Recovery: &result.Recovery{Leases: leases, Cache: "cold and warm", Curve: &result.Curve{
			LogRenewals: 10_000, LogUserBytes: 2_840_000, Checkpointed: true, StoreBytes: uint64(leases) * 400, Copy: result.CopyBytes,
			ColdReads: &result.Latency{Count: 3000, P50Ns: 40_000, P99Ns: 900_000}, WarmReads: &result.Latency{Count: 3000, P50Ns: 1000, P99Ns: 9000},
		}},
	}
	for i := range 3 {
		for _, cache := range []string{"cold", "warm"} {
			ns := seconds * 1e9 * (1 + .1*float64(i))
			if cache == "warm" {
				ns /= 2
			}
			c.Recovery.Repetitions = append(c.Recovery.Repetitions, result.RecoveryTrial{
				Cache: cache, OpenNs: int64(ns * .8), ExecToOpenNs: int64(ns * .9), FirstReadNs: int64(ns), FirstWriteNs: int64(ns * 1.05), Acknowledged: leases, DiskBytes: 1e6,
			})
		}
	}
	return c
}

func curveRun(t *testing.T, edit func(*result.Cell) bool) *Report {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, result.CellDir), 0o755))
	run := syntheticRun()
	for _, e := range syntheticEngines {
		if e.info.Name != "appendlog" && e.info.Name != "pebble" {
			continue
		}
		run.Engines = append(run.Engines, e.info)
		for i, name := range []string{"10k", "100k", "1m"} {
			for j, log := range []string{"10k", "200k"} {
				leases := int(1e4 * math.Pow10(i))
				seconds := 0.1 * float64(j+1) * float64(leases) / 1e5
				if e.info.Name == "pebble" {
					seconds = 0.4 * float64(j+1)
				}
				c := curveCell(e.info.Name, leases, name, log, seconds)
				run.Plan = append(run.Plan, c.PlanCell)
				if edit == nil || edit(c) {
					require.NoError(t, result.WriteCell(dir, c))
				}
			}
		}
	}
	writeFile(t, filepath.Join(dir, result.RunFile), run)
	r, err := Load(dir)
	require.NoError(t, err)
	require.Len(t, r.curveBlocks, 1)
	require.Empty(t, r.blocks)
	return r
}

// again makes nine recoveries of three, so that they may decide something.
func again(c *result.Cell) bool {
	c.Recovery.Repetitions = slices.Repeat(c.Recovery.Repetitions, 3)
	return true
}

func TestCurveIsShown(t *testing.T) {
	r := curveRun(t, nil)
	require.Len(t, r.curveBlocks[0].points, 12)
	require.Contains(t, r.Verdict(), "no winner is declared, 3 of the 7 trials that it takes; fastest was pebble 880 ms (800-960 ms), then appendlog 2.20 s (2.00-2.40 s); 1 M leases, a log of 200k renewals, cold")
	r = curveRun(t, again)
	require.Contains(t, r.Verdict(), "pebble reads 880 ms (800-960 ms) after its start and is faster than every other, slower are appendlog 2.20 s (2.00-2.40 s); 1 M leases, a log of 200k renewals, cold")
	var text, md, raw bytes.Buffer
	require.NoError(t, r.Text(&text, TextOptions{Width: 200}))
	require.NoError(t, r.Markdown(&md))
	require.NoError(t, r.curveCSV(&raw))
	require.Contains(t, text.String(), "RECOVERY, sync")
	require.Contains(t, text.String(), "40.0 us/900 us")
	require.Contains(t, md.String(), "(recovery.svg)")
	lines, err := csv.NewReader(&raw).ReadAll()
	require.NoError(t, err)
	require.Len(t, lines, 1+12*18)
	files, err := r.Write()
	require.NoError(t, err)
	require.Contains(t, files, filepath.Join(r.Dir, Dir, "recovery.png"))
	require.Contains(t, files, filepath.Join(r.Dir, Dir, "recovery_curve.csv"))
}

func TestCurveDoubtsAreShown(t *testing.T) {
	for want, edit := range map[string]func(*result.Cell) bool{
		"DATA LOSS: appendlog under sync lost 4 of": func(c *result.Cell) bool {
			if c.Engine == "appendlog" && c.Recovery.Leases == 10_000 {
				c.Recovery.Repetitions[0].Lost, c.Status, c.Reason = 4, result.Failed, "recovery 1 (cold) after kill -9: 4 lost"
			}
			return true
		},
		"the run ended before this cell": func(c *result.Cell) bool { return c.Engine != "pebble" },
		"appendlog failed: open: no space": func(c *result.Cell) bool {
			if c.Engine == "appendlog" {
				c.Status, c.Reason, c.Recovery = result.Failed, "open: no space", nil
			}
			return true
		},
		"no single winner": func(c *result.Cell) bool {
			for i := range c.Recovery.Repetitions {
				c.Recovery.Repetitions[i].FirstReadNs = int64(1e9 + 1e8*i)
			}
			return again(c)
		},
		"nothing was measured cold": func(c *result.Cell) bool {
			for i := range c.Recovery.Repetitions {
				c.Recovery.Repetitions[i].Cache = "partly cold"
			}
			return true
		},
	} {
		r := curveRun(t, edit)
		var text bytes.Buffer
		require.NoError(t, r.Text(&text, TextOptions{Width: 400}))
		require.Contains(t, text.String(), want)
		_, err := r.Write()
		require.NoError(t, err, fmt.Sprint(want))
	}
}
