package formats

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"orbitbench/harness/result"
)

// The files, relative to the run directory.
const (
	BenchFile   = "bench.txt"
	HistDir     = "hlog"
	SmallerFile = "report/smaller_is_better.json"
	BiggerFile  = "report/bigger_is_better.json"
	MetricsFile = "report/metrics.txt"
)

// Write writes all formats of a run into its directory and returns their paths.
// The cells must be readable: a damaged histogram is an error that names its cell.
func Write(dir string, run *result.Run, cells []*result.Cell) (paths []string, err error) {
	rows := group(cells)
	type file struct {
		name  string
		write func(io.Writer) error
	}
	files := []file{
		{BenchFile, func(w io.Writer) error { return bench(w, run, rows) }},
		{SmallerFile, func(w io.Writer) error { return action(w, rows, false) }},
		{BiggerFile, func(w io.Writer) error { return action(w, rows, true) }},
		{MetricsFile, func(w io.Writer) error { return metrics(w, rows) }},
	}
	for _, r := range rows {
		if len(r.ops()) == 0 {
			continue
		}
		files = append(files, file{filepath.Join(HistDir, r.fileName()+".hlog"), r.log})
		for _, op := range r.ops() {
			files = append(files, file{filepath.Join(HistDir, r.fileName()+"-"+op.op+"-"+op.outcome+".hgrm"), func(w io.Writer) error { return r.percentiles(w, op) }})
		}
	}
	for _, f := range files {
		var buf bytes.Buffer
		if err := f.write(&buf); err != nil {
			return paths, fmt.Errorf("%s: %w", f.name, err)
		}
		path := filepath.Join(dir, f.name)
		if err := replace(path, buf.Bytes()); err != nil {
			return paths, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// replace writes a file beside path and renames it over path.
func replace(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// row is one engine under one workload and durability: its trials, in order.
type row struct {
	engine, path, workload, durability string
	cells                              []*result.Cell
}

// opKey names a histogram of a row.
type opKey struct{ op, outcome string }

// group sorts the cells that have figures into rows.
func group(cells []*result.Cell) []*row {
	var rows []*row
	byPlace := map[[4]string]*row{}
	for _, c := range cells {
		if c.Status != result.OK || c.ControlOf != "" || c.Measure == nil && c.Recovery == nil {
			continue
		}
		at := [4]string{c.Engine, c.Path, c.Workload, c.Durability}
		if byPlace[at] == nil {
			byPlace[at] = &row{engine: c.Engine, path: c.Path, workload: c.Workload, durability: c.Durability}
			rows = append(rows, byPlace[at])
		}
		byPlace[at].cells = append(byPlace[at].cells, c)
	}
	slices.SortFunc(rows, func(a, b *row) int {
		return cmp.Or(cmp.Compare(a.workload, b.workload), cmp.Compare(a.durability, b.durability), cmp.Compare(a.engine, b.engine), cmp.Compare(b.path, a.path))
	})
	for _, r := range rows {
		slices.SortFunc(r.cells, func(a, b *result.Cell) int { return cmp.Compare(a.Trial, b.Trial) })
	}
	return rows
}

// name is the engine, with its path where that is not its own.
func (r *row) name() string {
	if r.path == "generic" {
		return r.engine + "+generic"
	}
	return r.engine
}

func (r *row) fileName() string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._+-", c) {
			return c
		}
		return '-'
	}, r.name()+"-"+r.workload+"-"+r.durability)
}

// ops are the operations and outcomes of which any trial has samples, sorted.
func (r *row) ops() []opKey {
	var all []opKey
	for _, c := range r.cells {
		if c.Measure == nil {
			continue
		}
		for _, o := range c.Measure.Ops {
			if o.Latency.Count > 0 {
				all = append(all, opKey{o.Op, o.Outcome})
			}
		}
	}
	slices.SortFunc(all, func(a, b opKey) int { return cmp.Or(cmp.Compare(a.op, b.op), cmp.Compare(a.outcome, b.outcome)) })
	return slices.Compact(all)
}

// latency is that of an operation in a cell.
func latency(c *result.Cell, k opKey) (result.Latency, bool) {
	if c.Measure != nil {
		for _, o := range c.Measure.Ops {
			if o.Op == k.op && o.Outcome == k.outcome && o.Latency.Count > 0 {
				return o.Latency, true
			}
		}
	}
	return result.Latency{}, false
}
