package main

import (
	"github.com/spf13/cobra"

	"orbitbench/harness/plan"
	"orbitbench/harness/runner"
)

const recoverHelp = `Measure recovery time against the size of the store and of its log.

For each engine, size and log, a store is loaded, checkpointed where the engine
can be asked to, given a log of so many acknowledged renewals, and killed with
SIGKILL at work. Then copies of it are opened, each in a fresh process, in turn with
the page cache dropped (cold) and filled (warm). Times run from before the start of
the process to the first verified read and the first acknowledged write. The first
recovery of each kind compares every lease with what was acknowledged, the others
verify what they read. Single reads of random leases follow, cold and warm.

Results lie in a run directory like those of run: resume goes on with one, report
makes its report anew. Ctrl-C keeps what is done.

Exit codes as for run: 11 if an engine lost or made up a lease.`

func (a *app) recoverCommand() *cobra.Command {
	var r plan.CurveRequest
	var o runner.Options
	var seed uint64
	var reads int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "measure recovery time against store size and log",
		Long:  recoverHelp,
		Example: `  orbitbench recover
  orbitbench recover --engines appendlog,pebble --profile standard
  orbitbench recover --sizes 100000,1000000 --log-renewals 0,100000 --repetitions 10`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("seed") {
				r.Seed = &seed
			}
			if cmd.Flags().Changed("reads") {
				r.Reads = &reads
			}
			p, err := plan.ExpandCurve(r, catalog())
			if err != nil {
				return usage(err)
			}
			return a.carryOut(cmd, p, "recover", &o, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&r.Profile, "profile", "", "effort: quick, ci, standard or full (default quick)")
	flags.IntSliceVar(&r.Sizes, "sizes", nil, "comma-separated `LEASES` in the store (default by profile)")
	flags.IntSliceVar(&r.Logs, "log-renewals", nil, "comma-separated `RENEWALS` between checkpoint and kill (default by profile)")
	flags.IntVar(&r.Repetitions, "repetitions", 0, "recoveries of each point and cache (default 3, 10 or 20 by profile)")
	flags.IntVar(&reads, "reads", 0, "single reads after each recovery (default 1000)")
	flags.StringSliceVar(&r.Engines, "engines", nil, "comma-separated engine `NAMES` (default all but pure baselines; see list engines)")
	flags.StringSliceVar(&r.Durability, "durability", nil, "durability `CLASSES`: process, interval:10ms, sync (default sync)")
	flags.Uint64Var(&seed, "seed", 0, "seed of the load and of the order of cells (default 1)")
	a.addOutFlags(cmd, &o, "TIME-recover-PROFILE", &asJSON)
	return cmd
}
