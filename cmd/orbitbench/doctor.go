package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"orbitbench/harness/doctor"
	"orbitbench/harness/result"
	"orbitbench/harness/runner"
)

const doctorHelp = `Look at this machine before anything is measured on it, and say what would make
figures wrong: the file system of the data directory and its mount options, the
device and its write cache, what one durable write takes, free disk for the plan,
processors, governor, load, stolen time, limits of the control group, memory,
clock source, and what this user may do.

Each check is PASS, INFO, WARN or FAIL; with WARN and FAIL stands what to do. A
run makes the same checks at its start, prints what is wrong and keeps all of it
in its result. The flags of a plan decide how much disk is needed, and for which
classes. A run refuses classes sync and interval where no device stands behind
the data directory.

Exit codes: 0 no check failed, 1 a check failed, 2 wrong usage.`

func (a *app) doctorCommand() *cobra.Command {
	var flags planFlags
	var dataDir string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "say what on this machine would make figures wrong",
		Long:  doctorHelp,
		Example: `  orbitbench doctor
  orbitbench doctor --data-dir /mnt/nvme/data --profile full --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.doctor(cmd.Context(), &flags, dataDir, asJSON)
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&dataDir, "data-dir", ".", "`DIR` where the engines' data is to lie; it need not exist")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return cmd
}

func (a *app) doctor(ctx context.Context, flags *planFlags, dataDir string, asJSON bool) error {
	p, err := flags.expand()
	if err != nil {
		return err
	}
	if dataDir == "" {
		return usage(errors.New("--data-dir is empty: want a directory"))
	}
	if dataDir, err = filepath.Abs(dataDir); err != nil {
		return usage(fmt.Errorf("--data-dir: %w", err))
	}
	findings := doctor.Examine(doctor.Look(ctx, doctor.Options{
		DataDir: dataDir, Durable: runner.Durable(p), NeedBytes: p.DiskBytes(false), ReserveBytes: runner.ReserveBytes,
	}))
	if ctx.Err() != nil {
		return ctx.Err() // the probe was cut short
	}
	if asJSON {
		err = a.printJSON(findings)
	} else {
		err = a.printFindings(findings)
	}
	if err == nil && doctor.Failed(findings) {
		return &exit{code: runner.ExitFailure}
	}
	return err
}

func (a *app) printFindings(findings []result.Finding) error {
	for _, f := range findings {
		if _, err := fmt.Fprintln(a.stdout, doctor.Line(f)); err != nil {
			return err
		}
	}
	return nil
}
