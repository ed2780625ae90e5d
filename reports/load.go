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

// Report is one run, ready to be rendered. It is immutable after [Load], so
// its methods may be called concurrently.
type Report struct {
	// Dir is the run directory as it was given to Load; renderings name it.
	Dir string
	// Run and Cells are what was read. They belong to the Report.
	Run   *result.Run
	Cells []*result.Cell

	parts []part            // other runs whose cells are among Cells
	homes map[string]string // directories of cells of other runs, by key

	floors   map[string]*floor // by result.Floor.Kind
	blocks   []*block          // of leases
	stores   []*block          // of the stores beside the leases, never in one table with them
	warnings []string
	tally    tally
	deciding []*standing // of the design note's choices, in each figure that decides

	capacityBlocks []*capacityBlock // of cells of kind capacity, strongest class first
	curveBlocks    []*curveBlock    // of cells of kind recovery_curve
	crashes        *crashBlock      // of cells of kind crash, nil without any
}

// tally counts the cells of the run by how they ended.
type tally struct{ planned, ok, failed, skipped, missing int }

// floor is what the device alone costs: all probes of one kind, merged.
type floor struct {
	dist   *dist
	probes int // that gave a figure
	bytes  int // of one write
}

// Load reads the run in dir and merges its trials. Its errors name the file:
// run.json or a cell is missing, unreadable, of a newer schema, damaged, or
// contradicts the rest of the run. A run without cells, or with failed,
// skipped and missing ones, loads without error.
func Load(dir string) (*Report, error) {
	r, err := read(dir)
	if err != nil {
		return nil, err
	}
	if err := r.make(); err != nil {
		return nil, err
	}
	return r, nil
}

// read reads and checks the run in dir and makes nothing of it yet.
func read(dir string) (*Report, error) {
	run, err := result.ReadRun(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: no run directory, it has no %s: %w", dir, result.RunFile, err)
	}
	if err != nil {
		return nil, err
	}
	cells, err := result.ReadCells(dir)
	if err != nil {
		return nil, err
	}
	r := &Report{Dir: dir, Run: run, Cells: cells, homes: map[string]string{}}
	if err := r.validate(); err != nil {
		return nil, err
	}
	return r, nil
}

// make merges the trials and decides what there is to decide.
func (r *Report) make() error {
	if err := r.mergeFloors(); err != nil {
		return err
	}
	if err := r.group(); err != nil {
		return err
	}
	var warnings []string
	r.capacityBlocks, warnings = r.capacities(r.items())
	r.warnings = append(r.warnings, warnings...)
	r.curveBlocks, warnings = r.curves(r.items())
	r.warnings = append(r.warnings, warnings...)
	r.crashes = r.crashMatrix(r.items())
	r.settle()
	r.warn()
	return nil
}

// validate refuses cells that contradict the run.
func (r *Report) validate() error {
	engines := map[string]bool{}
	for _, e := range r.Run.Engines {
		engines[e.Name] = true
	}
	runFile := filepath.Join(r.Dir, result.RunFile)
	planned := map[string]bool{}
	for _, p := range r.Run.Plan {
		if !engines[p.Engine] {
			return fmt.Errorf("%s: the plan's cell %q names engine %q, which is not among the run's engines", runFile, p.Key, p.Engine)
		}
		if planned[p.Key] {
			return fmt.Errorf("%s: the plan holds cell %q twice", runFile, p.Key)
		}
		if classRank(p.Durability) < 0 {
			return fmt.Errorf("%s: the plan's cell %q has unknown durability %q", runFile, p.Key, p.Durability)
		}
		planned[p.Key] = true
	}
	seen := map[string]bool{}
	for _, c := range r.Cells {
		path := result.CellPath(r.Dir, c.Key)
		if _, err := os.Stat(path); err != nil || seen[c.Key] {
			return fmt.Errorf("%s: one of its files holds cell %q and is not named after it", filepath.Join(r.Dir, result.CellDir), c.Key)
		}
		seen[c.Key] = true
		if err := checkCell(c, engines); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if !planned[c.Key] {
			r.warnings = append(r.warnings, fmt.Sprintf("cell %s is not in the plan of %s", c.Key, result.RunFile))
		}
	}
	return nil
}

// checkCell refuses a cell that no rendering could place.
func checkCell(c *result.Cell, engines map[string]bool) error {
	switch {
	case !engines[c.Engine]:
		return fmt.Errorf("engine %q is not among the run's engines", c.Engine)
	case classRank(c.Durability) < 0:
		return fmt.Errorf("unknown durability %q, want none, process, interval:DURATION or sync", c.Durability)
	case !slices.Contains([]result.Status{result.OK, result.Failed, result.Skipped}, c.Status):
		return fmt.Errorf("unknown status %q, want ok, failed or skipped", c.Status)
	case c.Status != result.OK:
		return nil
	case (c.Kind == result.KindRenewal || result.IsStore(c.Kind)) && c.Measure == nil:
		return errors.New("status ok without the figures of its measured phase")
	case c.Kind == result.KindCrash && c.Crash == nil:
		return errors.New("status ok without its crashes")
	case c.Kind == result.KindCurve && (c.Recovery == nil || c.Recovery.Curve == nil || len(c.Recovery.Repetitions) == 0):
		return errors.New("status ok without a recovery of its curve")
	case c.Kind == result.KindCapacity && (c.Capacity == nil || len(c.Capacity.Probes) == 0):
		return errors.New("status ok without a probe of its capacity")
	case c.Kind == result.KindRecovery && (c.Recovery == nil || len(c.Recovery.Repetitions) == 0):
		return errors.New("status ok without a recovery")
	}
	return nil
}

// mergeFloors merges the probes of each kind. A probe that failed has no
// figure and becomes a warning.
func (r *Report) mergeFloors() error {
	r.floors = map[string]*floor{}
	for i, p := range r.Run.Floors {
		if p.Error != "" {
			r.warnings = append(r.warnings, fmt.Sprintf("floor probe %d (%s) failed: %s", i+1, p.Kind, oneLine(p.Error)))
			continue
		}
		f := r.floors[p.Kind]
		if f == nil {
			f = &floor{bytes: p.Bytes}
			r.floors[p.Kind] = f
		}
		d, err := f.dist.add(p.Latency)
		if err != nil {
			return fmt.Errorf("%s: floor probe %d (%s): %w", filepath.Join(r.Dir, result.RunFile), i+1, p.Kind, err)
		}
		f.dist, f.probes = d, f.probes+1
	}
	return nil
}

// floorQuantile returns the floor in nanoseconds at q: of the direct
// overwrite, or of append and fdatasync where direct writes are refused. Not
// ok where the run has no floor.
func (r *Report) floorQuantile(q float64) (ns int64, ok bool) {
	for _, kind := range []string{result.FloorOverwrite, result.FloorAppend} {
		if f := r.floors[kind]; f != nil {
			if ns, ok := f.dist.quantile(q); ok {
				return ns, true
			}
		}
	}
	return 0, false
}

// warn collects what a reader must know about the whole run, in front of the
// warnings that reading it gave.
func (r *Report) warn() {
	var about []string
	t := r.tally
	switch {
	case r.Run.Interrupted:
		about = append(about, fmt.Sprintf("the run was interrupted: %d of %d cells were not run", t.missing, t.planned))
	case r.Run.Finished == nil:
		about = append(about, fmt.Sprintf("the run is not finished: %d of %d cells were not run yet", t.missing, t.planned))
	case t.missing > 0:
		about = append(about, fmt.Sprintf("%d of %d planned cells have no result", t.missing, t.planned))
	}
	if t.failed > 0 {
		about = append(about, fmt.Sprintf("%d of %d cells failed; their rows say why", t.failed, t.planned))
	}
	if _, ok := r.floorQuantile(0.5); !ok && !r.crashesOnly() {
		about = append(about, "the run has no device floor: no figure is given as a ratio to it")
	}
	for _, w := range r.Run.Warnings {
		about = append(about, oneLine(w))
	}
	r.warnings = append(about, r.warnings...)
	for _, b := range r.allBlocks() {
		for _, row := range b.rows {
			for _, w := range row.warnings {
				r.warnings = append(r.warnings, fmt.Sprintf("%s under %s: %s", row.name(), b.place(), w))
			}
		}
	}
}

// allBlocks are those of the leases, then those of the stores.
func (r *Report) allBlocks() []*block { return append(slices.Clone(r.blocks), r.stores...) }

// classNames are the durability classes, weakest first.
var classNames = []string{"none", "process", "interval", "sync"}

// classOf returns the class of a durability such as "interval:10ms".
func classOf(durability string) string {
	class, _, _ := strings.Cut(durability, ":")
	return class
}

// classRank orders durabilities by class, weakest first; -1 is unknown.
func classRank(durability string) int { return slices.Index(classNames, classOf(durability)) }

// classMeaning says what an acknowledged write survives.
func classMeaning(durability string) string {
	switch classOf(durability) {
	case "none":
		return "lost with the process"
	case "process":
		return "survives kill -9, not a power cut"
	case "interval":
		_, window, _ := strings.Cut(durability, ":")
		return "a failure loses at most the last " + window
	}
	return "survives a power cut once acknowledged"
}

// classInShort is classMeaning where there is little room.
func classInShort(durability string) string {
	switch classOf(durability) {
	case "none":
		return "lost with process"
	case "process":
		return "survives kill -9"
	case "interval":
		return "bounded loss"
	}
	return "survives power cut"
}
