package plan

import (
	"orbitbench/engines"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// Profile is a named size of run.
type Profile struct {
	Name       string   `json:"name"`
	Summary    string   `json:"summary"`
	Preview    bool     `json:"preview"`
	Trials     int      `json:"trials"`
	Presets    []string `json:"presets"`
	Durability []string `json:"durability"`

	ratePerS float64 // offered by the open loop for the profile's own presets; 0 keeps the preset's rate
	shapes   []shape
	control  bool // an engine runs twice in each trial
}

// shape makes a workload of a preset: the preset says what the load is, the
// shape how it is offered, in which classes and for how long.
//
// Waiting for a device is what costs in the classes sync and interval, so
// their latency is taken open loop at a rate that every engine can hold. In
// process and none an operation costs about as much as the generator's own
// pacing; there the cost of an operation comes from a closed loop with few workers.
type shape struct {
	suffix      string
	kind        string
	loop        string
	classes     []engines.Class
	workers     int // 0 keeps the preset's
	warmup      float64
	seconds     float64
	repetitions int
}

const (
	suffixOpen     = "-open"
	suffixClosed   = "-closed"
	suffixRecovery = "-recovery"
)

// closedWorkers are enough to show contention between two cores, and few
// enough that a latency is not mostly the wait for a core.
const closedWorkers = 2

func shapes(openWarmup, openSeconds, closedWarmup, closedSeconds float64, repetitions int) []shape {
	return []shape{
		{suffix: suffixOpen, kind: result.KindRenewal, loop: workloads.Open, classes: []engines.Class{engines.Sync, engines.Interval}, warmup: openWarmup, seconds: openSeconds},
		{suffix: suffixClosed, kind: result.KindRenewal, loop: workloads.Closed, classes: []engines.Class{engines.Process, engines.None}, workers: closedWorkers, warmup: closedWarmup, seconds: closedSeconds},
		{suffix: suffixRecovery, kind: result.KindRecovery, loop: workloads.Closed, classes: []engines.Class{engines.Sync}, workers: closedWorkers, repetitions: repetitions},
	}
}

// steadyRate is an open-loop rate that every engine holds under sync, also one
// that commits alone and waits for the device twice each time: on a disk with a
// flush of 0.2 ms that one is busy for about two thirds of the time.
//
// quickSeconds of it put five renewals above the 99.9th percentile, which the
// tables mark: in two minutes for seven engines there is no time for ten, and
// p99 has fifty. steadySeconds of twelve trials put more than seventy above it, and are
// the fewest whole seconds in which a trend can be told from chance.
const (
	steadyRate    = 1200
	quickSeconds  = 5.0
	steadySeconds = 6.0
)

// Profiles returns the profiles, shortest first.
func Profiles() []Profile {
	return []Profile{
		{
			Name: "quick", Preview: true, Trials: 1,
			Summary:    "about two minutes for every engine; one trial, so a look and no verdict (PREVIEW)",
			Presets:    []string{"orbit-default"},
			Durability: []string{"sync", "process"},
			ratePerS:   steadyRate,
			shapes:     shapes(0.5, quickSeconds, 0.3, 1.2, 1),
		},
		{
			Name: "ci", Trials: 7,
			Summary:    "seven very short trials, the fewest that can gate a change; about a minute and a half for each engine",
			Presets:    []string{"k8s-node"},
			Durability: []string{"sync", "process"},
			ratePerS:   steadyRate,
			shapes:     shapes(0.5, 2, 0.3, 1, 1),
			control:    true,
		},
		{
			Name: "standard", Trials: 12,
			Summary:    "twelve trials in the classes sync and process; about half an hour for every engine",
			Presets:    []string{"orbit-default"},
			Durability: []string{"sync", "process"},
			ratePerS:   steadyRate,
			shapes:     shapes(1, steadySeconds, 0.5, 2, 1),
			control:    true,
		},
		{
			Name: "full", Trials: 12,
			Summary:    "all four classes and three presets, up to a million actors; many hours",
			Presets:    []string{"orbit-default", "orbit-1m", "k8s-node"},
			Durability: []string{"sync", "interval:10ms", "process", "none"},
			shapes:     shapes(5, 30, 2, 10, 3),
			control:    true,
		},
	}
}

// WorkloadName describes the workloads that a run makes of any preset.
type WorkloadName struct {
	Pattern string   `json:"pattern"`
	Kind    string   `json:"kind"`
	Loop    string   `json:"loop"`
	Classes []string `json:"classes"`
	Summary string   `json:"summary"`
}

// WorkloadNames returns them; --workloads takes a name with PRESET filled in,
// or a preset alone for all three.
func WorkloadNames() []WorkloadName {
	about := map[string]string{
		suffixOpen:     "operations fall due at the preset's rate; latency runs from the due time",
		suffixClosed:   "a few workers, each starting the next operation when the last is done",
		suffixRecovery: "kill -9 of a loaded process, then exec to first verified read",
	}
	var all []WorkloadName
	for _, s := range shapes(0, 0, 0, 0, 0) {
		n := WorkloadName{Pattern: "PRESET" + s.suffix, Kind: s.kind, Loop: s.loop, Summary: about[s.suffix]}
		for _, c := range s.classes {
			n.Classes = append(n.Classes, c.String())
		}
		all = append(all, n)
	}
	stores := map[string]string{
		workloads.StoreNodes:      "cluster members instead of leases: renew, get, list active, update status, join, leave",
		workloads.StoreQueryCache: "cached query results instead of leases: look up, put after a miss, time to live, eviction",
		workloads.StoreTimeSeries: "time series instead of leases: append in the order of time, read the last 100 points",
	}
	for _, name := range workloads.Stores() {
		for _, s := range shapes(0, 0, 0, 0, 0) {
			if s.kind != result.KindRenewal {
				continue
			}
			n := WorkloadName{Pattern: name + s.suffix, Kind: name, Loop: s.loop, Summary: stores[name]}
			for _, c := range s.classes {
				n.Classes = append(n.Classes, c.String())
			}
			all = append(all, n)
		}
	}
	return all
}

func findProfile(name string) (Profile, error) {
	var names []string
	for _, p := range Profiles() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Profile{}, unknown("profile", name, names)
}

// kindOf is the kind of a workload: latency under load is that of the store
// which the load is for.
func kindOf(kind, store string) string {
	if kind == result.KindRenewal && store != "" {
		return store
	}
	return kind
}

// fits reports whether there is such a workload of a preset: only leases are
// recovered after a kill.
func (s shape) fits(p Preset) bool { return s.kind == result.KindRenewal || p.Params.Store == "" }

// workload makes the shape's workload of a preset.
func (s shape) workload(p Preset, ratePerS float64, durability []engines.Durability) Workload {
	w := Workload{Name: p.Name + s.suffix, Kind: kindOf(s.kind, p.Params.Store), Repetitions: s.repetitions, Params: p.Params}
	w.Params.Preset = p.Name
	w.Params.Loop = s.loop
	w.Params.WarmupSeconds, w.Params.Seconds = s.warmup, s.seconds
	if s.workers > 0 {
		w.Params.Workers = s.workers
	}
	switch {
	case s.loop == workloads.Closed:
		w.Params.RatePerS = 0
	case ratePerS > 0:
		w.Params.RatePerS = ratePerS
	}
	for _, d := range durability {
		if hasClass(s.classes, d) {
			w.Durability = append(w.Durability, d)
		}
	}
	return w
}
