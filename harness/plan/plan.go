package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"orbitbench/engines"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// Plan is a run in full: every default is filled in.
type Plan struct {
	Profile    string               `json:"profile"`
	Preview    bool                 `json:"preview"` // too short to be more than a look
	Seed       uint64               `json:"seed"`
	Trials     int                  `json:"trials"`
	Engines    []Engine             `json:"engines"`
	Durability []engines.Durability `json:"durability"`
	Workloads  []Workload           `json:"workloads"`
	// Control is the engine that runs twice in each trial, under two labels: what
	// the two differ by is the noise of the machine. "" for none.
	Control string `json:"control,omitempty"`
}

// Engine is one engine of a plan.
type Engine struct {
	Name    string         `json:"name"`
	Options map[string]any `json:"options,omitempty"` // as given; the rest are the engine's defaults
	// Effective is what the driver makes of Options, by durability, for the
	// classes that it can honour.
	Effective map[string]any `json:"effective,omitempty"`
	// Skip holds, for each durability of the plan that the engine cannot
	// honour, the driver's reason.
	Skip map[string]string `json:"skip,omitempty"`
}

// Workload is one workload with its parameters and the classes in which it runs.
type Workload struct {
	Name        string               `json:"name"`
	Kind        string               `json:"kind"`           // result.KindRenewal, KindRecovery, KindCapacity or KindCurve
	Path        string               `json:"path,omitempty"` // "" for each engine's best path, or "generic"
	Durability  []engines.Durability `json:"durability"`
	Repetitions int                  `json:"repetitions,omitempty"` // kills per cell; recoveries per cache of a recovery curve
	Params      result.Params        `json:"params"`
	Capacity    *Capacity            `json:"capacity,omitempty"` // of result.KindCapacity
	Curve       *Curve               `json:"curve,omitempty"`    // of result.KindCurve
}

// Catalog is what a plan may name: the engines in the order of the tables, and
// the presets. Mutants are engines broken on purpose: found by their whole name,
// so that a user can see them caught, and offered nowhere.
type Catalog struct {
	Drivers []engines.Driver
	Mutants []engines.Driver
	Presets []Preset
}

// Preset is a named set of workload parameters.
type Preset struct {
	Name   string        `json:"name"`
	Source string        `json:"source"`
	About  string        `json:"about"`
	Params result.Params `json:"params"`
}

// Presets are those of package workloads, in its order.
func Presets() []Preset {
	var all []Preset
	for _, p := range workloads.Presets() {
		all = append(all, Preset{p.Name, p.Source, p.About, result.Params(p.Params)})
	}
	return all
}

// Request is what the user asked for. Empty and nil fields were not given.
type Request struct {
	Profile       string   // name; "" is quick, or the one that the file names
	File          string   // path of a TOML plan
	Engines       []string // names; empty means the profile's
	Workloads     []string // names of workloads or presets
	Durability    []string
	Path          string // "best" or "generic"
	Control       string // engine that runs twice, or "none"
	Trials        *int
	Seed          *uint64
	Actors        *int
	Workers       *int
	RatePerS      *float64 // of every open-loop workload
	Seconds       *float64 // measured time of every renewal workload
	WarmupSeconds *float64
}

// PathBest and PathGeneric are the values of a path option.
const (
	PathBest    = "best"
	PathGeneric = "generic"
)

func (c Catalog) driver(name string) (engines.Driver, error) {
	var names []string
	for _, d := range c.Drivers {
		if d.Info().Name == name {
			return d, nil
		}
		names = append(names, d.Info().Name)
	}
	for _, d := range c.Mutants {
		if d.Info().Name == name {
			return d, nil
		}
	}
	return nil, unknown("engine", name, names)
}

func (c Catalog) preset(name string) (Preset, error) {
	var names []string
	for _, p := range c.Presets {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Preset{}, unknown("preset", name, names)
}

// defaultEngines are all that take part in a comparison by themselves:
// candidates, yardsticks and the reference model, but not a floor such as noop
// and no engine that is optional.
func (c Catalog) defaultEngines() []string {
	var names []string
	for _, d := range c.Drivers {
		if info := d.Info(); !info.Optional && (info.Role != engines.Baseline || info.Name == "memory") {
			names = append(names, info.Name)
		}
	}
	return names
}

// configure fills Effective and Skip of an engine for the durabilities of the plan.
func (c Catalog) configure(e *Engine, durability []engines.Durability, memoryBytes int64) error {
	d, err := c.driver(e.Name)
	if err != nil {
		return err
	}
	e.Effective, e.Skip = map[string]any{}, map[string]string{}
	info := d.Info()
	for _, dur := range durability {
		if err := info.Supports(dur); err != nil {
			e.Skip[dur.String()] = reason(info, dur)
			continue
		}
		effective, err := d.Configure(engines.Options{Durability: dur, MemoryBytes: memoryBytes, Config: e.Options})
		switch {
		case errors.Is(err, engines.ErrUnsupported):
			e.Skip[dur.String()] = strings.TrimPrefix(err.Error(), engines.ErrUnsupported.Error()+": ")
		case err != nil:
			return fmt.Errorf("engine %s: %w", e.Name, err)
		default:
			if e.Effective[dur.String()], err = generic(effective); err != nil {
				return fmt.Errorf("engine %s: effective configuration: %w", e.Name, err)
			}
		}
	}
	return nil
}

// reason is why the engine cannot honour d, without the prefixes of the error:
// it becomes the text of a table's cell.
func reason(info engines.Info, d engines.Durability) string {
	if why := info.WhyNot[d.Class]; why != "" {
		return why
	}
	return "the engine does not offer class " + d.Class.String()
}

// generic turns a configuration struct into maps and slices, so that a plan
// compares equal to itself after a round through JSON.
func generic(v any) (any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out any
	return out, json.Unmarshal(raw, &out)
}

func hasClass(classes []engines.Class, d engines.Durability) bool {
	return slices.Contains(classes, d.Class)
}
