package main

import (
	"github.com/spf13/cobra"

	"orbitbench/harness/plan"
)

// planFlags are the flags that make a plan, shared by run and plan.
type planFlags struct {
	cmd                              *cobra.Command
	profile, file, path, control     string
	engines, workloads, durability   []string
	trials, actors, workers          int
	seed                             uint64
	ratePerS, seconds, warmupSeconds float64
}

func (f *planFlags) add(cmd *cobra.Command) {
	f.cmd = cmd
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.profile, "profile", "", "size of the run: quick, ci, standard or full (default quick)")
	flags.StringVar(&f.file, "plan", "", "`FILE` with a TOML plan; flags stand over it, it stands over the profile")
	flags.StringSliceVar(&f.engines, "engines", nil, "comma-separated engine `NAMES` (default all but pure baselines; see list engines)")
	flags.StringSliceVar(&f.workloads, "workloads", nil, "comma-separated `NAMES` of workloads or presets (see list workloads, list presets)")
	flags.StringSliceVar(&f.durability, "durability", nil, "durability `CLASSES`: none, process, interval:10ms, sync")
	flags.IntVar(&f.trials, "trials", 0, "trials of each cell, interleaved (default by profile)")
	flags.Uint64Var(&f.seed, "seed", 0, "seed of the load and of the order of cells (default 1)")
	flags.StringVar(&f.path, "path", "", "best, each engine's own renewal, or generic: get, check and apply (default best)")
	flags.StringVar(&f.control, "control", "", "`ENGINE` that runs twice in each trial, so that the noise of the machine is known, or none (default by profile)")
	flags.IntVar(&f.actors, "actors", 0, "number of actors (default by preset)")
	flags.IntVar(&f.workers, "workers", 0, "concurrent workers (default by workload)")
	flags.Float64Var(&f.ratePerS, "rate", 0, "`OPERATIONS` offered per second, open loop (default by workload)")
	flags.Float64Var(&f.seconds, "seconds", 0, "`SECONDS` to measure (default by profile)")
	flags.Float64Var(&f.warmupSeconds, "warmup", 0, "`SECONDS` to warm up (default by profile)")
}

// request turns the flags that were given into a request.
func (f *planFlags) request() plan.Request {
	r := plan.Request{Profile: f.profile, File: f.file, Engines: f.engines, Workloads: f.workloads, Durability: f.durability, Path: f.path, Control: f.control}
	given(f, "trials", &r.Trials, &f.trials)
	given(f, "seed", &r.Seed, &f.seed)
	given(f, "actors", &r.Actors, &f.actors)
	given(f, "workers", &r.Workers, &f.workers)
	given(f, "rate", &r.RatePerS, &f.ratePerS)
	given(f, "seconds", &r.Seconds, &f.seconds)
	given(f, "warmup", &r.WarmupSeconds, &f.warmupSeconds)
	return r
}

// given sets dst if the flag stood on the command line, whatever its value.
func given[T any](f *planFlags, name string, dst **T, value *T) {
	if f.cmd.Flags().Changed(name) {
		*dst = value
	}
}

// expand makes the plan that the flags ask for.
func (f *planFlags) expand() (*plan.Plan, error) {
	p, err := plan.Expand(f.request(), catalog())
	if err != nil {
		return nil, usage(err)
	}
	return p, nil
}
