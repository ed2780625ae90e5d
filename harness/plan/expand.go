package plan

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/result"
)

// Expand makes the plan of a request. Every error is one of usage: one line
// that says what was wrong, where, and what would be right.
func Expand(r Request, c Catalog) (*Plan, error) {
	f := &file{name: r.File}
	if r.File != "" {
		var err error
		if f, err = readFile(r.File); err != nil {
			return nil, err
		}
	}
	profile, err := chooseProfile(r, f)
	if err != nil {
		return nil, err
	}
	p := &Plan{Profile: profile.Name, Preview: profile.Preview, Seed: 1, Trials: profile.Trials}
	overlay(&p.Seed, f.Seed, r.Seed)
	overlay(&p.Trials, f.Trials, r.Trials)
	if p.Trials < 1 {
		return nil, place(r.Trials == nil, f, "trials", "--trials", fmt.Errorf("%d trials: want at least 1", p.Trials))
	}
	if p.Seed > math.MaxInt64 { // TOML has no larger integer, and the plan is written as TOML
		return nil, place(r.Seed == nil, f, "seed", "--seed", fmt.Errorf("seed %d: want at most %d", p.Seed, math.MaxInt64))
	}
	asked, err := p.setDurability(r, f, profile)
	if err != nil {
		return nil, err
	}
	if err := p.setWorkloads(r, f, profile, c); err != nil {
		return nil, err
	}
	if err := p.setEngines(r, f, c); err != nil {
		return nil, err
	}
	if err := p.setControl(r, f, profile, c); err != nil {
		return nil, err
	}
	if asked {
		if err := p.refuseImpossible(); err != nil {
			return nil, err
		}
	}
	return p, p.checkKeys()
}

// overlay sets dst to the last of values that was given.
func overlay[T any](dst *T, values ...*T) {
	for _, v := range values {
		if v != nil {
			*dst = *v
		}
	}
}

// place says whether a value came from the file or a flag.
func place(fromFile bool, f *file, key, flag string, err error) error {
	if fromFile && f.name != "" {
		return f.at(key, err)
	}
	return fmt.Errorf("%s: %w", flag, err)
}

func chooseProfile(r Request, f *file) (Profile, error) {
	if r.Profile != "" {
		p, err := findProfile(r.Profile)
		if err != nil {
			err = fmt.Errorf("--profile: %w", err)
		}
		return p, err
	}
	if f.Profile == nil {
		return findProfile("quick")
	}
	p, err := findProfile(*f.Profile)
	if err != nil {
		err = f.at("profile", err)
	}
	return p, err
}

// setDurability reports whether the classes were asked for by name.
func (p *Plan) setDurability(r Request, f *file, profile Profile) (asked bool, err error) {
	names := profile.Durability
	switch {
	case len(r.Durability) > 0:
		names, asked = r.Durability, true
	case f.Durability != nil:
		names, asked = f.Durability, true
	}
	p.Durability, err = parseDurabilities(names)
	if err != nil {
		return asked, place(len(r.Durability) == 0, f, "durability", "--durability", err)
	}
	return asked, nil
}

func parseDurabilities(names []string) ([]engines.Durability, error) {
	if len(names) == 0 {
		return nil, errors.New("no durability class: want none, process, interval:DURATION or sync")
	}
	var out []engines.Durability
	for _, name := range names {
		d, err := engines.ParseDurability(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		if slices.Contains(out, d) {
			return nil, fmt.Errorf("durability %s is named twice", d)
		}
		out = append(out, d)
	}
	return out, nil
}

func (p *Plan) setEngines(r Request, f *file, c Catalog) error {
	names := c.defaultEngines()
	switch {
	case len(r.Engines) > 0:
		names = r.Engines
	case f.EngineNames != nil:
		names = f.EngineNames
	}
	fromFile := len(r.Engines) == 0
	if len(names) == 0 {
		return place(fromFile, f, "engine_names", "--engines", errors.New("no engine is named"))
	}
	for name := range f.Engines {
		if _, err := c.driver(name); err != nil {
			return f.at("engines."+name, err)
		}
	}
	for _, name := range names {
		name = strings.TrimSpace(name)
		if _, err := c.driver(name); err != nil {
			return place(fromFile, f, "engine_names", "--engines", err)
		}
		if slices.ContainsFunc(p.Engines, func(e Engine) bool { return e.Name == name }) {
			return place(fromFile, f, "engine_names", "--engines", fmt.Errorf("engine %s is named twice", name))
		}
		e := Engine{Name: name, Options: f.Engines[name]}
		if err := c.configure(&e, p.allDurabilities(), p.Workloads[0].Params.MemoryBytes); err != nil {
			if f.Engines[name] == nil {
				return err
			}
			return f.at(c.explainOption(f, name, err))
		}
		p.Engines = append(p.Engines, e)
	}
	return nil
}

// explainOption turns the driver's refusal of options into the place and the
// nearest name of an unknown one, where that is what was wrong. key is where
// it stands in the file.
func (c Catalog) explainOption(f *file, name string, cause error) (key string, err error) {
	key = "engines." + name
	d, err := c.driver(name)
	if err != nil {
		return key, cause
	}
	fields, err := DefaultOptions(d)
	if err != nil {
		return key, cause
	}
	valid := sortedKeys(fields)
	for _, option := range sortedKeys(f.Engines[name]) {
		if _, ok := fields[option]; !ok {
			return key + "." + option, unknown("option of engine "+name, option, valid)
		}
	}
	return key, cause
}

// Strongest is the strongest durability that an engine offers.
func Strongest(d engines.Driver) (engines.Durability, error) {
	classes := d.Info().Classes
	if len(classes) == 0 {
		return engines.Durability{}, fmt.Errorf("engine %s offers no durability class", d.Info().Name)
	}
	strongest := engines.Durability{Class: slices.Max(classes)}
	if strongest.Class == engines.Interval {
		strongest.Window = 10 * time.Millisecond
	}
	return strongest, nil
}

// DefaultOptions are the options of an engine with their defaults, under the
// strongest class that it has.
func DefaultOptions(d engines.Driver) (map[string]any, error) {
	strongest, err := Strongest(d)
	if err != nil {
		return nil, err
	}
	effective, err := d.Configure(engines.Options{Durability: strongest})
	if err != nil {
		return nil, err
	}
	tree, err := generic(effective)
	if err != nil {
		return nil, err
	}
	fields, _ := tree.(map[string]any) // an engine without options may return null
	return fields, nil
}

// allDurabilities are those of the plan and of its workloads.
func (p *Plan) allDurabilities() []engines.Durability {
	all := slices.Clone(p.Durability)
	for _, w := range p.Workloads {
		for _, d := range w.Durability {
			if !slices.Contains(all, d) {
				all = append(all, d)
			}
		}
	}
	return all
}

// refuseImpossible refuses a class that was asked for by name and that none of
// the engines can honour. Where some can, the others have skipped cells.
func (p *Plan) refuseImpossible() error {
	for _, d := range p.Durability {
		var why []string
		for _, e := range p.Engines {
			if reason, skip := e.Skip[d.String()]; skip {
				why = append(why, e.Name+": "+reason)
			}
		}
		if len(why) == len(p.Engines) {
			return fmt.Errorf("durability %s: no engine of the plan can honour it (%s)", d, strings.Join(why, "; "))
		}
	}
	return nil
}

// checkKeys refuses a plan that names two cells alike or has no cell at all.
func (p *Plan) checkKeys() error {
	seen := map[string]bool{}
	cells := p.Cells()
	for _, c := range cells {
		if seen[c.Key] {
			return fmt.Errorf("two cells of the plan are called %s: give the workloads distinct names", c.Key)
		}
		seen[c.Key] = true
	}
	if len(cells) == 0 {
		return fmt.Errorf("the plan has no cell: no workload runs in class %s", joinDurabilities(p.Durability))
	}
	return nil
}

func joinDurabilities(list []engines.Durability) string {
	var names []string
	for _, d := range list {
		names = append(names, d.String())
	}
	return strings.Join(names, ", ")
}

// recovery reports whether the workload kills and recovers.
func (w Workload) recovery() bool {
	return w.Kind == result.KindRecovery || w.Kind == result.KindCurve
}
