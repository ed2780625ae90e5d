package plan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"orbitbench/harness/capacity"
	"orbitbench/harness/result"
	"orbitbench/workloads"
)

// Capacity says how the capacity of an engine is sought. A workload of this
// kind has cells that the plan lists (the searches, one a trial) and cells that
// follow from their results (the confirmations, from Next).
type Capacity struct {
	Promise       string  `json:"promise"`
	MaxLeases     int     `json:"max_leases"`     // the search ends there
	Precision     float64 `json:"precision"`      // width of the bracket: 0.1 is 10%
	Confirmations int     `json:"confirmations"`  // trials of a rate that decide about it
	ConfirmTrials int     `json:"confirm_trials"` // of all rates together, at most
}

// CapacityName is the name of the workload that `capacity` makes.
const CapacityName = "capacity"

// confirmSuffix is added to a workload's name for its confirmations.
const confirmSuffix = "-confirm"

// Timings of a capacity where none are given: leases of three intervals, as the
// shortest in the field have them.
const (
	RenewSeconds   = 10
	leaseIntervals = 3
	searchStart    = 1000.0 // renewals/s of the first probe
	maxConfirm     = 60.0   // s that a confirmation takes at most
)

// searchProbes is about how many probes a search takes, and probeExtra what
// each takes beside its own time.
const (
	searchProbes = 15
	probeExtra   = 0.7
)

// capacityKnobs are those of a profile.
type capacityKnobs struct {
	Capacity
	trials       int
	searchLeases int
	probe        float64 // s
	warmup       float64 // s before a confirmation; 0 is one interval
	durability   []string
}

func capacityOf(profile string) capacityKnobs {
	switch profile {
	case "ci":
		return capacityKnobs{Capacity{MaxLeases: 500_000, Precision: 0.15, Confirmations: 1, ConfirmTrials: 4}, 3, 50_000, 1, 2, []string{"sync"}}
	case "standard":
		return capacityKnobs{Capacity{MaxLeases: 2_000_000, Precision: 0.1, Confirmations: 3, ConfirmTrials: 12}, 3, 200_000, 2, 0, []string{"sync", "process"}}
	case "full":
		return capacityKnobs{Capacity{MaxLeases: 10_000_000, Precision: 0.05, Confirmations: 5, ConfirmTrials: 30}, 7, 1_000_000, 3, 0, []string{"sync", "interval:10ms", "process"}}
	}
	return capacityKnobs{Capacity{MaxLeases: 1_000_000, Precision: 0.15, Confirmations: 1, ConfirmTrials: 4}, 1, 50_000, 1, 1, []string{"sync"}}
}

// CapacityRequest is what the user asked of `capacity`. Empty fields were not given.
type CapacityRequest struct {
	Profile, Promise    string
	Engines, Durability []string
	RenewSeconds        float64
	LeaseSeconds        float64
	MaxLeases, Trials   int
	Seed                *uint64
}

// ExpandCapacity makes the plan of a capacity.
func ExpandCapacity(r CapacityRequest, c Catalog) (*Plan, error) {
	profile, err := chooseProfile(Request{Profile: r.Profile}, &file{})
	if err != nil {
		return nil, err
	}
	knobs := capacityOf(profile.Name)
	profile.Durability = knobs.durability
	p := &Plan{Profile: profile.Name, Preview: profile.Preview, Seed: 1, Trials: knobs.trials}
	overlay(&p.Seed, r.Seed)
	if r.Trials != 0 {
		p.Trials = r.Trials
	}
	if p.Trials < 1 {
		return nil, fmt.Errorf("--trials: %d trials: want at least 1", p.Trials)
	}
	w, err := capacityWorkload(profile.Name, c)
	if err != nil {
		return nil, err
	}
	if r.Promise != "" {
		w.Capacity.Promise = r.Promise
	}
	if r.MaxLeases != 0 {
		w.Capacity.MaxLeases = r.MaxLeases
	}
	if r.RenewSeconds != 0 {
		w.Params.RenewSeconds = r.RenewSeconds
		w.Params.LeaseSeconds = leaseIntervals * r.RenewSeconds
		if knobs.warmup == 0 {
			w.Params.WarmupSeconds = r.RenewSeconds
		}
	}
	if r.LeaseSeconds != 0 {
		w.Params.LeaseSeconds = r.LeaseSeconds
	}
	return p.complete(Request{Engines: r.Engines, Durability: r.Durability}, profile, c, []Workload{w})
}

// complete fills in durability, workloads and engines of a plan whose workloads
// do not come from the shapes of a profile.
func (p *Plan) complete(r Request, profile Profile, c Catalog, list []Workload) (*Plan, error) {
	f := &file{}
	asked, err := p.setDurability(r, f, profile)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Durability = p.Durability
	}
	p.Workloads = list
	if err := p.flagWorkloads(Request{}); err != nil {
		return nil, err
	}
	if err := p.setEngines(r, f, c); err != nil {
		return nil, err
	}
	if asked {
		if err := p.refuseImpossible(); err != nil {
			return nil, err
		}
	}
	return p, p.checkKeys()
}

// capacityWorkload is the workload of a profile.
func capacityWorkload(profile string, c Catalog) (Workload, error) {
	preset, err := c.preset("orbit-default")
	if err != nil {
		return Workload{}, err
	}
	w := Workload{Name: CapacityName, Params: preset.Params}
	w.Params.Preset = preset.Name
	w.beCapacity(profile)
	return w, nil
}

// beCapacity makes w a capacity with the knobs of a profile.
func (w *Workload) beCapacity(profile string) {
	knobs := capacityOf(profile)
	w.Kind, w.Capacity = result.KindCapacity, &knobs.Capacity
	w.Capacity.Promise = capacity.DefaultPromise
	p := &w.Params
	p.Mix, p.Distribution, p.Prefill = map[string]float64{workloads.Renew.String(): 1}, workloads.Rounds, 1
	p.Loop, p.RatePerS, p.Workers = workloads.Open, searchStart, max(p.Workers, 1)
	p.RenewSeconds, p.LeaseSeconds = RenewSeconds, leaseIntervals*RenewSeconds
	p.Actors, p.Seconds, p.WarmupSeconds = knobs.searchLeases, knobs.probe, knobs.warmup
	if knobs.warmup == 0 {
		p.WarmupSeconds = p.RenewSeconds
	}
}

// settle keeps a search within its bound.
func (c *Capacity) settle(p *result.Params) {
	if c == nil || c.MaxLeases < 1 || !(p.RenewSeconds > 0) {
		return
	}
	p.Actors = min(p.Actors, c.MaxLeases)
	p.RatePerS = min(p.RatePerS, c.bound(p))
}

// bound is the highest rate of a search, renewals/s.
func (c *Capacity) bound(p *result.Params) float64 { return float64(c.MaxLeases) / p.RenewSeconds }

// check returns the first field that makes no sense, by its key.
func (c *Capacity) check(p *result.Params) (key string, err error) {
	if c == nil {
		return "", nil
	}
	if _, err := capacity.Parse(c.Promise); err != nil {
		return "promise", err
	}
	switch {
	case !(p.RenewSeconds > 0):
		return "renew_seconds", fmt.Errorf("renew_seconds is %v: want more than 0, the capacity is rate times interval", p.RenewSeconds)
	case !(p.LeaseSeconds > p.RenewSeconds):
		return "lease_seconds", fmt.Errorf("leases of %v s are renewed each %v s: want them longer than the interval", p.LeaseSeconds, p.RenewSeconds)
	case p.Distribution != workloads.Rounds:
		return "distribution", fmt.Errorf("distribution is %q: a capacity renews each lease in its turn, want %q", p.Distribution, workloads.Rounds)
	case p.Loop != workloads.Open:
		return "loop", fmt.Errorf("loop is %q: a promise is judged in an open loop", p.Loop)
	case p.Mix[workloads.Renew.String()] != 1:
		return "mix", fmt.Errorf("a capacity renews and does nothing else: want mix = { renew = 1 }")
	case c.MaxLeases < 1 || c.MaxLeases > workloads.MaxActors:
		return "max_leases", fmt.Errorf("max_leases is %d: want 1 to %d", c.MaxLeases, workloads.MaxActors)
	case !(c.Precision >= 0.01 && c.Precision <= 1):
		return "precision", fmt.Errorf("precision is %v: want 0.01 to 1", c.Precision)
	case c.Confirmations < 1 || c.Confirmations > c.ConfirmTrials:
		return "confirmations", fmt.Errorf("confirmations is %d: want 1 to confirm_trials (%d)", c.Confirmations, c.ConfirmTrials)
	}
	return "", nil
}

// Next returns the cells that follow from the results so far, in random order
// by the seed, empty at the end: of each engine and class whose searches are
// done one more confirmation, unless its capacity is bracketed. It depends on
// nothing but the plan and the results, so that a run can be resumed.
func (p *Plan) Next(done map[string]*result.Cell) []Cell {
	var next []Cell
	for _, c := range p.block(1) {
		if c.Workload.Capacity == nil || c.Skip != "" {
			continue
		}
		searches := make([]*result.Cell, p.Trials)
		for i := range searches {
			searches[i] = done[key(c.Engine, c.Workload, c.Durability, i+1)]
		}
		if slices.Contains(searches, nil) {
			continue
		}
		if confirm, ok := c.confirm(p.Seed, searches, done); ok {
			next = append(next, confirm)
		}
	}
	rng := rand.New(rand.NewPCG(p.Seed, uint64(len(done))))
	rng.Shuffle(len(next), func(i, j int) { next[i], next[j] = next[j], next[i] })
	return next
}

// Grows reports whether the plan has cells that follow from results.
func (p *Plan) Grows() bool {
	return slices.ContainsFunc(p.Workloads, func(w Workload) bool { return w.Capacity != nil })
}

// confirm is the next confirmation for the searches of c.
func (c Cell) confirm(seed uint64, searches []*result.Cell, done map[string]*result.Cell) (Cell, bool) {
	ladder := c.Workload.Capacity.Ladder(&c.Workload.Params, searches)
	w := c.Workload
	w.Name += confirmSuffix
	var trials []capacity.Trial
	for n := 1; ; n++ {
		k := key(c.Engine, w, c.Durability, n)
		if res := done[k]; res != nil {
			trials = append(trials, trialOf(res))
			continue
		}
		rate, ok := ladder.Next(trials)
		if !ok {
			return Cell{}, false
		}
		w.Params = w.Capacity.confirmParams(w.Params, rate)
		return Cell{
			PlanCell: result.PlanCell{Key: k, Engine: c.Engine, Workload: w.Name, Durability: c.PlanCell.Durability, Trial: n},
			Workload: w, Durability: c.Durability, Config: c.Config, Seed: cellSeed(seed, w.Name, n), Confirm: true,
		}, true
	}
}

// trialOf is what a confirmation says. One that failed did not keep the promise.
func trialOf(res *result.Cell) capacity.Trial {
	t := capacity.Trial{RatePerS: res.Params.RatePerS}
	if res.Status == result.OK && res.Capacity != nil && len(res.Capacity.Probes) > 0 {
		t.Kept = res.Capacity.Probes[0].Kept
	}
	return t
}

// Ladder is that of the confirmations after these searches: it begins at the
// median of the rates that they kept. Searches that failed count as none kept.
func (c *Capacity) Ladder(p *result.Params, searches []*result.Cell) capacity.Ladder {
	var kept []float64
	for _, s := range searches {
		rate := 0.0
		if s.Status == result.OK && s.Capacity != nil {
			rate = s.Capacity.KeptPerS
		}
		kept = append(kept, rate)
	}
	slices.Sort(kept)
	return capacity.Ladder{
		StartPerS: kept[(len(kept)-1)/2], BoundPerS: c.bound(p), Step: c.Precision,
		Confirmations: c.Confirmations, MaxTrials: c.ConfirmTrials,
	}
}

// confirmParams loads as many leases as a rate renews in an interval, and runs
// for one interval at least and until the promised percentile has its samples.
func (c *Capacity) confirmParams(p result.Params, ratePerS float64) result.Params {
	p.Actors = max(1, int(math.Round(ratePerS*p.RenewSeconds)))
	p.RatePerS = float64(p.Actors) / p.RenewSeconds
	promise, err := capacity.Parse(c.Promise)
	if err != nil {
		panic("plan: " + err.Error()) // check has seen it
	}
	p.Seconds = max(p.RenewSeconds, min(math.Ceil(promise.Samples()/p.RatePerS), maxConfirm))
	return p
}

// confirmTime is about how long all confirmations take: about three trials a
// rate and engine, with as many leases as a search loads.
func (p *Plan) confirmTime() time.Duration {
	s := 0.0
	for _, c := range p.block(1) {
		if c.Workload.Capacity == nil || c.Skip != "" {
			continue
		}
		k, params := c.Workload.Capacity, c.Workload.Params
		trials := min(float64(k.ConfirmTrials), 3*float64(k.Confirmations))
		s += trials * (startSeconds + floorSeconds + params.WarmupSeconds + params.RenewSeconds + 2*float64(params.Actors)/loadPerS)
	}
	return time.Duration(s * float64(time.Second))
}

// special makes w of a kind that has fields of its own, with those of the file.
func (t *fileWorkload) special(w *Workload, profile Profile) {
	switch w.Kind {
	case result.KindCapacity:
		w.beCapacity(profile.Name)
		c := w.Capacity
		overlay(&c.Promise, t.Promise)
		overlay(&c.MaxLeases, t.MaxLeases)
		overlay(&c.Precision, t.Precision)
		overlay(&c.Confirmations, t.Confirmations)
		overlay(&c.ConfirmTrials, t.ConfirmTrials)
	case result.KindCurve:
		w.Curve = &Curve{Reads: curveReads}
		w.Repetitions = curveOf(profile.Name).repetitions
		overlay(&w.Curve.LogRenewals, t.LogRenewals)
		overlay(&w.Curve.Reads, t.Reads)
	}
}
