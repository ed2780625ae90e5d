package crash

import (
	"fmt"
	"slices"
	"strings"

	"orbitbench/engines"
)

// Gate says how many crashes each engine must stand, by sort of method.
type Gate struct {
	Name               string
	Block, File, Kills int
}

// Gates returns the gates, smallest first. Those of a release are for the seven
// engines of the comparison together 100,000 block and a million file states.
func Gates() []Gate {
	return []Gate{
		{"pr", 500, 2000, 200},
		{"nightly", 10_000, 50_000, 5000},
		{"release", 100_000 / 7, 1_000_000 / 7, 20_000},
	}
}

// GateOf finds a gate by name.
func GateOf(name string) (Gate, error) {
	var names []string
	for _, g := range Gates() {
		if g.Name == name {
			return g, nil
		}
		names = append(names, g.Name)
	}
	return Gate{}, fmt.Errorf("unknown gate %q, want one of %s", name, strings.Join(names, ", "))
}

// Sized is a Method whose number of crashes is none of a gate's three.
type Sized interface {
	// Trials is how many an engine gets under a gate, all classes together.
	Trials(gate string) int
}

// shares are how much of a sort of method its members get: the file system that
// hides least gets most.
var shares = map[string]int{"block-ext4": 2, "block-ext4-writeback": 1, "block-xfs": 1}

func sortOf(m Method) string {
	for _, sort := range []string{"block", "file"} {
		if strings.HasPrefix(m.Name(), sort+"-") {
			return sort
		}
	}
	return m.Name()
}

// total is how many crashes one method gets, among the methods that are asked for.
func (g Gate) total(m Method, among []Method) int {
	if s, ok := m.(Sized); ok {
		return s.Trials(g.Name)
	}
	n := map[string]int{"block": g.Block, "file": g.File, "kill": g.Kills}[sortOf(m)]
	all := 0
	for _, other := range among {
		if sortOf(other) == sortOf(m) && other.Available() == nil {
			all += max(shares[other.Name()], 1)
		}
	}
	return roundUp(n*max(shares[m.Name()], 1), max(all, 1))
}

func roundUp(a, b int) int { return (a + b - 1) / b }

// weightOf is the part of a method's crashes that a durability class gets.
func weightOf(m Method, d engines.Durability) int {
	switch {
	case m.Name() == "kill" && d.Class == engines.Process:
		return 2
	case m.Name() != "kill" && d.Class == engines.Sync:
		return 4
	}
	return 1
}

// Plan makes the cells: every target (an engine under a class) with every method.
// states above 0 stands in place of the gate, for each engine and method. A method
// that says nothing about a class has no cell, unless it says so about all classes
// of the engine; one that cannot be had here has skipped ones.
func Plan(g Gate, states int, targets []Target, methods []Method) []Cell {
	var cells []Cell
	for _, name := range enginesOf(targets) {
		for _, m := range methods {
			cells = append(cells, planMethod(g, states, of(targets, name), m, methods)...)
		}
	}
	return cells
}

func planMethod(g Gate, states int, targets []Target, m Method, among []Method) []Cell {
	total, all := states, 0
	if total <= 0 {
		total = g.total(m, among)
	}
	var judged []Target
	for _, t := range targets {
		if m.Judges(t.Info, t.Durability) == nil {
			judged, all = append(judged, t), all+weightOf(m, t.Durability)
		}
	}
	if len(judged) == 0 {
		return []Cell{NewCell(targets[0], m, total)}
	}
	var cells []Cell
	for _, t := range judged {
		cells = append(cells, NewCell(t, m, roundUp(total*weightOf(m, t.Durability), all)))
	}
	return cells
}

func enginesOf(targets []Target) (names []string) {
	for _, t := range targets {
		if !slices.Contains(names, t.Engine) {
			names = append(names, t.Engine)
		}
	}
	return names
}

func of(targets []Target, engine string) (some []Target) {
	for _, t := range targets {
		if t.Engine == engine {
			some = append(some, t)
		}
	}
	return some
}
