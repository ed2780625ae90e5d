package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"orbitbench/engines"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// setWorkloads fills p.Workloads: the file's tables if it has any, else the
// profile's shapes of its presets; then the selection and the flags over them.
func (p *Plan) setWorkloads(r Request, f *file, profile Profile, c Catalog) error {
	path, err := choosePath(r, f)
	if err != nil {
		return err
	}
	if len(f.Workloads) > 0 {
		err = p.fileWorkloads(f, profile, c)
	} else {
		err = p.profileWorkloads(r, profile, c)
	}
	if err != nil {
		return err
	}
	if len(r.Workloads) > 0 && len(f.Workloads) > 0 {
		if err := p.selectWorkloads(r.Workloads); err != nil {
			return err
		}
	}
	for i := range p.Workloads {
		w := &p.Workloads[i]
		if r.Path != "" || w.Path == "" {
			w.Path = path
		}
		if w.Path == PathBest {
			w.Path = ""
		}
	}
	return p.flagWorkloads(r)
}

func choosePath(r Request, f *file) (string, error) {
	path := r.Path
	if path == "" && f.Path != nil {
		path = *f.Path
	}
	if path != "" && path != PathBest && path != PathGeneric {
		return "", place(r.Path == "", f, "path", "--path", unknown("path", path, []string{PathBest, PathGeneric}))
	}
	return path, nil
}

// profileWorkloads shapes the profile's presets, or those that --workloads
// names: a preset in every shape (k8s-node), or in one (k8s-node-open).
func (p *Plan) profileWorkloads(r Request, profile Profile, c Catalog) error {
	names := r.Workloads
	if len(names) == 0 {
		names = profile.Presets
	}
	for _, name := range names {
		name = strings.TrimSpace(name)
		base, suffix := splitSuffix(name)
		if _, err := c.preset(name); err == nil {
			base, suffix = name, ""
		}
		preset, err := c.preset(base)
		if err != nil {
			if len(r.Workloads) > 0 {
				return fmt.Errorf("--workloads: %w; a preset may end in %s, %s or %s", err, suffixOpen, suffixClosed, suffixRecovery)
			}
			return fmt.Errorf("profile %s: %w", profile.Name, err)
		}
		rate := 0.0
		if slices.Contains(profile.Presets, base) {
			rate = profile.ratePerS
		}
		for _, s := range profile.shapes {
			switch {
			case suffix != "" && suffix != s.suffix:
				continue
			case !s.fits(preset) && suffix != "":
				return fmt.Errorf("--workloads: %s: only leases are recovered after a kill; want %s%s or %s%s", name, base, suffixOpen, base, suffixClosed)
			case !s.fits(preset):
				continue
			}
			// A shape without a class of the plan has no cell, unless it was asked for.
			if w := s.workload(preset, rate, p.Durability); len(w.Durability) > 0 {
				p.Workloads = append(p.Workloads, w)
			} else if suffix != "" {
				return fmt.Errorf("--workloads: %s runs in class %s, and the plan has %s only", name, joinClasses(s.classes), joinDurabilities(p.Durability))
			}
		}
	}
	if len(p.Workloads) == 0 {
		return fmt.Errorf("the plan has no workload in class %s", joinDurabilities(p.Durability))
	}
	return nil
}

func joinClasses(classes []engines.Class) string {
	var names []string
	for _, c := range classes {
		names = append(names, c.String())
	}
	return strings.Join(names, " or ")
}

func splitSuffix(name string) (base, suffix string) {
	for _, s := range []string{suffixOpen, suffixClosed, suffixRecovery} {
		if base, ok := strings.CutSuffix(name, s); ok {
			return base, s
		}
	}
	return name, ""
}

func (p *Plan) selectWorkloads(names []string) error {
	var selected []Workload
	var valid []string
	for _, w := range p.Workloads {
		valid = append(valid, w.Name)
	}
	for _, name := range names {
		i := slices.Index(valid, strings.TrimSpace(name))
		if i < 0 {
			return fmt.Errorf("--workloads: %w", unknown("workload of the plan", name, valid))
		}
		selected = append(selected, p.Workloads[i])
	}
	p.Workloads = selected
	return nil
}

func (p *Plan) fileWorkloads(f *file, profile Profile, c Catalog) error {
	for i := range f.Workloads {
		at := fmt.Sprintf("workload.%d", i)
		w, key, err := f.Workloads[i].expand(p, profile, c)
		if err == nil {
			key, err = w.check()
		}
		if err != nil {
			return f.at(at+"."+key, err)
		}
		if slices.ContainsFunc(p.Workloads, func(o Workload) bool { return o.Name == w.Name && o.Path == w.Path }) {
			return f.at(at+".name", fmt.Errorf("workload %q stands twice in the plan", w.Name))
		}
		p.Workloads = append(p.Workloads, w)
	}
	return nil
}

// expand lays a table over its preset, with the profile's times for its loop.
// key names what an error is about.
func (t *fileWorkload) expand(p *Plan, profile Profile, c Catalog) (w Workload, key string, err error) {
	w = Workload{Kind: result.KindRenewal, Durability: p.Durability}
	if t.Preset == nil {
		return w, "", fmt.Errorf("workload without a preset: want preset = NAME (orbitbench list presets shows them)")
	}
	preset, err := c.preset(*t.Preset)
	if err != nil {
		return w, "preset", err
	}
	w.Name, w.Params = preset.Name, preset.Params
	w.Params.Preset = preset.Name
	w.Kind = kindOf(w.Kind, preset.Params.Store)
	overlay(&w.Name, t.Name)
	overlay(&w.Kind, t.Kind)
	overlay(&w.Path, t.Path)
	if w.recovery() {
		w.Params.Loop = workloads.Closed
	}
	overlay(&w.Params.Loop, t.Loop)
	if w.Params.Loop == workloads.Closed {
		w.Params.Workers, w.Params.RatePerS = closedWorkers, 0
	}
	for _, s := range profile.shapes {
		if kindOf(s.kind, w.Params.Store) == w.Kind && s.loop == w.Params.Loop {
			w.Params.WarmupSeconds, w.Params.Seconds, w.Repetitions = s.warmup, s.seconds, s.repetitions
		}
	}
	t.special(&w, profile)
	overlay(&w.Repetitions, t.Repetitions)
	t.params(&w.Params)
	if w.Params.Distribution == workloads.Zipf && w.Params.ZipfS == 0 && t.ZipfS == nil {
		w.Params.ZipfS = workloads.DefaultZipfS
	}
	if t.Durability != nil {
		if w.Durability, err = parseDurabilities(t.Durability); err != nil {
			return w, "durability", err
		}
	} else if w.recovery() {
		w.Durability = slices.DeleteFunc(slices.Clone(w.Durability), func(d engines.Durability) bool { return d.Class == engines.None })
	}
	return w, "", nil
}

func (t *fileWorkload) params(p *result.Params) {
	overlay(&p.Actors, t.Actors)
	overlay(&p.ActorTypes, t.ActorTypes)
	overlay(&p.Nodes, t.Nodes)
	overlay(&p.LeaseSeconds, t.LeaseSeconds)
	overlay(&p.RenewSeconds, t.RenewSeconds)
	overlay(&p.ValueBytes, t.ValueBytes)
	overlay(&p.Prefill, t.Prefill)
	if t.Mix != nil {
		p.Mix = t.Mix
	}
	overlay(&p.Distribution, t.Distribution)
	overlay(&p.ZipfS, t.ZipfS)
	overlay(&p.Loop, t.Loop)
	overlay(&p.RatePerS, t.RatePerS)
	overlay(&p.Workers, t.Workers)
	overlay(&p.WarmupSeconds, t.WarmupSeconds)
	overlay(&p.Seconds, t.Seconds)
	overlay(&p.MemoryBytes, t.MemoryBytes)
}

// flagWorkloads lays the flags over every workload that they can mean.
func (p *Plan) flagWorkloads(r Request) error {
	open := 0
	for i := range p.Workloads {
		w := &p.Workloads[i]
		overlay(&w.Params.Actors, r.Actors)
		overlay(&w.Params.Workers, r.Workers)
		if !w.recovery() {
			overlay(&w.Params.Seconds, r.Seconds)
			overlay(&w.Params.WarmupSeconds, r.WarmupSeconds)
		}
		if w.Params.Loop == workloads.Open {
			open++
			overlay(&w.Params.RatePerS, r.RatePerS)
		}
		w.Capacity.settle(&w.Params)
		if w.Params.MemoryBytes == 0 {
			w.Params.MemoryBytes = engines.DefaultMemoryBytes
		}
		if key, err := w.check(); err != nil {
			if flag := flagOf(key, r); flag != "" {
				return fmt.Errorf("%s: %w", flag, err)
			}
			return fmt.Errorf("workload %s: %w", w.Name, err)
		}
	}
	if r.RatePerS != nil && open == 0 {
		return fmt.Errorf("--rate: the plan has no open-loop workload")
	}
	return nil
}

// flagOf is the flag behind a parameter, if it was given.
func flagOf(key string, r Request) string {
	switch {
	case key == "actors" && r.Actors != nil:
		return "--actors"
	case key == "workers" && r.Workers != nil:
		return "--workers"
	case key == "rate_per_s" && r.RatePerS != nil:
		return "--rate"
	case key == "seconds" && r.Seconds != nil:
		return "--seconds"
	case key == "warmup_seconds" && r.WarmupSeconds != nil:
		return "--warmup"
	}
	return ""
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
