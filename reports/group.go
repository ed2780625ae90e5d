package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"orbitbench/harness/result"
)

// block is everything measured under one workload and one durability.
type block struct {
	kind       string // of its cells: leases (result.KindRenewal), or a store
	workload   string // of the renewal cells; of the recovery cells where there are no others
	group      string // the load that it has in common with other blocks: its charts share a page
	durability string
	params     *result.Params // of its cells, nil where no cell says
	rows       []*row         // one per engine of the run (and path), in the order of the run
	noise      *noise         // of the A/A controls; nil without any
	twins      []twin         // rows beside their A/A controls
	first      *standing      // who is first in the headline figure; nil without rows to rank
	typical    *standing      // who is first in the p50 of renewals; nil likewise
}

// row is one engine in a block: all its trials.
type row struct {
	engine *result.Engine
	path   string // "native", "generic", "" where no cell says
	// status is ok if any trial is. Where it is not, reason says why there is
	// no figure, and there is none.
	status status
	reason string

	trials, planned int   // ok trials of the renewal workload; trials that were planned
	numbers         []int // of the ok trials
	ops             map[opKey]*op
	offered         float64   // operations per second, 0 in a closed loop
	achieved        []float64 // per trial
	loop            string
	invalid         bool // a trial that counts is no valid measurement
	validity        validity
	recovery        recovery
	use             usage
	losses          []string           // what the checks found: reasons to disqualify
	promise         *result.Durability // what a trace found about its class, nil without one
	flags           []string           // what a reader must know beside the figures
	warnings        []string           // doubts that travelled with the cells
}

type status string

const (
	statusOK      status = "ok"
	statusFailed  status = "failed"
	statusSkipped status = "skipped"
	statusMissing status = "missing" // planned and without a result, or not planned at all
)

// opKey names a histogram of a row.
type opKey struct{ name, outcome string }

// The operations that the table's columns show.
var (
	opWrite = opKey{"renew", "ok"}
	opRead  = opKey{"get", "ok"}
)

// op is one operation with one outcome. service is nil in a closed loop.
type op struct{ latency, service *dist }

// name is what a table calls the row.
func (r *row) name() string {
	if r.path == "generic" {
		return r.engine.Name + " (generic)"
	}
	return r.engine.Name
}

// hasFigures reports whether anything of the row was measured: its recovery may
// be while its renewals failed.
func (r *row) hasFigures() bool { return r.status == statusOK || len(r.recovery.firstRead) > 0 }

// latency returns the merged latency of an operation, nil where there is none.
func (r *row) latency(k opKey) *dist {
	if o := r.ops[k]; o != nil {
		return o.latency
	}
	return nil
}

// item is a planned cell with its result, which may be missing.
type item struct {
	plan result.PlanCell
	cell *result.Cell
	kind string
}

// items joins the plan with the results, in the order of the plan; results
// that were not planned come last.
func (r *Report) items() []item {
	cells := map[string]*result.Cell{}
	kinds := map[string]string{} // by workload: a missing cell has the kind of its siblings
	for _, c := range r.Cells {
		cells[c.Key] = c
		if c.Kind != "" {
			kinds[c.Workload] = c.Kind
		}
	}
	var items []item
	for _, p := range r.Run.Plan {
		items = append(items, item{plan: p, cell: cells[p.Key]})
		delete(cells, p.Key)
	}
	for _, c := range r.Cells {
		if cells[c.Key] != nil {
			items = append(items, item{plan: c.PlanCell, cell: c})
		}
	}
	for i := range items {
		it := &items[i]
		if it.cell != nil && it.cell.Kind != "" {
			it.kind = it.cell.Kind
		} else if it.kind = kinds[it.plan.Workload]; it.kind == "" {
			it.kind = kindByName(it.plan.Workload)
			if name := strings.TrimSuffix(it.plan.Workload, confirmSuffix); name == result.KindCapacity {
				it.kind = result.KindCapacity
			}
			if strings.HasPrefix(it.plan.Workload, crashPrefix) {
				it.kind = result.KindCrash
			}
			if strings.HasPrefix(it.plan.Workload, "recover-") {
				it.kind = result.KindCurve
			}
			if strings.HasSuffix(it.plan.Workload, "-"+result.KindRecovery) || it.plan.Workload == result.KindRecovery {
				it.kind = result.KindRecovery
			}
		}
	}
	return items
}

// kindByName guesses the kind of a workload none of whose cells has a result,
// from the names of the presets.
func kindByName(workload string) string {
	if store, _, _ := strings.Cut(workload, "-"); result.IsStore(store) {
		return store
	}
	return result.KindRenewal
}

// groupOf strips from a workload's name the suffix that says how its load is
// offered: what remains is common to the cells of one comparison.
func groupOf(workload string) string {
	for _, suffix := range []string{"-open", "-closed", "-" + result.KindRecovery} {
		if base, ok := strings.CutSuffix(workload, suffix); ok && base != "" {
			return base
		}
	}
	return workload
}

// group sorts the cells into blocks and rows and merges their trials.
func (r *Report) group() error {
	items := r.items()
	r.count(items)
	items, controls := splitControls(items)
	type place struct{ workload, durability string }
	blocks := map[place]*block{}
	byBlock := map[*block][]item{}
	blockOf := func(it item) *block {
		at := place{it.plan.Workload, it.plan.Durability}
		if blocks[at] == nil {
			b := &block{kind: it.kind, workload: at.workload, group: groupOf(at.workload), durability: at.durability}
			blocks[at] = b
			if result.IsStore(it.kind) {
				r.stores = append(r.stores, b)
			} else {
				r.blocks = append(r.blocks, b)
			}
		}
		return blocks[at]
	}
	for _, it := range items {
		if it.kind == result.KindRenewal || result.IsStore(it.kind) {
			b := blockOf(it)
			byBlock[b] = append(byBlock[b], it)
		}
	}
	renewals := slices.Clone(r.blocks)
	for _, it := range items {
		if it.kind != result.KindRecovery {
			continue
		}
		// A recovery belongs to every block of its load and durability.
		home := slices.DeleteFunc(slices.Clone(renewals), func(b *block) bool {
			return b.group != groupOf(it.plan.Workload) || b.durability != it.plan.Durability
		})
		if len(home) == 0 {
			home = []*block{blockOf(it)}
		}
		for _, b := range home {
			byBlock[b] = append(byBlock[b], it)
		}
	}
	r.sortBlocks(r.blocks)
	r.sortBlocks(r.stores)
	for _, b := range r.allBlocks() {
		if err := r.fill(b, byBlock[b]); err != nil {
			return err
		}
		b.noise = noiseOf(b, byBlock[b], controls)
		if err := r.addTwins(b, byBlock[b], controls); err != nil {
			return err
		}
	}
	return nil
}

func (r *Report) count(items []item) {
	r.tally.planned = len(items)
	for _, it := range items {
		switch {
		case it.cell == nil:
			r.tally.missing++
		case it.cell.Status == result.OK:
			r.tally.ok++
		case it.cell.Status == result.Failed:
			r.tally.failed++
		default:
			r.tally.skipped++
		}
		if !slices.Contains([]string{result.KindRenewal, result.KindRecovery, result.KindCapacity, result.KindCurve, result.KindCrash}, it.kind) && !result.IsStore(it.kind) {
			r.warnings = append(r.warnings, fmt.Sprintf("cell %s is of kind %q, which this report does not show", it.plan.Key, it.kind))
		}
	}
}

// sortBlocks orders blocks by load as planned, then by class, weakest first.
func (r *Report) sortBlocks(blocks []*block) {
	order := map[string]int{}
	for _, p := range r.Run.Plan {
		if g := groupOf(p.Workload); order[g] == 0 {
			order[g] = len(order) + 1
		}
	}
	slices.SortStableFunc(blocks, func(a, b *block) int {
		return cmp.Or(
			cmp.Compare(order[a.group], order[b.group]),
			cmp.Compare(classRank(a.durability), classRank(b.durability)),
			cmp.Compare(a.durability, b.durability),
			cmp.Compare(a.workload, b.workload))
	})
}

// fill makes a row for every engine of the run, and a second one for an engine
// that also ran on its generic path.
func (r *Report) fill(b *block, items []item) error {
	for i := range r.Run.Engines {
		engine := &r.Run.Engines[i]
		byPath := map[string][]item{}
		var paths []string
		for _, it := range items {
			if it.plan.Engine != engine.Name {
				continue
			}
			path := pathOf(it)
			if byPath[path] == nil {
				paths = append(paths, path)
			}
			byPath[path] = append(byPath[path], it)
		}
		if len(paths) == 0 {
			b.rows = append(b.rows, unplanned(engine, b.durability))
			continue
		}
		slices.Sort(paths)
		slices.Reverse(paths) // native, generic, not known
		if n := len(paths) - 1; n > 0 && paths[n] == "" {
			// Cells whose path is not known (they were not run, or failed before it
			// was) are trials of the path that the engine takes by default.
			byPath[paths[0]] = append(byPath[paths[0]], byPath[""]...)
			paths = paths[:n]
		}
		for _, path := range paths {
			row := &row{engine: engine, path: path, ops: map[opKey]*op{}}
			keepVoided := allVoided(byPath[path])
			for _, it := range byPath[path] {
				if err := r.addTrial(b, row, it, keepVoided); err != nil {
					return fmt.Errorf("%s: %w", r.cellPath(it.plan.Key), err)
				}
			}
			row.settle(byPath[path])
			r.promised(b, row)
			b.rows = append(b.rows, row)
		}
	}
	return nil
}

func pathOf(it item) string {
	if it.cell == nil {
		return ""
	}
	return it.cell.Path
}

// unplanned is the row of an engine that has no cell in a block.
func unplanned(e *result.Engine, durability string) *row {
	if why := e.WhyNot[classOf(durability)]; why != "" {
		return &row{engine: e, status: statusSkipped, reason: oneLine(why)}
	}
	return &row{engine: e, status: statusMissing, reason: "not in the plan of this run"}
}
