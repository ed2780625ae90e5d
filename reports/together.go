package reports

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"orbitbench/harness/result"
)

// WithDir is the directory within a run directory whose run directories stand in
// its report as well: the crash matrix, the capacity, the recovery curve beside the
// comparison.
const WithDir = "with"

// part is a run that stands in the report of another.
type part struct {
	dir string
	run *result.Run
}

// Refused is runs that do not belong into one report.
type Refused struct {
	Dir     string
	Reasons []string
}

func (e *Refused) Error() string {
	return fmt.Sprintf("%s does not belong into one report with the rest (--force puts it there, and says so):\n  %s", e.Dir, strings.Join(e.Reasons, "\n  "))
}

// LoadTogether is [Load] of dir with the runs in dir/with and those in others in one
// report. Cells keep their floors and their trials apart; what is ranked is ranked
// within a run. Runs of another machine, schema or other versions of an engine's library are
// a *Refused error, unless force is set; then the report says so. Two runs that
// hold the same cell are always refused: those are compared, not put together.
func LoadTogether(dir string, others []string, force bool) (*Report, error) {
	r, err := read(dir)
	if err != nil {
		return nil, err
	}
	inside, err := partsOf(dir)
	if err != nil {
		return nil, err
	}
	for _, d := range append(inside, others...) {
		other, err := read(d)
		if err != nil {
			return nil, err
		}
		if err := r.take(other, force); err != nil {
			return nil, err
		}
	}
	if err := r.make(); err != nil {
		return nil, err
	}
	return r, nil
}

// partsOf lists the run directories in dir/with, by name.
func partsOf(dir string) (dirs []string, err error) {
	entries, err := os.ReadDir(filepath.Join(dir, WithDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			dirs = append(dirs, filepath.Join(dir, WithDir, e.Name()))
		}
	}
	return dirs, err
}

// take puts another run's cells beside those of r.
func (r *Report) take(other *Report, force bool) error {
	name := filepath.Base(filepath.Clean(other.Dir))
	reasons := result.MachineDifferences(r.Run, other.Run, "the run", name)
	if onlyCrashes(other.Run) { // judged by what is left of a store, wherever it lay: in memory by default
		reasons = slices.DeleteFunc(reasons, func(why string) bool {
			return strings.HasPrefix(why, "file system:") || strings.HasPrefix(why, "device:")
		})
	}
	reasons = append(reasons, libraryDifferences(r.Run, other.Run, name)...)
	if len(reasons) > 0 && !force {
		return &Refused{other.Dir, reasons}
	}
	for _, why := range reasons {
		r.warnings = append(r.warnings, "FORCED into one report: "+why)
	}
	have := map[string]bool{}
	for _, p := range r.Run.Plan {
		have[p.Key] = true
	}
	for _, p := range other.Run.Plan {
		if have[p.Key] {
			return &Refused{other.Dir, []string{fmt.Sprintf("both have cell %s: compare tells two runs of one load apart, a report does not mix them", p.Key)}}
		}
	}
	own := *r.Run // the run that was read is not changed
	run := &own
	run.Plan = slices.Concat(run.Plan, other.Run.Plan)
	run.Engines = slices.Clone(run.Engines)
	for _, e := range other.Run.Engines {
		if !slices.ContainsFunc(run.Engines, func(x result.Engine) bool { return x.Name == e.Name }) {
			run.Engines = append(run.Engines, e)
		}
	}
	if len(run.Floors) == 0 {
		run.Floors = other.Run.Floors
	}
	run.DurabilityChecks = checksOfBoth(run.DurabilityChecks, other.Run.DurabilityChecks)
	run.Interrupted = run.Interrupted || other.Run.Interrupted
	run.Warnings = slices.Clone(run.Warnings)
	for _, w := range other.Run.Warnings {
		run.Warnings = append(run.Warnings, name+": "+w)
	}
	if other.Run.Preview && !run.Preview {
		run.Warnings = append(run.Warnings, name+" is a PREVIEW, too short to be more than a look")
	}
	if a, b := run.Tool.Commit, other.Run.Tool.Commit; a != b {
		run.Warnings = append(run.Warnings, fmt.Sprintf("%s was made by another build: commit %s, the run by %s", name, shortCommit(b), shortCommit(a)))
	}
	for _, c := range other.Cells {
		r.homes[c.Key] = other.Dir
	}
	r.Run, r.Cells, r.parts = run, slices.Concat(r.Cells, other.Cells), append(r.parts, part{other.Dir, other.Run})
	r.warnings = append(r.warnings, other.warnings...)
	return nil
}

func onlyCrashes(run *result.Run) bool {
	return len(run.Plan) > 0 && !slices.ContainsFunc(run.Plan, func(p result.PlanCell) bool { return !strings.HasPrefix(p.Workload, crashPrefix) })
}

// checksOfBoth are the promises traced in either run. Where both traced one, a
// promise that was broken in either is broken.
func checksOfBoth(a, b []result.Durability) []result.Durability {
	out := slices.Clone(a)
	for _, d := range b {
		i := slices.IndexFunc(out, func(x result.Durability) bool { return x.Engine == d.Engine && x.Durability == d.Durability })
		switch {
		case i < 0:
			out = append(out, d)
		case d.Verdict == result.DurabilityEarly:
			out[i] = d
		}
	}
	return out
}

// libraryDifferences are engine libraries of which the runs had different versions.
func libraryDifferences(a, b *result.Run, name string) []string {
	var all []string
	for _, e := range a.Engines {
		x, y := a.Tool.Modules[e.Module], b.Tool.Modules[e.Module]
		if x != y && x != "" && y != "" {
			all = append(all, fmt.Sprintf("library of %s: the run has %s %s, %s has %s", e.Name, e.Module, x, name, y))
		}
	}
	return all
}

func shortCommit(c string) string {
	if c == "" {
		return "unknown"
	}
	return c[:min(12, len(c))]
}

// cellPath is the file of a cell, in whichever of the runs it lies.
func (r *Report) cellPath(key string) string {
	dir := r.Dir
	if d, ok := r.homes[key]; ok {
		dir = d
	}
	return result.CellPath(dir, key)
}
