package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"orbitbench/engines"
	"orbitbench/harness/result"
)

// NoControl as the name of the control leaves it out.
const NoControl = "none"

// controlTrials is the fewest trials from which the noise of a machine can be
// told: below six pairs there is no interval of 95% for their median.
const controlTrials = 6

// setControl chooses the engine that runs twice. Where the profile has a control
// and none is named it is the first engine that takes part in the comparison and
// is skipped in no class, so that each class has its pairs.
func (p *Plan) setControl(r Request, f *file, profile Profile, c Catalog) error {
	name, fromFile := r.Control, false
	if name == "" && f.Control != nil {
		name, fromFile = *f.Control, true
	}
	name = strings.TrimSpace(name)
	switch {
	case name == NoControl:
		return nil
	case name == "" && (!profile.control || p.Trials < controlTrials):
		return nil
	case name == "":
		for _, e := range p.Engines {
			if d, err := c.driver(e.Name); err == nil && d.Info().Role != engines.Baseline && len(e.Skip) == 0 {
				p.Control = e.Name
				break
			}
		}
		return nil
	}
	if !slices.ContainsFunc(p.Engines, func(e Engine) bool { return e.Name == name }) {
		names := []string{NoControl}
		for _, e := range p.Engines {
			names = append(names, e.Name)
		}
		return place(fromFile, f, "control", "--control", unknown("engine of the plan", name, names))
	}
	if !slices.ContainsFunc(p.Workloads, Workload.controlled) {
		return place(fromFile, f, "control", "--control", errors.New("no workload of the plan measures latency: there is nothing to run twice"))
	}
	p.Control = name
	return nil
}

// controlled reports whether a control says something about the workload: its
// cells are compared by latency under load.
func (w Workload) controlled() bool {
	return w.Kind == result.KindRenewal || result.IsStore(w.Kind)
}

// control is the cell that repeats c.
func (c Cell) control() Cell {
	c.ControlOf = c.Key
	c.Key = fmt.Sprintf("%s-control", c.Key)
	return c
}
