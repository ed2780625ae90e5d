package plan

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"orbitbench/engines"
	"orbitbench/harness/result"
)

// setWorkloads fills p.Workloads: the file's tables if it has any, else the
// profile's shapes of its presets; then the selection and the flags over them.
func (p *Plan) setWorkloads(r Request, f *file, profile Profile, c Catalog) error {
	path, err := choosePath(r, f)
	if err != nil {
		return err
	}
	if len(f.Workloads) > 0 {
		err = p.fileWorkloads(f, c)
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
			if suffix != "" && suffix != s.suffix {
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

func (p *Plan) fileWorkloads(f *file, c Catalog) error {
	for i := range f.Workloads {
		at := fmt.Sprintf("workload.%d", i)
		w, key, err := f.Workloads[i].expand(p, c)
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

// expand lays a table over its preset. key names what an error is about.
func (t *fileWorkload) expand(p *Plan, c Catalog) (w Workload, key string, err error) {
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
	overlay(&w.Name, t.Name)
	overlay(&w.Kind, t.Kind)
	overlay(&w.Path, t.Path)
	if w.recovery() {
		w.Repetitions = 1
		w.Params.Loop, w.Params.Workers = "closed", closedWorkers
	}
	overlay(&w.Repetitions, t.Repetitions)
	t.params(&w.Params)
	if w.Params.Loop == "closed" && t.RatePerS == nil {
		w.Params.RatePerS = 0
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
		if w.Params.Loop == "open" {
			open++
			overlay(&w.Params.RatePerS, r.RatePerS)
		}
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

// operations are those that a mix may name.
var operations = []string{"acquire", "get", "list", "release", "renew"}

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

// Limits of a plan. They are far above what one machine can do, and keep a
// slip of the finger from filling memory.
const (
	maxActors  = 1_000_000_000
	maxWorkers = 100_000
	maxSeconds = 7 * 24 * 3600
)

// check returns the first parameter that makes no sense, by its key.
func (w *Workload) check() (key string, err error) {
	p := &w.Params
	bad := func(k, format string, args ...any) {
		if err == nil {
			key, err = k, fmt.Errorf(format, args...)
		}
	}
	if !namePattern.MatchString(w.Name) {
		bad("name", "workload name %q: want lower case letters, digits and dashes", w.Name)
	}
	if w.Kind != result.KindRenewal && w.Kind != result.KindRecovery {
		bad("kind", "%v", unknown("kind of workload", w.Kind, []string{result.KindRenewal, result.KindRecovery}))
	}
	if w.Path != "" && w.Path != PathBest && w.Path != PathGeneric {
		bad("path", "%v", unknown("path", w.Path, []string{PathBest, PathGeneric}))
	}
	inRange := func(k string, v, low, high float64) {
		if !(v >= low && v <= high) { // NaN is out of every range
			bad(k, "%s is %v: want %v to %v", k, v, low, high)
		}
	}
	inRange("actors", float64(p.Actors), 1, maxActors)
	inRange("actor_types", float64(p.ActorTypes), 1, maxActors)
	inRange("nodes", float64(p.Nodes), 1, maxActors)
	inRange("value_bytes", float64(p.ValueBytes), 1, engines.MaxValueBytes)
	inRange("prefill", p.Prefill, 0, 1)
	inRange("workers", float64(p.Workers), 1, maxWorkers)
	if p.MemoryBytes < 0 {
		bad("memory_bytes", "memory_bytes is %d: want 0 (the default) or more", p.MemoryBytes)
	}
	if !(p.LeaseSeconds > 0) {
		bad("lease_seconds", "lease_seconds is %v: want more than 0", p.LeaseSeconds)
	}
	if !(p.RenewSeconds >= 0) {
		bad("renew_seconds", "renew_seconds is %v: want 0 or more", p.RenewSeconds)
	}
	if err != nil {
		return key, err
	}
	if key, err := checkMix(p.Mix); err != nil {
		return key, err
	}
	if key, err := checkLoad(p); err != nil {
		return key, err
	}
	return w.checkKind()
}

func checkMix(mix map[string]float64) (key string, err error) {
	sum := 0.0
	for _, op := range sortedKeys(mix) {
		if !slices.Contains(operations, op) {
			return "mix." + op, unknown("operation", op, operations)
		}
		if !(mix[op] >= 0) {
			return "mix." + op, fmt.Errorf("share of %s is %v: want 0 to 1", op, mix[op])
		}
		sum += mix[op]
	}
	if math.Abs(sum-1) > 1e-6 {
		return "mix", fmt.Errorf("the shares of the mix sum to %.6g: want 1", sum)
	}
	return "", nil
}

func checkLoad(p *result.Params) (key string, err error) {
	switch p.Distribution {
	case "uniform":
	case "zipf":
		if !(p.ZipfS > 0) {
			return "zipf_s", fmt.Errorf("zipf_s is %v: want more than 0 with distribution zipf", p.ZipfS)
		}
	default:
		return "distribution", unknown("distribution", p.Distribution, []string{"uniform", "zipf"})
	}
	switch p.Loop {
	case "open":
		if !(p.RatePerS > 0 && p.RatePerS <= 1e8) {
			return "rate_per_s", fmt.Errorf("rate is %v/s: want more than 0 (an open loop offers operations at a rate)", p.RatePerS)
		}
	case "closed":
		if p.RatePerS != 0 {
			return "rate_per_s", fmt.Errorf("rate is %v/s in a closed loop: want none, or loop = \"open\"", p.RatePerS)
		}
	default:
		return "loop", unknown("loop", p.Loop, []string{"open", "closed"})
	}
	return "", nil
}

func (w *Workload) checkKind() (key string, err error) {
	if !w.recovery() {
		if w.Repetitions != 0 {
			return "repetitions", fmt.Errorf("repetitions is %d: only recovery kills and repeats; trials repeat a cell", w.Repetitions)
		}
		if !(w.Params.Seconds > 0 && w.Params.Seconds <= maxSeconds) {
			return "seconds", fmt.Errorf("measured time is %v s: want more than 0 and at most %d", w.Params.Seconds, maxSeconds)
		}
		if !(w.Params.WarmupSeconds >= 0 && w.Params.WarmupSeconds <= maxSeconds) {
			return "warmup_seconds", fmt.Errorf("warm-up is %v s: want 0 to %d", w.Params.WarmupSeconds, maxSeconds)
		}
		return "", nil
	}
	if w.Repetitions < 1 || w.Repetitions > 10_000 {
		return "repetitions", fmt.Errorf("repetitions is %d: want 1 to 10000 kills per cell", w.Repetitions)
	}
	for _, d := range w.Durability {
		if d.Class == engines.None {
			return "durability", fmt.Errorf("recovery in class none: nothing survives the kill by definition; want process, interval or sync")
		}
	}
	return "", nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
