package bench

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"orbitbench/engines"
)

// plan is what a run measures, and what was left out, with the reason.
type plan struct {
	// sections run one after the other, so that what the first has open takes
	// no memory from the second. Ratios are taken within one section.
	sections []section
	notes    []string
	zipf     bool // writers may meet on hot actors, so that lost races are a figure
}

// section is every point of a round, in the order in which they are printed.
type section struct {
	title  string
	rounds int
	points []point
}

func (s *section) add(pt point) {
	if !slices.Contains(s.points, pt) {
		s.points = append(s.points, pt)
	}
}

// apartRounds is the most rounds of what runs in processes of its own, each of
// which takes seconds.
const apartRounds = 3

// drop takes a point out that turned out not to be had.
func (p *plan) drop(pt point) {
	for i := range p.sections {
		s := &p.sections[i]
		s.points = slices.DeleteFunc(s.points, func(have point) bool { return have == pt })
	}
}

func (p *plan) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(p.notes, text) {
		p.notes = append(p.notes, text)
	}
}

func (p *plan) empty() bool {
	return !slices.ContainsFunc(p.sections, func(s section) bool { return len(s.points) > 0 })
}

// section returns the section that a point belongs to by its kind.
func (p *plan) section(k kind) *section {
	if k.apart() {
		return &p.sections[1]
	}
	return &p.sections[0]
}

// makePlan expands o, whose defaults are filled in.
func makePlan(o Options) *plan {
	p := &plan{zipf: o.ZipfS != 0, sections: []section{
		{title: "engines side by side", rounds: o.Rounds},
		{title: "processes of their own", rounds: min(o.Rounds, apartRounds)},
	}}
	if o.grid() {
		p.addGrid(o)
		return p
	}
	for _, id := range o.Rows {
		for _, row := range targetRows {
			if row.id == id {
				p.addRow(o, row)
			}
		}
	}
	return p
}

func (p *plan) addGrid(o Options) {
	actors := o.Actors
	if actors == nil {
		actors = []int{smallStore}
	}
	for _, dur := range o.Classes {
		for _, n := range actors {
			for _, w := range o.Writers {
				pt := point{kind: renewKind, dur: dur, workers: w, actors: n}
				p.addReferences(pt)
				for _, d := range o.Drivers {
					if o.wants(d.Info(), func(i engines.Info) bool { return !i.Optional }) {
						p.addEngine(d, pt)
					}
				}
			}
		}
	}
}

func (p *plan) addRow(o Options, row targetRow) {
	if row.kind == harnessKind && !o.hasNoop() {
		p.note("harness: this program has no engine %s", noopName)
		return
	}
	if o.Engines == nil {
		for _, name := range row.needs {
			if !slices.Contains(o.driverNames(), name) {
				p.note("%s: this program has no engine %s", row.id, name)
			}
		}
	}
	for _, pt := range row.points(o) {
		if row.kind == harnessKind {
			p.addReferences(pt)
			p.section(pt.kind).add(pt)
			continue
		}
		for _, d := range o.Drivers {
			if !o.wants(d.Info(), row.compares) && !(row.pacing && o.Engines == nil && row.judges(d.Info())) || (row.kind.apart() || row.kind == putKind) && !row.compares(d.Info()) {
				continue
			}
			p.addReferences(pt)
			p.addEngine(d, pt)
			if pt.kind == putKind {
				p.addTool(pt, d.Info().Name)
			}
			if pt.state == atSnapshot && row.judges(d.Info()) {
				p.addEngine(d, point{kind: checksumKind, dur: pt.dur, actors: pt.actors, cache: pt.cache})
			}
		}
	}
}

// points are the row's points without an engine.
func (row targetRow) points(o Options) (all []point) {
	for _, n := range row.stores(o) {
		base := point{kind: row.kind, dur: row.dur, actors: n, full: row.full, state: row.state, rate: row.rate}
		switch {
		case row.kind == harnessKind:
			for _, w := range row.workers {
				all = append(all, point{kind: harnessKind, workers: w}, point{kind: harnessKind, workers: w, sampled: true})
			}
		case row.caches != nil:
			for _, c := range row.caches {
				base.cache = c
				all = append(all, base)
			}
		case row.workers != nil:
			for _, w := range row.workers {
				base.workers = w
				all = append(all, base)
			}
		default:
			all = append(all, base)
		}
	}
	return all
}

// stores returns the store sizes at which the row is measured.
func (row targetRow) stores(o Options) []int {
	switch {
	case row.kind == harnessKind:
		return row.sizes
	case o.Actors != nil:
		return o.Actors
	case o.Quick:
		return row.sizes[:1]
	}
	return row.sizes
}

// addReferences adds what the figures of a point are read beside: the device
// under sync, the map elsewhere.
func (p *plan) addReferences(pt point) {
	s := p.section(pt.kind)
	switch {
	case pt.kind == harnessKind:
		s.add(mapPoint(smallStore))
	case pt.kind == openKind && pt.dur.Class == engines.Sync:
		s.add(floorPoint)
	case pt.kind == renewKind && pt.dur.Class == engines.Sync:
		s.add(floorPoint)
		s.add(idealPoint(pt.workers))
	case pt.kind == renewKind, pt.kind == getKind, pt.kind == recoverKind && pt.state == afterKill:
		s.add(mapPoint(pt.actors))
	}
}

// addEngine adds pt for an engine, or notes why it cannot be had. A read does
// not depend on the class, so an engine without class process is read under the
// one nearest to it.
func (p *plan) addEngine(d engines.Driver, pt point) {
	pt.engine = d.Info().Name
	_, err := d.Configure(engines.Options{Durability: pt.dur})
	if errors.Is(err, engines.ErrUnsupported) && pt.kind == getKind {
		pt.dur = defaultSync
		_, err = d.Configure(engines.Options{Durability: pt.dur})
	}
	if errors.Is(err, engines.ErrUnsupported) {
		p.note("%s: %v", pt.engine, err)
		return
	}
	p.section(pt.kind).add(pt) // any other error is told when the engine is opened
}

// wants reports whether the engine takes part: among those that were named, or
// without names if the comparison is about it. Baselines take part by name only.
func (o Options) wants(info engines.Info, compares func(engines.Info) bool) bool {
	if o.Engines == nil {
		return info.Role != engines.Baseline && compares(info)
	}
	return slices.Contains(o.Engines, info.Name)
}

// ours reports whether the engine is one of those that are written here.
func ours(i engines.Info) bool { return i.Role == engines.Candidate && i.Module == "orbitbench" }

// judged reports whether the targets for speed are for the engine: the
// copy-on-write tree has some of its own.
func judged(i engines.Info) bool { return ours(i) && i.Name != "cowbtree" }

func batching(i engines.Info) bool { return strings.HasSuffix(i.Name, "+batch") }
