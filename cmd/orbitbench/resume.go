package main

import (
	"github.com/spf13/cobra"

	"orbitbench/harness/runner"
)

const resumeHelp = `Run the cells of a run directory that have no result yet, because the run was
interrupted or killed. The plan, the seed and the data directory are those of
the run. A run that lacks nothing is reported again.

Exit codes as for run.`

func (a *app) resumeCommand() *cobra.Command {
	var o runner.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "resume DIR",
		Short:   "go on with a run that was interrupted",
		Long:    resumeHelp,
		Example: "  orbitbench resume runs/20260102-150405-quick\n  orbitbench resume runs/night --retry-failed",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Out = args[0]; isCrashRun(o.Out) {
				return a.crashResume(cmd.Context(), o.Out, o.LockFile, o.RetryFailed, asJSON)
			}
			if err := a.complete(cmd, &o); err != nil {
				return err
			}
			defer noteInterrupt(cmd.Context(), o.Progress)()
			s, err := runner.Resume(cmd.Context(), o, catalog())
			return a.conclude(s, err, asJSON)
		},
	}
	cmd.Flags().BoolVar(&o.RetryFailed, "retry-failed", false, "run failed cells again too")
	cmd.Flags().BoolVar(&o.KeepData, "keep-data", false, "keep the engines' data")
	a.addRunFlags(cmd, &o, &asJSON)
	return cmd
}
