package runner

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

// The floor behind a cell is known after the cell was written.
func TestACellIsJudgedAgainWithTheFloorBehindIt(t *testing.T) {
	r := &run{Options: Options{Out: t.TempDir()}}
	require.NoError(t, os.Mkdir(filepath.Join(r.Out, result.CellDir), 0o755))
	c := &result.Cell{
		PlanCell: result.PlanCell{Key: "a"}, Status: result.OK, Kind: result.KindRenewal, Class: "sync",
		Measure: &result.Measure{Seconds: 1},
	}
	r.judgeValidity(c, 100_000)
	require.Equal(t, result.Valid, c.Validity.Verdict)
	require.NoError(t, result.WriteCell(r.Out, c))

	require.NoError(t, r.settleLast(250_000))
	written, err := result.ReadCell(result.CellPath(r.Out, "a"))
	require.NoError(t, err)
	require.Equal(t, result.Invalid, written.Validity.Verdict)
	require.InDelta(t, 2.5, written.Validity.FloorDrift, 1e-9)
	require.Contains(t, written.Validity.Text(), "went from 100µs before to 250µs behind")

	require.NoError(t, r.settleLast(900_000), "each cell has one floor behind it")
	again, err := result.ReadCell(result.CellPath(r.Out, "a"))
	require.NoError(t, err)
	require.Equal(t, written, again)
}
