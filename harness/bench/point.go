package bench

import (
	"errors"
	"fmt"
	"strings"

	"orbitbench/engines"
)

// kind is what a point measures.
type kind uint8

const (
	floorKind   kind = iota + 1 // one durable 4 KiB overwrite, nothing in between
	idealKind                   // one such write for all of N waiting writers
	mapKind                     // a renewal in the sharded map
	renewKind                   // a renewal in an engine
	getKind                     // a read of a lease in an engine
	harnessKind                 // an operation of the harness on the no-op engine
)

// point is one line of a round. Fields that its kind does not have are zero.
type point struct {
	kind    kind
	engine  string
	dur     engines.Durability
	workers int // writers or threads
	actors  int
	sampled bool // harness only
}

// name is the benchmark's name. It is stable: tools match runs by it.
func (p point) name() string {
	switch p.kind {
	case floorKind:
		return "BenchmarkFloor"
	case idealKind:
		return fmt.Sprintf("BenchmarkIdeal/writers=%d", p.workers)
	case mapKind:
		return fmt.Sprintf("BenchmarkMap/actors=%d", p.actors)
	case renewKind:
		return fmt.Sprintf("BenchmarkRenew/engine=%s/class=%s/writers=%d/actors=%d", p.engine, p.dur, p.workers, p.actors)
	case getKind:
		return fmt.Sprintf("BenchmarkGet/engine=%s/threads=%d/actors=%d", p.engine, p.workers, p.actors)
	case harnessKind:
		mode := "timed"
		if p.sampled {
			mode = "sampled"
		}
		return fmt.Sprintf("BenchmarkHarness/mode=%s/threads=%d", mode, p.workers)
	}
	return fmt.Sprintf("BenchmarkUnknown/kind=%d", p.kind)
}

var (
	floorPoint  = point{kind: floorKind}
	defaultSync = engines.Durability{Class: engines.Sync}
	onProcess   = engines.Durability{Class: engines.Process}
)

func idealPoint(writers int) point { return point{kind: idealKind, workers: writers} }
func mapPoint(actors int) point    { return point{kind: mapKind, actors: actors} }

// plan is every point of a round, in the order in which they are printed, and
// what was left out, with the reason.
type plan struct {
	points []point
	notes  []string
	zipf   bool // writers may meet on hot actors, so that lost races are a figure
}

func (p *plan) add(pt point) {
	for _, have := range p.points {
		if have == pt {
			return
		}
	}
	p.points = append(p.points, pt)
}

func (p *plan) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, have := range p.notes {
		if have == text {
			return
		}
	}
	p.notes = append(p.notes, text)
}

// makePlan expands o, whose defaults are filled in.
func makePlan(o Options) *plan {
	p := &plan{zipf: o.ZipfS != 0}
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
				p.addReference(renewKind, dur, w, n)
				for _, d := range o.Drivers {
					if o.wants(d.Info(), func(i engines.Info) bool { return !i.Optional }) {
						p.addEngine(d, point{kind: renewKind, dur: dur, workers: w, actors: n})
					}
				}
			}
		}
	}
}

func (p *plan) addRow(o Options, row targetRow) {
	for _, n := range row.stores(o) {
		for _, w := range row.workers {
			if row.kind == harnessKind && !o.hasNoop() {
				p.note("harness: this program has no engine %s", noopName)
				continue
			}
			if row.kind == harnessKind {
				p.add(mapPoint(n))
				p.add(point{kind: harnessKind, workers: w})
				p.add(point{kind: harnessKind, workers: w, sampled: true})
				continue
			}
			p.addReference(row.kind, row.dur, w, n)
			for _, d := range o.Drivers {
				if o.wants(d.Info(), row.compares) {
					p.addEngine(d, point{kind: row.kind, dur: row.dur, workers: w, actors: n})
				}
			}
		}
	}
}

// addReference adds what the figures of an engine are read beside: the device
// under sync, the map elsewhere.
func (p *plan) addReference(k kind, dur engines.Durability, workers, actors int) {
	if k == renewKind && dur.Class == engines.Sync {
		p.add(floorPoint)
		p.add(idealPoint(workers))
		return
	}
	p.add(mapPoint(actors))
}

// addEngine adds pt for an engine, or notes why it cannot be had.
func (p *plan) addEngine(d engines.Driver, pt point) {
	pt.engine = d.Info().Name
	_, err := d.Configure(engines.Options{Durability: pt.dur})
	if errors.Is(err, engines.ErrUnsupported) {
		p.note("%s: %v", pt.engine, err)
		return
	}
	p.add(pt) // any other error is told when the engine is opened
}

// wants reports whether the engine takes part: among those that were named, or
// without names if the comparison is about it. Baselines take part by name only.
func (o Options) wants(info engines.Info, compares func(engines.Info) bool) bool {
	if o.Engines == nil {
		return info.Role != engines.Baseline && compares(info)
	}
	for _, name := range o.Engines {
		if name == info.Name {
			return true
		}
	}
	return false
}

// judged reports whether the targets are for the engine: they are for those that
// are written here, except the copy-on-write tree, which has targets of its own.
func judged(i engines.Info) bool {
	return i.Role == engines.Candidate && i.Module == "orbitbench" && i.Name != "cowbtree"
}

func batching(i engines.Info) bool { return strings.HasSuffix(i.Name, "+batch") }
