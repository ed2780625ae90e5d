package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// RunFile and CellDir are the names within a run directory.
const (
	RunFile = "run.json"
	CellDir = "cells"
)

// WriteRun writes dir/run.json atomically.
func WriteRun(dir string, r *Run) error {
	r.Schema = SchemaVersion
	return writeJSON(filepath.Join(dir, RunFile), r)
}

// WriteCell writes dir/cells/KEY.json atomically.
func WriteCell(dir string, c *Cell) error {
	c.Schema = SchemaVersion
	return writeJSON(CellPath(dir, c.Key), c)
}

// CellPath returns the path of a cell's file.
func CellPath(dir, key string) string { return filepath.Join(dir, CellDir, key+".json") }

// ReadRun reads dir/run.json. Its errors name the file.
func ReadRun(dir string) (*Run, error) {
	r := new(Run)
	return r, readJSON(filepath.Join(dir, RunFile), r, &r.Schema)
}

// ReadCell reads one cell file. Its errors name the file.
func ReadCell(path string) (*Cell, error) {
	c := new(Cell)
	return c, readJSON(path, c, &c.Schema)
}

// ReadCells reads every cell of a run directory, sorted by key. A run without
// cells has none; a damaged cell is an error.
func ReadCells(dir string) ([]*Cell, error) {
	entries, err := os.ReadDir(filepath.Join(dir, CellDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var cells []*Cell
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		c, err := ReadCell(filepath.Join(dir, CellDir, e.Name()))
		if err != nil {
			return nil, err
		}
		cells = append(cells, c)
	}
	sort.Slice(cells, func(i, j int) bool { return cells[i].Key < cells[j].Key })
	return cells, nil
}

// writeJSON writes v beside path, syncs it, renames it over path and syncs the
// directory: a reader finds the old file or the new one, whole.
func writeJSON(path string, v any) (err error) {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(append(raw, '\n'))
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func readJSON(path string, v any, schema *int) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s: not a result file: %w", path, err)
	}
	if *schema < 1 || *schema > SchemaVersion {
		return fmt.Errorf("%s: schema version %d, this program reads 1 to %d", path, *schema, SchemaVersion)
	}
	return nil
}
