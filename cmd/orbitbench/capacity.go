package main

import (
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"orbitbench/harness/capacity"
	"orbitbench/harness/plan"
	"orbitbench/harness/runner"
)

const capacityHelp = `Find the most leases that one node holds at a promise: by default 99.9% of the
renewals acknowledged within 10 ms of their due time, and none later than its
lease allows, with each lease renewed once in 10 s.

For each engine and durability class, a search offers renewals in an open loop at
growing rates until the promise is missed, and halves the gap. Then rates are
confirmed, each in a fresh process and store with as many leases loaded as it
renews in an interval, until one rate is confirmed and the next refuted. Those two
bracket the capacity. Leases that ran out and renewals that came too late are
counted, and the longest stall stands beside the slack that a lease leaves.

Results lie in a run directory like those of run: resume goes on with one, report
makes its report anew. Ctrl-C keeps what is done.

Exit codes as for run. An engine that keeps the promise at no rate is a result.`

func (a *app) capacityCommand() *cobra.Command {
	var r plan.CapacityRequest
	var o runner.Options
	var renew, lease time.Duration
	var seed uint64
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "capacity",
		Short: "find how many leases an engine holds at a promise",
		Long:  capacityHelp,
		Example: `  orbitbench capacity
  orbitbench capacity --engines appendlog,pebble --profile standard
  orbitbench capacity --promise "p99<=5ms" --renew-interval 5s --durability sync,process`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r.RenewSeconds, r.LeaseSeconds = renew.Seconds(), lease.Seconds()
			if cmd.Flags().Changed("seed") {
				r.Seed = &seed
			}
			p, err := plan.ExpandCapacity(r, catalog())
			if err != nil {
				return usage(err)
			}
			return a.carryOut(cmd, p, "capacity", &o, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&r.Profile, "profile", "", "effort: quick, ci, standard or full (default quick)")
	flags.StringVar(&r.Promise, "promise", capacity.DefaultPromise, "`BOUND` on a percentile of renewals, from their due time")
	flags.DurationVar(&renew, "renew-interval", plan.RenewSeconds*time.Second, "how often each lease is renewed")
	flags.DurationVar(&lease, "lease", 0, "how long a lease lasts (default three intervals)")
	flags.StringSliceVar(&r.Engines, "engines", nil, "comma-separated engine `NAMES` (default all but pure baselines; see list engines)")
	flags.StringSliceVar(&r.Durability, "durability", nil, "durability `CLASSES`: none, process, interval:10ms, sync (default by profile)")
	flags.IntVar(&r.MaxLeases, "max-leases", 0, "where the search ends (default by profile)")
	flags.IntVar(&r.Trials, "trials", 0, "searches of each engine and class (default by profile)")
	flags.Uint64Var(&seed, "seed", 0, "seed of the load and of the order of cells (default 1)")
	a.addOutFlags(cmd, &o, "TIME-capacity-PROFILE", &asJSON)
	return cmd
}

// addOutFlags adds the flags that say where a run's data and results lie.
func (a *app) addOutFlags(cmd *cobra.Command, o *runner.Options, name string, asJSON *bool) {
	cmd.Flags().StringVar(&o.DataDir, "data-dir", "", "`DIR` for the engines' data (default: the --out directory with .data added)")
	cmd.Flags().BoolVar(&o.KeepData, "keep-data", false, "keep the engines' data")
	cmd.Flags().StringVar(&o.Out, "out", "", "new or empty `DIR` for the results (default runs/"+name+")")
	a.addRunFlags(cmd, o, asJSON)
}

// outDir is the default of --out.
func outDir(parts ...string) string {
	name := time.Now().Format("20060102-150405")
	for _, p := range parts {
		if p != "" {
			name += "-" + p
		}
	}
	return filepath.Join("runs", name)
}
