package result

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRunAndCellsRoundTrip(t *testing.T) {
	dir := t.TempDir()
	run := &Run{Profile: "quick", Seed: 1<<63 + 1, Started: time.Now().UTC().Round(0)}
	require.NoError(t, WriteRun(dir, run))
	got, err := ReadRun(dir)
	require.NoError(t, err)
	require.Equal(t, run, got)

	cells, err := ReadCells(dir)
	require.NoError(t, err)
	require.Empty(t, cells)
	require.NoError(t, os.Mkdir(filepath.Join(dir, CellDir), 0o755))
	for _, key := range []string{"b", "a"} {
		require.NoError(t, WriteCell(dir, &Cell{PlanCell: PlanCell{Key: key}, Status: OK}))
	}
	cells, err = ReadCells(dir)
	require.NoError(t, err)
	require.Len(t, cells, 2)
	require.Equal(t, "a", cells[0].Key)
	require.Equal(t, SchemaVersion, cells[0].Schema)
}

func TestReadersRefuseWhatTheyCannotRead(t *testing.T) {
	dir := t.TempDir()
	_, err := ReadRun(dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Contains(t, err.Error(), RunFile)

	path := filepath.Join(dir, RunFile)
	for content, want := range map[string]string{
		`{"schema": 99}`:    "schema version 99, this program reads 1 to 1",
		`{}`:                "schema version 0",
		`{"schema": 1, "pr`: "not a result file",
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
		_, err = ReadRun(dir)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, path)
	}
}

// A reader that runs beside a writer sees whole files only, and a temporary
// file of a writer that was killed is no cell.
func TestWritesAreAtomic(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, CellDir), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, CellDir, ".a.json.123"), []byte("{"), 0o644))
	cell := &Cell{PlanCell: PlanCell{Key: "a"}, Reason: string(make([]byte, 1<<16))}
	require.NoError(t, WriteCell(dir, cell))

	done := make(chan error)
	go func() {
		for range 100 {
			if err := WriteCell(dir, cell); err != nil {
				done <- err
				return
			}
		}
		close(done)
	}()
	for {
		select {
		case err := <-done:
			require.NoError(t, err)
			return
		default:
			cells, err := ReadCells(dir)
			require.NoError(t, err)
			require.Len(t, cells, 1)
		}
	}
}

func TestAFailedWriteLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	require.Error(t, WriteCell(dir, &Cell{PlanCell: PlanCell{Key: "a"}}), "cells/ does not exist")
	require.Error(t, writeJSON(filepath.Join(dir, "x"), func() {}), "a function is no JSON")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestNamesCarryTheirUnits(t *testing.T) {
	raw, err := json.Marshal(Latency{P99Ns: 5})
	require.NoError(t, err)
	require.Contains(t, string(raw), `"p99_ns":5`)
}
