package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
	"orbitbench/reports/compare"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// nightly writes a run of three trials in which renewals take that many microseconds.
func nightly(t *testing.T, day int, us float64, edit func(*result.Run)) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, result.CellDir), 0o755))
	run := &result.Run{
		Schema: result.SchemaVersion, Started: epoch.AddDate(0, 0, day), Tool: result.Tool{Commit: fmt.Sprintf("%012x", day+1)},
		Engines: []result.Engine{{Name: "appendlog"}}, Environment: result.Environment{CPUModel: "Example"},
	}
	for trial := 1; trial <= 3; trial++ {
		h := hdrhistogram.New(1, int64(time.Minute), 3)
		require.NoError(t, h.RecordValues(int64(1000*us*(1+.01*float64(trial))), 2000))
		raw, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
		require.NoError(t, err)
		q := h.ValueAtQuantile
		c := &result.Cell{
			Schema: result.SchemaVersion, Class: "sync", Path: "native", Kind: result.KindRenewal, Status: result.OK,
			PlanCell: result.PlanCell{Key: fmt.Sprint("k-", trial), Engine: "appendlog", Workload: "w-open", Durability: "sync", Trial: trial},
			Measure:  &result.Measure{Ops: []result.OpResult{{Op: "renew", Outcome: "ok", Latency: result.Latency{Count: 2000, MinNs: h.Min(), MaxNs: h.Max(), P50Ns: q(50), P99Ns: q(99), P999Ns: q(99.9), Histogram: string(raw)}}}},
		}
		run.Plan = append(run.Plan, c.PlanCell)
		write(t, result.CellPath(dir, c.Key), c)
	}
	if edit != nil {
		edit(run)
	}
	write(t, filepath.Join(dir, result.RunFile), run)
	return dir
}

func write(t *testing.T, path string, v any) {
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, raw, 0o644))
}

func TestAChangeIsFoundWhereItIs(t *testing.T) {
	var dirs []string
	for day := range 20 {
		us := 100 + float64(day*7%5)
		if day >= 12 {
			us *= 1.3
		}
		dirs = append([]string{nightly(t, day, us, nil)}, dirs...) // newest first: order is by their beginning
	}
	r, err := Of(dirs, Options{})
	require.NoError(t, err)
	require.Len(t, r.Series, 2, "p50 and p99")
	for _, s := range r.Series {
		require.Len(t, s.Points, 20)
		require.Len(t, s.Changes, 1, s.Name())
		require.Equal(t, 12, s.Changes[0].Run)
		require.InDelta(t, 0.3, s.Changes[0].Share, 0.03)
		require.Less(t, s.Changes[0].P, Alpha)
	}
	var text, svg, again bytes.Buffer
	require.NoError(t, r.Text(&text))
	require.Contains(t, text.String(), "00000000000d"[:10])
	require.Contains(t, text.String(), "2 changes in 2 figures of 20 runs")
	require.NoError(t, r.Chart(r.Series[0]).SVG(&svg))
	require.NoError(t, r.Chart(r.Series[0]).SVG(&again))
	require.Equal(t, svg.String(), again.String())
	require.Contains(t, svg.String(), "appendlog renew_p50 changed by +3")
	require.NoError(t, r.Chart(r.Series[0]).PNG(&again))

	r, err = Of(dirs, Options{Figures: []string{"*/*/*/renew_p999"}})
	require.NoError(t, err)
	require.Len(t, r.Series, 1)
}

func TestNoChangeInFewOrSteadyRuns(t *testing.T) {
	var dirs []string
	for day := range 6 {
		dirs = append(dirs, nightly(t, day, []float64{100, 130}[day/3], nil))
	}
	r, err := Of(dirs, Options{})
	require.NoError(t, err)
	require.Empty(t, r.Series[0].Changes)
	var text bytes.Buffer
	require.NoError(t, r.Text(&text))
	require.Contains(t, text.String(), "6 runs are too few")
	require.NoError(t, r.Chart(r.Series[0]).SVG(&text))
}

func TestRunsThatDoNotBelongTogether(t *testing.T) {
	a := nightly(t, 0, 100, nil)
	b := nightly(t, 1, 100, func(r *result.Run) { r.Environment.CPUModel = "Other" })
	_, err := Of([]string{a, b}, Options{})
	var u *compare.UsageError
	require.ErrorAs(t, err, &u)
	require.ErrorContains(t, err, "processor")
	r, err := Of([]string{a, b}, Options{Force: true})
	require.NoError(t, err)
	require.Contains(t, r.Notes[0], "FORCED")
	_, err = Of([]string{a, a}, Options{})
	require.ErrorContains(t, err, "the same run")

	path := result.CellPath(b, "k-2")
	require.NoError(t, os.WriteFile(path, []byte("{"), 0o644))
	_, err = Of([]string{a, b}, Options{Force: true})
	require.ErrorContains(t, err, path)
}
